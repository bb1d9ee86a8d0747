"""Outlier channel splitting as work: layers with weights in an `ocs` format read their split inputs twice."""

from __future__ import annotations

from dataclasses import replace

from archsim.arch.formats import Format
from archsim.arch.formats.corrected import SplitFormat
from archsim.workloads.op import Op, Role
from archsim.workloads.trace import Trace

REDUCTION = {"gemm": "k", "conv": "c"}
"""The dimension along which inputs are split, by kind of op."""


def with_split_channels(trace: Trace) -> Trace:
    """The trace with the reduction of every product whose weights split channels longer by those channels.

    The widened weights are stored in the format that the halves have; parameters grow with them. The copies of the
    inputs are read, but no op makes them: the layer before writes each channel once. Groups are split each for itself,
    so that a depthwise layer, which has one channel a group, stays as it is.
    Source: Zhao et al., Improving Neural Network Quantization without Retraining using Outlier Channel Splitting, ICML
    2019, section 3.
    """
    ops = tuple(_widened(op, op.weights.format) if isinstance(op, Op) else op for op in trace.ops)
    if ops == trace.ops:
        return trace
    added = sum(
        (new.elements("weights") - old.elements("weights")) * old.count
        for new, old in zip(ops, trace.ops, strict=True)
        if isinstance(new, Op) and isinstance(old, Op)
    )
    return replace(trace, ops=ops, parameters=trace.parameters + added)


def _widened(op: Op, fmt: Format | None) -> Op:
    if not isinstance(fmt, SplitFormat) or op.weights.role is not Role.PARAMETER:
        return op
    dim = REDUCTION[op.kind]
    added = fmt.added_columns(op.loops[dim])
    groups = op.loops.get("g", 1)
    return replace(
        op,
        dims={**op.dims, dim: op.dims[dim] + added * groups},
        loops={**op.loops, dim: op.loops[dim] + added},
        weights=replace(op.weights, format=fmt.base),
    )
