"""From operands to histograms: chunks of rows, counted by kernels on as many threads as there are processors.

Counts are integers, so their sums do not depend on how the rows are shared out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from archsim.workloads.statistics.measures import (
    FIRST_OF_OR,
    MEASURES,
    bit_lengths,
    byte_values,
    byte_words,
    code_measures,
    ones,
    slices,
    spans,
)
from archsim.workloads.statistics.records import ELEMENT, Counts, Histograms, frozen

Integers = NDArray[np.int64]
Bytes = NDArray[np.uint8]
Result = TypeVar("Result")

CHUNK = 1 << 20
"""Elements that a thread counts at once, in whole rows."""
BYTE_BITS = 8
MOST_THREADS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The sums of `kernels.tally_row` for some sizes of groups; empty to begin with."""

    sizes: Counts
    codes: Counts
    counts: Counts

    @classmethod
    def of(cls, lanes: tuple[int, ...]) -> Tally:
        from archsim.workloads.statistics import kernels

        return cls(
            sizes=np.array(lanes, dtype=np.int64),
            codes=np.zeros(kernels.TURNS * kernels.CODES, dtype=np.int64),
            counts=np.zeros(len(lanes) * kernels.HISTOGRAMS * kernels.BINS, dtype=np.int64),
        )

    @property
    def sums(self) -> tuple[Counts, Counts]:
        """The arrays that kernels add to, in their order."""
        return self.codes, self.counts

    def add(self, other: Tally) -> None:
        for mine, theirs in zip(self.sums, other.sums, strict=True):
            mine += theirs


def tally_bytes(operands: Bytes, width: int, signed: bool, lanes: tuple[int, ...]) -> Tally:
    """Counts of byte operands [rows, length]."""
    from archsim.workloads.statistics import kernels

    words = byte_words(width, signed)

    def count(start: int, stop: int) -> Tally:
        part = Tally.of(lanes)
        kernels.tally_bytes(operands[start:stop], words, part.sizes, *part.sums)
        return part

    return summed(over_rows(operands.shape, count), lanes)


def summed(parts: Iterable[Tally], lanes: tuple[int, ...]) -> Tally:
    """The sum of all parts."""
    total = Tally.of(lanes)
    for part in parts:
        total.add(part)
    return total


def over_rows(shape: tuple[int, int], work: Callable[[int, int], Result]) -> Iterator[Result]:
    """Results of `work` on each chunk of whole rows, in order."""
    step = max(1, CHUNK // max(shape[1], 1))
    starts = range(0, shape[0], step)
    if len(starts) < 2:
        return iter([work(start, min(start + step, shape[0])) for start in starts])
    return _pool().map(lambda start: work(start, min(start + step, shape[0])), starts)


@cache
def _pool() -> ThreadPoolExecutor:
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return ThreadPoolExecutor(max_workers=min(available, MOST_THREADS), thread_name_prefix="archsim-statistics")


def byte_histograms(tally: Tally, width: int, signed: bool) -> tuple[Counts, dict[int, Histograms]]:
    """Counts by code [256], in the order of bytes, and the histograms of all sizes of groups, 1 included."""
    from archsim.workloads.statistics import kernels

    codes: Counts = tally.codes.reshape(-1, 256).sum(axis=0)
    groups = {ELEMENT: element_histograms(byte_values(signed), codes, width, signed=signed)}
    for level, lanes in enumerate(tally.sizes.tolist()):
        histograms = tally.counts.reshape(tally.sizes.size, -1, kernels.BINS)[level]
        groups[lanes] = _group_histograms(histograms, lanes, width, signed)
    return codes, groups


def element_histograms(values: Integers, counts: Counts, width: int, *, signed: bool) -> Histograms:
    """Histograms of single operands, of which there are `counts` by value."""
    seen = counts > 0
    values, counts = values[seen], counts[seen]
    found = code_measures(values, width, signed=signed)
    histograms = {name: _weighted(measure, counts, width + 1) for name, measure in found.items()}
    histograms["nonzeros"] = _weighted((values != 0).astype(np.int64), counts, 2)
    histograms["peak_ones"] = histograms["nonzeros"].copy()
    for name, bits in (("column_ones", np.abs(values)), ("twos_column_ones", values & ((1 << width) - 1))):
        histograms[name] = np.stack([_weighted((bits >> bit) & 1, counts, 2) for bit in range(width)])
    return frozen(histograms)


def _group_histograms(found: Counts, lanes: int, width: int, signed: bool) -> Histograms:
    """From the counts of one size of groups [HISTOGRAMS, BINS]."""
    from archsim.workloads.statistics import kernels

    every = np.arange(256, dtype=np.int64)
    lengths = bit_lengths(every)
    by_byte = (
        *(ones(every),) * FIRST_OF_OR,
        lengths, spans(every), ones(every), slices(every, 2), slices(every, 4), lengths + int(signed), ones(every),
        ones(every),
    )  # fmt: skip
    fields = (0, 1, 2, 3, 4, 4, 4, 4, 4, 5, 6, 7)
    histograms = {
        name: _weighted(np.minimum(measure, width), found[field, :256], width + 1)
        for name, measure, field in zip(MEASURES, by_byte, fields, strict=True)
    }
    twos, magnitude, bins = kernels.TWOS_ONES, kernels.MAGNITUDE_ONES, lanes + 1
    histograms["nonzeros"] = found[kernels.NONZEROS, :bins].copy()
    histograms["peak_ones"] = found[kernels.PEAKS, :bins].copy()
    histograms["column_ones"] = found[magnitude : magnitude + width, :bins].copy()
    histograms["twos_column_ones"] = found[twos : twos + width, :bins].copy()
    return frozen(histograms)


def _weighted(values: Integers, counts: Counts, length: int) -> Counts:
    """How often each of the numbers from 0 to `length` - 1 is among `values`, each of which occurs `counts` times."""
    histogram = np.zeros(length, dtype=np.int64)
    np.add.at(histogram, values, counts)
    return histogram


def wide_histograms(operands: Integers, width: int, signed: bool, lanes: tuple[int, ...]) -> dict[int, Histograms]:
    """Histograms of operands of any width [rows, length], for single ones and each size of groups."""
    return {size: _wide(operands, width, signed, size) for size in (ELEMENT, *lanes)}


def _wide(operands: Integers, width: int, signed: bool, size: int) -> Histograms:
    from archsim.workloads.statistics.wide_kernels import tally_wide

    def count(start: int, stop: int) -> list[NDArray[Any]]:
        shapes = ((len(MEASURES), width + 1), (size + 1,), (width, size + 1), (width, size + 1), (size + 1,))
        sums = [np.zeros(shape, dtype=np.int64) for shape in shapes]
        tally_wide(operands[start:stop], width, signed, size, *sums)
        return sums

    parts = list(over_rows((operands.shape[0], operands.shape[1]), count)) or [count(0, 0)]
    totals = [np.sum(column, axis=0) for column in zip(*parts, strict=True)]
    measures, nonzeros, twos_ones, magnitude_ones, peaks = totals
    histograms = dict(zip(MEASURES, (row.copy() for row in measures), strict=True))
    extra = {"nonzeros": nonzeros, "peak_ones": peaks, "column_ones": magnitude_ones, "twos_column_ones": twos_ones}
    return frozen(histograms | extra)
