"""Branch and bound over the whole space of mappings: uneven tiles, any order, exact counts, admissible bounds.

A mapping is built from the PEs outwards. A *node* is the tile of one operand at one level. Placing a node is followed
by loops over the dimensions that do not index its operand: they reuse the tile, cost no capacity there, and every
other place for them is worse or equal (docs/mapper.md has the argument). So a mapping is a *program* (the order of the
nodes, with the spatial loops where the hardware has them) and a factor for each loop in it. The kernel walks the
factors of a program depth first and leaves a branch when what is placed already, plus the least that the rest can
cost, is no better than the best mapping known. Complete mappings are costed by the one cost function.
"""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

import numpy as np

from archsim.core.kernels import inlined_kernel, inner_kernel, kernel
from archsim.mappers.goal_kernels import BOUNDED, COSTED, LEFT_OVER, OVERFULL, WALKED, Best, Goal, hopeless, score
from archsim.mappers.leaf_kernels import judge, lay_loops
from archsim.mappers.node_kernels import add_node_bits, floors, least_of_pes, set_line
from archsim.mappers.pack_kernels import found_kernel, machine_of, shape_of, space_of, steps_of, ways_of
from archsim.mappers.pool_kernels import pool_excesses
from archsim.mappers.room_kernels import room_in
from archsim.mappers.space_kernels import (
    START_PJ,
    STREAMED_CYCLES,
    Ways,
    copy_floats,
    initial_counts,
)
from archsim.mappers.start_kernels import lay_start, set_start, set_tile, take_start
from archsim.mappers.state_kernels import Case, Room, Task, Walk
from archsim.mappers.time_kernels import least_compute, least_step, least_time, set_feeding, set_firsts
from archsim.mappers.walk_kernels import CUT, END, next_leaf
from archsim.sim.cost_kernels import cost, fits
from archsim.sim.kernels import LAST_CYCLE, Bools, Floats, Ints

LEAST_EACH = 300
"""Steps that a start gets in a pass, at least."""
LOOK = 400
"""Steps of the first look at one start. More are walked again: most starts of GEMMs on small machines take fewer."""
MANY = 32
"""Starts, from which on one is looked at before the others, and not only where it alone looks best."""
LEAP, SHARE, EACH = range(3)
FIRST_LOOK = 0


@kernel
def search(
    plan: Ints,
    flags: Bools,
    machine: Floats,
    taken: Floats,
    stand: int,
    passes: Floats,
    goal: Goal,
    most_steps: int,
    most_streamed: float,
    room_ints: Ints,
    room_floats: Floats,
    room_flags: Bools,
    ints: Ints,
    floats: Floats,
    front: Floats,
) -> None:
    """Find the best mapping of a packed plan into `ints` and `floats`, with the least that what is left could come to.

    Starts are searched in the order of their bounds, so that the first that cannot win ends the search. Each pass
    (`task.passes`: leap as in `next_leaf`, share of the budget, share of it for each start) goes through all of them
    until its share is spent; one that tries every factor and comes to the end ends the search. The first one looks at
    the most promising start alone, where there are many or no other promises as much.
    """
    task = _task_of(plan, flags, machine, taken, stand, passes, goal, most_steps, most_streamed)
    best = found_kernel(ints, floats, front, task.shape.sizes.shape[0], taken.shape[0])
    room = room_in(task, room_ints, room_floats, room_flags)
    values = np.zeros(task.ways.tiles.shape[0] * task.ways.dims.shape[0])
    least = np.zeros((values.shape[0], 2))
    places = np.zeros(max(values.shape[0], task.ways.tiles.shape[0]), np.int64)
    first = _glance(least, places, task, room, best)
    if first >= 0:
        _explore(FIRST_LOOK, np.full(1, first, np.int64), least, task, room, best)
    _bound_starts(least, task, room, best)
    n = _values(least, task.goal, values, places)
    order = places[:n]
    if n <= MANY:
        _sort(n, values, places)
    else:
        order = places[np.argsort(values[:n], kind="mergesort")]
    at = 0
    for i in range(FIRST_LOOK + 1, task.passes.shape[0]):
        at = _explore(i, order, least, task, room, best)
        if task.passes[i, LEAP] == 1.0 and at == n:
            break
    while at < n and least[order[at], 0] == np.inf:
        at += 1
    best.value[LEFT_OVER] = np.inf if at == n else _least_value(order[at], least, task.goal)


@kernel
def _task_of(
    plan: Ints,
    flags: Bools,
    machine: Floats,
    taken: Floats,
    stand: int,
    passes: Floats,
    goal: Goal,
    most_steps: int,
    most_streamed: float,
) -> Task:
    """What is searched, from its packed arrays."""
    steps, jumps, rows = steps_of(plan)
    return Task(
        shape=shape_of(plan, flags),
        machine=machine_of(plan, flags, machine),
        space=space_of(plan, taken),
        ways=ways_of(plan),
        steps=steps,
        jumps=jumps,
        rows=rows,
        goal=goal,
        passes=passes,
        most_steps=most_steps,
        stand=stand,
        most_streamed=most_streamed,
    )


@inlined_kernel
def _values(least: Floats, goal: Goal, values: Floats, places: Ints) -> int:
    """Fill in what is minimised of each start that can have a mapping, and its number; how many there are."""
    n = 0
    for s in range(least.shape[0]):
        value = score(goal.objective, least[s, 0], least[s, 1], goal.weights)
        if value < np.inf:
            values[n], places[n] = value, s
            n += 1
    return n


@inlined_kernel
def _sort(n: int, values: Floats, places: Ints) -> None:
    """Put the first `n` places in the order of their values, equal ones as they are: few, and so one by one."""
    for i in range(1, n):
        value, place, at = values[i], places[i], i
        while at > 0 and values[at - 1] > value:
            values[at], places[at] = values[at - 1], places[at - 1]
            at -= 1
        values[at], places[at] = value, place


@inlined_kernel
def _least_value(s: int, least: Floats, goal: Goal) -> float:
    return float(score(goal.objective, least[s, 0], least[s, 1], goal.weights))


@inlined_kernel
def _case(task: Task, room: Room) -> Case:
    return Case(
        task.shape,
        task.machine,
        task.space,
        room.ports,
        room.start,
        room.lines,
        task.steps,
        task.jumps,
        task.goal,
        task.stand,
    )


@inner_kernel
def _glance(least: Floats, ends: Ints, task: Task, room: Room, best: Best) -> int:
    """Fill in quick bounds of all starts, inf where they cannot be the best; the most promising one, else -1.

    One of many, or the only one of least bound, is worth a look first: a better mapping known leaves fewer starts whose
    bounds must be worked out. Array tiles that grow from one to the next (as far as `ends` says) are ruled out together
    where that can be.
    """
    case, ways, goal = _case(task, room), task.ways, task.goal
    floor_pj, floor_cycles = floors(case, room.walk)
    n_tiles = ways.tiles.shape[0]
    _mark_ends(ways.tiles, ends)
    first, lowest, next_lowest, left, at = -1, np.inf, np.inf, 0, 0
    for s in range(least.shape[0]):
        least[s, 0], least[s, 1] = np.inf, np.inf
    for option in range(ways.dims.shape[0]):
        set_start(option * n_tiles, ways, task.shape, task.machine, task.space.perfect, room.start)
        cycles, any_pj = _of_any_tile(floor_pj, floor_cycles, case)
        if hopeless(cycles, any_pj, goal, best):
            best.counters[BOUNDED] += n_tiles
            continue
        any_pj -= goal.pj_per_cycle * cycles
        tile, together = 0, n_tiles
        while tile < n_tiles:
            some = min(together, ends[tile] - tile)
            if some > 1:
                if _all_hopeless(tile, tile + some - 1, floor_pj, floor_cycles, case, ways, best):
                    best.counters[BOUNDED] += some
                    tile, together = tile + some, 2 * some
                else:
                    together = (some + 3) // 4
                continue
            set_tile(tile, ways, task.shape, task.machine, room.start)
            cycles, energy = _time_at_a_glance(floor_cycles, case), np.inf
            if not hopeless(cycles, (any_pj + goal.pj_per_cycle * cycles) * (1.0 - 1e-12), goal, best):
                energy = _energy_at_a_glance(False, floor_pj, cycles, case)
            at, tile = option * n_tiles + tile, tile + 1
            if hopeless(cycles, energy, goal, best):
                best.counters[BOUNDED] += 1
                together = n_tiles if tile < n_tiles and ends[tile] > ends[tile - 1] else 2
                continue
            together = 1
            least[at, 0], least[at, 1] = cycles, energy
            left += 1
            value = score(goal.objective, cycles, energy, goal.weights)
            if value < lowest:
                first, lowest, next_lowest = at, value, lowest
            elif value < next_lowest:
                next_lowest = value
    return first if left > MANY or (left > 1 and lowest < next_lowest * (1.0 - 1e-9)) else -1


@inlined_kernel
def _mark_ends(tiles: Ints, ends: Ints) -> None:
    """Fill in, for each array tile, the first one from there on that is smaller in some dimension than that before."""
    n = tiles.shape[0]
    for back in range(n):
        t = n - 1 - back
        ends[t] = t + 1
        if back > 0:
            grows = True
            for d in range(tiles.shape[1]):
                grows = grows and tiles[t + 1, d] >= tiles[t, d]
            if grows:
                ends[t] = ends[t + 1]


@inner_kernel
def _all_hopeless(
    begin: int, last: int, floor_pj: float, floor_cycles: float, case: Case, ways: Ways, best: Best
) -> bool:
    """Whether no start can be the best that has the present units and one of these array tiles, each larger than that
    before: the largest computes fastest and moves least, a step of the smallest is the shortest.
    """
    shape, machine, goal, start = case.shape, case.machine, case.goal, case.start
    step = 0.0
    if floor_cycles > 0.0:
        set_tile(begin, ways, shape, machine, start)
        if not _unsteady(begin, last, ways, case):
            step = max(0.0, least_step(shape, machine, case.space, start) - machine.counting[LAST_CYCLE])
    set_tile(last, ways, shape, machine, start)
    cycles = max(floor_cycles + step, least_compute(False, shape, machine, start))
    cycles = np.ceil(cycles * (1.0 - 1e-12) - 1e-6)
    energy = _energy_at_a_glance(False, floor_pj, cycles, case)
    return hopeless(cycles, energy * (1.0 - 1e-12), goal, best)


@inlined_kernel
def _unsteady(begin: int, last: int, ways: Ways, case: Case) -> bool:
    """Whether units share a dimension in which array tiles differ: a larger tile may then be smaller on average."""
    found = False
    for d in range(ways.tiles.shape[1]):
        if not case.space.perfect and ways.tiles[begin, d] != ways.tiles[last, d]:
            for b in range(case.start.every.shape[0]):
                found = found or case.start.every[b, d] > 1
    return bool(found)


@inner_kernel
def _bound_starts(least: Floats, task: Task, room: Room, best: Best) -> None:
    """Fill in cycles and energy in pJ that no mapping from a start goes below; inf where none can be the best."""
    case, totals = _case(task, room), room.start.totals
    for s in range(least.shape[0]):
        if least[s, 0] == np.inf:
            continue
        if hopeless(least[s, 0], least[s, 1], task.goal, best):
            least[s, 0], least[s, 1] = np.inf, np.inf
            best.counters[BOUNDED] += 1
            continue
        set_start(s, task.ways, task.shape, task.machine, task.space.perfect, room.start)
        least[s, 0], least[s, 1] = _take_up(case, task, room)
        if totals[STREAMED_CYCLES] > task.most_streamed:
            least[s, 0], least[s, 1] = np.inf, np.inf


@inner_kernel
def _take_up(case: Case, task: Task, room: Room) -> tuple[float, float]:
    """Cost a start that has been set and fill in what it costs at least: (cycles, energy in pJ)."""
    walk, scratch = room.walk, room.scratch
    n = lay_start(task, room)
    cost(task.shape, walk.nest, n, walk.tiles, task.machine, scratch)
    take_start(case, scratch)
    return _least_of_start(case, walk)


@inner_kernel
def _explore(i: int, order: Ints, least: Floats, task: Task, room: Room, best: Best) -> int:
    """Search the starts of `order` for the share of pass `i`; the index of the first one not finished."""
    shape, machine, scratch, walk = task.shape, task.machine, room.scratch, room.walk
    case = _case(task, room)
    until, each, leap = _shares(i, task, best)
    for at in range(order.shape[0]):
        s = order[at]
        if hopeless(least[s, 0], least[s, 1], task.goal, best):
            best.counters[BOUNDED] += 1
            continue
        set_start(s, task.ways, shape, machine, task.space.perfect, room.start)
        _take_up(case, task, room)
        if room.start.totals[STREAMED_CYCLES] > task.most_streamed:
            continue
        _first_row(case, walk)
        limit = min(until, best.counters[WALKED] + each)
        row = next_leaf(0, leap, limit, case, walk, best)
        while row >= 0:
            variant, variants = 0, 1
            while variant < variants:
                n, variants = lay_loops(variant, row + 1, case, walk)
                best.counters[COSTED] += 1
                if fits(shape, walk.nest, n, walk.tiles, machine, scratch):
                    cost(shape, walk.nest, n, walk.tiles, machine, scratch)
                    judge(n, case, walk, scratch, best)
                else:
                    best.counters[OVERFULL] += 1
                variant += 1
            row = next_leaf(row, leap, limit, case, walk, best)
        if row == CUT and best.counters[WALKED] > until:
            return at
        if row == END and leap == 1:
            # No pass looks at it again.
            least[s, 0], least[s, 1] = np.inf, np.inf
    return int(order.shape[0])


@inlined_kernel
def _shares(i: int, task: Task, best: Best) -> tuple[int, int, int]:
    """Of pass `i`: the step at which it ends, the steps that each start may take, its leap."""
    passes, most_steps = task.passes, task.most_steps
    until = min(most_steps, int(best.counters[WALKED] + passes[i, SHARE] * most_steps))
    least = LOOK if i == FIRST_LOOK else LEAST_EACH
    return until, max(least, int(passes[i, EACH] * most_steps)), int(passes[i, LEAP])


@inlined_kernel
def _of_any_tile(floor_pj: float, floor_cycles: float, case: Case) -> tuple[float, float]:
    """(cycles, energy in pJ) of a start's units with any tile of the array, at least; quick to know."""
    cycles = np.ceil(max(floor_cycles, least_compute(True, case.shape, case.machine, case.start)) - 1e-6)
    return cycles, _energy_at_a_glance(True, floor_pj, cycles, case)


@inlined_kernel
def _time_at_a_glance(floor_cycles: float, case: Case) -> float:
    """Cycles of a start, at least."""
    shape, machine = case.shape, case.machine
    cycles = max(floor_cycles, least_compute(False, shape, machine, case.start))
    if floor_cycles > 0.0:
        step = least_step(shape, machine, case.space, case.start) - machine.counting[LAST_CYCLE]
        cycles = max(cycles, floor_cycles + max(0.0, step))
    return float(np.ceil(cycles - 1e-6))


@inlined_kernel
def _energy_at_a_glance(any_tile: bool, floor_pj: float, cycles: float, case: Case) -> float:
    """Energy in pJ of a start, or of its units with `any_tile` of the array, at least, that takes so many cycles."""
    energy = floor_pj + least_of_pes(any_tile, case.shape, case.machine, case.space, case.start)
    return float(energy + case.goal.fixed_pj + case.goal.pj_per_cycle * cycles)


@inlined_kernel
def _least_of_start(case: Case, walk: Walk) -> tuple[float, float]:
    """(cycles, energy in pJ) that no mapping from a start goes below, inf where none fits; fills in its lines."""
    space, start, lines, goal = case.space, case.start, case.lines, case.goal
    reading, writing = walk.read_scrap, walk.write_scrap
    copy_floats(start.reading, reading)
    copy_floats(start.writing, writing)
    energy = start.totals[START_PJ] + goal.fixed_pj
    for k in range(space.nodes.shape[0]):
        set_line(k, case)
        add_node_bits(k, case, reading, writing)
        energy += lines.least[k]
    if not pool_excesses(case, walk.tile_scrap, walk.visits):
        return np.inf, np.inf
    for pool in range(space.pools.shape[0]):
        energy += lines.excess[pool]
        if space.pools[pool, 4] >= 0:
            reading[space.pools[pool, 4]] += lines.traffic[pool]
    firsts = set_firsts(case, walk.tile_scrap)
    set_feeding(space, walk.shares[0])
    cycles = least_time(firsts, reading, writing, walk.shares[0], case.ports.own, start, case.machine)
    return cycles, energy + goal.pj_per_cycle * cycles


@inlined_kernel
def _first_row(case: Case, walk: Walk) -> None:
    start = case.start
    initial_counts(case.shape.sizes, start, walk.tile[0], walk.counts[0])
    walk.step[0] = 0
    walk.energy[0] = start.totals[START_PJ]
    copy_floats(case.space.taken, walk.need[0])
    copy_floats(start.reading, walk.reading[0])
    copy_floats(start.writing, walk.writing[0])
