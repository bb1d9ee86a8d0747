"""Attention in a trace, found by what reads what: scores, softmax, and the mix of values."""

from __future__ import annotations

from dataclasses import dataclass

from archsim.workloads.op import Op, Role, VectorOp
from archsim.workloads.surgery import sources
from archsim.workloads.trace import Trace


@dataclass(frozen=True, slots=True)
class Attention:
    """One attention: the product of queries and keys, the vector operations on its scores, and the product after."""

    scores: Op
    vectors: tuple[VectorOp, ...]
    """From the scores to the mix, in that order; one of them is a softmax."""
    mix: Op


def attentions(trace: Trace) -> tuple[Attention, ...]:
    """Every attention of a trace: a product without parameters that reads, through a softmax, another such product."""
    read = dict(zip((op.name for op in trace.ops), sources(trace), strict=True))
    ops = {op.name: op for op in trace.ops}
    found = []
    for op in trace.ops:
        if not isinstance(op, Op) or op.weights.role is Role.PARAMETER:
            continue
        vectors: list[VectorOp] = []
        at = next((ops[name] for name in read[op.name][:1] if name in ops), None)
        while isinstance(at, VectorOp):
            vectors.append(at)
            at = next((ops[name] for name in read[at.name][:1] if name in ops), None)
        softmax = any(vector.kind == "softmax" for vector in vectors)
        if softmax and isinstance(at, Op) and at.weights.role is not Role.PARAMETER:
            found.append(Attention(at, tuple(reversed(vectors)), op))
    return tuple(found)


def value_products(trace: Trace) -> frozenset[str]:
    """Names of the products whose cached operand is values: those that mix by the weights of a softmax."""
    return frozenset(attention.mix.name for attention in attentions(trace))
