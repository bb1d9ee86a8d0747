"""Counting what bit-serial and sparse engines see of integer operands: one element, and groups of lanes in lock step.

Operands are [rows, length]; groups of lanes run along a row, a row's last group is filled up with zeros. Sizes of
groups are powers of two, ascending; small groups are merged into larger ones, so that an element is looked at once.

A byte operand is looked up by its code as two words of 64 bits. The first one writes numbers from 0 to 8 as so many
ones ("thermometers"): the OR of two is the larger. So the OR of a group's words holds the group's maxima of four counts
and the OR of its bits, and the bytes of that OR are what is counted. The second kind has one byte for each bit of the
operand: sums of those are the numbers of ones in each bit column.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archsim.core.kernels import kernel

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]
Counts = NDArray[np.int64]

FIELDS = 8
"""Bytes of a word: thermometers of essential bits, ones, Booth digits and signed digits; ORs of the magnitude, of the
bits that differ from the sign, of the two's complement, and of its inverse."""
TWOS, INVERSE = 48, 56
"""Where the last two of them begin; bits in both are columns with zeros and ones."""
ALL_BUT_INVERSE = 0x00FF_FFFF_FFFF_FFFF
TWOS_ONES, MAGNITUDE_ONES, PEAKS, NONZEROS = FIELDS, 2 * FIELDS, 3 * FIELDS, 3 * FIELDS + 1
HISTOGRAMS = 3 * FIELDS + 2
"""Histograms of one size of groups: of the 8 fields (the inverse's holds the columns with zeros and ones), of ones by
bit of the two's complement and of the magnitude, of the largest of the latter, of the lanes that are not zero."""
BINS = 264
"""Room for a histogram of bytes: not 256, so that no two histograms lie a multiple of 4 KiB apart, where a processor
takes them for one another."""
LARGEST_GROUP = 128
"""Lanes whose ones a byte still counts."""
TURNS = 4
"""Histograms of codes side by side: a processor adds to one while another's sum is still on its way."""
CODES = 256
OPEN = 4
"""What is known of a group while it is open: the OR of its first words, the sums of the other three."""


@kernel
def close_group(group: Words, level: int, counts: Counts) -> None:
    """Count the open group of `level`, take it into that of the next level, and begin a new one."""
    byte = np.uint64(255)
    word, twos, magnitude, nonzeros = group[level, 0], group[level, 1], group[level, 2], group[level, 3]
    mixed = word >> np.uint64(TWOS) & word >> np.uint64(INVERSE) & byte
    word_counted = word & np.uint64(ALL_BUT_INVERSE) | mixed << np.uint64(INVERSE)
    base = np.uint64(level) * np.uint64(HISTOGRAMS * BINS)
    peak = np.uint64(0)
    for field in range(FIELDS):
        shift = np.uint64(8 * field)
        first = base + np.uint64(field) * np.uint64(BINS)
        ones = magnitude >> shift & byte
        counts[first + (word_counted >> shift & byte)] += 1
        counts[first + np.uint64(TWOS_ONES * BINS) + (twos >> shift & byte)] += 1
        counts[first + np.uint64(MAGNITUDE_ONES * BINS) + ones] += 1
        peak = max(peak, ones)
    counts[base + np.uint64(PEAKS * BINS) + peak] += 1
    counts[base + np.uint64(NONZEROS * BINS) + nonzeros] += 1
    if level + 1 < group.shape[0]:
        group[level + 1, 0] |= word
        group[level + 1, 1] += twos
        group[level + 1, 2] += magnitude
        group[level + 1, 3] += nonzeros
    for part in range(OPEN):
        group[level, part] = np.uint64(0)


@kernel
def tally_row(row: Bytes, words: Words, sizes: Counts, group: Words, codes: Counts, counts: Counts) -> None:
    """Count one row of byte operands.

    `words` [256, 4] are the lookups: OR, ones of the two's complement, of the magnitude, 1 unless it is zero. `group`
    [sizes, 4] is zero before and after. Sums into `codes` [4 x 256] and `counts` [sizes x HISTOGRAMS x BINS].
    """
    length, smallest = row.shape[0], sizes[0]
    turns = np.uint64(TURNS - 1)
    for start in range(0, length, smallest):
        stop = min(start + smallest, length)
        word, twos, magnitude, nonzeros = np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0)
        for i in range(start, stop):
            code = np.uint64(row[i])
            word |= words[code, 0]
            twos += words[code, 1]
            magnitude += words[code, 2]
            nonzeros += words[code, 3]
            codes[(np.uint64(i) & turns) * np.uint64(CODES) + code] += 1
        group[0, 0] = word if stop - start == smallest else word | words[0, 0]
        group[0, 1], group[0, 2], group[0, 3] = twos, magnitude, nonzeros
        close_group(group, 0, counts)
        for level in range(1, sizes.shape[0]):
            left_over = stop & (sizes[level] - 1)
            if left_over != 0:
                if stop < length:
                    break
                group[level, 0] |= words[0, 0]
            close_group(group, level, counts)


@kernel
def tally_bytes(operands: Bytes, words: Words, sizes: Counts, codes: Counts, counts: Counts) -> None:
    """Count all rows of byte operands, as `tally_row` does."""
    group = np.zeros((sizes.shape[0], OPEN), np.uint64)
    for row in range(operands.shape[0]):
        tally_row(operands[row], words, sizes, group, codes, counts)
