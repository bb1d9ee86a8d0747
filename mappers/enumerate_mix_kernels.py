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
    Shares,
    cost_row,
    height_range,
    in_order,
    list_rows,
    new_rows,
    new_shares,
    of_size,
    pairs_met,
)
from archsim.mappers.enumerate_tally_kernels import FULL_COSTS, TRIED, Tally, keep, take
from archsim.sim.cost_kernels import cost, fits, instances
from archsim.sim.kernels import (
    CAPACITY,
    COMPUTE,
    DOUBLE_BUFFER,
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
    Bools,
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


class Common(NamedTuple):
    """What all mappings of a nest have in common."""

    steps: Floats
    """(MAX_LOOPS + 1,): tiles of all dimensions that the loops above a height make."""
    free: Floats
    """(L,): bits that a level has."""
    feeds: Ints
    """(L,): whether some operand has a tile further in."""
    slots: Ints
    """(2 L,): ports that take time: levels, and from L on transfers from one to levels without double buffer."""
    n_slots: int


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
    pair: Shares
    """(1, 1, ...): of one row of inputs and one of weights together."""
    picked: Bools
    """(R,): rows of outputs that make a mapping with the pair."""
    common: Common


def new_room(n_dims: int, machine: Machine, most_rows: int, chains: Ints) -> Room:
    """Room for nests whose operands have at most `most_rows` choices of heights."""
    n_levels = len(machine.levels)
    feeds, serial = np.zeros(n_levels, np.int64), np.zeros(n_levels, np.int64)
    for chain in chains:
        held = chain[chain >= 0]
        feeds[held[:-1]] = 1
        if not machine.counting[THROUGHPUT]:
            serial[held[:-1]] |= machine.levels[held[1:], DOUBLE_BUFFER] == 0
    slots = [*range(n_levels), *(n_levels + int(level) for level in np.flatnonzero(serial))]
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
        pair=new_shares(1, 1, n_levels),
        picked=np.zeros(most_rows, np.bool_),
        common=Common(
            steps=np.ones(MAX_LOOPS + 1),
            free=machine.levels[:, CAPACITY] - machine.levels[:, RESERVED],
            feeds=feeds,
            slots=np.array(slots, np.int64),
            n_slots=len(slots),
        ),
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
    every, last = (1 << n_pairs) - 1, 0
    for k in range(rows.n[2]):
        last |= rows.met[2, k]
    for i in range(rows.n[0]):
        for j in range(rows.n[1]):
            met = rows.met[0, i] | rows.met[1, j]
            if met | last != every:
                continue
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
            room.common.steps[height] = 1.0
            for d in range(shape.sizes.shape[0]):
                room.common.steps[height] *= count_tiles(d, height, shape, nest, n_loops, room_.together)
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
    rows, paired = room.rows, False
    for k in range(rows.n[2]):
        room.picked[k] = met | rows.met[2, k] == every
        if room.picked[k] and hierarchy.ranks[0] >= 0:
            _lay(i, j, k, room)
            room.picked[k] = _in_ranks(room.tiles, hierarchy.ranks)
        if not room.picked[k]:
            continue
        tally.counts[TRIED] += 1
        if terms.costed and not paired:
            _pair(i, j, n_loops, shape, machine, room)
            paired = True
        if terms.costed and not rows.known[2, k]:
            cost_row(2, k, shape, room.nest, n_loops, machine, room.scratch, rows, room.own_tiles)
    k = 0 if paired else rows.n[2]
    while k < rows.n[2]:
        k, better = _mix(
            k, rows.n[2], machine.levels, room.scratch.shares, room.scratch.out[COMPUTE],
            machine.counting[MEMORY_STALLS] > 0, machine.counting[THROUGHPUT] > 0, terms, room.pair, rows.shares,
            room.picked, room.common, tally,
        )  # fmt: skip
        if better:
            _lay(i, j, k - 1, room)
            keep(better, room.nest, n_loops, room.tiles, tally)


@inner_kernel
def _pair(i: int, j: int, n_loops: int, shape: Shape, machine: Machine, room: Room) -> None:
    """Sum the shares of inputs and weights."""
    rows, shares, pair = room.rows, room.rows.shares, room.pair
    if not rows.known[0, i]:
        cost_row(0, i, shape, room.nest, n_loops, machine, room.scratch, rows, room.own_tiles)
    if not rows.known[1, j]:
        cost_row(1, j, shape, room.nest, n_loops, machine, room.scratch, rows, room.own_tiles)
    pair.energy[0, 0] = shares.energy[0, i] + shares.energy[1, j]
    pair.first[0, 0] = shares.first[0, i] + shares.first[1, j]
    for level in range(pair.need.shape[2]):
        pair.need[0, 0, level] = shares.need[0, i, level] + shares.need[1, j, level]
        pair.following[0, 0, level] = max(shares.following[0, i, level], shares.following[1, j, level])
    for slot in range(pair.reads.shape[2]):
        pair.reads[0, 0, slot] = shares.reads[0, i, slot] + shares.reads[1, j, slot]
        pair.writes[0, 0, slot] = shares.writes[0, i, slot] + shares.writes[1, j, slot]
        pair.own[0, 0, slot] = max(shares.own[0, i, slot], shares.own[1, j, slot])


@inner_kernel
def _mix(
    k: int,
    end: int,
    levels: Floats,
    used: Floats,
    compute: float,
    stalls: bool,
    overlapping: bool,
    terms: Terms,
    pair: Shares,
    each: Shares,
    picked: Bools,
    common: Common,
    tally: Tally,
) -> tuple[int, int]:
    """Cost the picked rows of outputs from `k` on with a pair, as the closed form does (sim/cost_kernels.py), up to one
    that is the best so far: the row after it, and bits of the objectives.
    """
    n_levels = levels.shape[0]
    while k < end:
        legal = picked[k]
        for level in range(n_levels):
            legal = legal and pair.need[0, 0, level] + each.need[2, k, level] <= common.free[level]
        k += 1
        if not legal:
            continue
        limit, serial = 0.0, 0.0
        for at in range(common.n_slots if stalls else 0):
            slot, level = common.slots[at], common.slots[at] % n_levels
            reads = pair.reads[0, 0, slot] + each.reads[2, k - 1, slot]
            writes = pair.writes[0, 0, slot] + each.writes[2, k - 1, slot]
            if levels[level, SHARED_PORTS] > 0:
                busy = (reads + writes) / levels[level, READ_BW]
            else:
                busy = max(reads / levels[level, READ_BW], writes / levels[level, WRITE_BW])
            busy = max(busy, max(pair.own[0, 0, slot], each.own[2, k - 1, slot])) / used[level]
            if slot >= n_levels:
                serial += busy
            elif busy > 0 and common.feeds[level] and not overlapping:
                height = max(pair.following[0, 0, level], each.following[2, k - 1, level])
                limit = max(limit, busy + compute / common.steps[height])
            else:
                limit = max(limit, busy)
        first = pair.first[0, 0] + each.first[2, k - 1]
        total = max(compute, limit) + first if overlapping else max(compute + first, limit) + serial
        cycles = np.ceil((total if stalls else compute) - 1e-9)
        energy = pair.energy[0, 0] + each.energy[2, k - 1] + terms.fixed_pj + terms.pj_per_cycle * cycles
        better = take(cycles, energy, terms.weights, terms.weighted, tally)
        if better:
            return k, better
    return end, 0


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
