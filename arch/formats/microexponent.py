"""Block data representation with microexponents: `mx9`, `mx6`, `mx4`.

16 elements along a row share an exponent of 8 bits, and each pair one bit more: set, it lowers the pair's exponent by
one. An element has a sign and 7, 4 or 2 mantissa bits without a hidden one. (Not to be confused with the OCP's MX,
which grew out of it.)

Source: Darvish Rouhani et al., "With Shared Microexponents, A Little Shifting Goes a Long Way", ISCA 2023, Table II.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from archsim.arch.formats.base import Arithmetic, ArithmeticKind, Granularity, Quantized, Scale
from archsim.arch.formats.scaled import Array, Floats, ScaledFormat, as_doubles

SUMMARY = "16 elements share an exponent, each pair a bit that lowers it"
SOURCE = "Darvish Rouhani et al., ISCA 2023 (shared microexponents)"

BLOCK = 16
PAIR = 2
EXPONENT_BITS = 8
MICRO_BITS = 1
LOWEST_SHARED, HIGHEST_SHARED = -127, 128

_MANTISSA_BITS = {"mx9": 7, "mx6": 4, "mx4": 2}

EXAMPLES = tuple(_MANTISSA_BITS)


class MicroexponentFormat(ScaledFormat):
    """Value = code * 2^(shared - micro - m + 1), code a sign and m bits; all rounding to nearest, ties to even.

    The shared exponent is floor(log2 amax) of the block, from -127 to 128; a pair's micro is 1 when both its elements
    are below 2^shared. Codes saturate at 2^m - 1. NaN and infinities have no code: InputError. A row's last block may
    have fewer elements and still stores one exponent and 8 microexponents.
    """

    exact_in_single = True

    def __init__(self, name: str, mantissa_bits: int) -> None:
        self.name = name
        self.mantissa_bits = mantissa_bits
        self.element_bits = Fraction(1 + mantissa_bits)
        self.set_bits = EXPONENT_BITS + MICRO_BITS * (BLOCK // PAIR)
        self.arithmetic = Arithmetic(
            kind=ArithmeticKind.INTEGER,
            integer_bits=1 + mantissa_bits,
            serial_terms=mantissa_bits,
            scale=Scale(
                granularity=Granularity.GROUP,
                group_size=BLOCK,
                kind="e8m0",
                bits=EXPONENT_BITS,
                micro_group_size=PAIR,
                micro_bits=MICRO_BITS,
            ),
        )

    @property
    def grid(self) -> Array:
        """Values where the shared exponent is 0: those of a lowered pair and those of one that is not."""
        steps = np.arange(-self._highest, self._highest + 1) * self._step
        values: Array = np.unique(np.concatenate([steps, steps / 2])).astype(np.float64)
        return values

    @property
    def _highest(self) -> int:
        return (1 << self.mantissa_bits) - 1

    @property
    def _step(self) -> float:
        return 2.0 ** (1 - self.mantissa_bits)

    def quantize(self, x: ArrayLike) -> Quantized:
        """Scales are 2^shared; `extra["microexponents"]` has a row of 8 for each of them."""
        values = as_doubles(x)
        sets = self._split(values)
        largest = self._largest(sets)
        floor = np.where(largest > 0, np.frexp(largest)[1] - 1, LOWEST_SHARED)
        shared = np.clip(floor, LOWEST_SHARED, HIGHEST_SHARED)
        pairs = np.abs(sets).reshape((*sets.shape[:-1], BLOCK // PAIR, PAIR)).max(axis=-1, initial=0.0)
        micro = (pairs < np.ldexp(1.0, shared)).astype(np.int64)
        steps = np.ldexp(self._step, shared - np.repeat(micro, PAIR, axis=-1))
        codes = np.clip(np.rint(sets / steps), -self._highest, self._highest)
        shape = self._scales_shape(values.shape)
        return Quantized(
            codes=self._join_codes(codes.astype(np.int64), values.shape),
            shape=values.shape,
            scales=np.ldexp(1.0, shared).reshape(shape),
            extra={"microexponents": micro.reshape((*shape, BLOCK // PAIR))},
        )

    def dequantize(self, q: Quantized) -> Array:
        assert q.scales is not None
        sets = self._split(q.codes.astype(np.float64))
        micro = np.repeat(q.extra["microexponents"].reshape((*sets.shape[:-1], BLOCK // PAIR)), PAIR, axis=-1)
        steps = self._step * q.scales.reshape((*sets.shape[:-1], 1)) / (1 << micro.astype(np.int64))
        return self._join(sets * steps, q.shape)

    def _round_rows(self, x: Floats, out: Floats, size: int) -> None:
        from archsim.arch.formats.block_kernels import round_microexponents

        if not round_microexponents(x, out, size, self.mantissa_bits, LOWEST_SHARED, HIGHEST_SHARED):
            raise self._refuse()


def parse(spec: str) -> MicroexponentFormat | None:
    """The format with shared microexponents that `spec` (lower case) names, None when it names none."""
    return MicroexponentFormat(spec, _MANTISSA_BITS[spec]) if spec in _MANTISSA_BITS else None
