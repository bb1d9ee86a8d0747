"""Formats that try several value sets on every set of elements and keep the one of the least squared error."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.arch.formats.base import Arithmetic, Format, Quantized
from archsim.arch.formats.candidates import Candidate, Tables
from archsim.arch.formats.sharing import Array, Codes, Sharing
from archsim.core.errors import InputError, Problem

Extra = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scales:
    """The scale each candidate would have for each set, as stored, and what is stored for it."""

    values: Array
    """[sets, candidates]."""
    stored: Extra = field(default_factory=lambda: MappingProxyType({}))
    """Arrays with a row per set are cut down to the chosen candidate's column; others are kept."""


class SearchFormat(Format):
    """`bits` per code, and per set a scale and the number of the value set chosen.

    Every candidate is scaled so that its largest magnitude meets the set's; the candidate of the least squared error is
    kept, the first of equals. Values beyond the largest of a side become that largest. A set of zeros has scale 0 and
    the first candidate. NaN and infinities have no code: InputError. What `extra` holds: ``choice`` (the candidate of
    each set) and what the scales are stored as.
    """

    def __init__(
        self,
        name: str,
        *,
        bits: int,
        sharing: Sharing,
        candidates: tuple[Candidate, ...],
        set_bits: int,
        arithmetic: Arithmetic,
    ) -> None:
        self.name = name
        self.code_bits = bits
        self.sharing = sharing
        self.candidates = candidates
        self.set_bits = set_bits
        self.arithmetic = arithmetic
        self.tables = Tables(candidates)

    @property
    def bits_per_element(self) -> Fraction:
        return self.code_bits + self.sharing.share(self.set_bits)

    def bits(self, shape: tuple[int, ...]) -> Fraction:
        """Bits of all codes and of the scales and choices of all sets; those of a whole tensor are not counted."""
        return Fraction(math.prod(shape) * self.code_bits + self.sharing.counted(shape, self.set_bits))

    @property
    def grid(self) -> Array:
        """The values of all candidates."""
        return self.tables.grid

    @property
    def rerounding_fraction(self) -> float:
        """The widest step of a candidate over its largest value: another candidate may be the best one next time."""
        return max(float(np.diff(candidate.grid).max()) / candidate.largest for candidate in self.candidates)

    @abstractmethod
    def scales_for(self, largest: Array, shape: tuple[int, ...]) -> Scales:
        """The stored scales of each candidate for sets of these largest magnitudes."""

    def representable(self, values: Array) -> Array:
        """`values` without what has no value in any candidate; unchanged for signed formats."""
        return values

    def search(self, sets: Array, scales: Scales) -> tuple[Codes, Scales]:
        """The candidate chosen for each set, and the scales it was chosen with."""
        choice, _ = self.best(sets, scales)
        return choice, scales

    def best(self, sets: Array, scales: Scales) -> tuple[Codes, Array]:
        """The candidate of the least squared error of each set, and that error."""
        from archsim.arch.formats.search_kernels import choose

        choice, errors = np.zeros(len(sets), dtype=np.int64), np.zeros(len(sets))
        if len(self.candidates) > 1 or type(self).search is not SearchFormat.search:
            choose(sets, scales.values, self.tables.cells, self.tables.resolution, choice, errors)
        return choice, errors

    def quantize(self, x: ArrayLike) -> Quantized:
        from archsim.arch.formats.search_kernels import encode

        values = self.representable(np.asarray(x, dtype=np.float64))
        sets, choice, scales = self._chosen(values)
        chosen = self._column(scales.values, choice)
        codes = np.empty(sets.shape, dtype=np.int64)
        encode(sets, chosen, choice, self.tables.codes, self.tables.resolution, codes)
        stored = {
            name: self._column(array, choice) if array.shape == scales.values.shape else array
            for name, array in scales.stored.items()
        }
        return Quantized(
            codes=self.sharing.join(codes, values.shape),
            shape=values.shape,
            scales=chosen,
            extra=MappingProxyType({"choice": choice.astype(np.uint8), **stored}),
        )

    def dequantize(self, q: Quantized) -> Array:
        assert q.scales is not None
        codes = self.sharing.split(q.codes)
        choice = q.extra["choice"].astype(np.int64)
        values = self.tables.decode[choice[:, None], codes] * q.scales[:, None]
        return self.sharing.join(values, q.shape)

    def round(self, x: ArrayLike) -> Array:
        from archsim.arch.formats.search_kernels import round_sets

        values = self.representable(np.asarray(x, dtype=np.float64))
        sets, choice, scales = self._chosen(values)
        out = np.empty_like(sets)
        chosen = self._column(scales.values, choice)
        tables = self.tables
        round_sets(sets, chosen, choice, tables.nearest, tables.cells, tables.resolution, out)
        return self.sharing.join(out, values.shape)

    def _chosen(self, values: Array) -> tuple[Array, Codes, Scales]:
        """The sets of `values`, the candidate of each, and the scales of all candidates."""
        from archsim.arch.formats.search_kernels import largest_magnitudes

        sets = self.sharing.split(values)
        largest = np.zeros(len(sets))
        largest_magnitudes(sets, largest)
        if not np.isfinite(largest).all():
            raise InputError(Problem(message=f"NaN and infinities have no code in {self.name}: got a value not finite"))
        choice, scales = self.search(sets, self.scales_for(largest, values.shape))
        return sets, choice, scales

    @staticmethod
    def _column(table: NDArray[Any], choice: Codes) -> NDArray[Any]:
        """Each set's entry for its candidate."""
        return np.take_along_axis(table, choice[:, None], axis=1)[:, 0]
