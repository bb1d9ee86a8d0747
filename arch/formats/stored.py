"""A format with its stored size overridden: what a published design says it stores, whatever the format needs."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.arch.formats.base import Format, Quantized
from archsim.core.errors import InputError, Problem

Bits = int | float | str | Fraction

MAX_STORED_BITS = 1024
MAX_TEXT = 64
"""Longest spelling of a number of bits."""


class StoredFormat(Format):
    """The values, codes and arithmetic of `base`, stored in `bits` bits per element with all metadata."""

    def __init__(self, base: Format, bits: Fraction) -> None:
        self.base: Format = base.base if isinstance(base, StoredFormat) else base
        self.name = f"{self.base.name}@{_text(bits)}"
        self.arithmetic = base.arithmetic
        self._bits = bits

    @property
    def bits_per_element(self) -> Fraction:
        return self._bits

    def bits(self, shape: tuple[int, ...]) -> Fraction:
        return self._bits * math.prod(shape)

    @property
    def grid(self) -> NDArray[np.float64]:
        return self.base.grid

    def quantize(self, x: ArrayLike) -> Quantized:
        return self.base.quantize(x)

    def dequantize(self, q: Quantized) -> NDArray[np.float64]:
        return self.base.dequantize(q)

    def round(self, x: ArrayLike) -> NDArray[np.floating[Any]]:
        return self.base.round(x)

    def round_into(self, x: ArrayLike, out: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        return self.base.round_into(x, out)


def as_bits(value: object) -> Fraction:
    """`value` as an exact number of bits: 4.1 is 41/10 and not its binary neighbour. Raises InputError."""
    bits = _fraction(value)
    if bits is None or not 0 < bits <= MAX_STORED_BITS:
        message = f"storage_bits must be a number above 0 and at most {MAX_STORED_BITS} (got {value!r})"
        raise InputError(Problem(message=message))
    return bits


def _fraction(value: object) -> Fraction | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Fraction):
        return None
    text = str(value) if not isinstance(value, str) else value
    if len(text) > MAX_TEXT or "e" in text.lower():
        return None
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        return None


def _text(bits: Fraction) -> str:
    decimal = Decimal(bits.numerator) / Decimal(bits.denominator)
    text = f"{decimal:f}"
    return text if Fraction(text) == bits else str(bits)
