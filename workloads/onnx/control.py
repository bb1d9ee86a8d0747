"""Control flow: the branch that is known to be taken, the body of a loop as often as it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from archsim.workloads.onnx.account import Account, Fate
from archsim.workloads.onnx.graph import Graph, Node
from archsim.workloads.onnx.site import joined
from archsim.workloads.onnx.values import UnsupportedError, Value

if TYPE_CHECKING:
    from archsim.workloads.onnx.walk import Scope, Walk

CONTROL = ("If", "Loop", "Scan")
MOST_STEPS = 1_000_000_000
"""Steps of a loop at most: more means that its end is decided inside."""

Inputs = tuple[Value | None, ...]


def run_control(walk: Walk, scope: Scope, node: Node, inputs: Inputs, count: int) -> list[Value]:
    """The results of an If, Loop or Scan. Where data decide, the node and all inside it are listed."""
    before = (dict(walk.ops), dict(walk.accounts), dict(walk.parameters), dict(walk.cached))
    try:
        match node.op:
            case "If":
                return _if(walk, scope, node, inputs, count)
            case "Loop":
                return _loop(walk, scope, node, inputs, count)
            case _:
                return _scan(walk, scope, node, inputs, count)
    except UnsupportedError as error:
        walk.ops, walk.accounts, walk.parameters, walk.cached = before
        return _listed(walk, node, inputs, str(error))


def _graph(node: Node, name: str) -> Graph:
    graph = node.attribute(name)
    if not isinstance(graph, Graph):
        raise UnsupportedError(f"it has no {name}")
    return graph


def _if(walk: Walk, scope: Scope, node: Node, inputs: Inputs, count: int) -> list[Value]:
    condition = inputs[0] if inputs else None
    if condition is None or condition.data is None or condition.data.size != 1:
        keys = " or ".join(f"workload.values.{name}" for name in walk.deciders[:3])
        raise UnsupportedError("its condition depends on data" + (f"; it may be decided by {keys}" if keys else ""))
    taken = "then_branch" if condition.data.reshape(-1)[0] else "else_branch"
    for name in ("then_branch", "else_branch"):
        if name != taken:
            _note_all(walk, _graph(node, name), Fate.SKIPPED)
    branch = _graph(node, taken)
    tensors = walk.graph(branch, scope, {}, count)
    walk.note(node, Fate.FOLDED)
    return [tensors[entry.name] for entry in branch.outputs]


def _loop(walk: Walk, scope: Scope, node: Node, inputs: Inputs, count: int) -> list[Value]:
    """A loop that runs a known number of times: trip count, condition, then what it carries."""
    body = _graph(node, "body")
    trips, condition = (inputs[index] if index < len(inputs) else None for index in (0, 1))
    steps = _known(trips, "the number of its steps depends on data")
    if condition is not None and (condition.data is None or not condition.data.reshape(-1).all()):
        raise UnsupportedError("whether it starts depends on data")
    if steps < 1:
        raise UnsupportedError("it does not run")
    carried = [_varying(value) for value in inputs[2:]]
    always = Value(element_type=9, shape=(), constant=True, data=np.asarray(True))
    given = [Value(element_type=7, shape=()), always, *carried]
    results = _body(walk, scope, body, given, count * steps)
    again = results[0]
    if again.data is None or not again.data.reshape(-1).all():
        raise UnsupportedError("its end depends on data")
    states, scans = results[1 : 1 + len(carried)], results[1 + len(carried) :]
    _check_states(carried, states)
    walk.note(node, Fate.FOLDED)
    return [*states, *(_stacked(value, steps, 0) for value in scans)]


def _scan(walk: Walk, scope: Scope, node: Node, inputs: Inputs, count: int) -> list[Value]:
    """A loop over slices of its last inputs: states first, then what is sliced."""
    body = _graph(node, "body")
    slices = node.attribute("num_scan_inputs", 0)
    if not 1 <= slices <= len(inputs) or None in inputs or node.version < 9:
        raise UnsupportedError("it slices no input")
    axes = node.attribute("scan_input_axes", (0,) * slices)
    states = [_varying(value) for value in inputs[: len(inputs) - slices]]
    sliced = [value for value in inputs[len(inputs) - slices :] if value is not None]
    if any(value.shape is None or not value.shape for value in sliced):
        raise UnsupportedError("the shape of what it slices is not known")
    steps = (sliced[0].shape or (0,))[axes[0]]
    if not 1 <= steps <= MOST_STEPS:
        raise UnsupportedError("it does not run")
    parts = [_slice(value, axis) for value, axis in zip(sliced, axes, strict=True)]
    results = _body(walk, scope, body, [*states, *parts], count * steps)
    kept, scans = results[: len(states)], results[len(states) :]
    _check_states(states, kept)
    out_axes = node.attribute("scan_output_axes", (0,) * len(scans))
    walk.note(node, Fate.FOLDED)
    return [*kept, *(_stacked(value, steps, axis) for value, axis in zip(scans, out_axes, strict=True))]


def _known(value: Value | None, why: str) -> int:
    if value is None or value.data is None or value.data.size != 1:
        raise UnsupportedError(why)
    steps = int(value.data.reshape(-1)[0])
    if steps > MOST_STEPS:
        raise UnsupportedError(why)
    return steps


def _body(walk: Walk, scope: Scope, body: Graph, given: list[Value], count: int) -> list[Value]:
    if len(given) != len(body.inputs):
        raise UnsupportedError(f"its body takes {len(body.inputs)} inputs, not {len(given)}")
    inputs: Mapping[str, Value] = {entry.name: value for entry, value in zip(body.inputs, given, strict=True)}
    tensors = walk.graph(body, scope, inputs, count)
    return [tensors[entry.name] for entry in body.outputs]


def _varying(value: Value | None) -> Value:
    """What a loop carries: of the shape it has at first, its values different in every step."""
    return Value() if value is None else replace(value, constant=False, data=None, stored={}, maker=None)


def _check_states(before: list[Value], behind: list[Value]) -> None:
    if [value.shape for value in before] != [value.shape for value in behind]:
        raise UnsupportedError("the shapes it carries change from step to step")


def _slice(value: Value, axis: int) -> Value:
    shape = value.shape or ()
    axis %= len(shape)
    return replace(_varying(value), shape=shape[:axis] + shape[axis + 1 :])


def _stacked(value: Value, steps: int, axis: int) -> Value:
    if value.shape is None:
        return value
    axis %= len(value.shape) + 1
    return replace(_varying(value), shape=(*value.shape[:axis], steps, *value.shape[axis:]))


def _listed(walk: Walk, node: Node, inputs: Inputs, why: str) -> list[Value]:
    inside = sum(1 for graph in node.subgraphs for _ in graph.all_nodes())
    walk.note(node, Fate.LISTED, why=f"{why} ({inside} nodes inside)")
    for graph in node.subgraphs:
        _note_all(walk, graph, Fate.LISTED, f"it lies in {node.name}, where {why}", inside=True)
    text = f"{node.name} ({node.op}) is not imported"
    return [Value(after=joined(inputs), why=text) for _ in node.outputs]


def _note_all(walk: Walk, graph: Graph, fate: Fate, why: str = "", inside: bool = False) -> None:
    for inner in graph.all_nodes():
        walk.accounts[inner.name] = Account(node=inner.name, operator=inner.op, fate=fate, why=why, inside=inside)
