"""Symmetric and unsigned integers of at most 8 bits, encoded and counted row by row without leaving the cache."""

from __future__ import annotations

import numpy as np

from archsim.arch.formats.kernels import Floats, integer_scale, largest_magnitude, largest_value
from archsim.core.kernels import bits_of, kernel
from archsim.workloads.statistics.kernels import OPEN, Bytes, Counts, Words, tally_row

SHIFTER = 1.5 * 2.0**52
"""Added to a small number it rounds it to nearest, ties to even, and leaves the integer in the lowest bits."""


@kernel
def encode_piece(x: Floats, scale: float, lowest: float, highest: float, out: Bytes) -> None:
    """Codes round(x / scale), limited, of arrays of one dimension."""
    for i in range(x.shape[0]):
        code = min(max(np.float64(x[i]) / scale, lowest), highest)
        out[i] = np.uint8(bits_of(code + SHIFTER))


@kernel
def encode_set(
    x: Floats, row: int, start: int, stop: int, scale: float, lowest: float, highest: float, out: Bytes
) -> None:
    """Codes of a set; 0 where the scale is."""
    if scale == 0.0:
        out[start:stop] = np.uint8(0)
    else:
        encode_piece(x[row, start:stop], scale, lowest, highest, out[start:stop])


@kernel
def encode_row(
    x: Floats,
    row: int,
    size: int,
    tensor_scale: float,
    lowest: float,
    highest: float,
    fraction_bits: int,
    smallest_exponent: int,
    largest_scale: float,
    out: Bytes,
) -> None:
    """Codes of one row in sets of `size`; all with `tensor_scale` where `size` is 0."""
    length = x.shape[1]
    if size == 0:
        encode_set(x, row, 0, length, tensor_scale, lowest, highest, out)
        return
    for start in range(0, length, size):
        stop = min(start + size, length)
        if lowest == 0.0:
            largest = largest_value(x, row, start, stop)
        else:
            largest = np.float64(largest_magnitude(x, row, start, stop))
        scale = integer_scale(largest, highest, fraction_bits, smallest_exponent, largest_scale)
        encode_set(x, row, start, stop, scale, lowest, highest, out)


@kernel
def tally_integers(
    x: Floats,
    size: int,
    tensor_scale: float,
    lowest: float,
    highest: float,
    fraction_bits: int,
    smallest_exponent: int,
    largest_scale: float,
    words: Words,
    sizes: Counts,
    codes: Counts,
    counts: Counts,
) -> None:
    """Encode finite values [rows, length] as `IntegerFormat` does, and count them as `tally_row` does."""
    encoded = np.empty(x.shape[1], np.uint8)
    group = np.zeros((sizes.shape[0], OPEN), np.uint64)
    for row in range(x.shape[0]):
        encode_row(
            x, row, size, tensor_scale, lowest, highest, fraction_bits, smallest_exponent, largest_scale, encoded
        )
        tally_row(encoded, words, sizes, group, codes, counts)
