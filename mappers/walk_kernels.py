"""The walk through a program: one step at a time, depth first, back where a bound says so."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

import numpy as np

from archsim.core.kernels import inlined_kernel, inner_kernel
from archsim.mappers.goal_kernels import BOUNDED, OVERFULL, REACHED, SCORE, WALKED, Best, hopeless
from archsim.mappers.growth_kernels import copy_row, grow, grown_first, grown_less
from archsim.mappers.halo_kernels import least_elements
from archsim.mappers.node_kernels import add_node_bits, close_node
from archsim.mappers.pool_kernels import pool_line
from archsim.mappers.price_kernels import set_prices
from archsim.mappers.sink_kernels import WHOLE, share_sunk
from archsim.mappers.space_kernels import (
    AHEAD,
    ARG,
    BACK,
    BOUND,
    BRANCH,
    CLOSE,
    GROW,
    LEAF,
    LEFT,
    OP,
    OPEN,
    PARENT,
    PASSED,
    PLACE,
    PLACED,
    SPREAD,
    box,
    ceil_div,
    doubles,
    held_bits,
    partial_sums,
)
from archsim.mappers.state_kernels import SUNK, Case, Walk
from archsim.mappers.time_kernels import feeds_first, first_cycles, least_time, step_share
from archsim.mappers.word_kernels import fills_words
from archsim.sim.kernels import CAPACITY, OUTPUTS, RESERVED, Ints

END, CUT = -1, -2
MOST_FIRST_STEPS = 400_000
"""Steps beyond the budget in which a first mapping is looked for."""


@inlined_kernel
def _out_of_reach(
    row: int, step: Ints, extra_pj: float, extra_bits: float, extra_level: int, case: Case, walk: Walk, best: Best
) -> bool:
    """Whether what a row has, with the least that open nodes and levels ahead cost, is no better than the best."""
    space, start, lines, goal = case.space, case.start, case.lines, case.goal
    energy, firsts = walk.energy[row] + extra_pj + goal.fixed_pj, walk.firsts[row]
    reading, writing = walk.read_scrap, walk.write_scrap
    for i in range(reading.shape[0]):
        reading[i], writing[i] = walk.reading[row, i], walk.writing[row, i]
    if extra_level >= 0:
        reading[extra_level] += extra_bits
    for k in range(space.nodes.shape[0]):
        if (step[OPEN] >> k) & 1:
            energy += lines.least[k]
            add_node_bits(k, case, reading, writing)
        if (step[LEFT] >> k) & 1:
            firsts += lines.firsts[k]
    for pool in range(space.pools.shape[0]):
        if (step[AHEAD] >> pool) & 1:
            energy += lines.excess[pool]
            if space.pools[pool, 4] >= 0:
                reading[space.pools[pool, 4]] += lines.traffic[pool]
    cycles = least_time(firsts, reading, writing, walk.shares[row], case.ports.own, start, case.machine)
    return hopeless(cycles, energy + goal.pj_per_cycle * cycles, goal, best)


@inlined_kernel
def _spread(row: int, bound: int, case: Case, walk: Walk) -> bool:
    """Put in the spatial loops of a boundary; False when a dimension has too few tiles left for its units."""
    start = case.start
    copy_row(row, walk)
    for d in range(walk.tile.shape[1]):
        units = start.every[bound, d]
        if units > 1:
            count = walk.counts[row, d]
            if count < start.needed[bound, d] or (case.space.perfect and count % units > 0):
                return False
            walk.tile[row + 1, d] = walk.tile[row, d] * units
            walk.counts[row + 1, d] = ceil_div(count, units)
    return True


@inlined_kernel
def _left(row: int, dim: int, step: Ints, case: Case, walk: Walk) -> int:
    """Tiles of a dimension that each unit outside has, where they share them evenly."""
    units = 1
    for b in range(step[PASSED], case.space.n_bounds):
        units *= case.start.every[b, dim]
    return ceil_div(walk.counts[row, dim], units)


@inlined_kernel
def _grown_whole(row: int, step: Ints, case: Case, walk: Walk) -> bool:
    """Make the tile after `row` all that its unit needs of its operand; False where that is not worth trying.

    A level that keeps room for the next tile holds one that never changes once: that may be less than two tiles of more
    than half of it. Where factors divide, no tile is.
    """
    shape, space, node, inside = case.shape, case.space, step[ARG], walk.tile[row]
    level, operand, tile = space.nodes[node, 0], space.nodes[node, 1], walk.tile[row + 1]
    if space.perfect or level < 0 or not doubles(level, case.machine):
        return False
    copy_row(row, walk)
    for d in range(tile.shape[0]):
        if shape.relevant[operand, d]:
            left = _left(row, d, step, case, walk)
            tile[d] = inside[d] * left
            walk.counts[row + 1, d] = ceil_div(walk.counts[row, d], left)
    part = box(operand, shape.sizes, shape.relevant, shape.windows, inside)
    whole = box(operand, shape.sizes, shape.relevant, shape.windows, tile)
    return bool(part < whole < 2.0 * part)


@inlined_kernel
def _too_late(row: int, step: Ints, case: Case, walk: Walk) -> bool:
    """Whether another node, whose operand is never reused, should have been placed before: at a tile that fills words.

    Whatever its tiles, such an operand moves as many elements, and where they fill words at the least price. Put down
    from a place further out to here, its tile takes less room and less time to load first; no other tile changes, nor
    how often it is visited: so nothing is lost by mappings that leave it out there. Of factors that divide, since the
    last tile of others need not fill its words.
    """
    space, shape = case.space, case.shape
    if not (space.perfect and space.edges):
        return False
    for node in range(space.nodes.shape[0]):
        level, operand, child = space.nodes[node, 0], space.nodes[node, 1], space.nodes[node, 5]
        if node == step[ARG] or not (step[LEFT] >> node) & 1 or space.alone[node] < 2:
            continue
        if space.alone[step[ARG]] == 2 and space.nodes[step[ARG], 1] != operand:
            # Two such operands (a product of one row and one column) fill words at one tile: either comes first.
            continue
        if space.placed[level] > step[PASSED] or child == step[ARG] or (child >= 0 and (step[LEFT] >> child) & 1):
            continue
        held = box(operand, shape.sizes, shape.relevant, shape.windows, walk.tile[row])
        if fills_words(node, step[PASSED], held, case):
            return True
    return False


@inlined_kernel
def _placed(row: int, step: Ints, case: Case, walk: Walk) -> bool:
    """Place a node at the present tile; False when its level cannot hold it."""
    walk.factor[row] = 1
    if _too_late(row, step, case, walk):
        return False
    copy_row(row, walk)
    return _fits_here(row, step, case, walk)


@inlined_kernel
def _placed_whole(row: int, step: Ints, case: Case, walk: Walk) -> bool:
    """Place a node whole, where that may take less room than two tiles; False when its level cannot hold it."""
    walk.factor[row] = WHOLE
    return _grown_whole(row, step, case, walk) and _fits_here(row, step, case, walk)


@inlined_kernel
def _held_bits(row: int, step: Ints, case: Case, walk: Walk) -> float:
    """Bits of its level that an element of the node that is being placed takes, at least."""
    shape, space, start, node, passed = case.shape, case.space, case.start, step[ARG], step[PASSED]
    partial = space.nodes[node, 1] == OUTPUTS and partial_sums(
        node, passed, shape.sizes, shape.relevant, space, start, walk.visits, step[PLACED] > 0
    )
    return held_bits(node, passed, partial, shape, space, start, case.machine, walk.counts[row + 1])


@inner_kernel
def _fits_here(row: int, step: Ints, case: Case, walk: Walk) -> bool:
    """Take a node in at the tile of the row after `row`; False when its level cannot hold it."""
    shape, machine, space = case.shape, case.machine, case.space
    node = step[ARG]
    level, operand, tile = space.nodes[node, 0], space.nodes[node, 1], walk.tile[row + 1]
    for d in range(tile.shape[0]):
        if space.fixed[node, d] > 0 and min(tile[d], shape.sizes[d]) != space.fixed[node, d]:
            return False
        if level < 0 and shape.relevant[operand, d] and tile[d] > 1:
            # A PE holds one element.
            return False
    held = box(operand, shape.sizes, shape.relevant, shape.windows, tile)
    counts, passed, above = walk.counts[row + 1], step[PASSED], space.nodes[node, 4]
    walk.elements[node] = least_elements(operand, passed, passed, shape, machine, case.start, tile, counts)
    walk.sent[node] = least_elements(operand, passed, above, shape, machine, case.start, tile, counts)
    set_prices(node, step[PASSED], held, held, case, walk.prices, walk.widths)
    if level < 0:
        return True
    walk.need[row + 1, level] += held * _held_bits(row, step, case, walk)
    if walk.need[row + 1, level] > machine.levels[level, CAPACITY] - machine.levels[level, RESERVED]:
        return False
    walk.firsts[row + 1] += first_cycles(node, step[PASSED], held, case)
    if case.stand == SUNK:
        share_sunk(row, step, case, walk)
    elif feeds_first(node, step[LEFT], space):
        walk.shares[row + 1, space.nodes[node, 2]] = step_share(step[PASSED], tile, shape, space, case.start)
    return True


@inlined_kernel
def _worth_it(row: int, step: Ints, case: Case, walk: Walk, best: Best) -> bool:
    """Whether the nodes still to come at a level can be worth it, now that its smallest tiles are known."""
    pool, passed, left, unclosed = step[ARG], step[PASSED], step[LEFT], step[OPEN]
    tile, need = walk.tile[row], walk.need[row]
    energy, bits = pool_line(pool, passed, step[PLACED], left, unclosed, case, tile, need, walk.visits)
    if energy == np.inf:
        return False
    copy_row(row, walk)
    return not _out_of_reach(row, step, energy, bits, step[PARENT], case, walk, best)


@inlined_kernel
def _only_dearer(row: int, back: int, case: Case, walk: Walk) -> bool:
    """Whether the smaller factors of the loop `back` rows before cost more, and no other way leads on from there."""
    if back <= 0 or case.steps[walk.step[row - back], OP] != GROW:
        return False
    for i in range(back):  # noqa: SIM110
        if not case.lines.steady[case.steps[walk.step[row - i], ARG]]:
            return False
    return True


@inlined_kernel
def _closed(row: int, step: Ints, case: Case, walk: Walk, best: Best) -> bool:
    """Count a node's traffic; False when that puts the best out of reach."""
    copy_row(row, walk)
    close_node(row, step[ARG], step[PLACED], step[PASSED], case, walk)
    if _out_of_reach(row + 1, step, 0.0, 0.0, -1, case, walk, best):
        best.counters[BOUNDED] += 1
        return False
    return True


@inlined_kernel
def _down(row: int, case: Case, walk: Walk, best: Best) -> bool:
    """Take the step of a row, at its first factor or alternative; False where the way ends."""
    at = walk.step[row]
    step = case.steps[at]
    op = step[OP]
    walk.step[row + 1] = at + 1
    if op == GROW:
        return grown_first(row, step, case, walk)
    if op == CLOSE:
        return _closed(row, step, case, walk, best)
    if op == PLACE:
        fits = _placed(row, step, case, walk) or _placed_whole(row, step, case, walk)
        best.counters[OVERFULL] += 0 if fits else 1
        return fits
    if op == BOUND:
        hopes = _worth_it(row, step, case, walk, best)
        best.counters[BOUNDED] += 0 if hopes else 1
        return hopes
    if op == BRANCH:
        walk.factor[row] = 0
        copy_row(row, walk)
        walk.step[row + 1] = case.jumps[step[ARG]]
        return True
    if op == SPREAD:
        return _spread(row, step[ARG], case, walk)
    grow(row, walk.counts[row, step[ARG]], step[ARG], walk)
    return True


@inlined_kernel
def _aside(row: int, leap: int, case: Case, walk: Walk) -> bool:
    """Take the step of a row anew, at its next factor or alternative; False where there is none."""
    at = walk.step[row]
    step = case.steps[at]
    if step[OP] == GROW:
        walk.step[row + 1] = at + 1
        return grown_less(row, step, leap, case, walk)
    if step[OP] == PLACE and walk.factor[row] != WHOLE:
        walk.step[row + 1] = at + 1
        return leap > 0 and _placed_whole(row, step, case, walk)
    if step[OP] == BRANCH and walk.factor[row] + 1 < step[PLACED]:
        walk.factor[row] += 1
        copy_row(row, walk)
        walk.step[row + 1] = case.jumps[step[ARG] + walk.factor[row]]
        return True
    return False


@inlined_kernel
def _may_stop(most_steps: int, best: Best) -> bool:
    """A search whose budget is spent goes on until it has a mapping, though not for ever: there may be none."""
    return bool(best.value[SCORE] < np.inf or best.counters[WALKED] > most_steps + MOST_FIRST_STEPS)


@inner_kernel
def next_leaf(row: int, leap: int, most_steps: int, case: Case, walk: Walk, best: Best) -> int:
    """The row of the next complete mapping, depth first from `row` on; END after the last, CUT after `most_steps`.

    `leap` 1: every factor is tried; 2 or more: each at most that part of the one before; 0: the largest alone. Factors
    are tried from the largest down; the first that a bound rules out ends the series where more visits only cost more.
    A row whose step is a leaf was handed out: the walk goes on behind it.
    """
    forward = case.steps[walk.step[row], OP] != LEAF
    while True:
        while not forward:
            if row == 0:
                return END
            row -= 1
            forward = _aside(row, leap, case, walk)
            row += 1 if forward else 0
        best.counters[WALKED] += 1
        if best.counters[WALKED] > most_steps and _may_stop(most_steps, best):
            return CUT
        step = case.steps[walk.step[row]]
        if step[OP] == LEAF:
            best.counters[REACHED] += 1
            return row
        forward = _down(row, case, walk, best)
        if forward:
            row += 1
        elif step[OP] == CLOSE and _only_dearer(row, step[BACK], case, walk):
            # Back past the loop: its smaller factors cost more.
            row -= step[BACK]
