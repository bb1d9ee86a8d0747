"""Symmetric and unsigned integers of at most 8 bits, encoded and counted row by row without leaving the cache."""

from __future__ import annotations

import numpy as np

from archsim.arch.formats.kernels import ALMOST_HALF, Floats, integer_scale, largest_magnitude, largest_value
from archsim.core.kernels import kernel
from archsim.workloads.statistics.kernels import OPEN, Bytes, Counts, Words, tally_row

STRETCH = 1024
"""Elements that are done again together where one of them lies close to a tie."""


@kernel
def encode_set(
    x: Floats, row: int, start: int, stop: int, scale: float, lowest: float, highest: float, out: Bytes
) -> None:
    """Codes round(x / scale), limited. A product with 1 / scale is faster and enough, except close to a tie."""
    if scale == 0.0:
        out[start:stop] = np.uint8(0)
        return
    inverse = 1.0 / scale
    for first in range(start, stop, STRETCH):
        last = min(first + STRETCH, stop)
        doubtful = 0
        for i in range(first, last):
            quotient = np.float64(x[row, i]) * inverse
            code = np.rint(quotient)
            doubtful += 1 if abs(quotient - code) > ALMOST_HALF else 0
            out[i] = np.uint8(np.int32(min(max(code, lowest), highest)))
        if doubtful > 0 or inverse == np.inf:
            for i in range(first, last):
                code = np.rint(np.float64(x[row, i]) / scale)
                out[i] = np.uint8(np.int32(min(max(code, lowest), highest)))


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
    fields: Counts,
    nonzeros: Counts,
    twos_ones: Counts,
    magnitude_ones: Counts,
    peaks: Counts,
) -> None:
    """Encode finite values [rows, length], more than none, as `IntegerFormat` does; count them as `tally_row` does."""
    encoded = np.empty(x.shape[1], np.uint8)
    group = np.zeros((sizes.shape[0], OPEN), np.uint64)
    for row in range(x.shape[0]):
        encode_row(
            x, row, size, tensor_scale, lowest, highest, fraction_bits, smallest_exponent, largest_scale, encoded
        )
        tally_row(encoded, words, sizes, group, codes, fields, nonzeros, twos_ones, magnitude_ones, peaks)
