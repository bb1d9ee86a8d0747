"""Blocks with a power-of-two scale: the common part of OCP microscaling (MX) and block floating point (BFP).

The shared exponent is floor(log2 amax) less the element type's largest exponent, limited to what its field holds.
Elements are rounded to nearest, ties to even, and saturate.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.arch.formats.base import Arithmetic, ArithmeticKind, Granularity, Quantized, Scale
from archsim.arch.formats.minifloat import FloatFormat
from archsim.arch.formats.scaled import Array, Floats, ScaledFormat, as_doubles

SINGLE_EXPONENT_BITS, SINGLE_FRACTION_BITS = 8, 23
"""Of FP32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """An element as a float with `fraction_bits`, exponents from `smallest` to `largest_exponent`, up to `largest`.

    A sign-magnitude integer of m bits is one with m - 1 fraction bits and exponent 0 only: steps of 2^(1-m) below 2.
    """

    fraction_bits: int
    smallest: int
    largest_exponent: int
    largest: float
    minifloat: FloatFormat | None = None
    """The type whose codes the elements have; None for integers."""

    @classmethod
    def of_float(cls, minifloat: FloatFormat) -> Element:
        return cls(
            fraction_bits=minifloat.mantissa_bits,
            smallest=minifloat.smallest_exponent,
            largest_exponent=int(np.frexp(minifloat.largest)[1]) - 1,
            largest=minifloat.largest,
            minifloat=minifloat,
        )

    @classmethod
    def of_magnitude(cls, bits: int) -> Element:
        largest = (2**bits - 1) / 2 ** (bits - 1)
        return cls(fraction_bits=bits - 1, smallest=0, largest_exponent=0, largest=largest)

    @property
    def step(self) -> float:
        """What code 1 of an integer stands for."""
        return 2.0**-self.fraction_bits

    @property
    def bits(self) -> int:
        return self.minifloat.width if self.minifloat else self.fraction_bits + 2

    @property
    def grid(self) -> Array:
        if self.minifloat is not None:
            return self.minifloat.grid
        highest = 2 ** (self.fraction_bits + 1) - 1
        return np.arange(-highest, highest + 1) * self.step

    def encode(self, values: Array) -> NDArray[np.int64]:
        limited = np.clip(values, -self.largest, self.largest)
        if self.minifloat is not None:
            return self.minifloat.encode(limited)
        return np.rint(limited / self.step).astype(np.int64)

    def decode(self, codes: NDArray[np.int64]) -> Array:
        return codes.astype(np.float64) * self.step if self.minifloat is None else self.minifloat.decode(codes)

    def arithmetic(self, scale: Scale) -> Arithmetic:
        if self.minifloat is None:
            return Arithmetic(
                kind=ArithmeticKind.INTEGER, integer_bits=self.bits, serial_terms=self.bits - 1, scale=scale
            )
        own = self.minifloat.arithmetic
        return Arithmetic(
            kind=own.kind,
            significand_bits=own.significand_bits,
            exponent_bits=own.exponent_bits,
            serial_terms=own.serial_terms,
            scale=scale,
        )


class SharedExponentFormat(ScaledFormat):
    """Blocks of `block` elements along a row with one exponent of `exponent_bits`, stored with its bias.

    With `nan_code` (E8M0) the field's last code means NaN: a block that holds a NaN or an infinity becomes NaN.
    Without it such values have no code: InputError. Scales in `Quantized` are the powers of two themselves.
    """

    def __init__(self, name: str, element: Element, *, block: int, exponent_bits: int, nan_code: bool) -> None:
        self.name = name
        self.element = element
        self.nan_code = nan_code
        self.set_bits = exponent_bits
        self.element_bits = Fraction(element.bits)
        self.lowest_shared = 1 - (1 << (exponent_bits - 1))
        self.highest_shared = (1 << (exponent_bits - 1)) - int(nan_code)
        self.arithmetic = element.arithmetic(
            Scale(granularity=Granularity.GROUP, group_size=block, kind=f"e{exponent_bits}m0", bits=exponent_bits)
        )
        narrow = exponent_bits <= SINGLE_EXPONENT_BITS
        self.exact_in_single = narrow and element.fraction_bits <= SINGLE_FRACTION_BITS - 1

    @property
    def grid(self) -> Array:
        return self.element.grid

    def quantize(self, x: ArrayLike) -> Quantized:
        values = as_doubles(x)
        sets = self._split(values)
        largest = np.abs(sets).max(axis=-1, keepdims=True, initial=0.0)
        finite = np.isfinite(largest)
        if not (self.nan_code or finite.all()):
            raise self._refuse()
        normal = np.where(finite, largest, 0.0)
        floor = np.where(normal > 0, np.frexp(normal)[1] - 1, self.lowest_shared)
        shared = np.clip(floor - self.element.largest_exponent, self.lowest_shared, self.highest_shared)
        codes = self.element.encode(np.ldexp(np.where(finite, sets, 0.0), -shared))
        scales = np.where(finite, np.ldexp(1.0, shared), np.nan)
        return Quantized(
            codes=self._join_codes(codes, values.shape),
            shape=values.shape,
            scales=scales.reshape(self._scales_shape(values.shape)),
        )

    def dequantize(self, q: Quantized) -> Array:
        assert q.scales is not None
        scales = q.scales.reshape(-1)
        elements = self._split(self.element.decode(q.codes))
        return self._join(elements * scales.reshape((*elements.shape[:-1], 1)), q.shape)

    def _round_rows(self, x: Floats, out: Floats, size: int) -> None:
        from archsim.arch.formats.block_kernels import round_shared_exponent

        element = self.element
        finite = round_shared_exponent(
            x,
            out,
            size,
            element.fraction_bits,
            element.smallest,
            element.largest_exponent,
            element.largest,
            self.lowest_shared,
            self.highest_shared,
        )
        if not (finite or self.nan_code):
            raise self._refuse()
