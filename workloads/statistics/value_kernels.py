"""Counting values before they are quantized: moments, and how far they lie from the mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archsim.arch.formats.kernels import Floats
from archsim.core.kernels import bits_of, float_of, kernel

Counts = NDArray[np.int64]
Reals = NDArray[np.float64]

PARTS = 16
"""Partial sums side by side, which a processor adds faster than one."""
BLOCK = 4096
"""Elements whose sums are added to the total at once: rounding errors then grow with the blocks."""


@kernel
def moments(x: Floats, shift: float, out: Reals) -> None:
    """Sum and sum of squares of x - shift, largest magnitude (NaN or infinity where there is one) and zeros of a row.

    `x` is one-dimensional; `out` [4] receives them.
    """
    total, squares, zeros = 0.0, 0.0, 0
    top = bits_of(abs(x[0]))
    sums, second = np.zeros(PARTS), np.zeros(PARTS)
    for first in range(0, x.shape[0], BLOCK):
        last = min(first + BLOCK, x.shape[0])
        for i in range(first, last):
            top = max(top, bits_of(abs(x[i])))
            zeros += 1 if x[i] == 0.0 else 0
        whole = (last - first) // PARTS
        sums[:] = 0.0
        second[:] = 0.0
        for step in range(whole):
            for part in range(PARTS):
                value = np.float64(x[first + step * PARTS + part]) - shift
                sums[part] += value
                second[part] += value * value
        for i in range(first + whole * PARTS, last):
            value = np.float64(x[i]) - shift
            sums[0] += value
            second[0] += value * value
        total += sums.sum()
        squares += second.sum()
    out[0], out[1], out[2], out[3] = total, squares, np.float64(float_of(top)), zeros


@kernel
def count_deviations(
    x: Floats, mean: float, inverse: float, larger: Counts, smaller: Counts, alone: Counts
) -> None:
    """Whole deviations |x - mean| * inverse by pair: of its larger and of its smaller one; of elements without a pair.

    Pairs are neighbours along a row, the last element of an odd row is alone. Last bins are open.
    """
    last = np.uint64(larger.shape[0] - 1)
    top = np.float64(last)
    length = x.shape[1]
    for row in range(x.shape[0]):
        for pair in range(length // 2):
            one = abs(np.float64(x[row, 2 * pair]) - mean) * inverse
            two = abs(np.float64(x[row, 2 * pair + 1]) - mean) * inverse
            larger[np.uint64(min(max(one, two), top))] += 1
            smaller[np.uint64(min(min(one, two), top))] += 1
        if length % 2 == 1:
            alone[np.uint64(min(abs(np.float64(x[row, length - 1]) - mean) * inverse, top))] += 1
