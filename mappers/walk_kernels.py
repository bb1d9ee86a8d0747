"""The walk through a program: one step at a time, depth first, back where a bound says so."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

import numpy as np

from archsim.core.kernels import inner_kernel
from archsim.mappers.goal_kernels import BOUNDED, OVERFULL, REACHED, SCORE, WALKED, Best, Goal, hopeless
from archsim.mappers.leaf_kernels import Walk, leaf
from archsim.mappers.node_kernels import add_node_bits, close_node, least_time, port_cycles
from archsim.mappers.pool_kernels import pool_line
from archsim.mappers.space_kernels import (
    AHEAD,
    ARG,
    BACK,
    BOUND,
    BRANCH,
    CLOSE,
    FILL,
    GROW,
    LEFT,
    OP,
    OPEN,
    PARENT,
    PASSED,
    PLACE,
    PLACED,
    SPREAD,
    Space,
    Start,
    box,
    ceil_div,
    held_bits,
    least_elements,
    partial_sums,
)
from archsim.sim.kernels import CAPACITY, INPUTS, OUTPUTS, RESERVED, THROUGHPUT, Floats, Ints, Machine, Scratch, Shape

MOST_FIRST_STEPS = 400_000
"""Steps beyond the budget in which a first mapping is looked for."""


@inner_kernel
def next_factor(count: int, most: int, divisors: Ints, dim: int, perfect: int) -> int:
    """The largest useful factor up to `most` for a dimension with `count` tiles; 0 when there is none.

    Useful: the least factor for its number of tiles, or where factors must divide, a divisor.
    """
    if most < 1:
        return 0
    if most >= count:
        return count
    if not perfect:
        return ceil_div(count, ceil_div(count, most))
    for back in range(divisors.shape[1]):
        divisor = divisors[dim, divisors.shape[1] - 1 - back]
        if 0 < divisor <= most and count % divisor == 0:
            return int(divisor)
    return 0


@inner_kernel
def most_growth(
    row: int, dim: int, step: Ints, walk: Walk, shape: Shape, space: Space, start: Start, machine: Machine
) -> int:
    """The most that a dimension can grow: every node to come must fit, spatial loops above must have their share."""
    count = walk.counts[row, dim]
    most = count
    for b in range(step[PASSED], space.n_bounds):
        units = start.every[b, dim]
        if units > 1:
            most = min(most, (count - 1) // (start.needed[b, dim] - 1) if not space.perfect else count // units)
    if most > 1 and step[PARENT] >= 0:
        most = min(most, _words_left(step[PARENT], shape, space, machine, walk.tile[row]))
    if most <= 1:
        return int(most)
    tile = walk.tile[row]
    for node in range(space.nodes.shape[0]):
        operand = space.nodes[node, 1]
        if not (step[LEFT] >> node) & 1 or not shape.relevant[operand, dim]:
            continue
        level = space.nodes[node, 0]
        if level < 0:
            continue
        stored = machine.stored_bits[level]
        width = stored[operand] if operand != OUTPUTS else min(stored[2], stored[3])
        room = machine.levels[level, CAPACITY] - machine.levels[level, RESERVED] - walk.need[row, level]
        size = box(operand, shape.sizes, shape.relevant, shape.windows, tile) * width
        if size > room:
            return 0
        if operand == INPUTS and _in_window(dim, shape.windows):
            continue
        whole = size / min(tile[dim], shape.sizes[dim]) * shape.sizes[dim]
        if whole > room and size * most > room:
            most = int(room / size)
    return int(most)


@inner_kernel
def _words_left(node: int, shape: Shape, space: Space, machine: Machine, tile: Ints) -> int:
    """How many tiles of a node fill the words it moves in; 1 where they are full."""
    level, operand, parent = space.nodes[node, 0], space.nodes[node, 1], space.nodes[node, 2]
    held = box(operand, shape.sizes, shape.relevant, shape.windows, tile) * machine.bits[operand]
    most = 1
    for word in (machine.words[level, 1], machine.words[parent, 0], machine.words[level, 0], machine.words[parent, 1]):
        if word > 0.0 and held % word > 0.0:
            most = max(most, int(word))
    return most


@inner_kernel
def _in_window(dim: int, windows: Ints) -> bool:
    inside = False
    for w in range(windows.shape[0]):
        inside = inside or windows[w, 0] == dim or windows[w, 2] == dim
    return bool(inside)


@inner_kernel
def _copy_row(row: int, walk: Walk) -> None:
    for d in range(walk.tile.shape[1]):
        walk.tile[row + 1, d] = walk.tile[row, d]
        walk.counts[row + 1, d] = walk.counts[row, d]
    walk.energy[row + 1] = walk.energy[row]
    walk.firsts[row + 1] = walk.firsts[row]
    for level in range(walk.need.shape[1]):
        walk.need[row + 1, level] = walk.need[row, level]
    for level in range(walk.reading.shape[1]):
        walk.reading[row + 1, level] = walk.reading[row, level]
        walk.writing[row + 1, level] = walk.writing[row, level]


@inner_kernel
def _grow(row: int, factor: int, dim: int, walk: Walk) -> None:
    _copy_row(row, walk)
    walk.factor[row] = factor
    walk.tile[row + 1, dim] = walk.tile[row, dim] * factor
    walk.counts[row + 1, dim] = ceil_div(walk.counts[row, dim], factor)


@inner_kernel
def _out_of_reach(
    row: int,
    open_nodes: int,
    ahead: int,
    extra_pj: float,
    extra_bits: float,
    extra_level: int,
    compute: float,
    used: Floats,
    walk: Walk,
    space: Space,
    machine: Machine,
    goal: Goal,
    best: Best,
) -> bool:
    """Whether what a row has, with the least that open nodes and levels ahead cost, is no better than the best."""
    energy = walk.energy[row] + extra_pj + goal.fixed_pj
    reading, writing = walk.read_scrap, walk.write_scrap
    n_levels = used.shape[0]
    for i in range(2 * n_levels):
        reading[i], writing[i] = walk.reading[row, i], walk.writing[row, i]
    if extra_level >= 0:
        reading[extra_level] += extra_bits
    for k in range(space.nodes.shape[0]):
        if (open_nodes >> k) & 1:
            energy += space.least[k]
            add_node_bits(k, space, reading, writing)
    for pool in range(space.pools.shape[0]):
        if (ahead >> pool) & 1:
            energy += walk.excess[pool]
            if space.pools[pool, 4] >= 0:
                reading[space.pools[pool, 4]] += walk.traffic[pool]
    cycles = least_time(compute, walk.firsts[row], reading, writing, used, machine)
    return hopeless(cycles, energy + goal.pj_per_cycle * cycles, goal, best)


@inner_kernel
def _spread(row: int, bound: int, walk: Walk, start: Start, perfect: int) -> bool:
    """Put in the spatial loops of a boundary; False when a dimension has too few tiles left for its units."""
    _copy_row(row, walk)
    for d in range(walk.tile.shape[1]):
        units = start.every[bound, d]
        if units > 1:
            count = walk.counts[row, d]
            if count < start.needed[bound, d] or (perfect and count % units > 0):
                return False
            walk.tile[row + 1, d] = walk.tile[row, d] * units
            walk.counts[row + 1, d] = ceil_div(count, units)
    return True


@inner_kernel
def _place(
    row: int, step: Ints, walk: Walk, shape: Shape, space: Space, start: Start, machine: Machine, used: Floats
) -> bool:
    """Place a node at the present tile; False when its level cannot hold it."""
    _copy_row(row, walk)
    node, passed = step[ARG], step[PASSED]
    level, operand, parent = space.nodes[node, 0], space.nodes[node, 1], space.nodes[node, 2]
    sizes, relevant = shape.sizes, shape.relevant
    tile, count = walk.tile[row], walk.counts[row]
    for d in range(tile.shape[0]):
        if space.fixed[node, d] > 0 and min(tile[d], sizes[d]) != space.fixed[node, d]:
            return False
    walk.elements[node] = least_elements(operand, shape, machine, tile, count)
    if level < 0:
        return True
    closed = step[PLACED] > 0
    partial = operand == OUTPUTS and partial_sums(node, passed, sizes, relevant, space, start, walk.visits, closed)
    held = box(operand, sizes, relevant, shape.windows, tile)
    walk.need[row + 1, level] += held * held_bits(node, passed, partial, shape, space, start, machine, count)
    if walk.need[row + 1, level] > machine.levels[level, CAPACITY] - machine.levels[level, RESERVED]:
        return False
    if not machine.counting[THROUGHPUT] and not space.serial[parent, operand]:
        units = 1.0
        for b in range(passed, space.nodes[node, 4]):
            for d in range(sizes.shape[0]):
                units *= start.every[b, d]
        moved = min(held * units, box(operand, sizes, relevant, shape.windows, sizes)) * machine.bits[operand]
        read, written = (0.0, moved) if operand == OUTPUTS else (moved, 0.0)
        walk.firsts[row + 1] += port_cycles(parent, read, written, machine) / used[parent]
    return True


@inner_kernel
def _close(row: int, step: Ints, walk: Walk, shape: Shape, space: Space, start: Start, machine: Machine) -> None:
    """Count the traffic of a node whose reuse has ended."""
    _copy_row(row, walk)
    node = step[ARG]
    energy, visits = close_node(
        node,
        step[PLACED],
        step[PASSED],
        walk.elements[node],
        shape,
        space,
        start,
        walk.counts[row],
        walk.visits,
        machine,
        walk.reading[row + 1],
        walk.writing[row + 1],
    )
    walk.visits[node] = visits
    walk.energy[row + 1] += energy


@inner_kernel
def _look_ahead(
    row: int,
    step: Ints,
    compute: float,
    used: Floats,
    walk: Walk,
    shape: Shape,
    space: Space,
    start: Start,
    machine: Machine,
    goal: Goal,
    best: Best,
) -> bool:
    """Whether the nodes still to come at a level can be worth it, now that its smallest tiles are known."""
    pool, missing = step[ARG], step[PLACED]
    energy, bits = pool_line(pool, step[PASSED], missing, shape, space, start, machine, walk.tile[row], walk.need[row])
    if energy == np.inf:
        return False
    _copy_row(row, walk)
    return not _out_of_reach(
        row,
        step[OPEN],
        step[AHEAD],
        energy,
        bits,
        step[PARENT],
        compute,
        used,
        walk,
        space,
        machine,
        goal,
        best,
    )


@inner_kernel
def _only_dearer(row: int, back: int, program: Ints, walk: Walk, space: Space) -> bool:
    """Whether the smaller factors of the loop `back` rows before cost more, and no other way leads on from there."""
    if program[walk.step[row - back], OP] != GROW:
        return False
    for i in range(back):  # noqa: SIM110
        if not space.steady[program[walk.step[row - i], ARG]]:
            return False
    return True


@inner_kernel
def _may_stop(most_steps: int, best: Best) -> bool:
    """A search whose budget is spent goes on until it has a mapping, though not for ever: there may be none."""
    return bool(best.value[SCORE] < np.inf or best.counters[WALKED] > most_steps + MOST_FIRST_STEPS)


@inner_kernel
def walk_program(
    program: Ints,
    jumps: Ints,
    compute: float,
    used: Floats,
    walk: Walk,
    slot_dim: Ints,
    slot_factor: Ints,
    slot_axis: Ints,
    slot_bound: Ints,
    shape: Shape,
    space: Space,
    start: Start,
    homes: Ints,
    machine: Machine,
    scratch: Scratch,
    goal: Goal,
    best: Best,
    leap: int,
    most_steps: int,
) -> bool:
    """All mappings from one start, depth first. False when `most_steps` ended it before its time.

    Row 0 of `walk` is set. `leap` 1: every factor is tried; 2 or more: each at most that part of the one before; 0: the
    largest alone. Factors are tried from the largest down; the first that a bound rules out ends the series
    where more visits only cost more.
    """
    row = 0
    walk.step[0] = 0
    forward = True
    while row >= 0:
        if not forward:
            row -= 1
            if row < 0:
                break
            at = walk.step[row]
            op = program[at, OP]
            if op == BRANCH:
                if walk.factor[row] + 1 >= program[at, PLACED]:
                    continue
                walk.factor[row] += 1
                _copy_row(row, walk)
                walk.step[row + 1] = jumps[program[at, ARG] + walk.factor[row]]
            elif op == GROW:
                dim = program[at, ARG]
                if leap == 0:
                    continue
                most = walk.factor[row] - 1 if leap == 1 else walk.factor[row] // leap
                factor = next_factor(walk.counts[row, dim], most, space.divisors, dim, space.perfect)
                if factor == 0:
                    continue
                _grow(row, factor, dim, walk)
                walk.step[row + 1] = at + 1
            else:
                continue
            row += 1
            forward = True
            continue
        best.counters[WALKED] += 1
        if best.counters[WALKED] > most_steps and _may_stop(most_steps, best):
            return False
        at = walk.step[row]
        step = program[at]
        op, arg = step[OP], step[ARG]
        if op == GROW:
            most = most_growth(row, arg, step, walk, shape, space, start, machine)
            factor = next_factor(walk.counts[row, arg], most, space.divisors, arg, space.perfect)
            forward = factor > 0
            if forward:
                _grow(row, factor, arg, walk)
        elif op == FILL:
            _grow(row, walk.counts[row, arg], arg, walk)
        elif op == SPREAD:
            forward = _spread(row, arg, walk, start, space.perfect)
        elif op == PLACE:
            forward = _place(row, step, walk, shape, space, start, machine, used)
            best.counters[OVERFULL] += 0 if forward else 1
        elif op == CLOSE:
            _close(row, step, walk, shape, space, start, machine)
            if _out_of_reach(
                row + 1,
                step[OPEN],
                step[AHEAD],
                0.0,
                0.0,
                -1,
                compute,
                used,
                walk,
                space,
                machine,
                goal,
                best,
            ):
                best.counters[BOUNDED] += 1
                forward = False
                if step[BACK] > 0 and _only_dearer(row, step[BACK], program, walk, space):
                    # Back past the loop: its smaller factors cost more.
                    row -= step[BACK]
        elif op == BOUND:
            forward = _look_ahead(row, step, compute, used, walk, shape, space, start, machine, goal, best)
            best.counters[BOUNDED] += 0 if forward else 1
        elif op == BRANCH:
            walk.factor[row] = 0
            _copy_row(row, walk)
            walk.step[row + 1] = jumps[arg]
            row += 1
            continue
        else:
            best.counters[REACHED] += 1
            leaf(
                program,
                row + 1,
                walk,
                slot_dim,
                slot_factor,
                slot_axis,
                slot_bound,
                shape,
                space,
                homes,
                machine,
                scratch,
                goal,
                best,
            )
            forward = False
        if forward:
            row += 1
            walk.step[row] = at + 1
    return True
