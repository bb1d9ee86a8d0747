"""Rounding of arrays to block floating point, microscaling, two-level and lookup formats.

Blocks of 16 and 32 elements are too short for loops of their own. A row is worked on in chunks of whole blocks: first
all blocks' maxima, then what follows from each, then all elements. A chunk's intermediate values stay in the cache.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from archsim.arch.formats.kernels import (
    BIAS,
    EXPONENT_FIELD,
    FRACTION_BITS,
    Floats,
    integer_scale,
    largest_magnitude,
    nearest_magnitude,
    power_of_two,
    stored_scale,
)
from archsim.core.kernels import bits_of, float_of, kernel

Reals = NDArray[np.float64]
Codes = NDArray[np.int64]

CHUNK = 2048
"""Elements worked on at a time, when blocks are not larger."""


@kernel
def next_span(start: int, length: int, size: int) -> tuple[int, int]:
    """Where the chunk from `start` ends, and the size of its blocks: a row's last block may be shorter."""
    left = length - start
    if left < size:
        return length, left
    return start + min(left // size, max(1, CHUNK // size)) * size, size


@kernel
def work_space(size: int) -> Codes:
    """Room for what `block_maxima` needs and for one value of each block of a chunk."""
    return np.empty(CHUNK if size <= CHUNK else 1, np.int64)


@kernel
def pair_maxima(x: Floats, maxima: Codes) -> None:
    """Bits of the larger magnitude of each pair; NaN is above infinity."""
    for pair in range(x.shape[0] >> 1):
        one, two = abs(np.float64(x[2 * pair])), abs(np.float64(x[2 * pair + 1]))
        maxima[pair] = max(bits_of(one), bits_of(two))


@kernel
def block_maxima(x: Floats, size: int, work: Codes) -> None:
    """Bits of the largest magnitude of each block of `size` in the first elements of `work`, by halves."""
    count = x.shape[0]
    if size % 2 == 1 or size > CHUNK:
        for block in range(count // size):
            top = 0
            for i in range(block * size, (block + 1) * size):
                top = max(top, bits_of(abs(np.float64(x[i]))))
            work[block] = top
        return
    pair_maxima(x, work)
    halve_maxima(work, count >> 1, size >> 1)


@kernel
def halve_maxima(work: Codes, count: int, size: int) -> None:
    """The maxima of each `size` of the `count` first elements of `work`, in place."""
    while size % 2 == 0:
        count, size = count >> 1, size >> 1
        for i in range(count):
            work[i] = max(work[2 * i], work[2 * i + 1])
    if size > 1:
        for block in range(count // size):
            top = work[block * size]
            for i in range(block * size, (block + 1) * size):
                top = max(top, work[i])
            work[block] = top


@kernel
def round_block(
    x: Floats, out: Floats, first: int, count: int, exponent: int, fraction_bits: int, smallest: int, largest: float
) -> None:
    """Floats with `fraction_bits` and smallest exponent `smallest`, times 2^exponent, at most `largest` times it."""
    limit = largest * power_of_two(exponent)
    lowest_field = (smallest + exponent + BIAS) << FRACTION_BITS
    for i in range(count):
        value = np.float64(x[first + i])
        nearest = nearest_magnitude(min(abs(value), limit), fraction_bits, lowest_field)
        out[first + i] = math.copysign(min(nearest, limit), value)


@kernel
def round_shared_exponent(
    x: Floats,
    out: Floats,
    size: int,
    fraction_bits: int,
    smallest: int,
    largest_exponent: int,
    largest: float,
    lowest_shared: int,
    highest_shared: int,
) -> bool:
    """Blocks with a power-of-two scale 2^(floor(log2 amax) - largest_exponent).

    A block with a value that is not finite becomes NaN; False when there was one.
    """
    finite = True
    work = work_space(size)
    for row in range(x.shape[0]):
        start = 0
        while start < x.shape[1]:
            stop, count = next_span(start, x.shape[1], size)
            source, target = x[row, start:stop], out[row, start:stop]
            block_maxima(source, count, work)
            for block in range((stop - start) // count):
                if work[block] >= EXPONENT_FIELD:
                    finite = False
                    target[block * count : (block + 1) * count] = np.nan
                    continue
                shared = (work[block] >> FRACTION_BITS) - BIAS - largest_exponent
                shared = min(max(shared, lowest_shared), highest_shared)
                if count == 16:
                    round_block(source, target, block * 16, 16, shared, fraction_bits, smallest, largest)
                elif count == 32:
                    round_block(source, target, block * 32, 32, shared, fraction_bits, smallest, largest)
                else:
                    round_block(source, target, block * count, count, shared, fraction_bits, smallest, largest)
            start = stop
    return finite


@kernel
def round_codes(x: Floats, out: Floats, first: int, count: int, scale: float, highest: float) -> None:
    """Integers times `scale`."""
    for i in range(count):
        code = np.rint(np.float64(x[first + i]) / scale)
        out[first + i] = min(max(code, -highest), highest) * scale


@kernel
def round_short_integers(
    x: Floats, out: Floats, size: int, highest: float, fraction_bits: int, smallest: int, largest_scale: float
) -> bool:
    """Signed integers times one scale per short block; False when a value is not finite."""
    work, scales = work_space(size), np.empty(CHUNK)
    for row in range(x.shape[0]):
        start = 0
        while start < x.shape[1]:
            stop, count = next_span(start, x.shape[1], size)
            source, target = x[row, start:stop], out[row, start:stop]
            block_maxima(source, count, work)
            for block in range((stop - start) // count):
                if work[block] >= EXPONENT_FIELD:
                    return False
                scales[block] = integer_scale(float_of(work[block]), highest, fraction_bits, smallest, largest_scale)
            for block in range((stop - start) // count):
                scale = scales[block]
                if scale == 0.0:
                    target[block * count : (block + 1) * count] = 0.0
                elif count == 16:
                    round_codes(source, target, block * 16, 16, scale, highest)
                elif count == 32:
                    round_codes(source, target, block * 32, 32, scale, highest)
                else:
                    round_codes(source, target, block * count, count, scale, highest)
            start = stop
    return True


@kernel
def round_microexponents(
    x: Floats, out: Floats, size: int, mantissa_bits: int, lowest_shared: int, highest_shared: int
) -> bool:
    """Blocks of integers with a shared exponent that pairs of elements may lower by one; False when not finite.

    `size` is even. A row's last block is filled up with zeros, which change no maximum.
    """
    work, pairs, padded = work_space(size), work_space(size), np.zeros(size)
    for row in range(x.shape[0]):
        start = 0
        while start < x.shape[1]:
            stop, count = next_span(start, x.shape[1], size)
            if count == size:
                source, target = x[row, start:stop], out[row, start:stop]
                if not micro_chunk(source, target, size, work, pairs, mantissa_bits, lowest_shared, highest_shared):
                    return False
            else:
                padded[:] = 0.0
                padded[:count] = x[row, start:stop]
                if not micro_chunk(padded, padded, size, work, pairs, mantissa_bits, lowest_shared, highest_shared):
                    return False
                out[row, start:stop] = padded[:count]
            start = stop
    return True


@kernel
def micro_chunk(
    x: Floats, out: Floats, size: int, work: Codes, pairs: Codes, mantissa_bits: int, lowest: int, highest: int
) -> bool:
    """Whole blocks. After the maxima, `pairs` holds the exponent field of each pair's step."""
    count = x.shape[0]
    pair_maxima(x, pairs)
    work[: count >> 1] = pairs[: count >> 1]
    halve_maxima(work, count >> 1, size >> 1)
    half = size >> 1
    for block in range(count // size):
        if work[block] >= EXPONENT_FIELD:
            return False
        shared = min(max((work[block] >> FRACTION_BITS) - BIAS, lowest), highest) + BIAS
        for pair in range(block * half, (block + 1) * half):
            lowered = 1 if pairs[pair] < (shared << FRACTION_BITS) else 0
            pairs[pair] = (shared - lowered - mantissa_bits + 1) << FRACTION_BITS
    limit = float((1 << mantissa_bits) - 1)
    for pair in range(count >> 1):
        step, per_step = float_of(pairs[pair]), float_of(((2 * BIAS) << FRACTION_BITS) - pairs[pair])
        one, two = np.float64(x[2 * pair]), np.float64(x[2 * pair + 1])
        out[2 * pair] = min(max(np.rint(one * per_step), -limit), limit) * step
        out[2 * pair + 1] = min(max(np.rint(two * per_step), -limit), limit) * step
    return True


@kernel
def largest_of_all(x: Floats) -> float:
    """The largest magnitude of an array; NaN where there is one."""
    top = 0.0
    for row in range(x.shape[0]):
        here = np.float64(largest_magnitude(x, row, 0, x.shape[1])) if x.shape[1] > 0 else 0.0
        if not here <= top:
            top = here
        if top != top:
            return top
    return top


@kernel
def round_scaled(
    x: Floats, out: Floats, first: int, count: int, scale: float, fraction_bits: int, lowest_field: int, largest: float
) -> None:
    """Floats times `scale`, of at most `largest` times it."""
    for i in range(count):
        value = np.float64(x[first + i])
        nearest = nearest_magnitude(min(abs(value) / scale, largest), fraction_bits, lowest_field)
        out[first + i] = math.copysign(nearest, value) * scale


@kernel
def round_two_levels(
    x: Floats,
    out: Floats,
    size: int,
    fraction_bits: int,
    smallest: int,
    largest: float,
    tensor_scale: float,
    scale_fraction_bits: int,
    scale_smallest: int,
    largest_scale: float,
) -> None:
    """Floats times a block scale times a tensor scale. All values are finite and `tensor_scale` is not zero."""
    lowest_field = (smallest + BIAS) << FRACTION_BITS
    work = work_space(size)
    for row in range(x.shape[0]):
        start = 0
        while start < x.shape[1]:
            stop, count = next_span(start, x.shape[1], size)
            source, target = x[row, start:stop], out[row, start:stop]
            block_maxima(source, count, work)
            for block in range((stop - start) // count):
                wanted = float_of(work[block]) / largest / tensor_scale
                scale = stored_scale(wanted, scale_fraction_bits, scale_smallest, largest_scale) * tensor_scale
                if scale == 0.0:
                    target[block * count : (block + 1) * count] = 0.0
                elif count == 16:
                    round_scaled(source, target, block * 16, 16, scale, fraction_bits, lowest_field, largest)
                else:
                    round_scaled(source, target, block * count, count, scale, fraction_bits, lowest_field, largest)
            start = stop


@kernel
def table_index(value: float, thresholds: Reals) -> int:
    """How many of the ascending thresholds lie below `value`; their number is a power of two less one."""
    index, half = 0, (thresholds.shape[0] + 1) >> 1
    while half > 0:
        index += half if value > thresholds[index + half - 1] else 0
        half >>= 1
    return index


@kernel
def round_table_block(x: Floats, out: Floats, scale: float, values: Reals, thresholds: Reals) -> None:
    """The nearest of `values` times `scale`; sixteen of them are the common case."""
    if scale == 0.0:
        out[:] = 0.0
    elif thresholds.shape[0] == 15:
        for i in range(x.shape[0]):
            value = np.float64(x[i]) / scale
            index = 8 if value > thresholds[7] else 0
            index += 4 if value > thresholds[index + 3] else 0
            index += 2 if value > thresholds[index + 1] else 0
            index += 1 if value > thresholds[index] else 0
            out[i] = values[index] * scale
    else:
        for i in range(x.shape[0]):
            out[i] = values[table_index(np.float64(x[i]) / scale, thresholds)] * scale


@kernel
def round_table(
    x: Floats,
    out: Floats,
    size: int,
    values: Reals,
    thresholds: Reals,
    highest: float,
    fraction_bits: int,
    smallest: int,
    largest_scale: float,
) -> bool:
    """The nearest entry of a table times one scale per block; False when a value is not finite."""
    for row in range(x.shape[0]):
        for start in range(0, x.shape[1], size):
            stop = min(start + size, x.shape[1])
            largest = np.float64(largest_magnitude(x, row, start, stop))
            if not largest < np.inf:
                return False
            scale = table_scale(largest, values, thresholds, highest, fraction_bits, smallest, largest_scale)
            round_table_block(x[row, start:stop], out[row, start:stop], scale, values, thresholds)
    return True


@kernel
def table_scale(
    largest: float,
    values: Reals,
    thresholds: Reals,
    highest: float,
    fraction_bits: int,
    smallest: int,
    largest_scale: float,
) -> float:
    """The stored scale for a block; the one that its reached maximum asks for again."""
    scale = stored_scale(largest / highest, fraction_bits, smallest, largest_scale)
    if scale == 0.0:
        return 0.0
    reached = values[table_index(largest / scale, thresholds)]
    return stored_scale(reached * scale / highest, fraction_bits, smallest, largest_scale)


@kernel
def scan_blocks(x: Floats, size: int, maxima: Reals) -> None:
    """The largest magnitude of each block into `maxima` [rows, blocks]; NaN where there is one."""
    for row in range(x.shape[0]):
        for block in range(maxima.shape[1]):
            stop = min((block + 1) * size, x.shape[1])
            maxima[row, block] = largest_magnitude(x, row, block * size, stop)


@kernel
def round_table_with(x: Floats, out: Floats, size: int, values: Reals, thresholds: Reals, scales: Reals) -> None:
    """The nearest entry of a table times the given scales [rows, blocks]."""
    for row in range(x.shape[0]):
        for block in range(scales.shape[1]):
            start, stop = block * size, min((block + 1) * size, x.shape[1])
            round_table_block(x[row, start:stop], out[row, start:stop], scales[row, block], values, thresholds)
