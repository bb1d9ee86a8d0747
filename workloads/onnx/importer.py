"""ONNX models as traces."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from archsim.core.errors import InputError, Problem
from archsim.workloads.onnx.account import Account, account_text, listed_warnings
from archsim.workloads.onnx.dims import Bound, Sizes, bind, is_decider
from archsim.workloads.onnx.graph import Model
from archsim.workloads.onnx.reader import plain_text, read_model
from archsim.workloads.onnx.walk import Walk
from archsim.workloads.op import Phase
from archsim.workloads.request import Request, check_phase
from archsim.workloads.trace import Trace

PHASES = ("forward", "prefill", "decode")


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A trace, and what became of every node of the graph it comes from."""

    trace: Trace
    accounts: tuple[Account, ...]


def trace_from_onnx(
    path: str | os.PathLike[str],
    *,
    dims: Mapping[str, int] | None = None,
    values: Mapping[str, float] | None = None,
    phase: str | None = None,
    batch: int | None = None,
    context: int | None = None,
    output_tokens: int | None = None,
) -> Trace:
    """The trace of an ONNX model; arguments and errors as those of `import_onnx`."""
    return import_onnx(
        path, dims=dims, values=values, phase=phase, batch=batch, context=context, output_tokens=output_tokens
    ).trace


def import_onnx(
    path: str | os.PathLike[str],
    *,
    dims: Mapping[str, int] | None = None,
    values: Mapping[str, float] | None = None,
    phase: str | None = None,
    batch: int | None = None,
    context: int | None = None,
    output_tokens: int | None = None,
) -> Imported:
    """The trace of an ONNX model with an account of all its nodes. Nothing of the model is run.

    `dims` gives sizes to open dimensions, by their name or as ``input[axis]``; `batch` (default 1) fills those that
    count samples, `context` those that are called sequence. `values` are the elements of integer inputs that decide a
    branch or a shape. `phase` (default forward) is what the ops are marked with. Raises InputError for files that
    cannot be read, shapes that do not fit, and open dimensions without a size.
    """
    _check_request(phase, batch, context, output_tokens)
    file = Path(path)
    model = read_model(file)
    sizes = Sizes(dims=dict(dims or {}), values=dict(values or {}), batch=batch, context=context)
    try:
        bound = bind(model.graph.inputs, sizes)
        walk = Walk(symbols=bound.symbols, stated=sizes.dims, phase=cast(Phase, phase or "forward"))
        walk.deciders = tuple(name for name, value in bound.inputs.items() if is_decider(value))
        walk.graph(model.graph, {}, bound.inputs, 1, top=True)
        return _imported(model, walk, bound, batch)
    except InputError as error:
        raise InputError([replace(problem, file=problem.file or str(file)) for problem in error.problems]) from None


def _check_request(phase: str | None, batch: int | None, context: int | None, output_tokens: int | None) -> None:
    problems = check_phase("an ONNX model", phase or "forward", PHASES)
    problems += Request(phase=phase, batch=1 if batch is None else batch, context=context).problems()
    if output_tokens is not None:
        problems.append(Problem(key="output_tokens", message="says nothing for an ONNX model: it runs once"))
    if problems:
        raise InputError(problems)


def _imported(model: Model, walk: Walk, bound: Bound, batch: int | None) -> Imported:
    accounts = tuple(walk.accounts[node.name] for node in model.graph.all_nodes() if node.name in walk.accounts)
    if not walk.ops:
        problem = Problem(message=f"has no operation that can be imported ({account_text(accounts)})")
        raise InputError([problem, *(Problem(message=text) for text in listed_warnings(accounts)[:5])])
    trace = Trace(
        name=plain_text(model.name),
        ops=tuple(walk.ops.values()),
        parameters=sum(walk.parameters.values()),
        kv_elements_per_token=sum(elements for elements, _ in walk.cached.values()),
        kv_tokens=max((tokens for _, tokens in walk.cached.values()), default=0),
        batch=batch or 1,
        source=_source(model, accounts, bound),
        warnings=listed_warnings(accounts),
    )
    return Imported(trace=trace, accounts=accounts)


def _source(model: Model, accounts: tuple[Account, ...], bound: Bound) -> str:
    """Where the trace comes from, which sizes it was given, and how many nodes met which fate."""
    parts = [f"ONNX opset {model.opset}"]
    if model.producer:
        parts.append(f"by {model.producer}")
    sizes = ", ".join(f"{plain_text(name)}={size}" for name, size in bound.symbols.items())
    text = " ".join(parts) + (f", {sizes}" if sizes else "")
    return f"{text}; {account_text(accounts)}"
