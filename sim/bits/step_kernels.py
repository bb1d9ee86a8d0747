"""Steps of groups of lanes, and rows of PEs that wait for one another.

Operands are [rows, length]; `lanes` neighbours of a row make a group, and the last group of a row ends with it. Where
the reduction is cut in pieces (a window's taps) each is a row's stretch of `run` elements, whose last group is its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.core.kernels import kernel
from archsim.sim.bits.popcount import ones_of

Codes = NDArray[Any]
Table = NDArray[np.uint32]
Steps = NDArray[np.uint16]
Counts = NDArray[np.int64]


@kernel
def or_steps(codes: Codes, run: int, lanes: int, words: Table, steps: Table, out: Steps) -> None:
    """Steps [rows, groups] by the OR of each group's words; `codes` index `words`."""
    for row in range(codes.shape[0]):
        group = 0
        for first in range(0, codes.shape[1], run):
            for start in range(first, first + run, lanes):
                word = np.uint32(0)
                for i in range(start, min(start + lanes, first + run)):
                    word |= words[codes[row, i]]
                out[row, group] = steps[word]
                group += 1


@kernel
def peak_steps(codes: Codes, run: int, lanes: int, words: Table, bits: int, least: int, out: Steps) -> None:
    """Steps [rows, groups] by the fullest of the `bits` columns of each group's words."""
    ones = np.empty(bits, np.int64)
    for row in range(codes.shape[0]):
        group = 0
        for first in range(0, codes.shape[1], run):
            for start in range(first, first + run, lanes):
                ones[:] = 0
                for i in range(start, min(start + lanes, first + run)):
                    word = np.int64(words[codes[row, i]])
                    for bit in range(bits):
                        ones[bit] += (word >> bit) & 1
                out[row, group] = max(least, ones.max())
                group += 1


@kernel
def round_steps(codes: Codes, run: int, lanes: int, words: Table, reach: int, least: int, out: Steps) -> None:
    """Steps [rows, groups] of lanes whose shifters reach `reach` places from the group's lowest open one.

    In a step each lane takes its lowest open one if it lies within reach.
    """
    left = np.empty(lanes, np.int64)
    for row in range(codes.shape[0]):
        group = 0
        for first in range(0, codes.shape[1], run):
            for start in range(first, first + run, lanes):
                count = min(lanes, first + run - start)
                for i in range(count):
                    left[i] = words[codes[row, start + i]]
                out[row, group] = max(least, rounds(left, count, reach))
                group += 1


@kernel
def rounds(left: Counts, count: int, reach: int) -> int:
    """Steps until the first `count` words are empty; empties them."""
    taken = 0
    while True:
        lowest = np.int64(0)
        for i in range(count):
            lowest |= left[i]
        lowest &= -lowest
        if lowest == 0:
            return taken
        for i in range(count):
            bit = left[i] & -left[i]
            if bit <= lowest << reach:
                left[i] ^= bit
        taken += 1


@kernel
def together(steps: Steps, rows: int, ahead: int, out: Counts) -> None:
    """Cycles of each tile of `rows` rows of steps [rows, groups], where no row may be more than `ahead` groups ahead.

    A row begins a group when it has finished the one before and every row has finished the one `ahead` + 1 before;
    with `ahead` 0 all rows wait in every step, with -1 only at the end of the tile.
    """
    groups = steps.shape[1]
    kept = groups if ahead < 0 else ahead + 1
    for tile in range(out.shape[0]):
        start, stop = tile * rows, min((tile + 1) * rows, steps.shape[0])
        finished = np.zeros(stop - start, np.int64)
        all_finished = np.zeros(kept, np.int64)
        for group in range(groups):
            barrier = all_finished[group % kept]
            slowest = np.int64(0)
            for row in range(stop - start):
                finished[row] = max(finished[row], barrier) + steps[start + row, group]
                slowest = max(slowest, finished[row])
            all_finished[group % kept] = slowest
        out[tile] = finished.max()


@kernel
def most_ones(values: NDArray[np.int8], sign: np.int8, most: NDArray[np.uint8]) -> None:
    """Raise each of `most` to the ones of a magnitude, with one more where `sign` is 1 and the value is negative.

    Free of branches and of wide numbers, so that a processor counts 32 or 64 bytes at once.
    """
    for i in range(values.shape[0]):
        value = values[i]
        negative = np.int8(value >> np.int8(7))
        count = ones_of(np.uint8(np.int8(np.int8(value ^ negative) - negative)))
        most[i] = max(most[i], np.uint8(count + np.uint8(negative & sign)))


@kernel
def lock_step_ones(values: NDArray[np.int8], lanes: int, sign: np.int8, rows: int, out: Counts) -> None:
    """Cycles of each tile of `rows` rows whose groups wait for the most ones of any lane's magnitude, at least 1."""
    length = values.shape[1]
    most = np.empty(length, np.uint8)
    for tile in range(out.shape[0]):
        most[:] = 0
        for row in range(tile * rows, min((tile + 1) * rows, values.shape[0])):
            most_ones(values[row], sign, most)
        total = np.int64(0)
        for start in range(0, length, lanes):
            largest = np.uint8(1)
            for i in range(start, min(start + lanes, length)):
                largest = max(largest, most[i])
            total += largest
        out[tile] = total


@kernel
def row_ones(values: NDArray[np.int8], sign: np.int8, counts: NDArray[np.uint8]) -> None:
    """What `most_ones` counts of each value."""
    for i in range(values.shape[0]):
        value = values[i]
        negative = np.int8(value >> np.int8(7))
        count = ones_of(np.uint8(np.int8(np.int8(value ^ negative) - negative)))
        counts[i] = np.uint8(count + np.uint8(negative & sign))


@kernel
def raise_to(most: NDArray[np.uint8], counts: NDArray[np.uint8]) -> None:
    """Raise each of `most` to its count."""
    for i in range(most.shape[0]):
        most[i] = max(most[i], counts[i])


@kernel
def larger_of(left: NDArray[np.uint8], right: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """The larger of two counts each; `out` shares no memory with them, or nothing is gained."""
    for i in range(out.shape[0]):
        out[i] = max(left[i], right[i])


@kernel
def group_largest(counts: NDArray[np.uint8], spare: NDArray[np.uint8], lanes: int) -> np.int64:
    """The sum over groups of their largest count, at least 1 each; `lanes` is a power of two, and counts are lost.

    Neighbours, pairs, fours, ... are compared, so that the first of each group holds its largest in the end.
    """
    length, distance = counts.shape[0], 1
    while distance < lanes:
        larger_of(counts[: length - distance], counts[distance:], spare[: length - distance])
        counts, spare = spare, counts
        distance *= 2
    total = np.int64(0)
    for start in range(0, counts.shape[0], lanes):
        total += max(counts[start], np.uint8(1))
    return total


@kernel
def lock_step_groups(
    values: NDArray[np.int8], lanes: int, sign: np.int8, rows: int, cycles: Counts, steps: Counts
) -> None:
    """Cycles of each tile of `rows` rows as `lock_step_ones` has them, and the steps of all its groups.

    `lanes` is a power of two that divides the rows' length.
    """
    length = values.shape[1]
    counts, spare, most = np.zeros(length, np.uint8), np.zeros(length, np.uint8), np.empty(length, np.uint8)
    for tile in range(cycles.shape[0]):
        most[:] = 0
        total = np.int64(0)
        for row in range(tile * rows, min((tile + 1) * rows, values.shape[0])):
            row_ones(values[row], sign, counts)
            raise_to(most, counts)
            total += group_largest(counts, spare, lanes)
        steps[tile] = total
        cycles[tile] = group_largest(most, spare, lanes)
