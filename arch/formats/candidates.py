"""Value sets that a search chooses from, with the codes of their values, and the tables that kernels read them by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

MAX_RESOLUTION = 1 << 12
"""Finest fraction of 1 that a boundary between two values may fall on."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One value set: code to value. Zero is among the values."""

    name: str
    values: Mapping[int, float]

    @property
    def largest(self) -> float:
        """The largest magnitude."""
        return max(abs(value) for value in self.values.values())

    @property
    def grid(self) -> Array:
        """The values, ascending."""
        return np.array(sorted(set(self.values.values())))


@dataclass(frozen=True)
class Tables:
    """Nearest values of all candidates by table: a scaled magnitude z = |y| * resolution has the index
    floor(z) + ceil(z), so that a magnitude exactly between two values has an index of its own.

    A tie goes to the even code; where both or neither are even, to the smaller magnitude.
    """

    candidates: tuple[Candidate, ...]

    @cached_property
    def largest(self) -> Array:
        """Largest magnitude of each candidate."""
        return np.array([candidate.largest for candidate in self.candidates])

    @cached_property
    def widest_gap(self) -> float:
        """The widest step between neighbouring values of any candidate."""
        return max(float(np.diff(candidate.grid).max()) for candidate in self.candidates)

    @cached_property
    def resolution(self) -> float:
        """The coarsest power of two that makes every boundary a whole number."""
        boundaries = np.concatenate([(c.grid[1:] + c.grid[:-1]) / 2 for c in self.candidates])
        resolution = 1
        while not np.array_equal(boundaries * resolution, np.rint(boundaries * resolution)):
            resolution *= 2
            if resolution > MAX_RESOLUTION:
                raise ValueError("values whose midpoints are no fraction of 4096 cannot be tabled")
        return float(resolution)

    @cached_property
    def codes(self) -> Codes:
        """[candidate, sign, index] -> code of the nearest value; sign 1 is negative."""
        top = max(float(abs(c.grid).max()) for c in self.candidates)
        length = 2 * int(np.ceil(top * self.resolution)) + 1
        magnitudes = np.arange(length) / (2 * self.resolution)
        return np.array([[_nearest(c, sign * magnitudes) for sign in (1.0, -1.0)] for c in self.candidates])

    @cached_property
    def nearest(self) -> Array:
        """[candidate, sign, index] -> the nearest value."""
        decode = self.decode
        return np.stack([decode[i][self.codes[i]] for i in range(len(self.candidates))])

    @cached_property
    def cells(self) -> Array:
        """[candidate, cell] -> the nearest value inside each cell of a width of 1 / resolution, from the lowest up."""
        above = self.nearest[:, 0, 1::2]
        below = self.nearest[:, 1, 1::2]
        return np.ascontiguousarray(np.concatenate([below[:, ::-1], above], axis=1))

    @cached_property
    def decode(self) -> Array:
        """[candidate, code] -> value; 0 for a code that no value has."""
        size = max(max(c.values) for c in self.candidates) + 1
        table = np.zeros((len(self.candidates), size))
        for row, candidate in zip(table, self.candidates, strict=True):
            row[list(candidate.values)] = list(candidate.values.values())
        return table

    @cached_property
    def grid(self) -> Array:
        """All values of all candidates, ascending."""
        return np.unique(np.concatenate([candidate.grid for candidate in self.candidates]))


def code_table(candidate: Candidate, bits: int) -> Array:
    """Value of each code of `bits` bits; 0 for a code that no value has."""
    table = np.zeros(1 << bits)
    table[list(candidate.values)] = list(candidate.values.values())
    return table


def nearest_codes(candidate: Candidate, points: Array) -> Codes:
    """Codes of the values nearest to `points`, ties as in `Tables`; for values too far apart for a table."""
    pairs = sorted((value, code) for code, value in candidate.values.items())
    values = np.array([value for value, _ in pairs])
    codes = np.array([code for _, code in pairs], dtype=np.int64)
    boundaries = (values[1:] + values[:-1]) / 2
    prefers_upper = np.array([_rank(high) < _rank(low) for low, high in pairwise(pairs)])
    below = np.searchsorted(boundaries, points, side="left")
    last = len(boundaries) - 1
    tied = points == boundaries[np.minimum(below, last)]
    found: Codes = codes[below + (tied & prefers_upper[np.minimum(below, last)])]
    return found


def _rank(pair: tuple[float, int]) -> tuple[int, float]:
    """Of two values equally near, the one of lower rank is taken."""
    value, code = pair
    return code % 2, abs(value)


def _nearest(candidate: Candidate, points: Array) -> Codes:
    """Codes of the values nearest to `points`."""
    codes = np.array(list(candidate.values), dtype=np.int64)
    values = np.array(list(candidate.values.values()))
    order = np.lexsort((np.abs(values), codes % 2))
    distance = np.abs(points[:, None] - values[order])
    found: Codes = codes[order][np.argmin(distance, axis=1)]
    return found


def signed(magnitudes: Sequence[float], sign_bit: int) -> dict[int, float]:
    """Sign-magnitude codes: the magnitude's position, plus 2^sign_bit for negative values; zero has code 0."""
    positive = {code: float(value) for code, value in enumerate(magnitudes)}
    return positive | {code + (1 << sign_bit): -value for code, value in positive.items() if value}


def integer(bits: int) -> dict[int, float]:
    """Symmetric integers of `bits` bits in two's complement."""
    high = (1 << (bits - 1)) - 1
    return {value % (1 << bits): float(value) for value in range(-high, high + 1)}


def flint_magnitudes(bits: int) -> tuple[float, ...]:
    """Values of the unsigned flint of `bits` bits, by code.

    The position of the first one tells the exponent, and the bits that are left are the mantissa: integers below
    2^(bits-1), then ever fewer mantissa bits. Source: Guo et al., ANT, MICRO 2022, section 4 and figure 5.
    """
    high = 1 << (bits - 1)
    return tuple(float(code) if code < high else _upper_flint(code, bits) for code in range(2 * high))


def _upper_flint(code: int, bits: int) -> float:
    """Value of a flint code whose leading bit is one: the next one tells the exponent from below."""
    rest = code - (1 << (bits - 1))
    if rest == 0:
        return float(1 << (2 * bits - 2))
    mantissa_bits = rest.bit_length() - 1
    exponent = 2 * bits - 3 - mantissa_bits
    mantissa = rest - (1 << mantissa_bits)
    return float(((1 << mantissa_bits) + mantissa) << (exponent - mantissa_bits))


def power_of_two_magnitudes(bits: int) -> tuple[float, ...]:
    """Zero and the powers of two from 1 up that `bits` bits of magnitude hold."""
    return (0.0, *(float(1 << exponent) for exponent in range((1 << bits) - 1)))
