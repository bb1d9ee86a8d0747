"""`e8m0`: a power of two from 2^-127 to 2^127 in eight bits, the type of microscaling's scales. Code 255 is NaN.

To the nearest value, ties to the larger one; but between 2^-127 and 2^-126, where FP32 has only subnormals, to the
larger: both as in ml_dtypes. Below 2^-127 to it; zero, negative values, infinities and
what lies at or above 1.5 * 2^127 have no value and become NaN. There is no zero.

Source: OCP Microscaling Formats (MX) Specification 1.0, section 5.4.1.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.arch.formats.base import Arithmetic, ArithmeticKind, Format, Quantized
from archsim.arch.formats.scaled import as_doubles

SUMMARY = "a power of two as a type of its own"
SOURCE = "OCP Microscaling Formats (MX) Specification 1.0"

NAME = "e8m0"
BITS = 8
BIAS = 127
NAN_CODE = 255

EXAMPLES = (NAME,)


class PowerOfTwoType(Format):
    """Unsigned; value = 2^(code - 127)."""

    name = NAME
    arithmetic = Arithmetic(kind=ArithmeticKind.POWER_OF_TWO, signed=False, exponent_bits=BITS, serial_terms=1)

    @property
    def bits_per_element(self) -> Fraction:
        return Fraction(BITS)

    def bits(self, shape: tuple[int, ...]) -> Fraction:
        return Fraction(BITS * math.prod(shape))

    @property
    def grid(self) -> NDArray[np.float64]:
        return np.ldexp(1.0, np.arange(NAN_CODE) - BIAS)

    def quantize(self, x: ArrayLike) -> Quantized:
        with np.errstate(over="ignore", invalid="ignore"):
            values = as_doubles(x).astype(np.float32).astype(np.float64)
        fraction, exponent = np.frexp(values)  # 0.5 <= fraction < 1
        middle = np.where(exponent == 1 - BIAS, np.nextafter(0.5, 1.0), 0.75)  # above 2^-127: always up
        codes = np.maximum(exponent - 1 + BIAS + (fraction >= middle), 0)
        legal = np.isfinite(values) & (values > 0) & (codes < NAN_CODE)
        return Quantized(codes=np.where(legal, codes, NAN_CODE).astype(np.int64), shape=values.shape)

    def dequantize(self, q: Quantized) -> NDArray[np.float64]:
        return np.where(q.codes == NAN_CODE, np.nan, np.ldexp(1.0, q.codes - BIAS))


def parse(spec: str) -> PowerOfTwoType | None:
    """The scale type, None when `spec` (lower case) names another."""
    return PowerOfTwoType() if spec in (NAME, "fp8_e8m0", "float8_e8m0fnu") else None
