"""Lane operations per element that bring values into a format, out of it, and back to scale."""

from __future__ import annotations

from archsim.arch.formats import Arithmetic, ArithmeticKind, Format, Granularity, format, with_storage_bits
from archsim.workloads.vector_costs import vector_costs

_DYNAMIC = (Granularity.TOKEN, Granularity.GROUP, Granularity.HEAD)
"""Scales that are computed from the values at hand; those of a tensor or a channel are known beforehand."""


def _cost(*names: str) -> float:
    return sum(vector_costs()[name].operations for name in names)


def is_plain_float(fmt: Format) -> bool:
    """Whether values enter the format by rounding alone: floats without a scale."""
    return fmt.arithmetic.kind is ArithmeticKind.FLOAT and fmt.arithmetic.scale.granularity is Granularity.NONE


def quantize_operations(fmt: Format) -> float:
    """Lane operations that quantize one element: statistics for dynamic scales, scale, zero point, rounding."""
    if is_plain_float(fmt):
        return _cost("convert")
    scale = fmt.arithmetic.scale
    names = ["scale", "round"]
    if scale.granularity in _DYNAMIC:
        names.append("statistics")
    if scale.zero_point_bits:
        names.append("zero_point")
    return _cost(*names)


def dequantize_operations(fmt: Format) -> float:
    """Lane operations that expand one element: convert, and per group also zero point and scale.

    Coarser scales are common to whole rows or columns of a product and are applied to its results.
    """
    scale = fmt.arithmetic.scale
    names = ["convert"]
    if scale.granularity is Granularity.GROUP:
        names.append("scale")
    if scale.zero_point_bits:
        names.append("zero_point")
    return _cost(*names)


def scale_operations(weights: Format, inputs: Format, reduction: int, *, groups_in_unit: bool) -> float:
    """Lane operations that scale one result of a product over `reduction` elements.

    A multiplication for each scale of a channel, token or head, one for those of whole tensors together; and with
    scales per group, for each group a multiplication for each such scale and an addition of the partial sum, unless the
    unit does that itself.
    """
    scales = [fmt.arithmetic.scale for fmt in (weights, inputs)]
    finer = [scale for scale in scales if scale.granularity not in (Granularity.NONE, Granularity.TENSOR)]
    grouped = [scale.group_size for scale in finer if scale.granularity is Granularity.GROUP]
    whole = any(scale.granularity is Granularity.TENSOR for scale in scales)
    total = (len(finer) - len(grouped) + whole) * _cost("scale")
    if grouped and not groups_in_unit:
        groups = -(-reduction // min(grouped))
        total += groups * (len(grouped) * _cost("scale") + _cost("partial_sum"))
    return total


def common_formats(weights: Format, inputs: Format) -> tuple[Format, Format]:
    """What a unit multiplies that takes only operands of one kind and width: the narrower is expanded to the wider.

    A float is wider than all else, then more bits. An expanded operand keeps its stored bits and has the other's
    arithmetic without its scales: ``fp16@4.125`` is an int4 with a scale per group of 128, expanded to fp16.
    """
    wider = max(weights.arithmetic, inputs.arithmetic, key=_width)
    return _expanded(weights, wider), _expanded(inputs, wider)


def same_arithmetic(weights: Format, inputs: Format) -> bool:
    """Whether both operands have the same kind and width, so that a plain unit multiplies them."""
    return _width(weights.arithmetic) == _width(inputs.arithmetic)


def _width(arithmetic: Arithmetic) -> tuple[int, int, int]:
    is_float = arithmetic.kind is ArithmeticKind.FLOAT
    if is_float:
        return (1, arithmetic.significand_bits + arithmetic.exponent_bits, arithmetic.significand_bits)
    return (0, arithmetic.integer_bits, 0)


def _expanded(fmt: Format, wider: Arithmetic) -> Format:
    if _width(fmt.arithmetic) == _width(wider):
        return fmt
    if wider.kind is ArithmeticKind.FLOAT:
        bits, exponent = wider.significand_bits + wider.exponent_bits, wider.exponent_bits
        plain = f"fp{bits}_e{exponent}m{wider.significand_bits - 1}"
    else:
        plain = f"int{wider.integer_bits}"
    stored = fmt.bits_per_element
    return format(plain) if stored == format(plain).bits_per_element else with_storage_bits(plain, stored)
