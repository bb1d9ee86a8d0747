"""Values of small constant tensors: the arithmetic on shapes that exported graphs are full of.

ONNX's own reference implementation computes them, one node at a time, for the operators listed here and no others; how
large the results are is known before.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper
from onnx.reference import ReferenceEvaluator

from archsim.workloads.onnx.graph import Node
from archsim.workloads.onnx.operators import foldable_operators
from archsim.workloads.onnx.tensors import Array, Tensor
from archsim.workloads.onnx.values import Kind, Value

KEPT = 65_536
"""Elements of a constant whose values are followed, at most."""
LARGEST_RANK = 16

_FAILURES = (ValueError, TypeError, IndexError, KeyError, AttributeError, RuntimeError, ArithmeticError, MemoryError)
"""What the reference implementation raises for inputs that an operator does not take."""


def fold(node: Node, inputs: Sequence[Value | None], kinds: Sequence[Kind]) -> list[Array | None]:
    """The values of a node's outputs where its inputs' are known and all are few; None for the others."""
    unknown: list[Array | None] = [None] * len(kinds)
    if node.op == "Constant":
        return [_constant(node)] * len(kinds)
    if node.op in ("Shape", "Size"):
        return [_shape(node, inputs[0]) if inputs else None]
    if node.op not in foldable_operators() or any(value is not None and value.data is None for value in inputs):
        return unknown
    if not all(_few(kind) for kind in kinds) and not (node.op == "NonZero" and inputs[0] and inputs[0].elements < KEPT):
        return unknown
    return _evaluated(node, inputs, unknown)


def _few(kind: Kind) -> bool:
    return kind.shape is not None and len(kind.shape) <= LARGEST_RANK and math.prod(kind.shape) <= KEPT


def _constant(node: Node) -> Array | None:
    value = next(iter(node.attributes.values()), None)
    if isinstance(value, Tensor):
        small = value.elements <= KEPT and value.element_type != TensorProto.STRING
        return value.array() if small else None
    if value is None or isinstance(value, str):
        return None
    return np.asarray(value, np.float32 if "float" in next(iter(node.attributes)) else np.int64)


def _shape(node: Node, value: Value | None) -> Array | None:
    if value is None or value.shape is None:
        return None
    if node.op == "Size":
        return np.asarray(math.prod(value.shape), np.int64)
    return np.asarray(value.shape[slice(node.attribute("start", 0), node.attribute("end"))], np.int64)


def _evaluated(node: Node, inputs: Sequence[Value | None], unknown: list[Array | None]) -> list[Array | None]:
    feeds = {name: value.data for name, value in zip(node.inputs, inputs, strict=True) if value is not None}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            results = ReferenceEvaluator(_single(node)).run(None, feeds)
        except _FAILURES:
            return unknown
    return [np.asarray(result) if result is not None else None for result in results]


def _single(node: Node) -> ModelProto:
    """A model of this node alone."""
    proto = NodeProto()
    proto.CopyFrom(node.proto)
    names = sorted(set(filter(None, node.inputs)))
    untyped = [
        helper.make_value_info(name, helper.make_tensor_type_proto(TensorProto.UNDEFINED, None)) for name in names
    ]
    outputs = [name or f"output {index}" for index, name in enumerate(node.outputs)]
    results = [
        helper.make_value_info(name, helper.make_tensor_type_proto(TensorProto.UNDEFINED, None)) for name in outputs
    ]
    graph = helper.make_graph([proto], "node", untyped, results)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", node.version)])
