"""Shapes of operators outside ONNX's own domain: those of onnxruntime's `com.microsoft`, and QONNX's.

Source: onnxruntime's ContribOperators.md and QONNX's operator definitions, as recalled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from onnx import TensorProto

from archsim.workloads.onnx.graph import Node
from archsim.workloads.onnx.values import UnsupportedError, Value

Inputs = Sequence[Value | None]
Typed = tuple[int, tuple[int, ...] | None]
Rule = Callable[[Node, Inputs], list[Typed]]


def shape(inputs: Inputs, index: int) -> tuple[int, ...]:
    """The shape of an input. Raises UnsupportedError where it is absent or open."""
    value = inputs[index] if index < len(inputs) else None
    if value is None:
        raise UnsupportedError(f"input {index} is missing")
    if value.shape is None:
        raise UnsupportedError(value.why or f"the shape of input {index} is not known")
    return value.shape


def broadcast(left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...]:
    """The common shape of two. Raises UnsupportedError where they have none.

    >>> broadcast((4, 1), (3,))
    (4, 3)
    """
    rank = max(len(left), len(right))
    pairs = zip((1,) * (rank - len(left)) + left, (1,) * (rank - len(right)) + right, strict=True)
    sizes = []
    for one, other in pairs:
        if one != other and 1 not in (one, other):
            raise UnsupportedError(f"{list(left)} and {list(right)} do not broadcast")
        sizes.append(other if one == 1 else one)
    return tuple(sizes)


def matmul_shape(left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a matrix product, as numpy's. Raises UnsupportedError where the shapes do not fit."""
    if not left or not right:
        raise UnsupportedError("a product needs at least vectors")
    wide = (1, *left) if len(left) == 1 else left
    tall = (*right, 1) if len(right) == 1 else right
    if wide[-1] != tall[-2]:
        raise UnsupportedError(f"{list(left)} and {list(right)} have different reductions")
    result = (*broadcast(wide[:-2], tall[:-2]), wide[-2], tall[-1])
    if len(left) == 1:
        result = (*result[:-2], result[-1])
    return result[:-1] if len(right) == 1 else result


def _kind(inputs: Inputs, index: int = 0) -> int:
    value = inputs[index] if index < len(inputs) else None
    return TensorProto.UNDEFINED if value is None else value.element_type


def _same(node: Node, inputs: Inputs) -> list[Typed]:
    return [(_kind(inputs), shape(inputs, 0))]


def _skip(node: Node, inputs: Inputs) -> list[Typed]:
    """Normalised sum, two unused statistics, the sum itself."""
    own = (_kind(inputs), shape(inputs, 0))
    return [own, (TensorProto.FLOAT, own[1][:1]), (TensorProto.FLOAT, own[1][:1]), own]


def _binary(second: int) -> Rule:
    def rule(node: Node, inputs: Inputs) -> list[Typed]:
        return [(_kind(inputs), broadcast(shape(inputs, 0), shape(inputs, second)))]

    return rule


def _product(second: int, kind: int | None = None) -> Rule:
    def rule(node: Node, inputs: Inputs) -> list[Typed]:
        left, right = shape(inputs, 0), shape(inputs, second)
        left = _swapped(left) if node.attribute("transA", 0) else left
        right = _swapped(right) if node.attribute("transB", 0) else right
        return [(_kind(inputs) if kind is None else kind, matmul_shape(left, right))]

    return rule


def _swapped(sizes: tuple[int, ...]) -> tuple[int, ...]:
    return (*sizes[:-2], sizes[-1], sizes[-2])


def _quantized(node: Node, inputs: Inputs) -> list[Typed]:
    return [(_kind(inputs, 2) or TensorProto.UINT8, shape(inputs, 0))]


def _dequantized(node: Node, inputs: Inputs) -> list[Typed]:
    return [(TensorProto.FLOAT, shape(inputs, 0))]


def _n_bits(node: Node, inputs: Inputs) -> list[Typed]:
    rows = shape(inputs, 0)
    if rows[-1] != node.attribute("K"):
        raise UnsupportedError(f"K is {node.attribute('K')}")
    return [(_kind(inputs), (*rows[:-1], node.attribute("N")))]


def _attention(node: Node, inputs: Inputs) -> list[Typed]:
    batch, tokens, _ = shape(inputs, 0)
    hidden = node.attribute("qkv_hidden_sizes", (0, 0, shape(inputs, 1)[1] // 3))[-1]
    return [(_kind(inputs), (batch, tokens, hidden))]


def _multi_head(node: Node, inputs: Inputs) -> list[Typed]:
    query = shape(inputs, 0)
    if len(query) == 5:
        batch, tokens, heads, _, size = query
        return [(_kind(inputs), (batch, tokens, heads * size))]
    value = shape(inputs, 2) if len(inputs) > 2 and inputs[2] is not None else query
    hidden = value[1] * value[3] if len(value) == 4 else value[-1]
    result: list[Typed] = [(_kind(inputs), (query[0], query[1], hidden))]
    past = inputs[6] if len(inputs) > 6 else None
    if past is not None and len(shape(inputs, 6)) == 4:
        sizes = shape(inputs, 6)
        whole = (sizes[0], sizes[1], sizes[2] + value[-2], sizes[3])
        result += [(_kind(inputs), whole), (_kind(inputs), whole)]
    return result


def _grouped(node: Node, inputs: Inputs) -> list[Typed]:
    """Tokens attend to the cache, which is as long as the buffer of past keys, or one step longer."""
    batch, tokens, hidden = shape(inputs, 0)
    heads, kv_heads = node.attribute("num_heads"), node.attribute("kv_num_heads")
    packed = inputs[1] is None
    size = hidden // (heads + 2 * kv_heads) if packed else hidden // heads
    past = shape(inputs, 3)[2] if len(inputs) > 3 and inputs[3] is not None else 0
    cache = (_kind(inputs), (batch, kv_heads, past + tokens, size))
    return [(_kind(inputs), (batch, tokens, heads * size)), cache, cache]


def _embeddings(node: Node, inputs: Inputs) -> list[Typed]:
    tokens, hidden = shape(inputs, 0), shape(inputs, 2)[-1]
    return [
        (_kind(inputs, 2), (*tokens, hidden)),
        (TensorProto.INT32, tokens[:1]),
        (_kind(inputs, 2), (*tokens, hidden)),
    ]


def _global_pool(node: Node, inputs: Inputs) -> list[Typed]:
    sizes = shape(inputs, 0)
    if node.attribute("channels_last", 0):
        return [(_kind(inputs), (sizes[0], *(1 for _ in sizes[2:]), sizes[-1]))]
    return [(_kind(inputs), (*sizes[:2], *(1 for _ in sizes[2:])))]


def windows(node: Node, data: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[int, ...]:
    """Sizes after a window has slid over each spatial axis."""
    rank = len(data)
    strides = node.attribute("strides", (1,) * rank)
    dilations = node.attribute("dilations", (1,) * rank)
    pads = node.attribute("pads", (0,) * 2 * rank)
    auto = node.attribute("auto_pad", "NOTSET")
    if auto.startswith("SAME"):
        return tuple(-(-size // stride) for size, stride in zip(data, strides, strict=True))
    if auto == "VALID":
        pads = (0,) * 2 * rank
    whole = node.attribute("ceil_mode", 0)
    sizes = []
    for axis in range(rank):
        room = data[axis] + pads[axis] + pads[axis + rank] - dilations[axis] * (kernel[axis] - 1) - 1
        sizes.append((-(-room // strides[axis]) if whole else room // strides[axis]) + 1)
    return tuple(sizes)


def _conv(second: int) -> Rule:
    def rule(node: Node, inputs: Inputs) -> list[Typed]:
        data, weight = shape(inputs, 0), shape(inputs, second)
        return [(_kind(inputs), (data[0], weight[0], *windows(node, data[2:], weight[2:])))]

    return rule


def _pool(node: Node, inputs: Inputs) -> list[Typed]:
    data = shape(inputs, 0)
    return [(_kind(inputs), (*data[:2], *windows(node, data[2:], node.attribute("kernel_shape"))))]


def _concat(node: Node, inputs: Inputs) -> list[Typed]:
    """Scale and zero point of the result, then each part with its own."""
    parts = [shape(inputs, index) for index in range(2, len(inputs), 3)]
    axis = node.attribute("axis", 0) % len(parts[0])
    total = sum(part[axis] for part in parts)
    return [(_kind(inputs, 2), (*parts[0][:axis], total, *parts[0][axis + 1 :]))]


_QONNX = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")
_SAME = (
    "BiasGelu FastGelu Gelu QuickGelu BiasAdd BiasSplitGelu BiasSoftmax QLinearSigmoid QLinearLeakyRelu QLinearSoftmax "
    "RotaryEmbedding GroupNorm SkipGroupNorm SimplifiedLayerNormalization"
)

CONTRIB: Mapping[str, Rule] = {
    **{f"com.microsoft:{name}": _same for name in _SAME.split()},
    "SimplifiedLayerNormalization": _same,
    **{f"{domain}:{name}": _same for domain in _QONNX for name in ("Quant", "BipolarQuant", "Trunc", "IntQuant")},
    "com.microsoft:SkipLayerNormalization": _skip,
    "com.microsoft:SkipSimplifiedLayerNormalization": _skip,
    "com.microsoft:EmbedLayerNormalization": _embeddings,
    "com.microsoft:FusedMatMul": _product(1),
    "com.microsoft:FusedGemm": _product(1),
    "com.microsoft:QGemm": _product(3),
    "com.microsoft:MatMulIntegerToFloat": _product(1, TensorProto.FLOAT),
    "com.microsoft:DynamicQuantizeMatMul": _product(1, TensorProto.FLOAT),
    "com.microsoft:MatMulNBits": _n_bits,
    "com.microsoft:FusedConv": _conv(1),
    "com.microsoft:QLinearConv": _conv(3),
    "com.microsoft:QuantizeLinear": _quantized,
    "com.microsoft:DequantizeLinear": _dequantized,
    "com.microsoft:QLinearAdd": _binary(3),
    "com.microsoft:QLinearMul": _binary(3),
    "com.microsoft:QLinearConcat": _concat,
    "com.microsoft:QLinearGlobalAveragePool": _global_pool,
    "com.microsoft:QLinearAveragePool": _pool,
    "com.microsoft:Attention": _attention,
    "com.microsoft:QAttention": _attention,
    "com.microsoft:MultiHeadAttention": _multi_head,
    "com.microsoft:GroupQueryAttention": _grouped,
}
"""Element types and shapes of the outputs, by operator."""
