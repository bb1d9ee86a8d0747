"""Shapes of a node's outputs: ONNX's own inference for its operators, rules of ours for those of other domains."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from onnx import TypeProto, checker, defs, helper, numpy_helper, shape_inference

from archsim.core.errors import InputError, Problem
from archsim.core.spelling import brief, printable
from archsim.workloads.onnx.contrib import CONTRIB
from archsim.workloads.onnx.folding import KEPT
from archsim.workloads.onnx.graph import Declared, Node
from archsim.workloads.onnx.tensors import LARGEST_ELEMENTS, LARGEST_RANK
from archsim.workloads.onnx.values import Kind, UnsupportedError, Value


def infer(
    node: Node,
    inputs: Sequence[Value | None],
    declared: Mapping[str, Declared],
    symbols: Mapping[str, int],
    stated: Mapping[str, int],
) -> list[Kind]:
    """Type and shape of each output, as far as they are known.

    What inference leaves open is taken from what the graph declares, with the sizes of its `symbols` and those a user
    has `stated` for ``tensor[axis]``. Raises InputError for inputs that the operator does not take.
    """
    found = _inferred(node, inputs)
    kinds = []
    for index, name in enumerate(node.outputs):
        element_type, dims = found[index] if index < len(found) else (0, None)
        kinds.append(_kind(node, name, element_type, dims, declared.get(name), {**symbols, **stated}, inputs))
    return kinds


Dims = list[int | None] | None


def _inferred(node: Node, inputs: Sequence[Value | None]) -> list[tuple[int, Dims]]:
    if node.op in CONTRIB:
        if any(value is not None and value.shape is None for value in inputs[:1]):
            return []
        try:
            return [(kind, None if dims is None else list(dims)) for kind, dims in CONTRIB[node.op](node, inputs)]
        except (IndexError, TypeError, ValueError, ArithmeticError, UnsupportedError) as error:
            raise misfit(node, inputs, str(error)) from None
    domain, _, operator = node.op.rpartition(":")
    if any(value is not None and not value.element_type for value in inputs):
        return []
    if not defs.has(operator, max_inclusive_version=node.version, domain=domain):
        return []
    schema = defs.get_schema(operator, node.version, domain)
    types = {name: _type(value) for name, value in zip(node.inputs, inputs, strict=True) if value is not None}
    data = {
        name: numpy_helper.from_array(np.ascontiguousarray(value.data).reshape(value.data.shape), name)
        for name, value in zip(node.inputs, inputs, strict=True)
        if value is not None and value.data is not None and value.data.size <= KEPT and value.data.dtype != object
    }
    opset = [helper.make_opsetid(domain, node.version)]
    try:
        types = shape_inference.infer_node_outputs(schema, node.proto, types, data, opset_imports=opset)
    except (shape_inference.InferenceError, checker.ValidationError) as error:
        raise misfit(node, inputs, str(error).removeprefix("[ShapeInferenceError] ")) from None
    except (RuntimeError, ValueError, TypeError) as error:
        raise misfit(node, inputs, str(error)) from None
    return [_read(types.get(name)) for name in node.outputs]


def misfit(node: Node, inputs: Sequence[Value | None], text: str) -> InputError:
    """The error of inputs that an operator does not take."""
    shapes = ", ".join("?" if value is None or value.shape is None else str(list(value.shape)) for value in inputs)
    message = f"{node.op} does not take the shapes {shapes}: {brief(printable(text)) or 'they do not fit'}"
    return InputError(Problem(key=f"node {brief(node.name)!r}", message=message))


def _type(value: Value) -> TypeProto:
    return helper.make_tensor_type_proto(value.element_type, value.shape)


def _read(kind: TypeProto | None) -> tuple[int, Dims]:
    if kind is None or not kind.HasField("tensor_type"):
        return 0, None
    tensor = kind.tensor_type
    if not tensor.HasField("shape"):
        return tensor.elem_type, None
    return tensor.elem_type, [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]


def _kind(
    node: Node,
    name: str,
    element_type: int,
    dims: Dims,
    declared: Declared | None,
    sizes: Mapping[str, int],
    inputs: Sequence[Value | None],
) -> Kind:
    """One output's kind, its open dimensions filled from what is declared or stated."""
    element_type = element_type or (declared.element_type if declared else 0)
    if dims is None:
        rank = None if declared is None or declared.dims is None else len(declared.dims)
        dims = None if rank is None else list[int | None]([None] * rank)
    shown = brief(printable(name))
    if dims is None:
        unknown = next((value.why for value in inputs if value is not None and value.shape is None and value.why), "")
        return Kind(element_type=element_type, why=unknown or f"the shape of {shown!r} is not declared")
    filled = [size if size is not None else _declared(name, axis, declared, sizes) for axis, size in enumerate(dims)]
    if None in filled:
        unknown = next((value.why for value in inputs if value is not None and value.shape is None and value.why), "")
        place = f"{shown}[{filled.index(None)}]"
        why = unknown or f'the size of {place} depends on data; set workload.dims."{place}"'
        return Kind(element_type=element_type, why=why)
    shape = tuple(size for size in filled if size is not None)
    if any(size < 0 for size in shape) or math.prod(shape) > LARGEST_ELEMENTS or len(shape) > LARGEST_RANK:
        raise misfit(node, inputs, f"they give an impossible result {list(shape)[:LARGEST_RANK]}")
    return Kind(element_type=element_type, shape=shape)


def _declared(name: str, axis: int, declared: Declared | None, sizes: Mapping[str, int]) -> int | None:
    stated = sizes.get(f"{name}[{axis}]")
    if stated is not None or declared is None or declared.dims is None or axis >= len(declared.dims):
        return stated
    dim = declared.dims[axis]
    return sizes.get(dim) if isinstance(dim, str) else dim
