"""The front of energy and time over every mapping that constraints allow: the twin of a restricted search.

Enumerates as `tests.mappers.exhaustive` does and leaves out what a constraint forbids, one mapping after the other,
from the wording of docs/mapper.md ("Constraints").
"""

# pyright: reportArgumentType=false, reportReturnType=false

from __future__ import annotations

import math

import numpy as np

from archsim.core.kernels import kernel
from archsim.mappers.constraints import Constraints
from archsim.sim.cost import Costing
from archsim.sim.cost_kernels import cost, fits
from archsim.sim.frame import CHIP_AXES
from archsim.sim.kernels import (
    ENERGY_PJ,
    STREAMED,
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
from archsim.sim.problem import Problem
from archsim.workloads.op import OPERANDS
from tests.mappers.exhaustive import Step, all_nests, heights, held, in_ranks, order_of_levels

NONE = Constraints()


@kernel
def _front_of_nest(
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
    n_points: int,
    legal: Ints,
) -> int:
    """Take the mappings of one nest into the front `points` (2, many); how many points it has then."""
    n_levels = inputs.shape[1]
    tiles = np.full((n_levels, 3), -1, np.int64)
    for i in range(inputs.shape[0]):
        for j in range(weights.shape[0]):
            for k in range(outputs.shape[0]):
                uneven = False
                for level in range(n_levels):
                    tiles[level, 0] = inputs[i, level]
                    tiles[level, 1] = weights[j, level]
                    tiles[level, 2] = outputs[k, level]
                    for a in range(3):
                        for b in range(a):
                            if tiles[level, a] > 0 and tiles[level, b] > 0 and tiles[level, a] != tiles[level, b]:
                                uneven = True
                            # The outermost memory of an operand holds all of it, at no height.
                            if (tiles[level, a] > 0) != (tiles[level, b] > 0) and min(
                                tiles[level, a], tiles[level, b]
                            ) == 0:
                                uneven = uneven or _is_tile(tiles, level, a, b)
                if (even and uneven) or not in_ranks(tiles, ranks):
                    continue
                if not fits(shape, nest, n_loops, tiles, machine, scratch):
                    continue
                cost(shape, nest, n_loops, tiles, machine, scratch)
                if scratch.out[STREAMED] > most_streamed * (1 + 1e-9):
                    continue
                legal[0] += 1
                cycles = math.ceil(scratch.out[TOTAL] - 1e-9)
                energy = scratch.out[ENERGY_PJ] + fixed_pj + pj_per_cycle * cycles
                n_points = _admit(cycles, energy, points, n_points)
    return n_points


@kernel
def _is_tile(tiles: Ints, level: int, a: int, b: int) -> bool:
    """Whether both operands have a tile further out, so that what they have here is a tile and not the whole."""
    outer_a, outer_b = False, False
    for above in range(level):
        outer_a = outer_a or tiles[above, a] >= 0
        outer_b = outer_b or tiles[above, b] >= 0
    return outer_a and outer_b


@kernel
def _admit(cycles: float, energy: float, points: Floats, n: int) -> int:
    for i in range(n):
        if points[0, i] <= cycles and points[1, i] <= energy * (1 + 1e-12):
            return n
    kept = 0
    for i in range(n):
        if not (cycles <= points[0, i] and energy <= points[1, i]):
            points[0, kept], points[1, kept] = points[0, i], points[1, i]
            kept += 1
    points[0, kept], points[1, kept] = cycles, energy
    return kept + 1


def restricted_front(
    problem: Problem,
    costing: Costing,
    *,
    perfect: bool,
    constraints: Constraints = NONE,
    even: bool = False,
    bases: Ints | None = None,
    skipped: frozenset[tuple[str, str]] = frozenset(),
) -> list[tuple[float, float]]:
    """(cycles, energy in pJ) of the mappings that nothing legal beats in both, by rising cycles."""
    said = constraints.of(problem.op)
    n_dims, n_levels = len(problem.dims), len(problem.levels_used)
    room = scratch(n_dims, n_levels, len(problem.axis_names))
    points = np.zeros((2, 4096))
    n = 0
    legal = np.zeros(1, np.int64)
    holds, ranks = held(problem, skipped), order_of_levels(problem)
    fixed, per_cycle = costing.fixed_pj(problem), costing.pj_per_cycle(problem)
    most = math.inf
    if said.min_utilization > 0:
        most = problem.op.macs / (problem.peak_macs_per_cycle * said.min_utilization)
    for base in np.ones((1, n_dims), np.int64) if bases is None else bases:
        for loops in all_nests(problem, base, perfect=perfect):
            if not unrolling_allowed(problem, said, loops):
                continue
            choices = [allowed_heights(problem, said, holds, j, loops, base) for j in range(3)]
            if min(len(rows) for rows in choices) == 0:
                continue
            nest = empty_nest(n_dims)
            for i, (dim, factor, axis) in enumerate(loops):
                nest.dim[i], nest.factor[i], nest.axis[i] = dim, factor, axis
            nest.base[:] = base
            n = _front_of_nest(
                problem.shape, problem.machine, nest, len(loops), *choices, ranks, fixed, per_cycle, most, even,
                room, points, n, legal,
            )  # fmt: skip
    return sorted((float(points[0, i]), float(points[1, i])) for i in range(n))


def unrolling_allowed(problem: Problem, said: Constraints, loops: tuple[Step, ...]) -> bool:
    """Whether every axis holds what `spatial` says: only these dimensions, or exactly these factors."""
    for number, name in enumerate(problem.axis_names):
        wanted = said.axis(name)
        if wanted is None:
            continue
        here = {problem.dims[dim]: factor for dim, factor, axis in loops if axis == number}
        if wanted.exact is not None:
            if here != {dim: factor for dim, factor in wanted.exact if factor > 1}:
                return False
        elif not set(here) <= set(wanted.dims):
            return False
    return True


def allowed_heights(
    problem: Problem, said: Constraints, holds: np.ndarray, operand: int, loops: tuple[Step, ...], base: Ints
) -> Ints:
    """Positions of an operand's tiles whose sizes, and the order of loops below them, are as said."""
    rows = heights(problem, holds, operand, loops)
    kept = [row for row in rows if _allowed(problem, said, operand, loops, base, row)]
    return np.array(kept, np.int64).reshape(len(kept), rows.shape[1])


def _allowed(problem: Problem, said: Constraints, operand: int, loops: tuple[Step, ...], base: Ints, row: Ints) -> bool:
    levels = [i for i in range(len(row)) if row[i] >= 0]
    for at, i in enumerate(levels):
        name = problem.levels_used[i].name
        if at > 0 and not _sizes_are(problem, said.tile_sizes(name, OPERANDS[operand]), operand, loops[row[i] :], base):
            return False
        end = row[levels[at + 1]] if at + 1 < len(levels) else len(loops)
        if not in_order(problem, said.order_at(name), loops[row[i] : end]):
            return False
    return True


def _sizes_are(problem: Problem, wanted: dict[str, int], operand: int, inside: tuple[Step, ...], base: Ints) -> bool:
    for name, size in wanted.items():
        d = problem.dims.index(name)
        if not problem.shape.relevant[operand, d]:
            continue
        tile = int(base[d]) * math.prod(factor for dim, factor, _ in inside if dim == d)
        if min(tile, int(problem.sizes[d])) != size:
            return False
    return True


def in_order(problem: Problem, order: tuple[str, ...], loops: tuple[Step, ...]) -> bool:
    """Whether loops in time over the dimensions of `order` come in this order, outermost first."""
    ranks = [order.index(problem.dims[dim]) for dim, _, axis in loops if axis < 0 and problem.dims[dim] in order]
    return ranks == sorted(ranks)


__all__ = ["CHIP_AXES", "in_order", "restricted_front", "unrolling_allowed"]
