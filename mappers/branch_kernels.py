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
from archsim.mappers.goal_kernels import BOUNDED, LEFT_OVER, WALKED, Best, hopeless, score
from archsim.mappers.node_kernels import add_node_bits, least_time, set_line
from archsim.mappers.pool_kernels import pool_excesses
from archsim.mappers.space_kernels import (
    COMPUTE_CYCLES,
    START_PJ,
    STREAMED_CYCLES,
    copy_floats,
    initial_counts,
)
from archsim.mappers.start_kernels import begin
from archsim.mappers.state_kernels import Case, Room, Task, Walk, new_room
from archsim.mappers.walk_kernels import walk_program
from archsim.sim.kernels import Floats, Ints

LEAST_EACH = 300
"""Steps that a start gets in a pass, at least."""
LEAP, SHARE, EACH = range(3)


@kernel
def search(task: Task, best: Best) -> None:
    """Find the best mapping of a task into `best`, with the least that any start left over could come to.

    Starts are searched in the order of their bounds, so that the first that cannot win ends the search. Each pass
    (`task.passes`: leap as in `walk_program`, share of the budget, share of it for each start) goes through all of
    them until its share is spent; one that tries every factor and comes to the end ends the search.
    """
    room = new_room(task)
    least = np.zeros((task.ways.tiles.shape[0] * task.ways.dims.shape[0], 2))
    values = np.zeros(least.shape[0])
    n = _bound_starts(task, room, least, values)
    order = np.argsort(values, kind="mergesort")[:n]
    at = 0
    for i in range(task.passes.shape[0]):
        at = _explore(i, order, least, task, room, best)
        if task.passes[i, LEAP] == 1.0 and at == n:
            break
    best.value[LEFT_OVER] = np.inf if at == n else values[order[at]]


@inner_kernel
def _bound_starts(task: Task, room: Room, least: Floats, values: Floats) -> int:
    """Fill in what no mapping from each start goes below: cycles and energy in pJ, and their value; how many may do."""
    n = 0
    for s in range(values.shape[0]):
        begin(s, task, room)
        least[s, 0], least[s, 1] = _least_of_start(_case_of(task, room), room.walk)
        values[s] = score(task.goal.objective, least[s, 0], least[s, 1], task.goal.weights)
        if room.start.totals[STREAMED_CYCLES] > task.most_streamed:
            values[s] = np.inf
        n += 1 if values[s] < np.inf else 0
    return n


@inlined_kernel
def _case_of(task: Task, room: Room) -> Case:
    return Case(task.shape, task.machine, task.space, room.start, room.lines, task.steps, task.jumps, task.goal)


@inner_kernel
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
    cycles = least_time(start.totals[COMPUTE_CYCLES], 0.0, reading, writing, start.used, case.machine)
    return cycles, energy + goal.pj_per_cycle * cycles


@inner_kernel
def _explore(i: int, order: Ints, least: Floats, task: Task, room: Room, best: Best) -> int:
    """Search the starts of `order` for the share of pass `i`; the index of the first one not finished."""
    walked, leap = best.counters[WALKED], int(task.passes[i, LEAP])
    until = min(task.most_steps, int(walked + task.passes[i, SHARE] * task.most_steps))
    each = max(LEAST_EACH, int(task.passes[i, EACH] * task.most_steps))
    for at in range(order.shape[0]):
        s = order[at]
        if hopeless(least[s, 0], least[s, 1], task.goal, best):
            best.counters[BOUNDED] += 1
            continue
        begin(s, task, room)
        case = _case_of(task, room)
        _least_of_start(case, room.walk)
        _first_row(case, room.walk)
        limit = min(until, best.counters[WALKED] + each)
        done = walk_program(leap, limit, case, room.walk, room.scratch, best)
        if not done and best.counters[WALKED] > until:
            return at
    return int(order.shape[0])


@inlined_kernel
def _first_row(case: Case, walk: Walk) -> None:
    start = case.start
    initial_counts(case.shape.sizes, start, walk.tile[0], walk.counts[0])
    walk.energy[0] = start.totals[START_PJ]
    copy_floats(case.space.taken, walk.need[0])
    copy_floats(start.reading, walk.reading[0])
    copy_floats(start.writing, walk.writing[0])
