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

from archsim.core.kernels import inner_kernel, kernel
from archsim.mappers.goal_kernels import BOUNDED, WALKED, Best, Goal, hopeless
from archsim.mappers.leaf_kernels import Walk
from archsim.mappers.node_kernels import add_node_bits, least_time, node_bits, node_least
from archsim.mappers.pool_kernels import pool_excesses
from archsim.mappers.space_kernels import Space, Start, Starts, copy_floats, copy_ints, initial_counts, start_of
from archsim.mappers.walk_kernels import walk_program
from archsim.sim.kernels import Floats, Ints, Machine, Scratch, Shape


@inner_kernel
def set_lines(
    start: Start, shape: Shape, space: Space, machine: Machine, placed: Ints, reading: Floats, writing: Floats
) -> float:
    """Fill in what each node costs, at least, from a start; adds the bits of one visit of each; their energy."""
    energy = 0.0
    for k in range(space.nodes.shape[0]):
        within = placed[space.nodes[k, 0]] if space.nodes[k, 0] >= 0 else 0
        least, slope = node_least(k, within, shape, space, start, machine)
        space.least[k], space.slopes[k] = least, slope
        space.steady[k] = slope > 0.0
        space.rates[k] = node_bits(k, within, shape, space, start, machine)
        add_node_bits(k, space, reading, writing)
        energy += least
    return energy


@inner_kernel
def least_of_start(
    s: int,
    shape: Shape,
    space: Space,
    starts: Starts,
    machine: Machine,
    placed: Ints,
    taken: Floats,
    goal: Goal,
    tile: Ints,
    excess: Floats,
    traffic: Floats,
    reading: Floats,
    writing: Floats,
) -> tuple[float, float]:
    """(cycles, energy in pJ) that no mapping from a start goes below; inf where none fits."""
    start = start_of(starts, s)
    n_levels = machine.levels.shape[0]
    for i in range(2 * n_levels):
        reading[i], writing[i] = starts.reading[s, i], starts.writing[s, i]
    energy = starts.energy[s] + set_lines(start, shape, space, machine, placed, reading, writing)
    if not pool_excesses(shape, space, start, machine, taken, tile, excess, traffic):
        return np.inf, np.inf
    for pool in range(space.pools.shape[0]):
        energy += excess[pool]
        if space.pools[pool, 4] >= 0:
            reading[space.pools[pool, 4]] += traffic[pool]
    cycles = least_time(starts.compute[s], 0.0, reading, writing, starts.used[s], machine)
    return cycles, energy + goal.fixed_pj + goal.pj_per_cycle * cycles


@kernel
def least_of_starts(
    shape: Shape,
    space: Space,
    starts: Starts,
    machine: Machine,
    placed: Ints,
    taken: Floats,
    goal: Goal,
    least: Floats,
) -> None:
    """Fill `least` (S, 2) with what no mapping from each start goes below: cycles, energy in pJ."""
    n_levels = machine.levels.shape[0]
    tile = np.ones(shape.sizes.shape[0], np.int64)
    excess, traffic = np.zeros(space.pools.shape[0]), np.zeros(space.pools.shape[0])
    reading, writing = np.zeros(2 * n_levels), np.zeros(2 * n_levels)
    for s in range(least.shape[0]):
        least[s, 0], least[s, 1] = least_of_start(
            s, shape, space, starts, machine, placed, taken, goal, tile, excess, traffic, reading, writing
        )


@inner_kernel
def explore(
    order: Ints,
    begin: int,
    shape: Shape,
    space: Space,
    starts: Starts,
    program: Ints,
    jumps: Ints,
    machine: Machine,
    scratch: Scratch,
    placed: Ints,
    homes: Ints,
    taken: Floats,
    least: Floats,
    goal: Goal,
    best: Best,
    walk: Walk,
    leap: int,
    each: int,
    most_steps: int,
) -> int:
    """Search the starts `order[begin:]` until `most_steps` are walked; the index of the first one not finished.

    No start takes more than `each` steps; `leap` is as in `walk_program`. `taken[level]`: bits of each level that
    operands kept whole there take.
    """
    for at in range(begin, order.shape[0]):
        s = order[at]
        if hopeless(least[s, 0], least[s, 1], goal, best):
            best.counters[BOUNDED] += 1
            continue
        start = start_of(starts, s)
        least_of_start(
            s,
            shape,
            space,
            starts,
            machine,
            placed,
            taken,
            goal,
            walk.tile_scrap,
            walk.excess,
            walk.traffic,
            walk.read_scrap,
            walk.write_scrap,
        )
        copy_ints(start.base, walk.nest.base)
        initial_counts(shape.sizes, start, walk.tile[0], walk.counts[0])
        walk.energy[0] = starts.energy[s]
        copy_floats(taken, walk.need[0])
        copy_floats(starts.reading[s], walk.reading[0])
        copy_floats(starts.writing[s], walk.writing[0])
        limit = min(most_steps, best.counters[WALKED] + each)
        done = walk_program(
            program,
            jumps,
            starts.compute[s],
            starts.used[s],
            walk,
            starts.slot_dim[s],
            starts.slot_factor[s],
            starts.slot_axis,
            starts.slot_bound,
            shape,
            space,
            start,
            homes,
            machine,
            scratch,
            goal,
            best,
            leap,
            limit,
        )
        if not done and best.counters[WALKED] > most_steps:
            return at
    return int(order.shape[0])
