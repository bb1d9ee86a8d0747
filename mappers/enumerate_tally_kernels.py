"""What is kept of the mappings of a space while they pass: counts, the best, the front, ranks, and a histogram."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from archsim.core.kernels import bits_of, inner_kernel
from archsim.mappers.goal_kernels import score
from archsim.sim.kernels import MAX_LOOPS, Floats, Ints, Nest

TRIED, LEGAL, NESTS, FRONT, FULL_COSTS = range(5)
"""Entries of `Tally.counts`: mappings, those that fit, nests walked, points on the front, calls of the cost kernel."""
OBJECTIVES = 4
"""Latency, energy, their product, and the weighted objective."""
STEPS_PER_OCTAVE_BITS = 4
"""Cells of the histogram: 16 to a factor of two."""
CELLS = 320
_SHIFT = 52 - STEPS_PER_OCTAVE_BITS
"""A float's bits from here on are its exponent and the first of its mantissa: a piecewise linear logarithm."""


class Tally(NamedTuple):
    """Results of an enumeration, filled in by the kernels."""

    counts: Ints
    best: Floats
    """(4, 4): value, second (energy for latency, else cycles), cycles, energy in pJ of the best by each objective."""
    loops: Ints
    """(4, 3, MAX_LOOPS): dim, factor, axis of their loops, outermost first."""
    n_loops: Ints
    tiles: Ints
    """(4, L, 3)"""
    base: Ints
    """(4, D)"""
    marks: Floats
    """(mappings to be ranked, 4): their values by each objective, in cycles and pJ."""
    below: Ints
    """(mappings to be ranked, 4): legal mappings that are better."""
    extremes: Floats
    """Least and largest energy in pJ, least and largest cycles of the legal mappings, sums of both."""
    cells: Ints
    """(CELLS, CELLS): legal mappings by energy and cycles, from `origin` on; no rows where none are wanted."""
    origin: Ints
    """(2,): the cell (of all floats) that the first row and column stand for."""
    front: Floats
    """(2, points): cycles and energy that no legal mapping beats in both."""


def new_tally(n_dims: int, n_levels: int, *, marks: Floats, cells: bool, front: int = 1024) -> Tally:
    """Nothing counted yet."""
    return Tally(
        counts=np.zeros(5, np.int64),
        best=np.full((OBJECTIVES, 4), np.inf),
        loops=np.zeros((OBJECTIVES, 3, MAX_LOOPS), np.int64),
        n_loops=np.full(OBJECTIVES, -1, np.int64),
        tiles=np.full((OBJECTIVES, n_levels, 3), -1, np.int64),
        base=np.ones((OBJECTIVES, n_dims), np.int64),
        marks=marks,
        below=np.zeros(marks.shape, np.int64),
        extremes=np.array([np.inf, 0.0, np.inf, 0.0, 0.0, 0.0]),
        cells=np.zeros((CELLS if cells else 0, CELLS), np.int64),
        origin=np.zeros(2, np.int64),
        front=np.zeros((2, front)),
    )


def cell_of(values: Floats) -> Ints:
    """The cell, among those of all positive floats, that each value lies in."""
    return np.asarray(values, np.float64).view(np.int64) >> _SHIFT


def edges_of(first: int, count: int) -> Floats:
    """(count + 1,): the values between which `count` cells from `first` on lie."""
    return (np.arange(first, first + count + 1, dtype=np.int64) << _SHIFT).view(np.float64)


@inner_kernel
def take(cycles: float, energy_pj: float, weights: Floats, weighted: bool, tally: Tally) -> int:
    """Count a legal mapping; bits of the objectives by which it is the best so far."""
    extremes = tally.extremes
    tally.counts[LEGAL] += 1
    extremes[0], extremes[1] = min(extremes[0], energy_pj), max(extremes[1], energy_pj)
    extremes[2], extremes[3] = min(extremes[2], cycles), max(extremes[3], cycles)
    extremes[4] += energy_pj
    extremes[5] += cycles
    for i in range(tally.marks.shape[0]):
        for objective in range(OBJECTIVES if weighted else OBJECTIVES - 1):
            if score(objective, cycles, energy_pj, weights) < tally.marks[i, objective]:
                tally.below[i, objective] += 1
    if tally.cells.shape[0] > 0:
        row = min(max((bits_of(energy_pj) >> _SHIFT) - tally.origin[0], 0), CELLS - 1)
        column = min(max((bits_of(cycles) >> _SHIFT) - tally.origin[1], 0), CELLS - 1)
        tally.cells[row, column] += 1
    front = tally.front
    # What the front beats is not the best by any objective.
    if tally.counts[FRONT] > 0 and front[0, 0] <= cycles and front[1, 0] <= energy_pj:
        return 0
    return _among_the_best(cycles, energy_pj, weights, weighted, tally)


@inner_kernel
def _among_the_best(cycles: float, energy_pj: float, weights: Floats, weighted: bool, tally: Tally) -> int:
    """Take a mapping into the front, and among the best by each objective."""
    front, n = tally.front, tally.counts[FRONT]
    for i in range(n):
        if front[0, i] <= cycles and front[1, i] <= energy_pj:
            # The point that beat the last mapping is asked first the next time.
            front[0, 0], front[0, i] = front[0, i], front[0, 0]
            front[1, 0], front[1, i] = front[1, i], front[1, 0]
            return 0
    kept = 0
    for i in range(n):
        if not (cycles <= front[0, i] and energy_pj <= front[1, i]):
            front[0, kept], front[1, kept] = front[0, i], front[1, i]
            kept += 1
    if kept < front.shape[1]:
        front[0, kept], front[1, kept] = cycles, energy_pj
        kept += 1
    tally.counts[FRONT] = kept
    better = 0
    for objective in range(OBJECTIVES if weighted else OBJECTIVES - 1):
        value = score(objective, cycles, energy_pj, weights)
        second = energy_pj if objective == 0 else cycles
        best = tally.best[objective]
        if value < best[0] or (value == best[0] and second < best[1]):
            best[0], best[1], best[2], best[3] = value, second, cycles, energy_pj
            better |= 1 << objective
    return better


@inner_kernel
def keep(better: int, nest: Nest, n_loops: int, tiles: Ints, tally: Tally) -> None:
    """Write down the mapping that is the best by the objectives in `better`."""
    for objective in range(OBJECTIVES):
        if not better >> objective & 1:
            continue
        tally.n_loops[objective] = n_loops
        for i in range(n_loops):
            tally.loops[objective, 0, i] = nest.dim[i]
            tally.loops[objective, 1, i] = nest.factor[i]
            tally.loops[objective, 2, i] = nest.axis[i]
        for d in range(nest.base.shape[0]):
            tally.base[objective, d] = nest.base[d]
        for level in range(tiles.shape[0]):
            for operand in range(3):
                tally.tiles[objective, level, operand] = tiles[level, operand]
