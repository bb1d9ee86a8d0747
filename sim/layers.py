"""Rows of a result: equal ops of repeated blocks as one row with a count."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable

from archsim.sim.records import LayerCost, OpCost
from archsim.sim.schedule import OpPlacement, signature
from archsim.workloads.op import AnyOp, Op, VectorOp

_BLOCK = re.compile(r"(?<![^.])(\d+)(?![^.])")
"""A part of a dotted name that is only digits: a block's index."""


def layer_rows(
    ops: Iterable[AnyOp], placements: Iterable[OpPlacement], costs: Iterable[OpCost]
) -> tuple[LayerCost, ...]:
    """One row per distinct op of a repeated block, in order of first appearance.

    Ops merge when their names differ only in the first number and everything else, cost included, is the same:
    ``layers.0.q_proj`` ... ``layers.31.q_proj`` become ``layers.0-31.q_proj`` with their counts added.
    """
    groups: dict[Hashable, list[tuple[AnyOp, OpCost]]] = {}
    for op, placement, cost in zip(ops, placements, costs, strict=True):
        pattern = _BLOCK.sub("#", op.name, count=1)
        groups.setdefault((pattern, op.phase, signature(op), placement, cost.fused), []).append((op, cost))
    return tuple(_row([op for op, _ in members], members[0][1]) for members in groups.values())


def _row(ops: list[AnyOp], cost: OpCost) -> LayerCost:
    op = ops[0]
    return LayerCost(
        name=_merged_name([member.name for member in ops]),
        kind=op.kind if isinstance(op, Op | VectorOp) else "transfer",
        phase=op.phase,
        count=sum(member.count for member in ops),
        dims=dict(op.dims) if isinstance(op, Op) else _elements(op),
        formats=_formats(op),
        cost=cost,
    )


def _elements(op: AnyOp) -> dict[str, int]:
    return {"elements": op.elements} if isinstance(op, VectorOp) else {}


def _formats(op: AnyOp) -> dict[str, str | None]:
    if isinstance(op, Op):
        chosen = {"weights": op.weights.format, "inputs": op.inputs.format, "outputs": op.outputs.format}
    elif isinstance(op, VectorOp):
        chosen = {"weights": None, "inputs": op.input_format, "outputs": op.format}
    else:
        chosen = {"weights": None, "inputs": None, "outputs": None}
    return {name: None if fmt is None else fmt.name for name, fmt in chosen.items()}


def _merged_name(names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    matches = [_BLOCK.search(name) for name in names]
    if any(match is None for match in matches):
        return names[0]
    numbers = sorted({int(match.group(1)) for match in matches if match is not None})
    return _BLOCK.sub(_ranges(numbers), names[0], count=1)


def merged_names(names: Iterable[str]) -> tuple[str, ...]:
    """Names that differ only in their first number as one with its range, the others as they are.

    >>> merged_names(["layers.0.q", "layers.0.k", "layers.1.q", "head"])
    ('layers.0-1.q', 'layers.0.k', 'head')
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(_BLOCK.sub("#", name, count=1), []).append(name)
    return tuple(_merged_name(list(dict.fromkeys(members))) for members in groups.values())


def _ranges(numbers: list[int]) -> str:
    """
    >>> _ranges([0, 1, 2, 5])
    '0-2,5'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
