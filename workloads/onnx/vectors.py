"""Nodes of the vector unit as ops: norms, activations, pooling, sums, gathers."""

from __future__ import annotations

import math

from archsim.workloads.onnx.operators import VectorRule, vector_rules
from archsim.workloads.onnx.patterns import Pattern
from archsim.workloads.onnx.site import Site, vector
from archsim.workloads.onnx.values import EmptyError, Value
from archsim.workloads.op import VectorOp
from archsim.workloads.vector_costs import vector_costs


def vector_op(site: Site) -> VectorOp:
    """The op of a node that `operators.toml` knows.

    Everything is read once; what is gathered is read as far as it is taken. Raises UnsupportedError where a shape is
    not known.
    """
    rule = vector_rules()[site.node.op]
    result = math.prod(site.result())
    data = site.optional(0)
    read = sum(_read(value, result, rule) for value in site.inputs if value is not None and not _is_few(value))
    if not result:
        raise EmptyError
    return vector(
        site,
        site.node.name,
        rule.kind,
        elements=result,
        operations=_operations(site, rule, result),
        reads=(result if rule.kind == "gather" else read) / result,
        source=data if rule.kind == "gather" else _moving(site),
    )


def _moving(site: Site) -> Value | None:
    """The first input that changes with the network's."""
    return next((value for value in site.inputs if value is not None and not value.constant), None)


def _is_few(value: Value) -> bool:
    """Whether a tensor is a setting (a shape, an exponent) rather than data."""
    return value.constant and value.elements <= 1


def _read(value: Value, result: int, rule: VectorRule) -> int:
    return value.elements if rule.per != "output" else min(value.elements, result)


def _operations(site: Site, rule: VectorRule, result: int) -> float:
    match rule.per:
        case "output":
            several = site.node.op in ("Max", "Min", "Sum", "Mean")
            return rule.operations * (max(1, len(site.inputs) - 1) if several else 1)
        case "input":
            return rule.operations * site.value(0).elements / result
        case "window":
            return rule.operations * math.prod(site.node.attribute("kernel_shape", ()))


def pattern_op(site: Site, pattern: Pattern) -> VectorOp:
    """The op of several nodes that are one function."""
    cost = vector_costs()[pattern.function]
    return vector(
        site,
        site.node.name,
        pattern.kind,
        elements=site.value(0).elements,
        operations=cost.operations,
        reads=cost.reads,
        source=site.value(0),
    )
