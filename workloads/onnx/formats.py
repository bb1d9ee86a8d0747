"""Number formats that a graph's quantization states."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import TensorProto

from archsim.arch.formats import Format, format
from archsim.core.errors import InputError
from archsim.workloads.onnx.values import UnsupportedError, Value

INTEGER_BITS: Mapping[int, tuple[int, bool]] = {
    TensorProto.INT8: (8, True),
    TensorProto.UINT8: (8, False),
    TensorProto.INT16: (16, True),
    TensorProto.UINT16: (16, False),
    TensorProto.INT32: (32, True),
    TensorProto.INT4: (4, True),
    TensorProto.UINT4: (4, False),
    getattr(TensorProto, "INT2", -1): (2, True),
    getattr(TensorProto, "UINT2", -2): (2, False),
}
"""Bits and sign of integer element types."""

FLOAT_NAMES: Mapping[int, str] = {
    TensorProto.FLOAT8E4M3FN: "fp8_e4m3",
    TensorProto.FLOAT8E4M3FNUZ: "fp8_e4m3fnuz",
    TensorProto.FLOAT8E5M2: "fp8_e5m2",
    TensorProto.FLOAT8E5M2FNUZ: "fp8_e5m2fnuz",
    TensorProto.FLOAT4E2M1: "fp4_e2m1",
}
BLOCK_NAMES: Mapping[tuple[int, int], str] = {
    (TensorProto.FLOAT4E2M1, 32): "mxfp4",
    (TensorProto.FLOAT4E2M1, 16): "nvfp4",
    (TensorProto.FLOAT8E4M3FN, 32): "mxfp8",
    (TensorProto.FLOAT8E5M2, 32): "mxfp8_e5m2",
}
WIDEST = 48


def integer_format(bits: int, *, signed: bool, zero: Value | None, scales: int = 1, block: int = 0) -> Format:
    """The integers that a scale and a zero point stand for.

    A zero point that is not known to be 0 makes them asymmetric: their codes then run from 0, whatever the sign of the
    stored type. More scales than one are per channel, or per `block` along the reduction.
    """
    if not 1 <= bits <= WIDEST:
        raise UnsupportedError(f"integers of {bits} bits are no format")
    asymmetric = zero is not None and (zero.data is None or bool(np.any(zero.data)))
    name = f"int{bits}" if signed or asymmetric else f"uint{bits}"
    granularity = f":g{block}" if block > 1 else ":channel" if scales > 1 else ""
    return format(name + granularity + (":asym" if asymmetric else ""))


def linear_format(element_type: int, scale: Value | None, zero: Value | None, block: int = 0) -> Format | None:
    """The format of a tensor stored in a type with a scale and a zero point; None for types that say nothing."""
    if element_type in INTEGER_BITS:
        bits, signed = INTEGER_BITS[element_type]
        scales = 1 if scale is None else max(scale.elements, 1)
        return integer_format(bits, signed=signed, zero=zero, scales=scales, block=block)
    if (element_type, block) in BLOCK_NAMES:
        return format(BLOCK_NAMES[element_type, block])
    return format(FLOAT_NAMES[element_type]) if element_type in FLOAT_NAMES else None


def binary_format(scales: int) -> Format:
    """One bit a value: -1 and +1 times a scale."""
    try:
        return format("binary:channel" if scales > 1 else "binary")
    except InputError as error:
        raise UnsupportedError(str(error)) from None
