"""All mappings of one nest: the heights of three operands' tiles together, and what each of them costs."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from archsim.core.kernels import inner_kernel
from archsim.mappers.enumerate_row_kernels import (
    Hierarchy,
    Rows,
    cost_row,
    height_range,
    in_order,
    list_rows,
    new_rows,
    of_size,
    pairs_met,
)
from archsim.mappers.enumerate_tally_kernels import FULL_COSTS, TRIED, Tally, keep, take
from archsim.sim.cost_kernels import cost, fits, instances
from archsim.sim.kernels import (
    CAPACITY,
    COMPUTE,
    ENERGY_PJ,
    MAX_LOOPS,
    MEMORY_STALLS,
    READ_BW,
    RESERVED,
    SHARED_PORTS,
    STREAMED,
    THROUGHPUT,
    TOTAL,
    WRITE_BW,
    Floats,
    Ints,
    Machine,
    Nest,
    Scratch,
    Shape,
    count_tiles,
    empty_nest,
    scratch,
)
from archsim.sim.pass_kernels import compute_cycles


class Terms(NamedTuple):
    """What is enumerated, and what of it counts."""

    perfect: bool
    even: bool
    costed: bool
    """False: mappings are counted, nothing else."""
    separable: bool
    """Whether the cost of a mapping is that of its operands' rows; else each is costed whole."""
    most: int
    """Mappings after which a walk ends."""
    most_streamed: float
    """Streaming cycles that the least utilization leaves."""
    fixed_pj: float
    pj_per_cycle: float
    weights: Floats
    """Exponents of the weighted objective."""
    weighted: bool


class Room(NamedTuple):
    """Room for one nest at a time."""

    nest: Nest
    scratch: Scratch
    rows: Rows
    tiles: Ints
    own_tiles: Ints
    height: Ints
    least: Ints
    most: Ints
    pair_from: Ints
    pair_to: Ints
    """Loops that a tile must lie between."""
    steps: Floats
    """(MAX_LOOPS + 1,): tiles of all dimensions that the loops above a height make."""
    need: Floats
    """(L,): of inputs and weights together, as in `Rows`."""
    reads: Floats
    writes: Floats
    own: Floats
    following: Ints
    free: Floats
    """(L,): bits that a level has."""
    feeds: Ints
    """(L,): whether some operand has a tile further in."""


def new_room(n_dims: int, machine: Machine, most_rows: int, chains: Ints) -> Room:
    """Room for nests whose operands have at most `most_rows` choices of heights."""
    n_levels = len(machine.levels)
    feeds = np.zeros(n_levels, np.int64)
    for chain in chains:
        held = chain[chain >= 0]
        feeds[held[:-1]] = 1
    return Room(
        nest=empty_nest(n_dims),
        scratch=scratch(n_dims, n_levels, machine.multicast.shape[1]),
        rows=new_rows(most_rows, n_levels),
        tiles=np.full((n_levels, 3), -1, np.int64),
        own_tiles=np.full((n_levels, 3), -1, np.int64),
        height=np.zeros(n_levels + 1, np.int64),
        least=np.zeros(n_levels + 1, np.int64),
        most=np.zeros(n_levels + 1, np.int64),
        pair_from=np.zeros(MAX_LOOPS, np.int64),
        pair_to=np.zeros(MAX_LOOPS, np.int64),
        steps=np.ones(MAX_LOOPS + 1),
        need=np.zeros(n_levels),
        reads=np.zeros(2 * n_levels),
        writes=np.zeros(2 * n_levels),
        own=np.zeros(2 * n_levels),
        following=np.zeros(n_levels, np.int64),
        free=machine.levels[:, CAPACITY] - machine.levels[:, RESERVED],
        feeds=feeds,
    )


@inner_kernel
def uneven_mappings(
    n_loops: int,
    n_pairs: int,
    shape: Shape,
    machine: Machine,
    hierarchy: Hierarchy,
    terms: Terms,
    room: Room,
    tally: Tally,
) -> None:
    """Every operand's tiles at heights of their own."""
    rows = room.rows
    for operand in range(3):
        list_rows(
            operand, hierarchy, shape, room.nest, n_loops, room.pair_from, room.pair_to, n_pairs, rows,
            room.height, room.least, room.most,
        )  # fmt: skip
        if rows.n[operand] == 0:
            return
    if not _prepared(n_loops, shape, machine, terms, room):
        return
    every = (1 << n_pairs) - 1
    for i in range(rows.n[0]):
        for j in range(rows.n[1]):
            met = rows.met[0, i] | rows.met[1, j]
            if terms.separable:
                _with_outputs(i, j, met, every, n_loops, shape, machine, hierarchy, terms, room, tally)
                continue
            for k in range(rows.n[2]):
                if met | rows.met[2, k] == every:
                    _lay(i, j, k, room)
                    if _in_ranks(room.tiles, hierarchy.ranks):
                        _cost_whole(n_loops, shape, machine, terms, room, tally)


@inner_kernel
def _prepared(n_loops: int, shape: Shape, machine: Machine, terms: Terms, room: Room) -> bool:
    """Fill in what all mappings of a nest have in common; False where it keeps too few units at work."""
    if not terms.costed and terms.most_streamed == np.inf:
        return True
    room_, nest = room.scratch, room.nest
    compute_cycles(shape, nest, n_loops, machine, room_)
    if room_.out[STREAMED] > terms.most_streamed * (1 + 1e-9):
        return False
    if terms.costed and terms.separable and not terms.even:
        _lay(0, 0, 0, room)
        instances(shape, nest, n_loops, room.tiles, room_)
        for height in range(n_loops + 1):
            room.steps[height] = 1.0
            for d in range(shape.sizes.shape[0]):
                room.steps[height] *= count_tiles(d, height, shape, nest, n_loops, room_.together)
    return True


@inner_kernel
def _lay(i: int, j: int, k: int, room: Room) -> None:
    for level in range(room.tiles.shape[0]):
        room.tiles[level, 0] = room.rows.tiles[0, i, level]
        room.tiles[level, 1] = room.rows.tiles[1, j, level]
        room.tiles[level, 2] = room.rows.tiles[2, k, level]


@inner_kernel
def _in_ranks(tiles: Ints, ranks: Ints) -> bool:
    """Whether no tile lies further in than one of a level of higher rank."""
    for a in range(tiles.shape[0]):
        for b in range(tiles.shape[0]):
            if ranks[a] < ranks[b]:
                for i in range(3):
                    for j in range(3):
                        if tiles[a, i] >= 0 and tiles[b, j] >= 0 and tiles[a, i] > tiles[b, j]:
                            return False
    return True


@inner_kernel
def _cost_whole(n_loops: int, shape: Shape, machine: Machine, terms: Terms, room: Room, tally: Tally) -> None:
    """One mapping by the closed form."""
    tally.counts[TRIED] += 1
    if not terms.costed or not fits(shape, room.nest, n_loops, room.tiles, machine, room.scratch):
        return
    cost(shape, room.nest, n_loops, room.tiles, machine, room.scratch)
    tally.counts[FULL_COSTS] += 1
    cycles = np.ceil(room.scratch.out[TOTAL] - 1e-9)
    energy = room.scratch.out[ENERGY_PJ] + terms.fixed_pj + terms.pj_per_cycle * cycles
    better = take(cycles, energy, terms.weights, terms.weighted, tally)
    if better:
        keep(better, room.nest, n_loops, room.tiles, tally)


@inner_kernel
def _with_outputs(
    i: int,
    j: int,
    met: int,
    every: int,
    n_loops: int,
    shape: Shape,
    machine: Machine,
    hierarchy: Hierarchy,
    terms: Terms,
    room: Room,
    tally: Tally,
) -> None:
    """All mappings with one row of inputs and one of weights, their costs as the sum of rows."""
    rows = room.rows
    paired = False
    for k in range(rows.n[2]):
        if met | rows.met[2, k] != every:
            continue
        if hierarchy.ranks[0] >= 0:
            _lay(i, j, k, room)
            if not _in_ranks(room.tiles, hierarchy.ranks):
                continue
        tally.counts[TRIED] += 1
        if not terms.costed:
            continue
        if not paired:
            _pair(i, j, n_loops, shape, machine, room)
            paired = True
        if not rows.known[2, k]:
            cost_row(2, k, shape, room.nest, n_loops, machine, room.scratch, rows, room.own_tiles)
        legal = True
        for level in range(room.need.shape[0]):
            legal = legal and room.need[level] + rows.need[2, k, level] <= room.free[level]
        if not legal:
            continue
        cycles = np.ceil(_cycles(i, j, k, machine, room) - 1e-9)
        energy = rows.energy[0, i] + rows.energy[1, j] + rows.energy[2, k]
        energy += terms.fixed_pj + terms.pj_per_cycle * cycles
        better = take(cycles, energy, terms.weights, terms.weighted, tally)
        if better:
            _lay(i, j, k, room)
            keep(better, room.nest, n_loops, room.tiles, tally)


@inner_kernel
def _pair(i: int, j: int, n_loops: int, shape: Shape, machine: Machine, room: Room) -> None:
    """Sum the shares of inputs and weights."""
    rows = room.rows
    if not rows.known[0, i]:
        cost_row(0, i, shape, room.nest, n_loops, machine, room.scratch, rows, room.own_tiles)
    if not rows.known[1, j]:
        cost_row(1, j, shape, room.nest, n_loops, machine, room.scratch, rows, room.own_tiles)
    for level in range(room.need.shape[0]):
        room.need[level] = rows.need[0, i, level] + rows.need[1, j, level]
        room.following[level] = max(rows.following[0, i, level], rows.following[1, j, level])
    for slot in range(room.reads.shape[0]):
        room.reads[slot] = rows.reads[0, i, slot] + rows.reads[1, j, slot]
        room.writes[slot] = rows.writes[0, i, slot] + rows.writes[1, j, slot]
        room.own[slot] = max(rows.own[0, i, slot], rows.own[1, j, slot])


@inner_kernel
def _cycles(i: int, j: int, k: int, machine: Machine, room: Room) -> float:
    """Cycles of three rows together, as the closed form counts them (sim/cost_kernels.py)."""
    rows, out = room.rows, room.scratch.out
    compute, limit, serial = out[COMPUTE], 0.0, 0.0
    if not machine.counting[MEMORY_STALLS]:
        return float(compute)
    n_levels = room.need.shape[0]
    overlapping = machine.counting[THROUGHPUT] > 0
    for level in range(n_levels):
        busy = _busy(level, level, k, machine, room)
        if not overlapping:
            serial += _busy(level, n_levels + level, k, machine, room)
            if busy > 0 and room.feeds[level]:
                busy += compute / room.steps[max(room.following[level], rows.following[2, k, level])]
        limit = max(limit, busy)
    first = rows.first[0, i] + rows.first[1, j] + rows.first[2, k]
    if overlapping:
        return float(max(compute, limit) + first)
    return float(max(compute + first, limit) + serial)


@inner_kernel
def _busy(level: int, slot: int, k: int, machine: Machine, room: Room) -> float:
    """Cycles that one instance's ports are busy."""
    rows, levels = room.rows, machine.levels[level]
    reads, writes = room.reads[slot] + rows.reads[2, k, slot], room.writes[slot] + rows.writes[2, k, slot]
    if levels[SHARED_PORTS] > 0:
        shared = (reads + writes) / levels[READ_BW]
    else:
        shared = max(reads / levels[READ_BW], writes / levels[WRITE_BW])
    return float(max(shared, room.own[slot], rows.own[2, k, slot]) / room.scratch.shares[level])


@inner_kernel
def even_mappings(
    n_loops: int,
    n_pairs: int,
    shape: Shape,
    machine: Machine,
    hierarchy: Hierarchy,
    terms: Terms,
    room: Room,
    tally: Tally,
) -> None:
    """One height for all tiles of a level, but those of operands that have no level further out."""
    if not _prepared(n_loops, shape, machine, terms, room):
        return
    n_levels, height, tiles = room.tiles.shape[0], room.height, room.tiles
    every = (1 << n_pairs) - 1
    for level in range(n_levels):
        room.least[level], room.most[level] = height_range(level, hierarchy, room.nest, n_loops)
        for operand in range(3):
            tiles[level, operand] = -1
    at = 0
    height[0] = -1
    while at >= 0:
        height[at] = max(height[at] + 1, _least_height(at, hierarchy, room))
        if height[at] > (room.most[at] if _has_tiles(at, hierarchy) else room.least[at]):
            at -= 1
        elif at + 1 < n_levels:
            at += 1
            height[at] = -1
        elif _lay_even(every, n_pairs, n_loops, shape, hierarchy, room):
            _cost_whole(n_loops, shape, machine, terms, room, tally)


@inner_kernel
def _has_tiles(level: int, hierarchy: Hierarchy) -> bool:
    """Whether a level holds tiles that come from another one."""
    for operand in range(3):
        for i in range(1, hierarchy.chains.shape[1]):
            if hierarchy.chains[operand, i] == level:
                return True
    return False


@inner_kernel
def _least_height(level: int, hierarchy: Hierarchy, room: Room) -> int:
    """Loops above a level's tile at least: those above the tiles that it is taken from."""
    least = room.least[level]
    for operand in range(3):
        for i in range(2, hierarchy.chains.shape[1]):
            if hierarchy.chains[operand, i] == level:
                least = max(least, room.height[hierarchy.chains[operand, i - 1]])
    return int(least)


@inner_kernel
def _lay_even(every: int, n_pairs: int, n_loops: int, shape: Shape, hierarchy: Hierarchy, room: Room) -> bool:
    """Lay all tiles at their level's height; whether that is a mapping, by its order and the sizes stated."""
    met = 0
    for level in range(room.tiles.shape[0]):
        if _has_tiles(level, hierarchy):
            met |= pairs_met(room.height[level], room.pair_from, room.pair_to, n_pairs)
    if met != every:
        return False
    for operand in range(3):
        chain, at = hierarchy.chains[operand], 0
        while at < chain.shape[0] and chain[at] >= 0:
            height = room.height[chain[at]] if at > 0 else 0
            room.tiles[chain[at], operand] = height
            more = at + 1 < chain.shape[0] and chain[at + 1] >= 0
            end = room.height[chain[at + 1]] if more else n_loops
            if not in_order(chain[at], height, end, hierarchy, room.nest):
                return False
            if at > 0 and not of_size(operand, chain[at], height, hierarchy, shape, room.nest, n_loops):
                return False
            at += 1
    return hierarchy.ranks[0] < 0 or _in_ranks(room.tiles, hierarchy.ranks)
