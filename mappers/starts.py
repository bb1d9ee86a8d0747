"""Ways to begin a mapping: array tiles of engines with passes, and spatial loops on every axis."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from archsim.mappers.constraints import Constraints, SpatialConstraint
from archsim.mappers.space import Layout, divisors_of
from archsim.mappers.space_kernels import Ways
from archsim.sim.frame import CHIP_AXES, COARSE, GROUPS
from archsim.sim.kernels import OUTPUTS, Bools, Ints
from archsim.sim.problem import Problem

MOST_STARTS = 20000
"""More ways than this are thinned to those that keep most units at work; the result then is not called optimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """Array tiles (T, D) and spatial options (O, slots) whose every pair is a start."""

    tiles: Ints
    dims: Ints
    factors: Ints
    slot_axis: Ints
    slot_stage: Ints
    complete: bool


def choices(problem: Problem, *, perfect: bool, constraints: Constraints = Constraints()) -> Choices:  # noqa: B008
    """All starts of a problem that the constraints allow."""
    slots, options, complete = _spatial(problem, perfect, constraints)
    dims, factors = options
    tiles = _array_tiles(problem, perfect) if problem.flow[0] else np.ones((1, len(problem.dims)), np.int64)
    return Choices(
        tiles=tiles,
        dims=dims,
        factors=factors,
        slot_axis=np.array([axis for axis, _ in slots], np.int64),
        slot_stage=np.array([stage for _, stage in slots], np.int64),
        complete=complete and len(tiles) * len(dims) <= MOST_STARTS,
    )


def _stage_of(problem: Problem, finer_than: tuple[str, ...]) -> int:
    """First stage (from 1) that has a level with instances finer than `finer_than`; else below all stages."""
    stages = [
        int(problem.level_stage[i].max()) for i, level in enumerate(problem.levels_used) if level.per not in finer_than
    ]
    return max(1, min([stage for stage in stages if stage > 0], default=problem.n_stages))


def _shared_along(problem: Problem, position: int) -> tuple[str, ...]:
    """Places of memories that all units along one of the array's own axes share."""
    names = [axis.name for axis in problem.dataflow.axes]
    others = [name for i, name in enumerate(names) if i != position]
    return (
        *COARSE,
        *others,
        *(name for i, name in enumerate(("row", "column")) if i != position and name not in names),
    )


Slots = list[tuple[int, int]]
Options = tuple[Ints, Ints]


def _spatial(problem: Problem, perfect: bool, constraints: Constraints) -> tuple[Slots, Options, bool]:
    """(axis, stage) of each slot and all ways to fill them: a slot for each dimension that an axis can unroll."""
    slots: Slots = []
    parts: list[Options] = []
    complete = True
    for axis, stage, dims, most_loops in _axes(problem):
        name, size = problem.axis_names[axis], problem.axis_sizes[axis]
        fills = _allowed_fills(problem, dims, size, perfect, most_loops, constraints.axis(name))
        if len(dims) == 0 and len(fills) > 0:
            continue
        slots += [(axis, stage)] * max(1, len(dims))
        parts.append((np.tile(np.array(dims or [-1], np.int64), (len(fills), 1)), fills))
    if not parts:
        none = np.full((1, 1), -1, np.int64)
        return [(0, _stage_of(problem, ("chip",)))], (none, np.ones((1, 1), np.int64)), True
    dims_all, factors_all = parts[0]
    for dims_next, factors_next in parts[1:]:
        a, b = len(factors_all), len(factors_next)
        dims_all = np.hstack([np.repeat(dims_all, b, axis=0), np.tile(dims_next, (a, 1))])
        factors_all = np.hstack([np.repeat(factors_all, b, axis=0), np.tile(factors_next, (a, 1))])
    dims_all, factors_all = _distinct(problem, slots, dims_all, factors_all, perfect)
    return slots, (dims_all, factors_all), complete


def _axes(problem: Problem) -> Iterator[tuple[int, int, list[int], int]]:
    """(axis, stage, dimensions that it can unroll, how many of them at once) of every axis."""
    over_outputs = [d for d in range(len(problem.dims)) if problem.shape.relevant[OUTPUTS, d] and problem.sizes[d] > 1]
    for axis, shared in enumerate((("chip",), ("chip", "core"))):
        yield axis, _stage_of(problem, shared), over_outputs if problem.axis_sizes[axis] > 1 else [], 1
    if problem.flow[0]:
        return
    for i, own in enumerate(problem.dataflow.axes):
        names = [dim for entry in own.dims(problem.op.kind) for dim in _expand(problem, entry)]
        dims = [problem.dims.index(dim) for dim in dict.fromkeys(names) if problem.op.loops[dim] > 1]
        yield len(CHIP_AXES) + i, _stage_of(problem, _shared_along(problem, i)), dims, len(dims)


def _allowed_fills(
    problem: Problem, dims: list[int], size: int, perfect: bool, most_loops: int, wanted: SpatialConstraint | None
) -> Ints:
    """`_fills` of an axis that `wanted` allows; no rows where it asks for what the axis cannot do."""
    if wanted is None or wanted.exact is None:
        allowed = dims if wanted is None else [d for d in dims if problem.dims[d] in wanted.dims]
        fills = np.ones((1, max(1, len(dims))), np.int64)
        if allowed:
            some = _fills(problem, allowed, size, perfect, most_loops=most_loops)
            fills = np.ones((len(some), len(dims)), np.int64)
            fills[:, [dims.index(d) for d in allowed]] = some
        return fills
    factors = {problem.dims.index(dim): factor for dim, factor in wanted.exact if factor > 1}
    possible = set(factors) <= set(dims) and len(factors) <= max(1, most_loops) and math.prod(factors.values()) <= size
    row = [factors.get(d, 1) for d in dims] or [1]
    return np.array([row] if possible else [], np.int64).reshape(int(possible), len(row))


def _expand(problem: Problem, entry: str) -> tuple[str, ...]:
    if entry in GROUPS:
        members: tuple[str, ...] = getattr(problem.op, entry)
        return members
    return (entry,) if entry in problem.op.loops else ()


def _fills(problem: Problem, dims: list[int], size: int, perfect: bool, *, most_loops: int) -> Ints:
    """Factors of each dimension on an axis of `size` units: every way whose product is at most that."""
    rows: list[tuple[int, ...]] = []

    def extend(at: int, left: int, row: tuple[int, ...], loops: int) -> None:
        if at == len(dims):
            rows.append(row)
            return
        for factor in _factors(int(problem.sizes[dims[at]]), left if loops < most_loops else 1, perfect):
            extend(at + 1, left // factor, (*row, factor), loops + (factor > 1))

    extend(0, size, (), 0)
    return np.array(rows, np.int64)


def _factors(size: int, most: int, perfect: bool) -> list[int]:
    """
    >>> _factors(12, 8, True), _factors(5, 8, False)
    ([1, 2, 3, 4, 6], [1, 2, 3, 4, 5])
    """
    top = min(size, most)
    if perfect:
        return [step for step in divisors_of(size) if step <= top]
    if top <= 32:
        return list(range(1, top + 1))
    # On long axes only the least factor for each number of steps.
    useful = {-(-size // -(-size // step)) for step in range(1, top + 1)}
    return sorted({step for step in useful if step <= top})


def _distinct(problem: Problem, slots: Slots, dims: Ints, factors: Ints, perfect: bool) -> Options:
    """One option for each effect: axes that send and add up alike are one axis to the traffic.

    Of alike options the one that needs the fewest tiles.
    """
    kinds: dict[tuple[object, ...], int] = {}
    kind_of = []
    for axis, stage in slots:
        key = (stage, tuple(bool(problem.machine.multicast[j, axis]) for j in range(3)))
        kind_of.append(kinds.setdefault(key, len(kinds)))
    stages = np.array([stage for _, stage in slots], np.int64)
    n_dims = len(problem.dims)
    totals = np.ones((len(dims), len(kinds) * n_dims), np.int64)
    rows = np.arange(len(dims))
    for i, kind in enumerate(kind_of):
        totals[rows, kind * n_dims + dims[:, i]] *= factors[:, i]
    needed = sum(_needed(dims, factors, stages == stage, n_dims, perfect).sum(axis=1) for stage in set(stages.tolist()))
    sparing = np.argsort(needed, kind="stable")
    if len(dims) == 0:
        return dims, factors
    code = np.zeros(len(dims), np.int64)
    for column in range(totals.shape[1]):
        top = int(totals[:, column].max())
        if top > 1:
            code = code * (top + 1) + totals[:, column]
    _, first = np.unique(code[sparing], return_index=True)
    kept = np.sort(sparing[first])
    return dims[kept], factors[kept]


def _needed(dims: Ints, factors: Ints, here: Bools, n_dims: int, perfect: bool) -> Ints:
    """(options, D): least number of tiles that give each spatial loop of the slots `here` two at least."""
    units = np.ones((len(dims), n_dims), np.int64)
    outermost = np.ones((len(dims), n_dims), np.int64)
    rows = np.arange(len(dims))
    for i in np.flatnonzero(here):
        used = dims[:, i] >= 0
        at = (rows[used], dims[used, i])
        outermost[at] = np.where(outermost[at] > 1, outermost[at], factors[used, i])
        units[at] *= factors[used, i]
    return units if perfect else units - units // outermost + 1


def _array_tiles(problem: Problem, perfect: bool) -> Ints:
    """Array tiles: for each GEMM-view group its tiles, the batch one at a time."""
    groups = []
    for g in range(3):
        members = [int(d) for d in problem.shape.groups[g] if d >= 0]
        groups.append((members, _group_tiles(problem, g, members, perfect)))
    rows = []
    for picked in itertools.product(*(tiles for _, tiles in groups)):
        row = np.ones(len(problem.dims), np.int64)
        for (members, _), tile in zip(groups, picked, strict=True):
            for d, size in zip(members, tile, strict=True):
                row[d] = size
        rows.append(row)
    return np.array(rows, np.int64)


def _group_tiles(problem: Problem, group: int, members: list[int], perfect: bool) -> list[tuple[int, ...]]:
    """Tiles of a group: its innermost dimension grown to its full size, then the next.

    A group on an axis takes the largest tile of one fold, and the whole; in between, loops outside the array do the
    same. The streamed group takes every useful tile.
    """
    sizes = [int(problem.sizes[d]) for d in members]
    chain: list[tuple[int, ...]] = []
    tile = [1] * len(sizes)
    for i, size in enumerate(sizes):
        for step in _factors_all(size, perfect):
            tile[i] = step
            chain.append(tuple(tile))
    chain = list(dict.fromkeys(chain)) or [()]
    if group not in problem.flow[1:3]:
        return chain
    units = int(problem.machine.array[0] if group == problem.flow[1] else problem.machine.array[1])
    fits = [tile for tile in chain if math.prod(tile) <= units]
    best = fits[-1:] or chain[:1]
    folds = [tile for tile in chain if math.prod(tile) % units == 0]
    return list(dict.fromkeys([*best, *folds[:1], *chain[-1:]]))


def _factors_all(size: int, perfect: bool) -> list[int]:
    """Useful tiles of a dimension, ascending: divisors, or the least tile for each number of tiles."""
    if perfect:
        return list(divisors_of(size))
    counts: set[int] = set()
    step = size
    while step >= 1:
        tiles = -(-size // step)
        least = -(-size // tiles)
        counts.add(least)
        step = least - 1
    return sorted(counts)


def ways_to_begin(where: Layout, chosen: Choices) -> Ways:
    """All starts as the kernels take them."""
    return Ways(
        tiles=chosen.tiles,
        dims=chosen.dims,
        factors=chosen.factors,
        slot_axis=chosen.slot_axis,
        slot_bound=where.slot_bound,
    )
