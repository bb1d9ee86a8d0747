"""Which networks the rules of BitMoD's simulator know: transformers whose linear layers all take the same tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from archsim.core.errors import InputError, Problem
from archsim.workloads.attention import Attention
from archsim.workloads.op import Op, Role
from archsim.workloads.trace import Trace


def refuse_other_networks(trace: Trace, found: tuple[Attention, ...], tokens: Mapping[str, int], name: str) -> None:
    """Raise InputError for a network that the rules do not know: its counts would be those of another one."""
    parts = {op.name for attention in found for op in (attention.scores, attention.mix)}
    last = {op.phase: index for index, op in enumerate(trace.ops) if op.name in parts}
    for index, op in enumerate(trace.ops):
        if not isinstance(op, Op) or op.name in parts:
            continue
        rows = op.size(op.rows)
        ends = index > last.get(op.phase, -1) and rows == trace.batch
        if op.kind != "gemm":
            why = f"{op.name!r} is a {op.kind}"
        elif op.weights.role is not Role.PARAMETER:
            why = f"{op.name!r} multiplies activations outside of attention"
        elif rows != tokens[op.phase] and not ends:
            why = f"{op.name!r} has {rows} rows, other layers {tokens[op.phase]}"
        else:
            continue
        _refuse(name, why)
    for attention in found:
        if attention.scores.size(attention.scores.reduction) != attention.mix.size(attention.mix.columns):
            _refuse(name, f"{attention.scores.name!r} and {attention.mix.name!r} differ in the size of a head")


def _refuse(name: str, why: str) -> NoReturn:
    message = f"'{name}' counts transformers all of whose linear layers take all tokens: {why}"
    raise InputError(Problem(key="simulation.convention", message=message, hint="another network, or 'archsim'"))
