"""The weights of an ONNX model, by the name of the trace's op that reads them, one at a time."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from archsim.workloads.onnx.constants import Constants
from archsim.workloads.onnx.einsum import factors
from archsim.workloads.onnx.graph import Graph, Node
from archsim.workloads.onnx.names import part
from archsim.workloads.onnx.reader import read_model
from archsim.workloads.onnx.tensors import Array

Named = tuple[str, Array]


def iter_weights(path: str | os.PathLike[str]) -> Iterator[Named]:
    """Name of the op and its weights, for every product whose second factor the file holds.

    The last axis is the reduction, as formats share their scales along it; the axis before it counts outputs; a third
    counts groups, directions or batches. A convolution's reduction runs over (c, r, s). Values keep the stored type;
    quantized weights are their integer codes. Only one array is held at a time. Branches that a trace does not take
    and loop bodies are included, ops without stored weights are left out. Raises InputError as `read_model`.
    """
    graph = read_model(path).graph
    yield from _graph_weights(graph, Constants(graph=graph))


def _graph_weights(graph: Graph, constants: Constants) -> Iterator[Named]:
    for node in graph.nodes:
        take = _TAKERS.get(node.op)
        if take is not None:
            yield from take(node, constants)
        for inner in node.subgraphs:
            yield from _graph_weights(inner, constants.within(inner))


def _read(node: Node, constants: Constants, index: int) -> Array | None:
    name = node.inputs[index] if index < len(node.inputs) else ""
    return constants.array(name) if name else None


def _conv(index: int) -> Callable[[Node, Constants], Iterator[Named]]:
    def take(node: Node, constants: Constants) -> Iterator[Named]:
        array = _read(node, constants, index)
        if array is not None and array.ndim > 2:
            yield node.name, array.reshape(array.shape[0], -1)

    return take


def _conv_transpose(node: Node, constants: Constants) -> Iterator[Named]:
    array = _read(node, constants, 1)
    groups = node.attribute("group", 1)
    if array is not None and array.ndim > 2 and array.shape[0] % groups == 0:
        grouped = array.reshape(groups, array.shape[0] // groups, -1).swapaxes(1, 2)
        yield node.name, grouped[0] if groups == 1 else grouped


def _matmul(left: int, right: int, *, transpose: bool = False) -> Callable[[Node, Constants], Iterator[Named]]:
    """The constant factor of a product: the second one, else the first."""

    def take(node: Node, constants: Constants) -> Iterator[Named]:
        for index, key, reduction in ((right, "transB", -2), (left, "transA", -1)):
            array = _read(node, constants, index)
            if array is None or array.ndim == 0:
                continue
            if array.ndim == 1:
                array = array.reshape(1, -1)
            elif (reduction == -2) != bool(transpose and node.attribute(key, 0)):
                array = array.swapaxes(-1, -2)
            if array.ndim > 3:
                array = array.reshape(math.prod(array.shape[:-2]), *array.shape[-2:])
            yield node.name, array
            return

    return take


def _recurrent(node: Node, constants: Constants) -> Iterator[Named]:
    for index, suffix in ((1, "input"), (2, "recurrent")):
        array = _read(node, constants, index)
        if array is not None and array.ndim == 3:
            yield part(node.name, suffix), array[0] if array.shape[0] == 1 else array


def _fused_attention(node: Node, constants: Constants) -> Iterator[Named]:
    array = _read(node, constants, 1)
    if array is not None and array.ndim == 2:
        yield part(node.name, "qkv"), array.T


def _n_bits(node: Node, constants: Constants) -> Iterator[Named]:
    """Codes of MatMulNBits, unpacked: blocks of `block_size` elements of a row, lowest bits first."""
    array = _read(node, constants, 1)
    bits, columns, rows = node.attribute("bits", 4), node.attribute("K", 0), node.attribute("N", 0)
    if array is None or array.dtype != np.uint8 or bits not in (2, 4, 8) or not rows or array.size % rows:
        return
    per_byte = 8 // bits
    bytes_ = array.reshape(rows, -1)
    shifts = np.arange(per_byte, dtype=np.uint8) * bits
    codes = (bytes_[:, :, None] >> shifts) & np.uint8(2**bits - 1)
    yield node.name, codes.reshape(rows, -1)[:, :columns]


def _einsum(node: Node, constants: Constants) -> Iterator[Named]:
    if len(node.inputs) != 2:
        return
    for index in (1, 0):
        array = _read(node, constants, index)
        found = None if array is None else factors(node.attribute("equation", ""), index, array.ndim)
        if array is not None and found is not None:
            order, (batch, outputs, reduction) = found
            shape = array.transpose(order).shape
            sizes = [math.prod(shape[:batch]), math.prod(shape[batch : batch + outputs]), math.prod(shape[-reduction:])]
            yield node.name, array.transpose(order).reshape(sizes if batch else sizes[1:])
            return


_TAKERS: Mapping[str, Callable[[Node, Constants], Iterator[Named]]] = {
    "Conv": _conv(1),
    "DeformConv": _conv(1),
    "ConvInteger": _conv(1),
    "QLinearConv": _conv(3),
    "com.microsoft:QLinearConv": _conv(3),
    "com.microsoft:FusedConv": _conv(1),
    "ConvTranspose": _conv_transpose,
    "Gemm": _matmul(0, 1, transpose=True),
    "com.microsoft:FusedGemm": _matmul(0, 1, transpose=True),
    "com.microsoft:QGemm": _matmul(0, 3, transpose=True),
    "MatMul": _matmul(0, 1),
    "com.microsoft:FusedMatMul": _matmul(0, 1, transpose=True),
    "MatMulInteger": _matmul(0, 1),
    "com.microsoft:MatMulIntegerToFloat": _matmul(0, 1),
    "com.microsoft:DynamicQuantizeMatMul": _matmul(0, 1),
    "QLinearMatMul": _matmul(0, 3),
    "com.microsoft:MatMulNBits": _n_bits,
    "Einsum": _einsum,
    "LSTM": _recurrent,
    "GRU": _recurrent,
    "RNN": _recurrent,
    "com.microsoft:Attention": _fused_attention,
    "com.microsoft:QAttention": _fused_attention,
}
