"""Quantization nodes of a graph: most only state how a tensor is stored, some are work of their own."""

from __future__ import annotations

from collections.abc import Mapping

from archsim.arch.formats import Format, format
from archsim.workloads.onnx.formats import INTEGER_BITS, binary_format, integer_format, linear_format
from archsim.workloads.onnx.graph import Node
from archsim.workloads.onnx.products import DYNAMIC_OPERATIONS
from archsim.workloads.onnx.site import Site, vector
from archsim.workloads.onnx.values import EmptyError, UnsupportedError, Value
from archsim.workloads.op import VectorOp

QUANTIZE = ("QuantizeLinear", "com.microsoft:QuantizeLinear")
DEQUANTIZE = ("DequantizeLinear", "com.microsoft:DequantizeLinear")
DYNAMIC = "DynamicQuantizeLinear"
_QONNX = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")
QONNX_QUANT = frozenset(f"{domain}:{name}" for domain in _QONNX for name in ("Quant", "IntQuant"))
QONNX_BINARY = frozenset(f"{domain}:BipolarQuant" for domain in _QONNX)
QONNX_TRUNC = frozenset(f"{domain}:Trunc" for domain in _QONNX)
STATING = frozenset({*QUANTIZE, *DEQUANTIZE}) | QONNX_QUANT | QONNX_BINARY | QONNX_TRUNC
"""Operators that state the format of a tensor."""

QUANTIZE_OPERATIONS = 3
"""Multiply by the reciprocal scale, add the zero point with rounding, saturate. Source: ONNX, QuantizeLinear."""
DEQUANTIZE_OPERATIONS = 2
"""Subtract the zero point, multiply by the scale. Source: ONNX, DequantizeLinear."""


def stated_format(site: Site) -> Format | None:
    """The format that a node of `STATING` gives its tensor; None for a type that is none.

    Raises UnsupportedError for bits that are no format's.
    """
    node = site.node
    if node.op in QONNX_QUANT:
        return _quant(site)
    if node.op in QONNX_BINARY:
        return binary_format(_elements(site, 1))
    if node.op in QONNX_TRUNC:
        return _trunc(site)
    zero = site.optional(2)
    stored = _stored_type(site, zero)
    block = node.attribute("block_size", 0)
    return linear_format(stored, site.optional(1), zero, block)


def _stored_type(site: Site, zero: Value | None) -> int:
    """The integer type: of what is dequantized, of what quantizing makes."""
    if site.node.op in DEQUANTIZE:
        return site.value(0).element_type
    return site.outputs[0].element_type or (zero.element_type if zero is not None else 0)


def _quant(site: Site) -> Format:
    """QONNX: x, scale, zero point, bits. Source: QONNX, Quant."""
    return integer_format(
        _bits(site, 3), signed=bool(site.node.attribute("signed", 1)), zero=site.optional(2), scales=_elements(site, 1)
    )


def _trunc(site: Site) -> Format:
    """QONNX: x, scale, zero point, bits before, bits after; the sign is the input's. Source: QONNX, Trunc."""
    data = site.optional(0)
    signed = data is None or data.format is None or data.format.arithmetic.signed
    return integer_format(_bits(site, 4), signed=signed, zero=site.optional(2), scales=_elements(site, 1))


def _bits(site: Site, index: int) -> int:
    value = site.optional(index)
    if value is None or value.data is None or value.data.size != 1:
        raise UnsupportedError("its bits are not one known number")
    bits = float(value.data.reshape(-1)[0])
    if not bits.is_integer():
        raise UnsupportedError(f"integers of {bits:g} bits are no format")
    return int(bits)


def _elements(site: Site, index: int) -> int:
    value = site.optional(index)
    return 1 if value is None else value.elements


def conversion(site: Site, stated: Format | None) -> VectorOp:
    """The work of quantizing or dequantizing a tensor that no other op does on its way."""
    data = site.value(0)
    if not data.elements:
        raise EmptyError
    down = site.node.op in DEQUANTIZE
    return vector(
        site,
        site.node.name,
        "dequantize" if down else "elementwise",
        elements=data.elements,
        operations=DEQUANTIZE_OPERATIONS if down else QUANTIZE_OPERATIONS,
        reads=1,
        source=data,
        output=None if down else stated,
    )


def dynamic(site: Site) -> VectorOp:
    """DynamicQuantizeLinear: the range is found first."""
    data = site.value(0)
    return vector(
        site,
        site.node.name,
        "elementwise",
        elements=data.elements,
        operations=DYNAMIC_OPERATIONS,
        reads=1,
        source=data,
        output=format("int8:asym"),
    )


PARAMETER_INPUTS: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys((*STATING, "MatMulInteger", "ConvInteger"), (0, 1)),
    **dict.fromkeys((*STATING,), (0,)),
    "QLinearConv": (0, 3, 8),
    "com.microsoft:QLinearConv": (0, 3, 8),
    "QLinearMatMul": (0, 3),
    "com.microsoft:QGemm": (0, 3, 6),
    "com.microsoft:DynamicQuantizeMatMul": (0, 1, 4),
    "com.microsoft:MatMulIntegerToFloat": (0, 1, 6),
    "com.microsoft:QAttention": (0, 1, 2),
    "BatchNormalization": (1, 2),
    "LSTM": (1, 2, 3, 7),
    "GRU": (1, 2, 3),
    "RNN": (1, 2, 3),
}
"""Inputs that are trained values (not: scales, zero points, running statistics, first states). Others: every one."""


def is_integer(element_type: int) -> bool:
    """Whether a tensor of this type may be a quantized one."""
    return element_type in INTEGER_BITS


def parameters(node: Node, inputs: tuple[Value | None, ...]) -> dict[str, int]:
    """Elements of the trained values that a node reads, by the name of their tensor."""
    if node.op == "com.microsoft:MatMulNBits":
        bias = inputs[5] if len(inputs) > 5 else None
        packed = inputs[1] if len(inputs) > 1 else None
        name = next(iter(packed.stored), node.name) if packed is not None else node.name
        return {name: node.attribute("N", 0) * node.attribute("K", 0)} | dict(bias.stored if bias else {})
    chosen = PARAMETER_INPUTS.get(node.op, range(len(inputs)))
    found: dict[str, int] = {}
    for index in chosen:
        value = inputs[index] if index < len(inputs) else None
        if value is not None and value.constant:
            found |= value.stored
    return found
