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
from archsim.mappers.node_kernels import add_node_bits, least_time, set_line
from archsim.mappers.pool_kernels import pool_excesses
from archsim.mappers.space_kernels import (
    COMPUTE_CYCLES,
    START_PJ,
    STREAMED_CYCLES,
    copy_floats,
    initial_counts,
)
from archsim.mappers.start_kernels import lay_start, take_start
from archsim.mappers.state_kernels import Case, Room, Task, Walk, new_room
from archsim.mappers.walk_kernels import CUT, next_leaf
from archsim.sim.cost_kernels import cost, fits
from archsim.sim.kernels import Floats, Ints

LEAST_EACH = 300
"""Steps that a start gets in a pass, at least."""
LEAP, SHARE, EACH = range(3)
BOUNDS = -1


@kernel
def search(task: Task, best: Best) -> None:
    """Find the best mapping of a task into `best`, with the least that any start left over could come to.

    Starts are searched in the order of their bounds, so that the first that cannot win ends the search. Each pass
    (`task.passes`: leap as in `next_leaf`, share of the budget, share of it for each start) goes through all of them
    until its share is spent; one that tries every factor and comes to the end ends the search.
    """
    room = new_room(task)
    values = np.zeros(task.ways.tiles.shape[0] * task.ways.dims.shape[0])
    least = np.zeros((values.shape[0], 2))
    order = np.arange(values.shape[0])
    _explore(BOUNDS, order, least, task, room, best)
    n = _values(least, task.goal, values)
    order = np.argsort(values, kind="mergesort")[:n]
    at = 0
    for i in range(task.passes.shape[0]):
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


@inner_kernel
def _explore(i: int, order: Ints, least: Floats, task: Task, room: Room, best: Best) -> int:
    """Search the starts of `order` for the share of pass `i`; the index of the first one not finished.

    Pass BOUNDS only fills in `least`: cycles and energy in pJ that no mapping from a start goes below.
    """
    shape, machine, scratch, walk = task.shape, task.machine, room.scratch, room.walk
    case = Case(shape, machine, task.space, room.start, room.lines, task.steps, task.jumps, task.goal, task.lifted)
    until, each, leap = _shares(i, task, best)
    for at in range(order.shape[0]):
        s = order[at]
        if i != BOUNDS and hopeless(least[s, 0], least[s, 1], task.goal, best):
            best.counters[BOUNDED] += 1
            continue
        n = lay_start(s, task, room)
        cost(shape, walk.nest, n, walk.tiles, machine, scratch)
        take_start(shape, machine, task.space, scratch, room.start)
        cycles, energy = _least_of_start(case, walk)
        if i == BOUNDS:
            idle = room.start.totals[STREAMED_CYCLES] > task.most_streamed
            least[s, 0], least[s, 1] = np.inf if idle else cycles, np.inf if idle else energy
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
    if i == BOUNDS:
        return 0, 0, 0
    passes, most_steps = task.passes, task.most_steps
    until = min(most_steps, int(best.counters[WALKED] + passes[i, SHARE] * most_steps))
    return until, max(LEAST_EACH, int(passes[i, EACH] * most_steps)), int(passes[i, LEAP])


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


@inlined_kernel
def _first_row(case: Case, walk: Walk) -> None:
    start = case.start
    initial_counts(case.shape.sizes, start, walk.tile[0], walk.counts[0])
    walk.step[0] = 0
    walk.energy[0] = start.totals[START_PJ]
    copy_floats(case.space.taken, walk.need[0])
    copy_floats(start.reading, walk.reading[0])
    copy_floats(start.writing, walk.writing[0])
