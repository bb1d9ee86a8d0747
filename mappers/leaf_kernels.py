"""Complete mappings: their loops, every way their windows slide, their cost."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

import numpy as np

from archsim.core.kernels import inlined_kernel
from archsim.mappers.goal_kernels import Best, admit
from archsim.mappers.space_kernels import (
    ARG,
    FILL,
    GROW,
    OP,
    PLACE,
    SEGMENT,
    SPREAD,
    copy_floats,
    copy_ints,
    copy_tiles,
)
from archsim.mappers.state_kernels import LIFTED, SUNK, Case, Walk
from archsim.sim.kernels import ENERGY_PJ, INPUTS, OUTPUTS, TOTAL, Ints, Nest, Scratch, Shape


@inlined_kernel
def _append(nest: Nest, segment: Ints, n: int, dim: int, factor: int, axis: int, which: int) -> int:
    if factor > 1:
        nest.dim[n], nest.factor[n], nest.axis[n], segment[n] = dim, factor, axis, which
        return n + 1
    return n


@inlined_kernel
def _inner_loops(rows: int, case: Case, walk: Walk) -> int:
    """The loops of the walk's present mapping, innermost first; how many there are. Sets the nodes' positions."""
    nest, segment, start = walk.nest, walk.segment, case.start
    n = 0
    for row in range(rows):
        step = case.steps[walk.step[row]]
        op, arg = step[OP], step[ARG]
        if op == PLACE:
            for d in range(walk.tile.shape[1]):
                # Those of a node that is placed whole.
                n = _append(nest, segment, n, d, walk.tile[row + 1, d] // walk.tile[row, d], -1, step[SEGMENT])
            walk.position[arg] = n
        elif op == SPREAD:
            for back in range(start.slot_dim.shape[0]):
                i = start.slot_dim.shape[0] - 1 - back
                if start.slot_bound[i] == arg and start.slot_dim[i] >= 0:
                    n = _append(nest, segment, n, start.slot_dim[i], start.slot_factor[i], start.slot_axis[i], -1)
        elif op in (GROW, FILL):
            n = _append(nest, segment, n, arg, walk.factor[row], -1, step[SEGMENT])
    last = case.steps[walk.step[rows - 1], SEGMENT]
    for d in range(walk.counts.shape[1]):
        n = _append(nest, segment, n, d, walk.counts[rows - 1, d], -1, last)
    return n


@inlined_kernel
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


@inlined_kernel
def _reverse(nest: Nest, n: int) -> None:
    for i in range(n // 2):
        j = n - 1 - i
        nest.dim[i], nest.dim[j] = nest.dim[j], nest.dim[i]
        nest.factor[i], nest.factor[j] = nest.factor[j], nest.factor[i]
        nest.axis[i], nest.axis[j] = nest.axis[j], nest.axis[i]


@inlined_kernel
def _slide(variant: int, n: int, case: Case, walk: Walk) -> int:
    """Let the windows of inputs slide in the way of number `variant`; how many ways there are."""
    ways_total, rest = 1, variant
    for k in range(case.space.nodes.shape[0]):
        if case.space.nodes[k, 1] == INPUTS:
            ways = _slide_first(walk.nest, walk.segment, n, walk.position[k], -1, case.shape)
            if ways > 1:
                _slide_first(walk.nest, walk.segment, n, walk.position[k], rest % ways, case.shape)
                rest //= ways
                ways_total *= ways
    return ways_total


@inlined_kernel
def lay_loops(variant: int, rows: int, case: Case, walk: Walk) -> tuple[int, int]:
    """Write the walk's mapping into its nest and tiles, in the way of number `variant`: windows slide, tiles sink.

    Returns how many loops it has and how many ways there are.
    """
    nodes = case.space.nodes
    n = _inner_loops(rows, case, walk)
    ways = _slide(variant, n, case, walk) if case.shape.windows[0, 0] >= 0 else 1
    _reverse(walk.nest, n)
    copy_tiles(case.space.homes, walk.tiles)
    for k in range(nodes.shape[0]):
        if nodes[k, 0] >= 0:
            walk.tiles[nodes[k, 0], nodes[k, 1]] = n - walk.position[k]
    if case.stand == LIFTED:
        _lift(case, walk)
    elif case.stand == SUNK:
        ways *= _sink(variant // ways, n, case, walk)
    return n, ways


@inlined_kernel
def _sink(way: int, n: int, case: Case, walk: Walk) -> int:
    """Let tiles stand below loops that reuse them, in the way of number `way`; how many ways there are.

    They are as large there and fetched as often, and the steps of the level above are shorter. 0: none; 1: all that
    can; 2: but for those of outputs, which may have to hold sums of more bits there.
    """
    sinking, sums = False, False
    for level in range(walk.tiles.shape[0]):
        for operand in range(3):
            if _depth(level, operand, n, case, walk) > walk.tiles[level, operand]:
                sinking, sums = sinking or operand != OUTPUTS, sums or operand == OUTPUTS
    for back in range(walk.tiles.shape[0] if way > 0 else 0):
        level = walk.tiles.shape[0] - 1 - back
        for operand in range(3 if way == 1 else 2):
            walk.tiles[level, operand] = _depth(level, operand, n, case, walk)
    return 3 if sinking and sums else 2 if sinking or sums else 1


@inlined_kernel
def _depth(level: int, operand: int, n: int, case: Case, walk: Walk) -> int:
    """How many loops may stand above a tile at most, where only loops in time that reuse it pass it."""
    tiles, nest = walk.tiles, walk.nest
    at, most = tiles[level, operand], n
    if at < 0 or case.space.homes[level, operand] >= 0:
        return int(at)
    for inner in range(level + 1, tiles.shape[0]):
        if tiles[inner, operand] >= 0:
            most = min(most, tiles[inner, operand])
    while at < most and nest.axis[at] < 0 and not case.shape.relevant[operand, nest.dim[at]]:
        at += 1
    return int(at)


@inlined_kernel
def _lift(case: Case, walk: Walk) -> None:
    """Let tiles stand above the loops in time that reuse them: as large there, and fetched as often at most.

    Where a tile is kept only while those of the level above stand still, it must: below these loops it would be
    fetched anew whenever another operand's tile of that level changes. No tile passes the units outside it.
    """
    tiles, nest, homes, placed = walk.tiles, walk.nest, case.space.homes, case.space.placed
    for level in range(tiles.shape[0]):
        units = 0
        for outer in range(tiles.shape[0]):
            for operand in range(3):
                if placed[outer] > placed[level]:
                    units = max(units, tiles[outer, operand])
        for operand in range(3):
            if tiles[level, operand] < 0 or homes[level, operand] >= 0:
                continue
            least = units
            for outer in range(level):
                least = max(least, tiles[outer, operand])
            at = tiles[level, operand]
            while at > least and nest.axis[at - 1] < 0 and not case.shape.relevant[operand, nest.dim[at - 1]]:
                at -= 1
            tiles[level, operand] = at


@inlined_kernel
def judge(n: int, case: Case, walk: Walk, scratch: Scratch, best: Best) -> None:
    """Take in the mapping that has just been costed, if it is the best so far."""
    nest, goal = walk.nest, case.goal
    cycles = np.ceil(scratch.out[TOTAL] - 1e-9)
    energy = scratch.out[ENERGY_PJ] + goal.fixed_pj + goal.pj_per_cycle * cycles
    if admit(cycles, energy, goal, best):
        best.n_loops[0] = n
        for i in range(n):
            best.loops[0, i], best.loops[1, i], best.loops[2, i] = nest.dim[i], nest.factor[i], nest.axis[i]
        copy_tiles(walk.tiles, best.tiles)
        copy_ints(nest.base, best.base)
        _keep_counts(scratch, best)


@inlined_kernel
def _keep_counts(scratch: Scratch, best: Best) -> None:
    copy_floats(scratch.out, best.out)
    copy_floats(scratch.used, best.used)
    for plane in range(scratch.traffic.shape[0]):
        for level in range(scratch.traffic.shape[1]):
            for operand in range(3):
                best.traffic[plane, level, operand] = scratch.traffic[plane, level, operand]
