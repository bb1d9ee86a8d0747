"""Counting values before they are quantized: moments, and how far they lie from the mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archsim.arch.formats.kernels import Floats
from archsim.core.kernels import bits_of, float_of, kernel

Counts = NDArray[np.int64]
Reals = NDArray[np.float64]
Bytes = NDArray[np.uint8]

BLOCK = 2048
"""Elements that are looked at together: they stay in the cache."""
TURNS = 4
"""Histograms side by side: a processor adds to one while another's sum is still on its way."""


@kernel
def add_sums(x: Floats, shift: float, sums: Reals) -> None:
    """Add x - shift to `sums`, each element to a sum of its own: a processor does many of those at once."""
    for i in range(x.shape[0]):
        sums[i] += np.float64(x[i]) - shift


@kernel
def add_squares(x: Floats, shift: float, sums: Reals) -> None:
    """Add (x - shift)^2 to `sums`, each element to a sum of its own."""
    for i in range(x.shape[0]):
        value = np.float64(x[i]) - shift
        sums[i] += value * value


@kernel
def count_zeros(x: Floats) -> int:
    """Elements that are zero."""
    zeros = 0
    for i in range(x.shape[0]):
        zeros += 1 if x[i] == 0.0 else 0
    return zeros


@kernel
def moments(x: Floats, shift: float, out: Reals) -> None:
    """Sum and sum of squares of x - shift, largest magnitude (NaN or infinity where there is one), and zeros.

    `x` [elements], more than none; `out` [4] receives them.
    """
    zeros = 0
    top = bits_of(abs(x[0]))
    sums, squares = np.zeros(BLOCK), np.zeros(BLOCK)
    for first in range(0, x.shape[0], BLOCK):
        block = x[first : first + BLOCK]
        for i in range(block.shape[0]):
            top = max(top, bits_of(abs(block[i])))
        zeros += count_zeros(block)
        add_sums(block, shift, sums)
        add_squares(block, shift, squares)
    out[0], out[1], out[2], out[3] = sums.sum(), squares.sum(), np.float64(float_of(top)), zeros


@kernel
def whole_deviations(x: Floats, mean: float, inverse: float, top: float, out: Bytes) -> None:
    """|x - mean| * inverse without the fraction, at most `top`."""
    for i in range(x.shape[0]):
        out[i] = np.uint8(np.int32(min(abs(np.float64(x[i]) - mean) * inverse, top)))


@kernel
def count_deviations(x: Floats, mean: float, inverse: float, pairs: Counts, alone: Counts) -> None:
    """Whole deviations |x - mean| * inverse of pairs, and of elements without one, the last ones of odd rows.

    Sums into `pairs` [4 x bins x bins] by those of the first and of the second element, and into `alone` [bins]; last
    bins are open. Pairs are neighbours along a row.
    """
    bins = np.uint64(alone.shape[0])
    top = np.float64(alone.shape[0] - 1)
    length = x.shape[1]
    found = np.empty(BLOCK, np.uint8)
    for row in range(x.shape[0]):
        for first in range(0, length, BLOCK):
            last = min(first + BLOCK, length)
            whole_deviations(x[row, first:last], mean, inverse, top, found)
            for pair in range((last - first) // 2):
                turn = np.uint64(pair) & np.uint64(TURNS - 1)
                one, two = np.uint64(found[2 * pair]), np.uint64(found[2 * pair + 1])
                pairs[(turn * bins + one) * bins + two] += 1
        if length % 2 == 1:
            alone[np.uint64(found[(length - 1) % BLOCK])] += 1
