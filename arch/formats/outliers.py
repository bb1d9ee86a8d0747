"""Values kept apart from the dense ones: which, and where."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from archsim.arch.formats.sharing import Array, Codes


def outlier_count(size: int, share: Fraction) -> int:
    """How many of `size` elements are outliers: the share of them, rounded half up."""
    return math.floor(size * share + Fraction(1, 2))


def largest_positions(values: Array, count: int) -> Codes:
    """Flat positions of the `count` largest magnitudes, ascending; of equals the first ones."""
    if count == 0:
        return np.zeros(0, dtype=np.int64)
    magnitudes = np.abs(values).ravel()
    least = np.partition(magnitudes, magnitudes.size - count)[magnitudes.size - count]
    above = np.flatnonzero(magnitudes > least)
    equal = np.flatnonzero(magnitudes == least)[: count - above.size]
    return np.sort(np.concatenate([above, equal])).astype(np.int64)


def put(values: Array, positions: NDArray[np.generic], outliers: NDArray[np.generic]) -> Array:
    """A copy of `values` with `outliers` at the flat `positions`."""
    out = values.copy()
    out.reshape(-1)[positions.astype(np.int64)] = outliers.astype(np.float64)
    return out


def clipped(values: Array, dtype: type[np.floating]) -> NDArray[np.floating]:
    """`values` in a stored float type, saturating at its largest finite value."""
    largest = float(np.finfo(dtype).max)
    return np.clip(values, -largest, largest).astype(dtype)
