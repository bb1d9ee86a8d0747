"""Which operands are keys and values from the cache."""

from __future__ import annotations

from collections.abc import Iterator

from archsim.workloads.op import Op, Operand, Role
from archsim.workloads.trace import Trace


def cached_operands(trace: Trace) -> Iterator[tuple[Operand, int]]:
    """Every operand with the role of keys and values that a product reads, and its elements over all occurrences.

    Attention products read the cache as their weights. The expansion of a latent reads it as its inputs.
    """
    for op in trace.ops:
        if isinstance(op, Op):
            if op.weights.role is Role.KV:
                yield op.weights, op.elements("weights") * op.count
            if op.inputs.role is Role.KV:
                yield op.inputs, op.elements("inputs") * op.count
