"""A tensor played through an array: every group's steps, and the rows of PEs that wait for one another.

The serial operand is [rows, length], its reduction last: weights [output channels, ...] or inputs [windows, ...]. An
array takes `rows` of them side by side, `lanes` neighbours of each in a step. The other side of the array, which shares
the serial operands, makes no difference to their steps: a layer takes the cycles found here once for each of its tiles.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.arch.engines.bit_words import Words
from archsim.arch.engines.skips import BitStatistics, Skip
from archsim.arch.order import expected_ahead, expected_largest, expected_largest_sum, mean
from archsim.sim.bits.engine import BitEngine

CHUNK = 1 << 22
"""Elements that a thread plays at once, in whole tiles."""
MOST_THREADS = 8
TO_THE_END = -1

Part = Callable[[NDArray[Any]], tuple[int, int, int]]
"""Cycles, steps and groups of some whole tiles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """How an array takes a serial operand: rows of it side by side, lanes of each in a step, and who waits for whom.

    A row may be `ahead` groups before the slowest one: 0 waits in every step, None only at the end of a tile.
    """

    rows: int
    lanes: int
    ahead: int | None = 0

    def __post_init__(self) -> None:
        for name, value, least in (("rows", self.rows, 1), ("lanes", self.lanes, 1), ("ahead", self.ahead or 0, 0)):
            if value < least:
                raise ValueError(f"{name} must be at least {least} (got {value})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What a serial operand took. `steps` and `groups` are sums over its rows; without waiting, steps are all."""

    cycles: int
    steps: int
    groups: int
    idle_row_cycles: int
    """Cycles of PE rows that had finished before the others, or stood empty in a last tile."""

    @property
    def steps_per_group(self) -> float:
        return self.steps / self.groups

    @property
    def waiting(self) -> float:
        """Share of the cycles of PE rows with nothing to do."""
        return self.idle_row_cycles / (self.idle_row_cycles + self.steps)


def play(engine: BitEngine, serial: NDArray[Any], grid: Grid, run: int | None = None) -> Played:
    """The cycles of a serial operand [rows, length], whose reduction may be cut in stretches of `run` elements.

    Raises InputError for operands that do not fit the engine's width.
    """

    part = _byte_part(engine, grid) if _by_bytes(engine, serial, grid, run) else _part(engine, grid, run)
    found = list(_pool().map(part, _chunks(serial, grid.rows)))
    cycles, steps, groups = (sum(column) for column in zip(*found, strict=True))
    return Played(cycles=cycles, steps=steps, groups=groups, idle_row_cycles=cycles * grid.rows - steps)


def _part(engine: BitEngine, grid: Grid, run: int | None) -> Part:
    """Cycles, steps and groups of some tiles, of any engine."""

    def part(tiles: NDArray[Any]) -> tuple[int, int, int]:
        from archsim.sim.bits.step_kernels import together

        steps = engine.steps(tiles, grid.lanes, run)
        cycles = np.zeros(-(-tiles.shape[0] // grid.rows), dtype=np.int64)
        together(steps, grid.rows, TO_THE_END if grid.ahead is None else grid.ahead, cycles)
        return int(cycles.sum()), int(steps.sum(dtype=np.int64)), steps.size

    return part


def _by_bytes(engine: BitEngine, serial: NDArray[Any], grid: Grid, run: int | None) -> bool:
    """Whether many bytes may be counted at once: int8 magnitudes, rows in lock step, lanes a power of two."""
    stretch = serial.shape[-1] if run is None else run
    return (
        engine.rule.skip is Skip.ESSENTIAL
        and engine.shifters is None
        and (engine.width, engine.signed, serial.dtype, serial.ndim) == (8, True, np.dtype(np.int8), 2)
        and grid.ahead == 0
        and grid.lanes & (grid.lanes - 1) == 0
        and stretch % grid.lanes == 0
        and serial.shape[-1] % stretch == 0
    )


def _byte_part(engine: BitEngine, grid: Grid) -> Part:
    """What `_part` finds, many bytes at once."""
    sign = np.int8(engine.rule.words is Words.STORED)

    def part(tiles: NDArray[Any]) -> tuple[int, int, int]:
        from archsim.sim.bits.step_kernels import lock_step_groups

        cycles, steps = np.zeros((2, -(-tiles.shape[0] // grid.rows)), dtype=np.int64)
        lock_step_groups(np.ascontiguousarray(tiles), grid.lanes, sign, grid.rows, cycles, steps)
        return int(cycles.sum()), int(steps.sum()), tiles.size // grid.lanes

    return part


def lock_step_cycles(values: NDArray[np.int8], grid: Grid, *, words: Words = Words.MAGNITUDE) -> int:
    """The cycles of `play` for Bit-Pragmatic with shifters that reach all places, on int8 rows in lock step.

    One pass over the bytes, for networks of billions of weights. Lanes run along whole rows.
    """
    from archsim.sim.bits.step_kernels import lock_step_ones

    if values.dtype != np.int8 or values.ndim != 2:
        raise ValueError(f"takes int8 [rows, length] (got {values.dtype} {values.shape})")
    if grid.ahead != 0 or words not in (Words.MAGNITUDE, Words.STORED):
        raise ValueError("rows wait in every step, for ones of magnitudes or of their stored form")

    def part(tiles: NDArray[np.int8]) -> int:
        cycles = np.zeros(-(-tiles.shape[0] // grid.rows), dtype=np.int64)
        lock_step_ones(tiles, grid.lanes, np.int8(words is Words.STORED), grid.rows, cycles)
        return int(cycles.sum())

    return sum(_pool().map(part, _chunks(values, grid.rows)))


def expected_cycles(
    engine: BitEngine, found: BitStatistics, grid: Grid, rows: int, length: int, run: int | None = None
) -> float:
    """The closed form of `play`: what `rows` rows take whose groups are drawn from the statistics of `found`.

    Rows in lock step wait for the largest of as many draws, rows that wait at the end of a tile only for the largest of
    as many sums. Those that may be some groups ahead lie between the two: the long run of `expected_ahead`, and never
    less than without waiting.
    """
    run = length if run is None else run
    groups = length // run * -(-run // grid.lanes)
    shares = engine.group_shares(found, grid.lanes)
    full, left = divmod(rows, grid.rows)
    total = 0.0
    for tiles, height in ((full, grid.rows), (1 if left else 0, left)):
        if tiles:
            tile = 0.0 if grid.ahead is None else expected_ahead(shares, height, grid.ahead) * groups
            if grid.ahead != 0:
                tile = max(tile, expected_largest_sum(shares, groups, height))
            total += tiles * tile
    return total


def expected_waiting(engine: BitEngine, found: BitStatistics, grid: Grid) -> float:
    """Share of a full tile's row cycles that the closed form has rows in lock step wait."""
    shares = engine.group_shares(found, grid.lanes)
    return 1 - mean(shares) / expected_largest(shares, grid.rows)


def balanced(engine: BitEngine) -> bool:
    """Whether all groups take as many steps, so that no row waits."""
    return engine.rule.skip in (Skip.NONE, Skip.BIDIRECTIONAL)


def _chunks(serial: NDArray[Any], rows: int) -> Iterator[NDArray[Any]]:
    step = max(1, CHUNK // max(serial.shape[1] * rows, 1)) * rows
    return (serial[start : start + step] for start in range(0, serial.shape[0], step))


@cache
def _pool() -> ThreadPoolExecutor:
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return ThreadPoolExecutor(max_workers=min(available, MOST_THREADS), thread_name_prefix="archsim-bits")
