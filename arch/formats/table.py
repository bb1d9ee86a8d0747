"""Formats whose elements are entries of a short table, times one scale per set: the nearest entry is looked up."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.arch.formats.base import Arithmetic, Quantized
from archsim.arch.formats.scaled import Array, Floats, ScaledFormat, as_doubles
from archsim.arch.formats.scales import SCALE_TYPES

Codes = NDArray[np.int64]


class TableFormat(ScaledFormat):
    """Value = entry * scale, scale = amax / `highest` as stored; the nearest entry, ties to the even code.

    `values` ascend; `codes[i]` is what is stored for `values[i]`. A set of zeros has scale 0. NaN and infinities have
    no code: InputError.
    """

    def __init__(self, name: str, *, values: Array, codes: Codes, bits: int, arithmetic: Arithmetic) -> None:
        self.name = name
        self.values = values
        self.codes = codes
        self.element_bits = Fraction(bits)
        self.arithmetic = replace(arithmetic, lookup_entries=len(values) if arithmetic.lookup_entries else 0)
        self.set_bits = arithmetic.scale.bits
        self.highest = float(np.abs(values).max())

    @property
    def grid(self) -> Array:
        """The entries, before the scale."""
        return self.values.copy()

    @cached_property
    def _thresholds(self) -> Array:
        """Entry i + 1 is taken above threshold i: the middle, or just below it where the tie goes up."""
        middles = (self.values[1:] + self.values[:-1]) / 2
        return np.where(self.codes[1:] % 2 == 0, np.nextafter(middles, -np.inf), middles)

    @cached_property
    def _kernel_tables(self) -> tuple[Array, Array]:
        """Entries and thresholds, filled up to a power of two with entries out of reach."""
        size = 1 << (len(self.values) - 1).bit_length()
        missing = size - len(self.values)
        values = np.concatenate([self.values, np.full(missing, self.values[-1])])
        return values, np.concatenate([self._thresholds, np.full(missing, np.inf)])

    def quantize(self, x: ArrayLike) -> Quantized:
        array = as_doubles(x)
        sets = self._split(array)
        scales = self._scales(self._largest(sets))
        index = self._index(np.divide(sets, scales, out=np.zeros_like(sets), where=scales > 0))
        return Quantized(
            codes=self._join_codes(self.codes[index], array.shape),
            shape=array.shape,
            scales=scales.reshape(self._scales_shape(array.shape)),
        )

    def dequantize(self, q: Quantized) -> Array:
        sets = self._split(self._decode_table[q.codes])
        return self._join(sets * self._stored_scales(q).reshape((*sets.shape[:-1], 1)), q.shape)

    def _stored_scales(self, q: Quantized) -> Array:
        assert q.scales is not None
        return q.scales

    def _index(self, values: Array) -> NDArray[np.intp]:
        return np.searchsorted(self._thresholds, values, side="left")

    @cached_property
    def _decode_table(self) -> Array:
        values = np.zeros(int(self.codes.max()) + 1)
        values[self.codes] = self.values
        return values

    def _scales(self, largest: Array) -> Array:
        """The stored scales; where the highest entry is not reached, those that the reached ones ask for again."""
        stored = SCALE_TYPES[self.scale.kind]
        scales = stored.nearest(largest / self.highest)
        reached = self.values[self._index(np.divide(largest, scales, out=np.zeros_like(largest), where=scales > 0))]
        return stored.nearest(np.maximum(reached * scales, 0.0) / self.highest)

    def _round_rows(self, x: Floats, out: Floats, size: int) -> None:
        from archsim.arch.formats.block_kernels import round_table

        scale_type = SCALE_TYPES[self.scale.kind].parameters
        values, thresholds = self._kernel_tables
        if not round_table(x, out, size, values, thresholds, self.highest, *scale_type):
            raise self._refuse()
