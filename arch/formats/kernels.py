"""Rounding of arrays to scaled number formats: one pass over the blocks of each row, without temporaries.

Arrays are [rows, length], C-contiguous, float32 or float64; blocks of `size` elements lie along a row, its last one may
be shorter. Arithmetic is float64 whatever the arrays are. Values with an unbounded number of bits are rounded by
adding and subtracting 1.5 * 2^k: the sum keeps no bit below 2^(k - 52), and its rounding is to nearest, ties to even.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.core.kernels import bits_of, float_of, kernel

Floats = NDArray[np.floating[Any]]

FRACTION_BITS = 52
BIAS = 1023
EXPONENT_FIELD = 0x7FF << FRACTION_BITS
HALF = 1 << (FRACTION_BITS - 1)

STRETCH = 1024
"""Elements that are done again together where one of them lies close to a tie."""
LARGEST_FAST_CODE = 2.0**16
ALMOST_HALF = 0.5 - 2.0**-34
"""A product with an inverse is within 2^-51 of the quotient, relatively: within 2^-35 up to `LARGEST_FAST_CODE`."""


@kernel
def power_of_two(exponent: int) -> float:
    """2^exponent for a normal float64 result."""
    return float_of((exponent + BIAS) << FRACTION_BITS)


@kernel
def exponent_of(magnitude: float) -> int:
    """floor(log2(magnitude)) of a normal float64; -1023 for zero and subnormals."""
    return (bits_of(magnitude) >> FRACTION_BITS) - BIAS


@kernel
def nearest_magnitude(magnitude: float, fraction_bits: int, lowest_field: int) -> float:
    """`magnitude` to the nearest number with `fraction_bits` after the leading one, ties to even.

    Below the exponent field `lowest_field` (exponent + 1023, in place) the spacing stays: subnormals.
    """
    field = max(bits_of(magnitude) & EXPONENT_FIELD, lowest_field)
    shifter = float_of(field + (((FRACTION_BITS - fraction_bits) << FRACTION_BITS) | HALF))
    return (magnitude + shifter) - shifter


@kernel
def stored_scale(scale: float, fraction_bits: int, smallest_exponent: int, largest: float) -> float:
    """A scale as its stored type holds it: nearest, saturated, and not zero unless `scale` is."""
    if scale == 0.0:
        return 0.0
    nearest = nearest_magnitude(min(scale, largest), fraction_bits, (smallest_exponent + BIAS) << FRACTION_BITS)
    return max(min(nearest, largest), power_of_two(smallest_exponent - fraction_bits))


@kernel
def largest_magnitude(x: Floats, row: int, start: int, stop: int) -> float:
    """The largest magnitude in a block; NaN where there is one: as integers, its bits are above infinity's."""
    top = bits_of(abs(x[row, start]))
    for i in range(start, stop):
        top = max(top, bits_of(abs(x[row, i])))
    return float_of(top)


@kernel
def largest_value(x: Floats, row: int, start: int, stop: int) -> float:
    """The largest of 0 and the block's values; NaN where there is a positive one."""
    top = bits_of(x[row, start])
    for i in range(start, stop):
        top = max(top, bits_of(x[row, i]))
    value = np.float64(float_of(top))
    return 0.0 if value <= 0.0 else value


@kernel
def largest_value_and_magnitude(x: Floats, row: int, start: int, stop: int) -> tuple[float, float]:
    """`largest_value` and `largest_magnitude` of a block in one pass."""
    top = bits_of(x[row, start])
    high = bits_of(abs(x[row, start]))
    for i in range(start, stop):
        top = max(top, bits_of(x[row, i]))
        high = max(high, bits_of(abs(x[row, i])))
    value = np.float64(float_of(top))
    return 0.0 if value <= 0.0 else value, np.float64(float_of(high))


@kernel
def largest_negative(x: Floats, row: int, start: int, stop: int) -> float:
    """The largest magnitude of the block's negative values; NaN where there is a negative one."""
    top = bits_of(-x[row, start])
    for i in range(start, stop):
        top = max(top, bits_of(-x[row, i]))
    value = np.float64(float_of(top))
    return 0.0 if value <= 0.0 else value


@kernel
def integer_scale(
    largest: float, highest: float, fraction_bits: int, smallest_exponent: int, largest_scale: float
) -> float:
    """The stored scale for a block of integers up to `highest`; the one that its reached maximum asks for again.

    Where the largest value reaches `highest` (almost always) that is the same scale; the product is exact.
    """
    scale = stored_scale(largest / highest, fraction_bits, smallest_exponent, largest_scale)
    if scale == 0.0 or largest > (highest - 0.5) * scale:
        return scale
    reached = min(np.rint(largest / scale), highest)
    return stored_scale(reached * scale / highest, fraction_bits, smallest_exponent, largest_scale)


@kernel
def fill(out: Floats, row: int, start: int, stop: int, value: float) -> None:
    for i in range(start, stop):
        out[row, i] = value


@kernel
def round_integers(
    x: Floats,
    out: Floats,
    size: int,
    lowest: float,
    highest: float,
    fraction_bits: int,
    smallest_exponent: int,
    largest_scale: float,
) -> bool:
    """Integers times one scale per block; False when a value is not finite. `lowest` is 0 or -`highest`."""
    for row in range(x.shape[0]):
        for start in range(0, x.shape[1], size):
            stop = min(start + size, x.shape[1])
            if lowest == 0.0:
                largest, magnitude = largest_value_and_magnitude(x, row, start, stop)
            else:
                largest = np.float64(largest_magnitude(x, row, start, stop))
                magnitude = largest
            if not magnitude < np.inf:
                return False
            scale = integer_scale(largest, highest, fraction_bits, smallest_exponent, largest_scale)
            if scale == 0.0:
                fill(out, row, start, stop, 0.0)
                continue
            if stop - start < STRETCH or highest > LARGEST_FAST_CODE:
                for i in range(start, stop):
                    code = np.rint(np.float64(x[row, i]) / scale)
                    out[row, i] = min(max(code, lowest), highest) * scale
                continue
            for first in range(start, stop, STRETCH):
                round_stretch(x, out, row, first, min(first + STRETCH, stop), scale, lowest, highest)
    return True


@kernel
def round_stretch(
    x: Floats, out: Floats, row: int, start: int, stop: int, scale: float, lowest: float, highest: float
) -> None:
    """round(x / scale) * scale, limited. A product with 1 / scale is faster and enough, except close to a tie."""
    inverse, doubtful = 1.0 / scale, 0
    for i in range(start, stop):
        quotient = np.float64(x[row, i]) * inverse
        code = np.rint(quotient)
        doubtful += 1 if abs(quotient - code) > ALMOST_HALF else 0
        out[row, i] = min(max(code, lowest), highest) * scale
    if doubtful > 0:
        for i in range(start, stop):
            code = np.rint(np.float64(x[row, i]) / scale)
            out[row, i] = min(max(code, lowest), highest) * scale


@kernel
def round_asymmetric(
    x: Floats, out: Floats, size: int, highest: float, fraction_bits: int, smallest_exponent: int, largest_scale: float
) -> bool:
    """Codes 0 to `highest`, less a zero point, times one scale per block; False when a value is not finite."""
    for row in range(x.shape[0]):
        for start in range(0, x.shape[1], size):
            stop = min(start + size, x.shape[1])
            low = -largest_negative(x, row, start, stop)
            high = largest_value(x, row, start, stop)
            if not (low > -np.inf and high < np.inf):
                return False
            wanted = high / highest - low / highest
            scale = stored_scale(wanted, fraction_bits, smallest_exponent, largest_scale)
            if scale == 0.0:
                fill(out, row, start, stop, 0.0)
                continue
            zero_point = min(max(np.rint(-low / scale), 0.0), highest)
            for i in range(start, stop):
                code = np.rint(np.float64(x[row, i]) / scale) + zero_point
                out[row, i] = (min(max(code, 0.0), highest) - zero_point) * scale
    return True


@kernel
def mean_magnitude(x: Floats, row: int, start: int, stop: int, largest: float) -> float:
    """The mean magnitude of a block; `largest` itself where all that are not zero have that magnitude."""
    for i in range(start, stop):
        magnitude = abs(np.float64(x[row, i]))
        if magnitude != 0.0 and magnitude != largest:
            return sum_of_magnitudes(x, row, start, stop) / (stop - start)
    return largest


@kernel
def sum_of_magnitudes(x: Floats, row: int, start: int, stop: int) -> float:
    """In sixteen partial sums side by side, which a processor adds faster than one."""
    partial = np.zeros(16)
    whole = (stop - start) // 16
    for step in range(whole):
        for lane in range(16):
            partial[lane] += abs(np.float64(x[row, start + step * 16 + lane]))
    for i in range(start + whole * 16, stop):
        partial[0] += abs(np.float64(x[row, i]))
    return float(partial.sum())


@kernel
def mean_magnitudes(x: Floats, size: int, means: NDArray[np.float64]) -> None:
    """Each block's `mean_magnitude`, in place of its largest magnitude in `means` [rows, blocks]."""
    for row in range(x.shape[0]):
        for block in range(means.shape[1]):
            start, stop = block * size, min((block + 1) * size, x.shape[1])
            means[row, block] = mean_magnitude(x, row, start, stop, means[row, block])


@kernel
def round_signs(
    x: Floats,
    out: Floats,
    size: int,
    with_zero: bool,
    mean_scale: bool,
    fraction_bits: int,
    smallest_exponent: int,
    largest_scale: float,
) -> bool:
    """-1, (0,) +1 times the block's mean or largest magnitude; False when a value is not finite."""
    for row in range(x.shape[0]):
        for start in range(0, x.shape[1], size):
            stop = min(start + size, x.shape[1])
            wanted = largest_magnitude(x, row, start, stop)
            if not wanted < np.inf:
                return False
            if mean_scale:
                wanted = mean_magnitude(x, row, start, stop, np.float64(wanted))
                scale = stored_scale(wanted, fraction_bits, smallest_exponent, largest_scale)
            else:
                scale = integer_scale(np.float64(wanted), 1.0, fraction_bits, smallest_exponent, largest_scale)
            dead = scale / 2 if with_zero else -1.0
            for i in range(start, stop):
                value = np.float64(x[row, i])
                signed = -scale if value < 0.0 else scale
                out[row, i] = signed if abs(value) > dead else 0.0
    return True
