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
TWOS, INVERSE = 6, 7
"""The last two of them; bits in both are columns with zeros and ones."""
COLUMNS = 8
"""Bits of a byte operand."""
LARGEST_GROUP = 128
"""Lanes whose ones a byte still counts."""
TURNS = 4
"""Histograms of codes side by side: a processor adds to one while another's sum is still on its way."""
OPEN_WORD, OPEN_TWOS, OPEN_MAGNITUDE, OPEN_NONZEROS = 0, 1, 2, 3
OPEN = 4
"""What is known of a group while it is open: its first word, its ones of both kinds, its elements that are not zero."""


@kernel
def close_group(
    group: Words, level: int, fields: Counts, nonzeros: Counts, twos_ones: Counts, magnitude_ones: Counts, peaks: Counts
) -> None:
    """Count the open group of `level`, take it into that of the next level, and begin a new one."""
    word, twos, magnitude = group[level, OPEN_WORD], group[level, OPEN_TWOS], group[level, OPEN_MAGNITUDE]
    count = group[level, OPEN_NONZEROS]
    byte = np.uint64(255)
    both = word >> np.uint64(8 * TWOS) & word >> np.uint64(8 * INVERSE) & byte
    mine, twos_mine, magnitude_mine = fields[level], twos_ones[level], magnitude_ones[level]
    for field in range(INVERSE):
        mine[np.uint64(field), word >> np.uint64(8 * field) & byte] += 1
    mine[np.uint64(INVERSE), both] += 1
    peak = np.uint64(0)
    for column in range(COLUMNS):
        shift = np.uint64(8 * column)
        ones = magnitude >> shift & byte
        twos_mine[np.uint64(column), twos >> shift & byte] += 1
        magnitude_mine[np.uint64(column), ones] += 1
        peak = max(peak, ones)
    peaks[level, peak] += 1
    nonzeros[level, count] += 1
    if level + 1 < group.shape[0]:
        group[level + 1, OPEN_WORD] |= word
        group[level + 1, OPEN_TWOS] += twos
        group[level + 1, OPEN_MAGNITUDE] += magnitude
        group[level + 1, OPEN_NONZEROS] += count
    group[level, :] = np.uint64(0)


@kernel
def tally_row(
    row: Bytes,
    words: Words,
    sizes: Counts,
    group: Words,
    codes: Counts,
    fields: Counts,
    nonzeros: Counts,
    twos_ones: Counts,
    magnitude_ones: Counts,
    peaks: Counts,
) -> None:
    """Count one row of byte operands; `words` [256, 3] are its lookups, `group` [levels, 4] is zero before and after.

    Sums into `codes` [4, 256], and by level: `fields` [., 8, 256], `nonzeros` and `peaks` [., lanes + 1], ones of the
    two's complement and of the magnitude [., 8, lanes + 1].
    """
    length, smallest = row.shape[0], sizes[0]
    for start in range(0, length, smallest):
        stop = min(start + smallest, length)
        word, twos, magnitude, count = np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0)
        for i in range(start, stop):
            code = row[i]
            word |= words[code, 0]
            twos += words[code, 1]
            magnitude += words[code, 2]
            count += np.uint64(1) if code != 0 else np.uint64(0)
            codes[np.uint64(i) % np.uint64(TURNS), code] += 1
        group[0, OPEN_WORD] = word if stop - start == smallest else word | words[0, 0]
        group[0, OPEN_TWOS], group[0, OPEN_MAGNITUDE], group[0, OPEN_NONZEROS] = twos, magnitude, count
        close_group(group, 0, fields, nonzeros, twos_ones, magnitude_ones, peaks)
        for level in range(1, sizes.shape[0]):
            if stop == length:
                if length % sizes[level] != 0:
                    group[level, OPEN_WORD] |= words[0, 0]
            elif stop % sizes[level] != 0:
                break
            close_group(group, level, fields, nonzeros, twos_ones, magnitude_ones, peaks)


@kernel
def tally_bytes(
    operands: Bytes,
    words: Words,
    sizes: Counts,
    codes: Counts,
    fields: Counts,
    nonzeros: Counts,
    twos_ones: Counts,
    magnitude_ones: Counts,
    peaks: Counts,
) -> None:
    """Count all rows of byte operands, as `tally_row` does."""
    group = np.zeros((sizes.shape[0], OPEN), np.uint64)
    for row in range(operands.shape[0]):
        tally_row(operands[row], words, sizes, group, codes, fields, nonzeros, twos_ones, magnitude_ones, peaks)
