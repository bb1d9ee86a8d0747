"""The walk through a program: one step at a time, depth first, back where a bound says so."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

import numpy as np

from archsim.core.kernels import inlined_kernel, inner_kernel
from archsim.mappers.goal_kernels import BOUNDED, OVERFULL, REACHED, SCORE, WALKED, Best, hopeless
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
    UNEVEN,
    Space,
    box,
    ceil_div,
    doubles,
    held_bits,
    partial_sums,
)
from archsim.mappers.state_kernels import SUNK, Case, Walk
from archsim.mappers.time_kernels import feeds_first, first_cycles, least_time, step_share
from archsim.mappers.word_kernels import filling, fills_words, words_left
from archsim.sim.kernels import CAPACITY, INPUTS, MEMORY_STALLS, OUTPUTS, RESERVED, THROUGHPUT, Ints

END, CUT = -1, -2
FEW_TILES = 32
"""Of a dimension, at most, where every factor is tried."""
MOST_FIRST_STEPS = 400_000
"""Steps beyond the budget in which a first mapping is looked for."""


@inlined_kernel
def next_factor(count: int, most: int, dim: int, useful: int, space: Space) -> int:
    """The largest useful factor up to `most` for a dimension with `count` tiles; 0 when there is none.

    Useful: the least factor for its number of tiles, or where factors must divide, a divisor. Where whole words are
    moved, of few tiles any: a larger one may fill words better. And all up to `useful`.
    """
    if most < 1:
        return 0
    if most >= count:
        return count
    if not space.perfect:
        any_ = space.edges and count <= FEW_TILES
        return most if any_ else max(min(most, useful), ceil_div(count, ceil_div(count, most)))
    divisors = space.divisors
    for back in range(divisors.shape[1]):
        divisor = divisors[dim, divisors.shape[1] - 1 - back]
        if 0 < divisor <= most and count % divisor == 0:
            return int(divisor)
    return 0


@inlined_kernel
def _all_useful(row: int, step: Ints, case: Case, walk: Walk) -> int:
    """The factor of a loop up to which all may be of use, and not only the least for their number of tiles."""
    dim = step[ARG]
    if _shifts_work(dim, step[PASSED], case):
        return int(walk.counts[row, dim]) if walk.counts[row, dim] <= FEW_TILES else 1
    gapless = _gapless(dim, case.shape.windows)
    return ceil_div(gapless, walk.tile[row, dim]) if gapless > 1 else 1


@inlined_kernel
def _shifts_work(dim: int, passed: int, case: Case) -> bool:
    """Whether larger tiles give more of the array's to some of the units outside, and so shorter steps, on average.

    What passes cost besides their work is spread over more of them, and the level that feeds the array waits for one
    step of computing.
    """
    counting, shared = case.machine.counting, False
    if case.machine.flow[0] == 0 or not counting[MEMORY_STALLS] or counting[THROUGHPUT]:
        return False
    for b in range(passed, case.space.n_bounds):
        shared = shared or case.start.every[b, dim] > 1
    return bool(shared)


@inlined_kernel
def _gapless(dim: int, windows: Ints) -> int:
    """The least size of a tile along a dimension whose windows have no gaps, whatever the other one of the window.

    t rows at a stride of a, with u filter rows at a dilation of b, have none where a (t-1) + b (u-1) + 1 <= t u: a tile
    of this size slides, one that is smaller may have to be fetched whole each time, though there are as many of them.
    """
    least = 1
    for w in range(windows.shape[0]):
        for side in range(0, 4, 2):
            if windows[w, 0] >= 0 and windows[w, side] == dim:
                least = max(least, windows[w, side + 1] * (windows[w, 3 - side] - 1) + 1)
    return int(least)


@inlined_kernel
def most_growth(row: int, dim: int, step: Ints, case: Case, walk: Walk) -> int:
    """The most that a dimension can grow: every node to come must fit, spatial loops above must have their share."""
    space, start = case.space, case.start
    count = walk.counts[row, dim]
    most = count
    for b in range(step[PASSED], space.n_bounds):
        units = start.every[b, dim]
        if units > 1:
            most = min(most, (count - 1) // (start.needed[b, dim] - 1) if not space.perfect else count // units)
    if most > 1 and step[PARENT] >= 0:
        most = min(most, words_left(step[PARENT], case, walk.tile[row]))
    for node in range(space.nodes.shape[0]):
        if most <= 1:
            return int(most)
        if (step[LEFT] >> node) & 1 and case.shape.relevant[space.nodes[node, 1], dim]:
            if space.nodes[node, 0] < 0:
                return 1
            most = _most_that_fits(row, dim, node, most, case, walk)
    return int(most)


@inlined_kernel
def _most_that_fits(row: int, dim: int, node: int, most: int, case: Case, walk: Walk) -> int:
    """The most of `most` for which a node still to come fits its level beside what is there."""
    shape, machine = case.shape, case.machine
    level, operand, tile = case.space.nodes[node, 0], case.space.nodes[node, 1], walk.tile[row]
    stored = machine.stored_bits[level]
    width = stored[operand] if operand != OUTPUTS else min(stored[2], stored[3])
    room = machine.levels[level, CAPACITY] - machine.levels[level, RESERVED] - walk.need[row, level]
    size = box(operand, shape.sizes, shape.relevant, shape.windows, tile) * width
    if size > room:
        return 0
    if operand == INPUTS and _in_window(dim, shape.windows):
        return most
    whole = size / min(tile[dim], shape.sizes[dim]) * shape.sizes[dim]
    if whole > room and size * most > room:
        return int(room / size)
    return most


@inlined_kernel
def _in_window(dim: int, windows: Ints) -> bool:
    inside = False
    for w in range(windows.shape[0]):
        inside = inside or windows[w, 0] == dim or windows[w, 2] == dim
    return bool(inside)


@inlined_kernel
def _copy_row(row: int, walk: Walk) -> None:
    for d in range(walk.tile.shape[1]):
        walk.tile[row + 1, d] = walk.tile[row, d]
        walk.counts[row + 1, d] = walk.counts[row, d]
    walk.energy[row + 1] = walk.energy[row]
    walk.firsts[row + 1] = walk.firsts[row]
    for level in range(walk.need.shape[1]):
        walk.need[row + 1, level] = walk.need[row, level]
        walk.shares[row + 1, level] = walk.shares[row, level]
    for level in range(walk.reading.shape[1]):
        walk.reading[row + 1, level] = walk.reading[row, level]
        walk.writing[row + 1, level] = walk.writing[row, level]


@inlined_kernel
def _grow(row: int, factor: int, dim: int, walk: Walk) -> None:
    _copy_row(row, walk)
    walk.factor[row] = factor
    walk.tile[row + 1, dim] = walk.tile[row, dim] * factor
    walk.counts[row + 1, dim] = ceil_div(walk.counts[row, dim], factor)


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
    _copy_row(row, walk)
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
    _copy_row(row, walk)
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
    _copy_row(row, walk)
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
    _copy_row(row, walk)
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
def _useful(row: int, factor: int, dim: int, step: Ints, case: Case, walk: Walk) -> int:
    """`factor`, or the next one below, where words are to be filled and a factor of it fills them already.

    The rest of it may as well stand above the node, past the loops that reuse it: what lies inside has been counted,
    and depends on how many loops there are outside, not on their order.
    """
    if step[PARENT] < 0 or not case.space.perfect:
        return factor
    whole = filling(step[PARENT], case, walk.tile[row])
    while whole > 0 and factor > whole and factor % whole == 0:
        factor = next_factor(walk.counts[row, dim], factor - 1, dim, 1, case.space)
    return factor


@inlined_kernel
def _grown_first(row: int, step: Ints, case: Case, walk: Walk) -> bool:
    """Grow a dimension by its largest factor; False when there is none."""
    dim = step[ARG]
    if step[PARENT] == UNEVEN:
        _grow(row, 1, dim, walk)
        return True
    most = most_growth(row, dim, step, case, walk)
    useful = _all_useful(row, step, case, walk)
    factor = _useful(row, next_factor(walk.counts[row, dim], most, dim, useful, case.space), dim, step, case, walk)
    if factor < max(1, step[PLACED]):
        return False
    _grow(row, factor, dim, walk)
    return True


@inlined_kernel
def _grown_less(row: int, step: Ints, leap: int, case: Case, walk: Walk) -> bool:
    """Grow a dimension by the factor after the present one; False when there is none."""
    if leap == 0:
        return False
    if step[PARENT] == UNEVEN:
        return leap == 1 and _grown_unevenly(row, step, case, walk)
    dim = step[ARG]
    most = walk.factor[row] - 1 if leap == 1 else walk.factor[row] // leap
    useful = _all_useful(row, step, case, walk)
    factor = _useful(row, next_factor(walk.counts[row, dim], most, dim, useful, case.space), dim, step, case, walk)
    if factor < max(1, step[PLACED]):
        return False
    _grow(row, factor, dim, walk)
    return True


@inlined_kernel
def _grown_unevenly(row: int, step: Ints, case: Case, walk: Walk) -> bool:
    """Grow a dimension inside units by the factor after the present one, 1 having been the first; False for none.

    Only a factor for which fewer units have work in the last piece than if they took turns, or which gives some more of
    it: else the loop may as well stand outside the units, where what they have in common is sent in fewer steps.
    """
    dim, count = step[ARG], walk.counts[row, step[ARG]]
    units, most = case.start.every[step[PASSED], dim], walk.factor[row] - 1
    if units == 1:
        return False
    if most == 0:
        most = most_growth(row, dim, step, case, walk)
    useful, shifts = _all_useful(row, step, case, walk), _shifts_work(dim, step[PASSED], case)
    factor = next_factor(count, most, dim, useful, case.space)
    while factor > 1:
        last = count % (factor * units)
        if shifts or ceil_div(last, factor) < min(units, last):
            _grow(row, factor, dim, walk)
            return True
        factor = next_factor(count, factor - 1, dim, useful, case.space)
    return False


@inlined_kernel
def _closed(row: int, step: Ints, case: Case, walk: Walk, best: Best) -> bool:
    """Count a node's traffic; False when that puts the best out of reach."""
    _copy_row(row, walk)
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
        return _grown_first(row, step, case, walk)
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
        _copy_row(row, walk)
        walk.step[row + 1] = case.jumps[step[ARG]]
        return True
    if op == SPREAD:
        return _spread(row, step[ARG], case, walk)
    _grow(row, walk.counts[row, step[ARG]], step[ARG], walk)
    return True


@inlined_kernel
def _aside(row: int, leap: int, case: Case, walk: Walk) -> bool:
    """Take the step of a row anew, at its next factor or alternative; False where there is none."""
    at = walk.step[row]
    step = case.steps[at]
    if step[OP] == GROW:
        walk.step[row + 1] = at + 1
        return _grown_less(row, step, leap, case, walk)
    if step[OP] == PLACE and walk.factor[row] != WHOLE:
        walk.step[row + 1] = at + 1
        return leap > 0 and _placed_whole(row, step, case, walk)
    if step[OP] == BRANCH and walk.factor[row] + 1 < step[PLACED]:
        walk.factor[row] += 1
        _copy_row(row, walk)
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
