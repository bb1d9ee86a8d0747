"""Complete mappings: their loops, every way their windows slide, their cost."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from archsim.core.kernels import inner_kernel
from archsim.mappers.goal_kernels import COSTED, OVERFULL, Best, Goal, admit
from archsim.mappers.space_kernels import ARG, FILL, GROW, OP, PLACE, SEGMENT, SPREAD, Space, copy_ints, copy_tiles
from archsim.sim.cost_kernels import cost, fits
from archsim.sim.kernels import ENERGY_PJ, INPUTS, MAX_LOOPS, TOTAL, Floats, Ints, Machine, Nest, Scratch, Shape


class Walk(NamedTuple):
    """The state of a walk through one program: a row per step, so that going back is going up a row."""

    tile: Ints
    counts: Ints
    step: Ints
    """(S,): the step of the program in each row."""
    factor: Ints
    """(S,): the factor of a loop, the alternative of a branch."""
    energy: Floats
    need: Floats
    """(S, L): bits taken of each level."""
    reading: Floats
    """(S, 2 L): bits, as `least_time` takes them."""
    writing: Floats
    firsts: Floats
    """(S,): cycles of first loads and last write-backs."""
    elements: Floats
    visits: Floats
    position: Ints
    tile_scrap: Ints
    excess: Floats
    traffic: Floats
    read_scrap: Floats
    write_scrap: Floats
    tiles: Ints
    segment: Ints
    nest: Nest


def new_walk(rows: int, n_dims: int, n_levels: int, n_nodes: int) -> Walk:
    """Room for walking programs of fewer than `rows` steps."""
    return Walk(
        np.ones((rows, n_dims), np.int64),
        np.ones((rows, n_dims), np.int64),
        np.zeros(rows, np.int64),
        np.ones(rows, np.int64),
        np.zeros(rows),
        np.zeros((rows, n_levels)),
        np.zeros((rows, 2 * n_levels)),
        np.zeros((rows, 2 * n_levels)),
        np.zeros(rows),
        np.zeros(n_nodes),
        np.zeros(n_nodes),
        np.zeros(n_nodes, np.int64),
        np.ones(n_dims, np.int64),
        np.zeros(n_nodes),
        np.zeros(n_nodes),
        np.zeros(2 * n_levels),
        np.zeros(2 * n_levels),
        np.full((n_levels, 3), -1, np.int64),
        np.zeros(MAX_LOOPS, np.int64),
        Nest(
            np.zeros(MAX_LOOPS, np.int64),
            np.ones(MAX_LOOPS, np.int64),
            np.full(MAX_LOOPS, -1, np.int64),
            np.ones(n_dims, np.int64),
        ),
    )


@inner_kernel
def _append(nest: Nest, segment: Ints, n: int, dim: int, factor: int, axis: int, which: int) -> int:
    if factor > 1:
        nest.dim[n], nest.factor[n], nest.axis[n], segment[n] = dim, factor, axis, which
        return n + 1
    return n


@inner_kernel
def inner_loops(
    program: Ints,
    rows: int,
    walk: Walk,
    slot_dim: Ints,
    slot_factor: Ints,
    slot_axis: Ints,
    slot_bound: Ints,
    nest: Nest,
    segment: Ints,
) -> int:
    """The loops of the walk's present mapping, innermost first; how many there are. Sets the nodes' positions."""
    n = 0
    for row in range(rows):
        step = walk.step[row]
        op, arg = program[step, OP], program[step, ARG]
        if op == PLACE:
            walk.position[arg] = n
        elif op == SPREAD:
            for back in range(slot_dim.shape[0]):
                i = slot_dim.shape[0] - 1 - back
                if slot_bound[i] == arg and slot_dim[i] >= 0:
                    n = _append(nest, segment, n, slot_dim[i], slot_factor[i], slot_axis[i], -1)
        elif op in (GROW, FILL):
            n = _append(nest, segment, n, arg, walk.factor[row], -1, program[step, SEGMENT])
    last = program[walk.step[rows - 1], SEGMENT]
    for d in range(walk.counts.shape[1]):
        n = _append(nest, segment, n, d, walk.counts[rows - 1, d], -1, last)
    return n


@inner_kernel
def _slide_first(nest: Nest, segment: Ints, n: int, begin: int, pick: int, shape: Shape) -> int:
    """Bring the `pick`-th relevant loop of the first segment above `begin` that moves inputs to its inner end.

    Returns how many such loops the segment has: each is a way to slide.
    """
    first = -1
    for i in range(begin, n):
        if nest.axis[i] < 0 and shape.relevant[INPUTS, nest.dim[i]]:
            first = i
            break
    if first < 0:
        return 0
    ways = 0
    chosen = -1
    for i in range(first, n):
        if segment[i] != segment[first]:
            break
        if shape.relevant[INPUTS, nest.dim[i]]:
            if ways == pick:
                chosen = i
            ways += 1
    if chosen > first:
        dim, factor = nest.dim[chosen], nest.factor[chosen]
        for back in range(chosen - first):
            i = chosen - back
            nest.dim[i], nest.factor[i] = nest.dim[i - 1], nest.factor[i - 1]
        nest.dim[first], nest.factor[first] = dim, factor
    return ways


@inner_kernel
def _reverse(nest: Nest, n: int) -> None:
    for i in range(n // 2):
        j = n - 1 - i
        nest.dim[i], nest.dim[j] = nest.dim[j], nest.dim[i]
        nest.factor[i], nest.factor[j] = nest.factor[j], nest.factor[i]
        nest.axis[i], nest.axis[j] = nest.axis[j], nest.axis[i]


@inner_kernel
def _cost_leaf(
    shape: Shape,
    nest: Nest,
    n: int,
    tiles: Ints,
    machine: Machine,
    scratch: Scratch,
    goal: Goal,
    best: Best,
) -> None:
    best.counters[COSTED] += 1
    if not fits(shape, nest, n, tiles, machine, scratch):
        best.counters[OVERFULL] += 1
        return
    cost(shape, nest, n, tiles, machine, scratch)
    cycles = np.ceil(scratch.out[TOTAL] - 1e-9)
    energy = scratch.out[ENERGY_PJ] + goal.fixed_pj + goal.pj_per_cycle * cycles
    if admit(cycles, energy, goal, best):
        best.n_loops[0] = n
        for i in range(n):
            best.loops[0, i], best.loops[1, i], best.loops[2, i] = nest.dim[i], nest.factor[i], nest.axis[i]
        copy_tiles(tiles, best.tiles)
        copy_ints(nest.base, best.base)


@inner_kernel
def leaf(
    program: Ints,
    rows: int,
    walk: Walk,
    slot_dim: Ints,
    slot_factor: Ints,
    slot_axis: Ints,
    slot_bound: Ints,
    shape: Shape,
    space: Space,
    homes: Ints,
    machine: Machine,
    scratch: Scratch,
    goal: Goal,
    best: Best,
) -> None:
    """Cost the walk's mapping, with every way in which the windows of inputs can slide.

    `homes[level, operand]`: the position of tiles that are no nodes: 0 for the outermost, -1 where there is none.
    """
    nest, segment, tiles = walk.nest, walk.segment, walk.tiles
    sliding = 0
    if shape.windows[0, 0] >= 0:
        for k in range(space.nodes.shape[0]):
            sliding += 1 if space.nodes[k, 1] == INPUTS else 0
    total = 1
    variant = 0
    while variant < total:
        n = inner_loops(program, rows, walk, slot_dim, slot_factor, slot_axis, slot_bound, nest, segment)
        rest = variant
        ways_total = 1
        if sliding > 0:
            for k in range(space.nodes.shape[0]):
                if space.nodes[k, 1] != INPUTS:
                    continue
                ways = _slide_first(nest, segment, n, walk.position[k], -1, shape)
                if ways > 1:
                    _slide_first(nest, segment, n, walk.position[k], rest % ways, shape)
                    rest //= ways
                    ways_total *= ways
        total = ways_total
        _reverse(nest, n)
        copy_tiles(homes, tiles)
        for k in range(space.nodes.shape[0]):
            if space.nodes[k, 0] >= 0:
                tiles[space.nodes[k, 0], space.nodes[k, 1]] = n - walk.position[k]
        _cost_leaf(shape, nest, n, tiles, machine, scratch, goal, best)
        variant += 1
