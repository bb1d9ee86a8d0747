"""Every mapping of a small problem, one after the other: the twin that the search of `mappers` is held against.

Written from docs/cost-model.md ("Mapping") alone: loops in any order, any chain of tile sizes, a tile of every operand
at every level at any height that the hierarchy allows, every way to fill the spatial axes. Nothing is left out because
it could not be better; mappings that are the same nest are tried once. Each is costed by the one cost function.
"""

# pyright: reportArgumentType=false, reportReturnType=false

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from archsim.core.kernels import kernel
from archsim.sim.cost import Costing
from archsim.sim.cost_kernels import cost, fits
from archsim.sim.frame import CHIP_AXES, GROUPS
from archsim.sim.kernels import (
    ENERGY_PJ,
    NESTED_REUSE,
    TOTAL,
    Floats,
    Ints,
    Machine,
    Nest,
    Scratch,
    Shape,
    empty_nest,
    scratch,
)
from archsim.sim.mapping import Loop, Mapping
from archsim.sim.problem import Problem
from archsim.workloads.op import OPERANDS

OBJECTIVES = ("latency", "energy", "edp")
Step = tuple[int, int, int]
"""A loop: dimension, factor, axis (-1: in time)."""
Unrolled = tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
    """The least of all legal mappings, per objective: (value, the other quantity, cycles, energy in pJ)."""

    values: dict[str, tuple[float, float, float, float]]
    mappings: dict[str, Mapping]
    legal: int
    tried: int


@kernel
def in_ranks(tiles: Ints, ranks: Ints) -> bool:
    """Whether no tile of a level lies outside one of a level of lower rank."""
    for a in range(tiles.shape[0]):
        for b in range(tiles.shape[0]):
            if ranks[a] < ranks[b]:
                for i in range(3):
                    for j in range(3):
                        if tiles[a, i] >= 0 and tiles[b, j] >= 0 and tiles[a, i] > tiles[b, j]:
                            return False
    return True


@kernel
def cost_all(
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
    scratch: Scratch,
    best: Floats,
    best_tiles: Ints,
    counts: Ints,
) -> int:
    """Cost one nest with every choice of positions (rows of `inputs`, ...); bits of the objectives that got better."""
    n_levels = inputs.shape[1]
    tiles = np.full((n_levels, 3), -1, np.int64)
    better = 0
    for i in range(inputs.shape[0]):
        for j in range(weights.shape[0]):
            for k in range(outputs.shape[0]):
                for level in range(n_levels):
                    tiles[level, 0] = inputs[i, level]
                    tiles[level, 1] = weights[j, level]
                    tiles[level, 2] = outputs[k, level]
                # Two loops in a row over one dimension are one loop, unless a tile lies between them.
                twice = False
                for at in range(1, n_loops):
                    if nest.dim[at] == nest.dim[at - 1] and nest.axis[at] < 0 and nest.axis[at - 1] < 0:
                        between = False
                        for level in range(n_levels):
                            for operand in range(3):
                                between = between or tiles[level, operand] == at
                        twice = twice or not between
                if twice or not in_ranks(tiles, ranks):
                    continue
                counts[0] += 1
                if not fits(shape, nest, n_loops, tiles, machine, scratch):
                    continue
                counts[1] += 1
                cost(shape, nest, n_loops, tiles, machine, scratch)
                cycles = math.ceil(scratch.out[TOTAL] - 1e-9)
                energy = scratch.out[ENERGY_PJ] + fixed_pj + pj_per_cycle * cycles
                for objective in range(3):
                    value = cycles if objective == 0 else energy if objective == 1 else cycles * energy
                    second = energy if objective == 0 else cycles
                    if value < best[objective, 0] or (value == best[objective, 0] and second < best[objective, 1]):
                        best[objective, 0], best[objective, 1] = value, second
                        best[objective, 2], best[objective, 3] = cycles, energy
                        best_tiles[objective] = tiles
                        better |= 1 << objective
    return better


def enumerate_all(
    problem: Problem,
    costing: Costing,
    *,
    perfect: bool,
    bases: Ints | None = None,
    skipped: frozenset[tuple[str, str]] = frozenset(),
) -> Optimum:
    """The optimum of every objective over all mappings; `bases`: tiles below the loops (arrays with passes)."""
    n_dims, n_levels = len(problem.dims), len(problem.levels_used)
    room = scratch(n_dims, n_levels, len(problem.axis_names))
    best = np.full((3, 4), np.inf)
    best_tiles = np.full((3, n_levels, 3), -1, np.int64)
    counts = np.zeros(2, np.int64)
    mappings: dict[str, Mapping] = {}
    holds, ranks = held(problem, skipped), order_of_levels(problem)
    fixed, per_cycle = costing.fixed_pj(problem), costing.pj_per_cycle(problem)
    for base in np.ones((1, n_dims), np.int64) if bases is None else bases:
        for loops in all_nests(problem, base, perfect=perfect):
            nest = empty_nest(n_dims)
            for i, (dim, factor, axis) in enumerate(loops):
                nest.dim[i], nest.factor[i], nest.axis[i] = dim, factor, axis
            nest.base[:] = base
            inputs, weights, outputs = (heights(problem, holds, j, loops) for j in range(3))
            better = cost_all(
                problem.shape, problem.machine, nest, len(loops), inputs, weights, outputs, ranks, fixed, per_cycle,
                room, best, best_tiles, counts,
            )  # fmt: skip
            for i, name in enumerate(OBJECTIVES):
                if better >> i & 1:
                    mappings[name] = as_mapping(problem, loops, best_tiles[i], base)
    values = {name: tuple(best[i].tolist()) for i, name in enumerate(OBJECTIVES)}
    return Optimum(values=values, mappings=mappings, legal=int(counts[1]), tried=int(counts[0]))


def as_mapping(problem: Problem, loops: tuple[Step, ...], tiles: Ints, base: Ints) -> Mapping:
    return Mapping(
        dataflow=problem.dataflow.name,
        loops=tuple(
            Loop(problem.dims[dim], factor, problem.axis_names[axis] if axis >= 0 else None)
            for dim, factor, axis in loops
        ),
        tiles={
            level.name: {str(name): int(tiles[i, j]) for j, name in enumerate(OPERANDS) if tiles[i, j] >= 0}
            for i, level in enumerate(problem.levels_used)
        },
        array_tile={dim: int(size) for dim, size in zip(problem.dims, base, strict=True)} if problem.flow[0] else {},
    )


def held(problem: Problem, skipped: frozenset[tuple[str, str]]) -> np.ndarray:
    """(L, 3): which level holds which operand."""
    holds = (problem.level_stage >= 0) | problem.resident
    for i, level in enumerate(problem.levels_used):
        for j, operand in enumerate(OPERANDS):
            if (level.name, operand) in skipped:
                holds[i, j] = False
    return holds


def all_nests(problem: Problem, base: Ints, *, perfect: bool) -> Iterator[tuple[Step, ...]]:
    """Every sequence of loops, outermost first, above a base tile."""
    counts = tuple(-(-int(size) // int(tile)) for size, tile in zip(problem.sizes, base, strict=True))
    for unrolled in unrollings(problem, counts, perfect=perfect):
        ordered = sorted(unrolled, key=lambda step: step[2])
        for inside_out in _sequences(counts, tuple(ordered), perfect):
            yield tuple(reversed(inside_out))


def _sequences(counts: tuple[int, ...], waiting: Unrolled, perfect: bool) -> Iterator[tuple[Step, ...]]:
    """Loops innermost first that leave one tile of each dimension and use all spatial loops in `waiting`."""
    if all(count == 1 for count in counts):
        if not waiting:
            yield ()
        return
    for i, step in enumerate(waiting):
        dim, units, _ = step
        if counts[dim] < units or (perfect and counts[dim] % units):
            continue
        left = (*counts[:dim], -(-counts[dim] // units), *counts[dim + 1 :])
        for rest in _sequences(left, (*waiting[:i], *waiting[i + 1 :]), perfect):
            yield (step, *rest)
    for dim, count in enumerate(counts):
        for factor in range(2, count + 1):
            if perfect and count % factor:
                continue
            left = (*counts[:dim], -(-count // factor), *counts[dim + 1 :])
            for rest in _sequences(left, waiting, perfect):
                yield ((dim, factor, -1), *rest)


def unrollings(problem: Problem, counts: tuple[int, ...], *, perfect: bool) -> Iterator[Unrolled]:
    """Every way to fill the spatial axes: loops of several dimensions on the array's own, one on cores and arrays."""
    parts = []
    for axis, size in enumerate(problem.axis_sizes):
        if axis >= len(CHIP_AXES) and problem.flow[0]:
            continue
        parts.append(list(_on_axis(problem, axis, size, counts, perfect)))
    for choice in itertools.product(*parts):
        yield tuple(itertools.chain.from_iterable(choice))


def dims_on(problem: Problem, axis: int, counts: tuple[int, ...]) -> list[int]:
    """Dimensions with several tiles that an axis may unroll."""
    if axis < len(CHIP_AXES):
        dims = [d for d in range(len(problem.dims)) if problem.shape.relevant[2, d]]
    else:
        names: set[str] = set()
        for entry in problem.dataflow.axes[axis - len(CHIP_AXES)].dims(problem.op.kind):
            names |= set(getattr(problem.op, entry)) if entry in GROUPS else {entry}
        dims = [d for d, name in enumerate(problem.dims) if name in names]
    return [d for d in dims if counts[d] > 1]


def _on_axis(problem: Problem, axis: int, size: int, counts: tuple[int, ...], perfect: bool) -> Iterator[Unrolled]:
    dims = dims_on(problem, axis, counts)
    ranges = [[f for f in range(1, min(size, counts[d]) + 1) if not (perfect and counts[d] % f)] for d in dims]
    for factors in itertools.product(*ranges):
        steps = tuple((d, f, axis) for d, f in zip(dims, factors, strict=True) if f > 1)
        if math.prod(factors) <= size and (axis >= len(CHIP_AXES) or len(steps) <= 1):
            yield steps


def multiplied(problem: Problem, level: int) -> frozenset[int]:
    """Spatial axes that a level has several instances along: the axis's units lie outside it."""
    per = problem.levels_used[level].per
    axes = [axis.name for axis in problem.dataflow.axes]
    own = range(len(CHIP_AXES), len(CHIP_AXES) + len(axes))
    match per:
        case "chip":
            return frozenset()
        case "core":
            return frozenset({0})
        case "array":
            return frozenset({0, 1})
        case "pe":
            return frozenset({0, 1, *own})
        case "row" | "column" if per not in axes:
            along = len(CHIP_AXES) + ("row", "column").index(per)
            return frozenset({0, 1, along})
        case _:
            return frozenset({0, 1, len(CHIP_AXES) + axes.index(per)})


def order_of_levels(problem: Problem) -> Ints:
    """(L,): ranks of levels; no tile of one lies outside a tile, of any operand, of a level of lower rank.

    Where tiles are kept only while those of the level above stand still, tiles inside units lie inside all tiles
    outside of them, whether or not the units are used. Else this follows from the units in use: all ranks are 0.
    """
    if problem.machine.counting[NESTED_REUSE]:
        return units_outside(problem)
    return np.zeros(len(problem.levels_used), np.int64)


def units_outside(problem: Problem) -> Ints:
    """(L,): outside of each level, axes that may unroll a dimension of the op; of an op without any, cores."""
    whole = tuple(int(size) for size in problem.sizes)
    axes = {
        axis
        for axis, size in enumerate(problem.axis_sizes)
        if (not problem.flow[0] if axis >= len(CHIP_AXES) else size > 1) and dims_on(problem, axis, whole)
    }
    axes = axes or {0}
    outside = np.zeros(len(problem.levels_used), np.int64)
    for i in range(len(outside)):
        outer = [k for k in range(len(outside)) if problem.level_stage[k].max() <= problem.level_stage[i].max()]
        outside[i] = len(axes.intersection(*(frozenset().union(*(multiplied(problem, k) for k in outer)),)))
    return outside


def heights(problem: Problem, holds: np.ndarray, operand: int, loops: tuple[Step, ...]) -> Ints:
    """All positions of an operand's tiles: (choices, L), -1 where a level does not hold it."""
    levels = tuple(int(i) for i in np.flatnonzero(holds[:, operand]))
    # A level lies inside the spatial loops of each axis that it, or a level further out, is multiplied along.
    inside: list[frozenset[int]] = []
    for i in levels:
        outer = [
            k for k in range(len(problem.levels_used)) if problem.level_stage[k].max() <= problem.level_stage[i].max()
        ]
        inside.append(frozenset().union(*(multiplied(problem, k) for k in outer)))
    axes = tuple(axis for _, _, axis in loops)
    return _heights(len(problem.levels_used), levels, tuple(inside), axes)


@cache
def _heights(n_levels: int, levels: tuple[int, ...], inside: tuple[frozenset[int], ...], axes: tuple[int, ...]) -> Ints:
    ranges = []
    for at, within in enumerate(inside):
        if at == 0:
            ranges.append([0])
            continue
        outer = [i for i, axis in enumerate(axes) if axis >= 0 and axis in within]
        inner = [i for i, axis in enumerate(axes) if axis >= 0 and axis not in within]
        ranges.append(list(range(max(outer, default=-1) + 1, min(inner, default=len(axes)) + 1)))
    rows = []
    for positions in itertools.product(*ranges):
        if all(a <= b for a, b in itertools.pairwise(positions)):
            row = [-1] * n_levels
            for level, position in zip(levels, positions, strict=True):
                row[level] = position
            rows.append(row)
    return np.array(rows, np.int64).reshape(len(rows), n_levels)


def estimate(problem: Problem, perfect: bool, skipped: frozenset[tuple[str, str]], most: int) -> int:
    """How many mappings there are above one-element tiles, counted up to a little more than `most`."""
    holds, total = held(problem, skipped), 0
    for loops in all_nests(problem, np.ones(len(problem.dims), np.int64), perfect=perfect):
        total += math.prod(len(heights(problem, holds, j, loops)) for j in range(3))
        if total > most:
            break
    return total
