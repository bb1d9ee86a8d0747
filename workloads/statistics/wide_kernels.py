"""What `kernels` counts, for operands of more than 8 bits: by arithmetic, one element and measure after the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archsim.core.kernels import kernel

Counts = NDArray[np.int64]

ODD_PLACES = 0x5555555555555555
MEASURES = 12
"""Measures of `measure_group`."""


@kernel
def count_ones(value: int) -> int:
    """Ones of a number that is not negative."""
    ones = 0
    while value != 0:
        value &= value - 1
        ones += 1
    return ones


@kernel
def bit_length(value: int) -> int:
    """Bits of a number that is not negative, without leading zeros."""
    length = 0
    while value != 0:
        value >>= 1
        length += 1
    return length


@kernel
def booth_digits(value: int, width: int, signed: bool) -> int:
    """Radix-4 Booth digits that are not zero; unsigned operands are read with a zero in front.

    Digit i is zero where bits 2i + 1, 2i and 2i - 1 are equal.
    """
    digits = (width + 1) // 2 if signed else width // 2 + 1
    changes = value ^ (value << 1)
    return count_ones((changes | (changes >> 1)) & ODD_PLACES & ((1 << (2 * digits)) - 1))


@kernel
def signed_digits(magnitude: int) -> int:
    """Digits that are not zero in the canonical form with digits -1, 0 and 1."""
    return count_ones((3 * magnitude) ^ magnitude)


@kernel
def slices(bits: int, size: int) -> int:
    """Slices of `size` bits, from the lowest up, with a one in them."""
    count = 0
    while bits != 0:
        count += 1 if bits & ((1 << size) - 1) != 0 else 0
        bits >>= size
    return count


@kernel
def tally_wide(
    operands: Counts,
    width: int,
    signed: bool,
    size: int,
    measures: Counts,
    nonzeros: Counts,
    twos_ones: Counts,
    magnitude_ones: Counts,
    peaks: Counts,
) -> None:
    """Count groups of `size` operands; sums into `measures` [12, width + 1] in the order of `measures.MEASURES`.

    `nonzeros` and `peaks` [size + 1], `twos_ones` and `magnitude_ones` [width, size + 1].
    """
    everything = (1 << width) - 1
    twos_columns, magnitude_columns = np.zeros(width, np.int64), np.zeros(width, np.int64)
    most = np.zeros(4, np.int64)
    for row in range(operands.shape[0]):
        for start in range(0, operands.shape[1], size):
            stop = min(start + size, operands.shape[1])
            magnitudes, twos, inverse, changes, count = 0, 0, 0, 0, 0
            most[:] = 0
            twos_columns[:] = 0
            magnitude_columns[:] = 0
            if stop - start < size:
                inverse = everything
            for i in range(start, stop):
                value = operands[row, i]
                magnitude, bits = abs(value), value & everything
                magnitudes |= magnitude
                twos |= bits
                inverse |= ~bits & everything
                changes |= value ^ (value >> 63)
                count += 1 if value != 0 else 0
                most[0] = max(most[0], count_ones(magnitude))
                most[1] = max(most[1], count_ones(bits))
                most[2] = max(most[2], booth_digits(value, width, signed))
                most[3] = max(most[3], signed_digits(magnitude))
                for column in range(width):
                    twos_columns[column] += (bits >> column) & 1
                    magnitude_columns[column] += (magnitude >> column) & 1
            for measure in range(4):
                measures[measure, most[measure]] += 1
            length = bit_length(magnitudes)
            measures[4, length] += 1
            measures[5, length - bit_length(magnitudes & -magnitudes) + 1 if magnitudes != 0 else 0] += 1
            measures[6, count_ones(magnitudes)] += 1
            measures[7, slices(magnitudes, 2)] += 1
            measures[8, slices(magnitudes, 4)] += 1
            measures[9, bit_length(changes) + (1 if signed else 0)] += 1
            measures[10, count_ones(twos)] += 1
            measures[11, count_ones(twos & inverse)] += 1
            nonzeros[count] += 1
            peak = 0
            for column in range(width):
                twos_ones[column, twos_columns[column]] += 1
                magnitude_ones[column, magnitude_columns[column]] += 1
                peak = max(peak, magnitude_columns[column])
            peaks[peak] += 1
