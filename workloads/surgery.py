"""Replacing ops of a trace by others, with every dependency kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from archsim.workloads.op import AnyOp, Op, OperandName, Role
from archsim.workloads.trace import Trace


@dataclass(frozen=True, slots=True)
class Replacement:
    """What stands in the place of an op, and the names that its readers read instead of it."""

    ops: tuple[AnyOp, ...]
    results: tuple[str, ...]


def sources(trace: Trace) -> tuple[tuple[str, ...], ...]:
    """For each op the names of the ops it reads, spelled out."""
    before: tuple[str, ...] = ()
    found = []
    for op in trace.ops:
        found.append(before if op.after is None else op.after)
        before = (op.name,)
    return tuple(found)


def replaced(trace: Trace, replacements: Mapping[str, Replacement]) -> Trace:
    """The trace with each named op replaced. Ops of a replacement without `after` read what the old op read.

    Names that a replacement's ops give in `after` are those of the new trace.
    """
    if not replacements:
        return trace
    ops: list[AnyOp] = []
    for op, read in zip(trace.ops, sources(trace), strict=True):
        renamed = tuple(new for name in read for new in _results(name, replacements))
        if op.name in replacements:
            ops += [replace(new, after=renamed) if new.after is None else new for new in replacements[op.name].ops]
        else:
            ops.append(op if op.after is not None and renamed == op.after else _reading(op, renamed, ops))
    return replace(trace, ops=tuple(ops))


def _results(name: str, replacements: Mapping[str, Replacement]) -> tuple[str, ...]:
    return replacements[name].results if name in replacements else (name,)


def _reading(op: AnyOp, names: tuple[str, ...], before: list[AnyOp]) -> AnyOp:
    """The op reading `names`; left as it is where it reads the one before it and says nothing."""
    if op.after is None and names == tuple(earlier.name for earlier in before[-1:]):
        return op
    return replace(op, after=names)


def operand_sources(op: Op, read: tuple[str, ...]) -> dict[OperandName, tuple[str, ...]]:
    """Which of the ops a product reads make which operand: with parameters all make its inputs, else the first does."""
    if op.weights.role is Role.PARAMETER:
        return {"inputs": read}
    return {"inputs": read[:1], "weights": read[1:]}
