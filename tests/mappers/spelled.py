"""Every mapping of a small problem as an enumeration takes them, spelled out from docs/mapper.md ("The whole space").

The nests, heights and costs are those of `tests.mappers.exhaustive`; what is left out are mappings that differ from
another one only in how loops between two tiles are cut or placed.
"""

# pyright: reportArgumentType=false, reportReturnType=false

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from archsim.core.kernels import kernel
from archsim.mappers.constraints import Constraints
from archsim.mappers.starts import choices
from archsim.sim.cost import Costing
from archsim.sim.cost_kernels import cost, fits
from archsim.sim.kernels import (
    ENERGY_PJ,
    STREAMED,
    TOTAL,
    TRANSFERRED,
    WORDS,
    Floats,
    Ints,
    Machine,
    Nest,
    Scratch,
    Shape,
    empty_nest,
    scratch,
)
from archsim.sim.problem import Problem
from tests.mappers.exhaustive import Step, all_nests, held, in_ranks, order_of_levels, units_outside
from tests.mappers.restricted import NONE, _is_tile, allowed_heights


@kernel
def _one_spelling(nest: Nest, n_loops: int, tiles: Ints) -> bool:
    """Whether between two tiles each dimension has one loop in time, above loops over units in order."""
    for i in range(n_loops):
        for j in range(i + 1, n_loops):
            between = False
            for level in range(tiles.shape[0]):
                for operand in range(3):
                    between = between or i < tiles[level, operand] <= j
            if between:
                continue
            if nest.axis[i] < 0 and nest.axis[j] < 0 and nest.dim[i] == nest.dim[j]:
                return False
            if nest.axis[i] >= 0 and nest.axis[j] < 0:
                return False
            both = nest.axis[i] >= 0 and nest.axis[j] >= 0
            if both and (nest.axis[i], nest.dim[i]) > (nest.axis[j], nest.dim[j]):
                return False
    return True


@kernel
def _even(tiles: Ints) -> bool:
    for level in range(tiles.shape[0]):
        for a in range(3):
            for b in range(a):
                there = tiles[level, a] >= 0 and tiles[level, b] >= 0
                if there and tiles[level, a] != tiles[level, b] and _is_tile(tiles, level, a, b):
                    return False
    return True


@kernel
def _points_of_nest(
    shape: Shape,
    machine: Machine,
    nest: Nest,
    n_loops: int,
    inputs: Ints,
    weights: Ints,
    outputs: Ints,
    ranks: Ints,
    fixed_pj: float,
    pj_per_cycle: float,
    most_streamed: float,
    even: bool,
    scratch: Scratch,
    points: Floats,
    counts: Ints,
) -> None:
    tiles = np.full((inputs.shape[1], 3), -1, np.int64)
    for i in range(inputs.shape[0]):
        for j in range(weights.shape[0]):
            for k in range(outputs.shape[0]):
                tiles[:, 0], tiles[:, 1], tiles[:, 2] = inputs[i], weights[j], outputs[k]
                if not _one_spelling(nest, n_loops, tiles) or not in_ranks(tiles, ranks):
                    continue
                if even and not _even(tiles):
                    continue
                cost(shape, nest, n_loops, tiles, machine, scratch)
                if scratch.out[STREAMED] > most_streamed * (1 + 1e-9):
                    continue
                counts[0] += 1
                if not fits(shape, nest, n_loops, tiles, machine, scratch):
                    continue
                if counts[1] < points.shape[1]:
                    cost(shape, nest, n_loops, tiles, machine, scratch)
                    cycles = math.ceil(scratch.out[TOTAL] - 1e-9)
                    points[0, counts[1]] = cycles
                    points[1, counts[1]] = scratch.out[ENERGY_PJ] + fixed_pj + pj_per_cycle * cycles
                counts[1] += 1


def every_point(
    problem: Problem,
    costing: Costing,
    *,
    perfect: bool,
    constraints: Constraints = NONE,
    even: bool = False,
    skipped: frozenset[tuple[str, str]] = frozenset(),
    most: int = 2_000_000,
) -> tuple[int, Floats]:
    """How many mappings there are, and (2, legal) cycles and energy in pJ of those that fit."""
    said = constraints.of(problem.op)
    n_dims, n_levels = len(problem.dims), len(problem.levels_used)
    room, holds, ranks = (
        scratch(n_dims, n_levels, len(problem.axis_names)),
        held(problem, skipped),
        _order_of_levels(problem),
    )
    points, counts = np.zeros((2, most)), np.zeros(2, np.int64)
    streamed = math.inf
    if said.min_utilization > 0:
        streamed = problem.op.macs / (problem.peak_macs_per_cycle * said.min_utilization)
    chosen = choices(problem, perfect=perfect, constraints=said)
    ways = {
        frozenset(
            (int(d), int(f), int(a))
            for d, f, a in zip(dims, factors, chosen.slot_axis, strict=True)
            if d >= 0 and f > 1
        )
        for dims, factors in zip(chosen.dims, chosen.factors, strict=True)
    }
    for base in chosen.tiles:
        for loops in _nests(problem, base, ways, perfect=perfect):
            rows = [allowed_heights(problem, said, holds, j, loops, base) for j in range(3)]
            if min(len(row) for row in rows) == 0:
                continue
            nest = empty_nest(n_dims)
            for i, (dim, factor, axis) in enumerate(loops):
                nest.dim[i], nest.factor[i], nest.axis[i] = dim, factor, axis
            nest.base[:] = base
            _points_of_nest(
                problem.shape, problem.machine, nest, len(loops), *rows, ranks, costing.fixed_pj(problem),
                costing.pj_per_cycle(problem), streamed, even, room, points, counts,
            )  # fmt: skip
    assert counts[1] <= most
    return int(counts[0]), points[:, : counts[1]]


def _order_of_levels(problem: Problem) -> Ints:
    """Where whole words move with each tile, an enumeration lets units stand at one height too, used or not."""
    if problem.machine.counting[WORDS] == TRANSFERRED:
        return units_outside(problem)
    return order_of_levels(problem)


def _nests(problem: Problem, base: Ints, ways: set[frozenset[Step]], *, perfect: bool) -> Iterator[tuple[Step, ...]]:
    """Nests whose factors in time are the least that make so many tiles, and whose unrolling is one of `ways`."""
    for loops in all_nests(problem, base, perfect=perfect):
        if frozenset(step for step in loops if step[2] >= 0) not in ways:
            continue
        left = [-(-int(size) // int(tile)) for size, tile in zip(problem.sizes, base, strict=True)]
        sparing = True
        for dim, factor, axis in reversed(loops):
            tiles = -(-left[dim] // factor)
            sparing = sparing and (axis >= 0 or factor == -(-left[dim] // tiles))
            left[dim] = tiles
        if sparing:
            yield loops
