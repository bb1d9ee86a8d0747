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
from archsim.mappers.pool_kernels import pool_excesses
from archsim.mappers.space_kernels import (
    START_PJ,
    STREAMED_CYCLES,
    copy_floats,
    initial_counts,
)
from archsim.mappers.start_kernels import lay_start, set_start, set_tile, take_start
from archsim.mappers.state_kernels import Case, Room, Task, Walk, new_room
from archsim.mappers.time_kernels import least_compute, least_step, least_time, set_feeding, set_firsts
from archsim.mappers.walk_kernels import CUT, next_leaf
from archsim.sim.cost_kernels import cost, fits
from archsim.sim.kernels import LAST_CYCLE, Floats, Ints

LEAST_EACH = 300
"""Steps that a start gets in a pass, at least."""
MANY = 32
"""Starts, from which on one is looked at before the others."""
LEAP, SHARE, EACH = range(3)
FIRST_LOOK = 0


@kernel
def search(task: Task, best: Best) -> None:
    """Find the best mapping of a task into `best`, with the least that any start left over could come to.

    Starts are searched in the order of their bounds, so that the first that cannot win ends the search. Each pass
    (`task.passes`: leap as in `next_leaf`, share of the budget, share of it for each start) goes through all of them
    until its share is spent; one that tries every factor and comes to the end ends the search. The first one looks at
    the most promising start alone, and only where there are many.
    """
    room = new_room(task)
    values = np.zeros(task.ways.tiles.shape[0] * task.ways.dims.shape[0])
    least = np.zeros((values.shape[0], 2))
    first = _glance(least, task, room, best)
    if first >= 0:
        _explore(FIRST_LOOK, np.full(1, first, np.int64), least, task, room, best)
    _bound_starts(least, task, room, best)
    n = _values(least, task.goal, values)
    order = np.argsort(values, kind="mergesort")[:n]
    at = 0
    for i in range(FIRST_LOOK + 1, task.passes.shape[0]):
        at = _explore(i, order, least, task, room, best)
        if task.passes[i, LEAP] == 1.0 and at == n:
            break
    best.value[LEFT_OVER] = np.inf if at == n else values[order[at]]


@inlined_kernel
def _values(least: Floats, goal: Goal, values: Floats) -> int:
    """Fill in what is minimised of each start; how many can have a mapping."""
    n = 0
    for s in range(values.shape[0]):
        values[s] = score(goal.objective, least[s, 0], least[s, 1], goal.weights)
        n += 1 if values[s] < np.inf else 0
    return n


@inlined_kernel
def _case(task: Task, room: Room) -> Case:
    return Case(
        task.shape,
        task.machine,
        task.space,
        room.start,
        room.lines,
        task.steps,
        task.jumps,
        task.goal,
        task.lifted,
    )


@inner_kernel
def _glance(least: Floats, task: Task, room: Room, best: Best) -> int:
    """Fill in quick bounds of all starts, inf where they cannot be the best; the most promising one of many, else -1.

    That one is worth a look first: a better mapping known leaves fewer starts whose bounds must be worked out.
    """
    case, goal = _case(task, room), task.goal
    floor_pj, floor_cycles = floors(case, room.walk)
    n_tiles = task.ways.tiles.shape[0]
    first, lowest, left, lost, any_pj = -1, np.inf, 0, False, 0.0
    for s in range(least.shape[0]):
        least[s, 0], least[s, 1] = np.inf, np.inf
        if s % n_tiles == 0:
            set_start(s, task.ways, task.shape, task.machine, task.space.perfect, room.start)
            cycles, any_pj = _at_a_glance(True, floor_pj, floor_cycles, case)
            lost = hopeless(cycles, any_pj, goal, best)
            any_pj -= goal.pj_per_cycle * cycles
        elif not lost:
            set_tile(s % n_tiles, task.ways, task.shape, task.machine, room.start)
        if lost:
            best.counters[BOUNDED] += 1
            continue
        cycles = _time_at_a_glance(False, floor_cycles, case)
        over = hopeless(cycles, (any_pj + goal.pj_per_cycle * cycles) * (1.0 - 1e-12), goal, best)
        if not over:
            energy = _energy_at_a_glance(False, floor_pj, cycles, case)
            over = hopeless(cycles, energy, goal, best)
        if over:
            best.counters[BOUNDED] += 1
            continue
        least[s, 0], least[s, 1] = cycles, energy
        left += 1
        value = score(goal.objective, cycles, energy, goal.weights)
        if value < lowest:
            first, lowest = s, value
    return first if left > MANY else -1


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
    take_start(task.shape, task.machine, task.space, scratch, room.start)
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
    return int(order.shape[0])


@inlined_kernel
def _shares(i: int, task: Task, best: Best) -> tuple[int, int, int]:
    """Of pass `i`: the step at which it ends, the steps that each start may take, its leap."""
    passes, most_steps = task.passes, task.most_steps
    until = min(most_steps, int(best.counters[WALKED] + passes[i, SHARE] * most_steps))
    return until, max(LEAST_EACH, int(passes[i, EACH] * most_steps)), int(passes[i, LEAP])


@inlined_kernel
def _at_a_glance(any_tile: bool, floor_pj: float, floor_cycles: float, case: Case) -> tuple[float, float]:
    """(cycles, energy in pJ) of a start, or of its units with `any_tile` of the array, at least; quick to know."""
    cycles = _time_at_a_glance(any_tile, floor_cycles, case)
    return cycles, _energy_at_a_glance(any_tile, floor_pj, cycles, case)


@inlined_kernel
def _time_at_a_glance(any_tile: bool, floor_cycles: float, case: Case) -> float:
    shape, machine = case.shape, case.machine
    cycles = max(floor_cycles, least_compute(any_tile, shape, machine, case.start))
    if floor_cycles > 0.0 and not any_tile:
        step = least_step(shape, machine, case.space, case.start) - machine.counting[LAST_CYCLE]
        cycles = max(cycles, floor_cycles + max(0.0, step))
    return float(np.ceil(cycles - 1e-6))


@inlined_kernel
def _energy_at_a_glance(any_tile: bool, floor_pj: float, cycles: float, case: Case) -> float:
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
        add_node_bits(k, space, lines, reading, writing)
        energy += lines.least[k]
    if not pool_excesses(case, walk.tile_scrap):
        return np.inf, np.inf
    for pool in range(space.pools.shape[0]):
        energy += lines.excess[pool]
        if space.pools[pool, 4] >= 0:
            reading[space.pools[pool, 4]] += lines.traffic[pool]
    firsts = set_firsts(case, walk.tile_scrap)
    set_feeding(space, walk.shares[0])
    cycles = least_time(firsts, reading, writing, walk.shares[0], start, case.machine)
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
