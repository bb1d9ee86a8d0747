"""Weights as the file holds them, followed from the op that reads them back to the bytes, through layout changes.

Quantized weights are followed to their integer codes: scales do not change which bits a multiplier sees.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from onnx import helper

from archsim.workloads.onnx.graph import Graph, Node
from archsim.workloads.onnx.tensors import Array, Tensor, densified

STEPS = 256
"""Nodes followed for one weight at most: concatenations of concatenations grow without bound."""
LARGEST_JOINED = 2**31
"""Elements of joined weights at most."""


@dataclass(eq=False, slots=True, kw_only=True)
class Constants:
    """The constants a graph sees, its own and those of the graphs around it, read when they are asked for."""

    graph: Graph
    outer: Constants | None = None
    _makers: dict[str, Node] = field(default_factory=dict)
    _steps: int = 0

    def __post_init__(self) -> None:
        self._makers = {name: node for node in self.graph.nodes for name in node.outputs if name}

    def within(self, graph: Graph) -> Constants:
        """The constants that a subgraph sees."""
        return Constants(graph=graph, outer=self)

    def array(self, name: str) -> Array | None:
        """The values of a tensor; None when it depends on the network's inputs or is not a stored weight."""
        self._steps = 0
        return self._find(name)

    def _find(self, name: str) -> Array | None:
        if name in self.graph.tensors:
            return self.graph.tensors[name].array()
        if name in self.graph.sparse:
            return densified(*self.graph.sparse[name])
        if name in self._makers:
            self._steps += 1
            return self._made(self._makers[name]) if self._steps < STEPS else None
        own = any(entry.name == name for entry in self.graph.inputs)
        return None if own or self.outer is None else self.outer.array(name)

    def _made(self, node: Node) -> Array | None:
        if node.op == "Constant":
            value = node.attribute("value")
            return value.array() if isinstance(value, Tensor) else None
        follow = FOLLOWED.get(node.op)
        if follow is None:
            return None
        arrays = [self._find(name) if name else None for name in node.inputs]
        if not arrays or arrays[0] is None:
            return None
        try:
            return follow(node, arrays)
        except (ValueError, IndexError, TypeError):  # shapes that do not fit: the importer names them
            return None


Arrays = list[Array | None]


def _same(node: Node, arrays: Arrays) -> Array | None:
    return arrays[0]


def _transpose(node: Node, arrays: Arrays) -> Array | None:
    assert arrays[0] is not None
    return np.transpose(arrays[0], node.attribute("perm"))


def _reshape(node: Node, arrays: Arrays) -> Array | None:
    data, target = arrays[0], arrays[1]
    if data is None or target is None:
        return None
    sizes = [int(size) for size in target.reshape(-1)]
    if not node.attribute("allowzero", 0):
        sizes = [data.shape[axis] if size == 0 else size for axis, size in enumerate(sizes)]
    return data.reshape(sizes)


def _flatten(node: Node, arrays: Arrays) -> Array | None:
    assert arrays[0] is not None
    axis = node.attribute("axis", 1) % (arrays[0].ndim + 1)
    return arrays[0].reshape(int(np.prod(arrays[0].shape[:axis])), -1)


def _squeeze(node: Node, arrays: Arrays) -> Array | None:
    assert arrays[0] is not None
    return np.squeeze(arrays[0], _axes(node, arrays))


def _unsqueeze(node: Node, arrays: Arrays) -> Array | None:
    axes = _axes(node, arrays)
    if arrays[0] is None or axes is None:
        return None
    return np.expand_dims(arrays[0], axes)


def _axes(node: Node, arrays: Arrays) -> tuple[int, ...] | None:
    stated = arrays[1] if len(arrays) > 1 else None
    return node.attribute("axes") if stated is None else tuple(int(axis) for axis in stated.reshape(-1))


def _slice(node: Node, arrays: Arrays) -> Array | None:
    if any(array is None for array in arrays):
        return None
    data, *given = (np.asarray(array) for array in arrays)
    starts, ends = given[0].reshape(-1), given[1].reshape(-1)
    axes = given[2].reshape(-1) if len(given) > 2 else np.arange(len(starts))
    steps = given[3].reshape(-1) if len(given) > 3 else np.ones(len(starts), dtype=np.int64)
    taken = [slice(None)] * data.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        last = None if step < 0 and end < -data.shape[axis] else int(end)
        taken[axis] = slice(int(start), last, int(step))
    return data[tuple(taken)]


def _concat(node: Node, arrays: Arrays) -> Array | None:
    found = [array for array in arrays if array is not None]
    if len(found) != len(arrays) or sum(array.size for array in found) > LARGEST_JOINED:
        return None
    return np.concatenate(found, axis=node.attribute("axis", 0))


def _cast(node: Node, arrays: Arrays) -> Array | None:
    assert arrays[0] is not None
    return arrays[0].astype(helper.tensor_dtype_to_np_dtype(node.attribute("to")))


def _quantize(node: Node, arrays: Arrays) -> Array | None:
    """Codes of QuantizeLinear: round(x / scale) + zero point, in the range of the zero point's type."""
    data, scale = arrays[0], arrays[1]
    zero = arrays[2] if len(arrays) > 2 else np.uint8(0)
    if data is None or scale is None or zero is None or not np.all(scale):
        return None
    lowest, highest = np.iinfo(zero.dtype).min, np.iinfo(zero.dtype).max
    axis = node.attribute("axis", 1)
    codes = np.rint(data / _along(scale, axis, data.ndim)) + _along(np.asarray(zero), axis, data.ndim)
    rounded: Array = np.clip(codes, lowest, highest).astype(zero.dtype)
    return rounded


def _quant(node: Node, arrays: Arrays) -> Array | None:
    """Codes of QONNX's Quant: round(x / scale + zero point) in the range of its bits."""
    if len(arrays) < 4 or any(array is None for array in arrays[:4]):
        return None
    data, scale, zero, width = (np.asarray(array) for array in arrays[:4])
    bits = int(width.reshape(-1)[0])
    if not 1 <= bits <= 32 or not np.all(scale):
        return None
    signed, narrow = node.attribute("signed", 1), node.attribute("narrow", 0)
    highest = 2 ** (bits - 1) - 1 if signed else 2**bits - 1 - narrow
    lowest = -(2 ** (bits - 1)) + narrow if signed else 0
    codes: Array = np.clip(np.rint(data / scale + zero), lowest, highest).astype(np.int32)
    return codes


def _bipolar(node: Node, arrays: Arrays) -> Array | None:
    assert arrays[0] is not None
    return np.where(arrays[0] >= 0, 1, -1).astype(np.int8)


def _along(values: Array, axis: int, rank: int) -> Array:
    """A vector as wide as one axis, shaped to broadcast along it."""
    if values.size == 1:
        return values.reshape(())
    return values.reshape([-1 if index == axis % rank else 1 for index in range(rank)])


FOLLOWED: Mapping[str, Callable[[Node, Arrays], Array | None]] = {
    "Identity": _same,
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Slice": _slice,
    "Concat": _concat,
    "Cast": _cast,
    "DequantizeLinear": _same,
    "com.microsoft:DequantizeLinear": _same,
    "QuantizeLinear": _quantize,
    "com.microsoft:QuantizeLinear": _quantize,
    "qonnx.custom_op.general:Quant": _quant,
    "onnx.brevitas:Quant": _quant,
    "finn.custom_op.general:Quant": _quant,
    "qonnx.custom_op.general:BipolarQuant": _bipolar,
    "onnx.brevitas:BipolarQuant": _bipolar,
    "finn.custom_op.general:BipolarQuant": _bipolar,
}
