"""Ways to begin a mapping: array tiles of engines with passes, and spatial loops on every axis."""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from archsim.mappers.constraints import Constraints, SpatialConstraint
from archsim.mappers.factors import tile_factors, unit_factors
from archsim.mappers.price_kernels import PARTIAL
from archsim.sim.frame import CHIP_AXES, COARSE, GROUPS, Frame
from archsim.sim.kernels import CAPACITY, DOUBLE_BUFFER, OUTPUTS, TRANSFERRED, WORDS, Ints
from archsim.sim.problem import Problem

AMPLE = 64
"""Tiles of one fold of the array that a memory must hold at least for those of a part of it not to be tried. With 4,
energies of 64 x 64 and 128 x 128 arrays with 64 KiB and 1 MiB came out up to 9 % higher. With 64, of 300 optima (four
GEMMs on arrays of 16 to 256 rows with 16 KiB to 4 MiB) 295 are those without any limit, the others 0.012 % above at
most."""
_LACKS = (1, 0, 2)
"""The operand that a group of dimensions (rows, columns, reduction) does not index."""
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


def in_any_order(problem: Problem, chosen: Choices) -> Choices:
    """The same starts with the loops of axes that share a dimension in every order that may matter, each a start.

    Six tiles on four units of one axis by two of another: with the two outside, the second has two tiles; with the four
    outside, one of them would have none. Of factors that need not divide; others leave no unit without work.
    """
    stages: list[int] = chosen.slot_stage.tolist()
    groups: dict[tuple[int, int], list[int]] = {}
    for i, stage in enumerate(stages):
        if (chosen.factors[:, i] > 1).any():
            groups.setdefault((stage, int(chosen.dims[0, i])), []).append(i)
    slots, rows = list(range(len(stages))), list(enumerate(chosen.factors.tolist()))
    for own in groups.values():
        if len(own) > 1 and _order_matters(problem, int(chosen.dims[0, own[0]]), chosen.slot_axis[own]):
            copies = range(len(slots), len(slots) + len(own) * (len(own) - 1))
            slots += own * (len(own) - 1)
            rows = [(way, moved) for way, row in rows for moved in _permuted(row, own, copies)]
    if len(slots) == len(stages):
        return chosen
    ways = np.array([way for way, _ in rows], np.int64)
    return replace(
        chosen,
        dims=np.ascontiguousarray(chosen.dims[ways][:, slots]),
        factors=np.array([row for _, row in rows], np.int64),
        slot_axis=chosen.slot_axis[slots],
        slot_stage=chosen.slot_stage[slots],
        complete=chosen.complete and len(chosen.tiles) * len(rows) <= MOST_STARTS,
    )


def _order_matters(problem: Problem, dim: int, axes: Ints) -> bool:
    """Whether loops over a dimension on these axes may differ with their order: in what is sent once, or in words."""
    alike = problem.machine.multicast[:, axes] == problem.machine.multicast[:, axes[:1]]
    reused = ~problem.shape.relevant[:, dim]
    return bool(problem.machine.counting[WORDS] == TRANSFERRED or not alike[reused].all())


def _permuted(row: list[int], own: list[int], copies: range) -> Iterator[list[int]]:
    """A row of factors with those of the slots `own` in every order, the further in ones in copies of their slots."""
    used = [i for i in own if row[i] > 1]
    places = [*own, *copies]
    for order in itertools.permutations(used):
        moved, at = [*row, *[1] * len(copies)], 0
        for i in used:
            moved[i] = 1
        for i in order:
            while own[at % len(own)] != i:
                at += 1
            moved[places[at]] = row[i]
            at += 1
        yield moved


@lru_cache(maxsize=1024)
def _stage_of(frame: Frame, finer_than: tuple[str, ...]) -> int:
    """First stage (from 1) that has a level with instances finer than `finer_than`; else below all stages."""
    stages = [int(frame.level_stage[i].max()) for i, place in enumerate(frame.places) if place.per not in finer_than]
    return max(1, min([stage for stage in stages if stage > 0], default=frame.n_stages))


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
        return [(0, _stage_of(problem.frame, ("chip",)))], (none, np.ones((1, 1), np.int64)), True
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
        yield axis, _stage_of(problem.frame, shared), over_outputs if problem.axis_sizes[axis] > 1 else [], 1
    if problem.flow[0]:
        return
    for i, own in enumerate(problem.dataflow.axes):
        names = [dim for entry in own.dims(problem.op.kind) for dim in _expand(problem, entry)]
        dims = [problem.dims.index(dim) for dim in dict.fromkeys(names) if problem.op.loops[dim] > 1]
        yield len(CHIP_AXES) + i, _stage_of(problem.frame, _shared_along(problem, i)), dims, len(dims)


def _allowed_fills(
    problem: Problem, dims: list[int], size: int, perfect: bool, most_loops: int, wanted: SpatialConstraint | None
) -> Ints:
    """`_fills` of an axis that `wanted` allows; no rows where it asks for what the axis cannot do."""
    if wanted is None or wanted.exact is None:
        allowed = dims if wanted is None else [d for d in dims if problem.dims[d] in wanted.dims]
        fills = np.ones((1, max(1, len(dims))), np.int64)
        if allowed:
            some = _fills(tuple(int(problem.sizes[d]) for d in allowed), size, perfect, most_loops)
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


@lru_cache(maxsize=256)
def _fills(sizes: tuple[int, ...], most_units: int, perfect: bool, most_loops: int) -> Ints:
    """Factors of dimensions of these sizes on one axis: every way whose product is at most its units."""
    rows: list[tuple[int, ...]] = []

    def extend(at: int, left: int, row: tuple[int, ...], loops: int) -> None:
        if at == len(sizes):
            rows.append(row)
            return
        for factor in unit_factors(sizes[at], left if loops < most_loops else 1, perfect):
            extend(at + 1, left // factor, (*row, factor), loops + (factor > 1))

    extend(0, most_units, (), 0)
    return np.array(rows, np.int64)


def _distinct(problem: Problem, slots: Slots, dims: Ints, factors: Ints, perfect: bool) -> Options:
    """One option for each effect: axes that send and add up alike are one axis to the traffic.

    Of alike options the one that needs the fewest tiles.
    """
    if len(dims) == 0:
        return dims, factors
    units: dict[Hashable, Ints] = {}
    for i, (axis, stage) in enumerate(slots):
        alike = (stage, *problem.machine.multicast[:, axis].tolist(), int(dims[0, i]))
        units[alike] = units[alike] * factors[:, i] if alike in units else factors[:, i]
    if len(units) == len(slots):
        return dims, factors
    code = np.zeros(len(dims), np.int64)
    for total in units.values():
        top = int(total.max())
        if top > 1:
            code = code * (top + 1) + total
    sparing = np.argsort(_needed(slots, dims, factors, perfect), kind="stable")
    _, first = np.unique(code[sparing], return_index=True)
    kept = np.sort(sparing[first])
    return dims[kept], factors[kept]


def _needed(slots: Slots, dims: Ints, factors: Ints, perfect: bool) -> Ints:
    """(options,): least number of tiles that give each spatial loop two at least, summed over dimensions and stages."""
    units: dict[tuple[int, int], Ints] = {}
    outermost: dict[tuple[int, int], Ints] = {}
    for i, (_, stage) in enumerate(slots):
        at, own = (stage, int(dims[0, i])), factors[:, i]
        if at in units:
            outermost[at] = np.where(outermost[at] > 1, outermost[at], own)
            units[at] = units[at] * own
        else:
            outermost[at] = units[at] = own
    needed = np.zeros(len(dims), np.int64)
    for at, total in units.items():
        needed += total if perfect else total - total // outermost[at] + 1
    return needed


def _array_tiles(problem: Problem, perfect: bool) -> Ints:
    """Array tiles (T, D): for each GEMM-view group its tiles, the batch one at a time."""
    array: list[int] = problem.array.tolist()
    units = dict(zip(problem.flow[1:3].tolist(), array, strict=True))
    members = [[int(d) for d in problem.shape.groups[g] if d >= 0] for g in range(3)]
    sizes = [tuple(int(problem.sizes[d]) for d in own) for own in members]
    groups = [_group_tiles(sizes[g], units.get(g, 0), perfect) for g in range(3)]
    if cramped(problem):
        parts = [_parts_of_fold(sizes[g], units.get(g, 0), perfect) for g in range(3)]
        groups = [np.unique(np.vstack(both), axis=0) for both in zip(groups, parts, strict=True)]
    picked = np.indices([len(tiles) for tiles in groups]).reshape(3, -1)
    rows = np.ones((picked.shape[1], len(problem.dims)), np.int64)
    for own, tiles, pick in zip(members, groups, picked, strict=True):
        rows[:, own] = tiles[pick]
    return rows


def cramped(problem: Problem) -> bool:
    """Whether a memory is so small beside the array that tiles of a part of it may be better, or fit alone."""
    if not problem.flow[0]:
        return False
    extents, groups = problem.sizes.tolist(), problem.frame.groups[:3].tolist()
    sizes = [math.prod([extents[d] for d in group if d >= 0]) for group in groups]
    rows, columns, streamed = problem.flow[1:4].tolist()
    elements = min(sizes[rows], int(problem.array[0])) * min(sizes[columns], int(problem.array[1]))
    stays, machine = _LACKS[streamed], problem.machine
    width = stays if stays != OUTPUTS else PARTIAL
    for level, stage in enumerate(problem.frame.level_stage[:, stays].tolist()):
        bits = elements * machine.stored_bits[level, width] * (2 if machine.levels[level, DOUBLE_BUFFER] else 1)
        if stage >= 0 and machine.levels[level, CAPACITY] < AMPLE * bits:
            return True
    return False


@lru_cache(maxsize=1024)
def _parts_of_fold(sizes: tuple[int, ...], units: int, perfect: bool) -> Ints:
    """Tiles of a group that fill a half, a quarter, ... of an axis of `units`, as far as they can; none for 0."""
    chain = _group_tiles(sizes, 0, perfect).tolist()
    limits = [units >> i for i in range(1, units.bit_length())]
    tiles = [[tile for tile in chain if math.prod(tile) <= limit][-1:] for limit in limits]
    found = [tuple(tile) for fitting in tiles for tile in fitting]
    return np.array(list(dict.fromkeys(found)), np.int64).reshape(-1, len(sizes))


@lru_cache(maxsize=1024)
def _group_tiles(sizes: tuple[int, ...], units: int, perfect: bool) -> Ints:
    """Tiles of a group (tiles, members): its innermost dimension grown to its full size, then the next.

    A group on an axis of `units` takes the largest tile of one fold, and the whole; in between, loops outside the array
    do the same. (Parts of a fold are worth trying where memory is scarce: see `cramped`.) The streamed group (`units`
    0) takes every useful tile.
    """
    chain: list[tuple[int, ...]] = []
    tile = [1] * len(sizes)
    for i, size in enumerate(sizes):
        for step in tile_factors(size, perfect):
            tile[i] = step
            chain.append(tuple(tile))
    chain = list(dict.fromkeys(chain)) or [()]
    if units:
        fits = [tile for tile in chain if math.prod(tile) <= units]
        best = fits[-1:] or chain[:1]
        folds = [tile for tile in chain if math.prod(tile) % units == 0]
        # What divides is among what need not: the larger space has every mapping of the smaller one.
        divide = () if perfect else map(tuple, _group_tiles(sizes, units, True).tolist())
        chain = list(dict.fromkeys([*best, *folds[:1], *chain[-1:], *divide]))
    return np.array(chain, np.int64).reshape(len(chain), len(sizes))
