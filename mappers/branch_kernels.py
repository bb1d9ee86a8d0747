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

from typing import NamedTuple

import numpy as np

from archsim.core.kernels import kernel
from archsim.sim.cost_kernels import cost, fits
from archsim.sim.kernels import (
    CAPACITY,
    DOUBLE_BUFFER,
    ENERGY_PJ,
    FIRST_PARTIAL_READ,
    INPUTS,
    MAX_LOOPS,
    MEMORY_STALLS,
    OUTPUTS,
    READ_BW,
    RESERVED,
    SHARED_PORTS,
    TOTAL,
    WRITE_BW,
    Bools,
    Floats,
    Ints,
    Machine,
    Nest,
    Scratch,
    Shape,
)

PLACE, SPREAD, GROW, FILL, CLOSE, LEAF = range(6)
"""Steps of a program: place a node, put in the spatial loops of a boundary, grow a dimension by any factor or to its
full size, count a node's traffic, cost the mapping."""


class Space(NamedTuple):
    """What does not change while one problem is searched. D dimensions, L levels, K nodes, B spatial boundaries."""

    nodes: Ints
    """(K, 5): level, operand, parent level, child level of the operand (-1: none), boundaries inside the parent."""
    divisors: Ints
    """(D, longest): divisors of each size, ascending, 0 behind them; no rows where factors need not divide."""
    perfect: int
    n_bounds: int
    steady: Bools
    """(K,): more visits always cost more energy."""


class Start(NamedTuple):
    """One way to begin: an array tile and spatial loops. Products of the spatial factors by boundary."""

    base: Ints
    every: Ints
    """(B, D): spatial factors of a boundary."""
    shared: Ints
    """(B, 3, D): those along which one access serves all units."""
    folded: int
    """Whether sums are folded inside the array tile."""


@kernel
def _ceil(a: int, b: int) -> int:
    return (a + b - 1) // b


@kernel
def initial_counts(shape_sizes: Ints, start: Start, n_bounds: int, tile: Ints, count: Ints) -> None:
    """Tile and number of tiles of each dimension before the first step."""
    for d in range(shape_sizes.shape[0]):
        tile[d] = start.base[d]
        count[d] = _ceil(shape_sizes[d], start.base[d])


@kernel
def box(operand: int, sizes: Ints, relevant: Bools, windows: Ints, tile: Ints) -> float:
    """Elements that one tile of an operand touches, its sizes cut at the dimensions' own."""
    total = 1.0
    for d in range(sizes.shape[0]):
        if relevant[operand, d]:
            total *= min(tile[d], sizes[d])
    if operand == INPUTS:
        for w in range(windows.shape[0]):
            d1, a, d2, b = windows[w, 0], windows[w, 1], windows[w, 2], windows[w, 3]
            if d1 >= 0:
                t1, t2 = min(tile[d1], sizes[d1]), min(tile[d2], sizes[d2])
                total *= min(a * (t1 - 1) + b * (t2 - 1) + 1, t1 * t2) / float(t1 * t2)
    return total


@kernel
def _window(sizes: Ints, windows: Ints, w: int, n1: int, n2: int, t1: int, t2: int) -> float:
    d1, a, d2, b = windows[w, 0], windows[w, 1], windows[w, 2], windows[w, 3]
    s1, s2 = sizes[d1], sizes[d2]
    every = float(s1) * s2
    if a * (t1 - 1) + b * (t2 - 1) + 1 > t1 * t2:
        return every
    return min(float(a * (s1 - n1) * n2 + b * (s2 - n2) * n1 + n1 * n2), every)


@kernel
def least_elements(operand: int, sizes: Ints, relevant: Bools, windows: Ints, tile: Ints, count: Ints) -> float:
    """Elements of all tiles of an operand, at least: with the halo of windows, less what the best slide saves."""
    total = 1.0
    for d in range(sizes.shape[0]):
        if relevant[operand, d]:
            total *= sizes[d]
    if operand != INPUTS or windows[0, 0] < 0:
        return total
    # Shares of each window's touched elements: as they are, and with one of its dimensions whole (a slide).
    plain, best = 1.0, 1.0
    for w in range(windows.shape[0]):
        d1, d2 = windows[w, 0], windows[w, 2]
        if d1 < 0:
            continue
        every = float(sizes[d1]) * sizes[d2]
        t1, t2 = min(tile[d1], sizes[d1]), min(tile[d2], sizes[d2])
        halo = _window(sizes, windows, w, count[d1], count[d2], t1, t2) / every
        slid = min(
            _window(sizes, windows, w, 1, count[d2], sizes[d1], t2),
            _window(sizes, windows, w, count[d1], 1, t1, sizes[d2]),
        ) / every
        plain *= min(halo, slid) if windows[1, 0] < 0 else halo
        best = min(best, slid / halo) if halo > 0 else best
    if windows[1, 0] >= 0:
        plain *= best
    return total * plain


@kernel
def spread_between(start: Start, operand: int, begin: int, end: int, relevant: Bools) -> tuple[float, float]:
    """Units along which an operand does not change, from boundary `begin` to `end`: (all, served by one access)."""
    every, shared = 1.0, 1.0
    for b in range(begin, end):
        for d in range(relevant.shape[1]):
            if not relevant[operand, d]:
                every *= start.every[b, d]
                shared *= start.shared[b, operand, d]
    return every, shared


@kernel
def output_energy(
    times: float, copies: float, first: float, level: int, parent: int, child: int, read_pj: Floats, write_pj: Floats
) -> float:
    """Energy per output element of a node's traffic up and back, where sums below start at zero in idle reducers."""
    back = times - 1.0 + first
    energy = (times - 1.0) * write_pj[parent, 3] + write_pj[parent, OUTPUTS]
    energy += (copies - 1.0) * read_pj[level, 3] + read_pj[level, OUTPUTS]
    energy += back * (read_pj[parent, 3] + write_pj[level, 3])
    refill = read_pj[level, 3] + (write_pj[child, 3] if child >= 0 else 0.0)
    return energy - (1.0 - first) * (copies - times) * refill


@kernel
def node_line(
    node: int,
    placed: int,
    space: Space,
    start: Start,
    elements: float,
    relevant: Bools,
    first: float,
    read_pj: Floats,
    write_pj: Floats,
) -> tuple[float, float]:
    """(a, b) of the least energy a + b * visits of a node's traffic; visits are tiles in time, at least 1."""
    level, operand, parent, child = space.nodes[node, 0], space.nodes[node, 1], space.nodes[node, 2], space.nodes[node, 3]
    every, shared = spread_between(start, operand, placed, space.nodes[node, 4], relevant)
    apart = every / shared
    if operand == OUTPUTS:
        one = output_energy(apart, every, first, level, parent, child, read_pj, write_pj)
        two = output_energy(2.0 * apart, 2.0 * every, first, level, parent, child, read_pj, write_pj)
        if not space.perfect:
            two = min(
                two,
                output_energy(apart + 1.0, every + 1.0, first, level, parent, child, read_pj, write_pj),
            )
        slope = elements * (two - one)
        return elements * one - slope, slope
    rate = 1.0 if not space.perfect else 0.0
    read, write = read_pj[parent, operand], write_pj[level, operand]
    slope = elements * (read * (1.0 if rate > 0 else apart) + write * (1.0 if rate > 0 else every))
    return elements * (read * apart + write * every) - slope, slope


@kernel
def _least_excess(
    slope1: float, c1: float, slope2: float, c2: float, room: float, size2: float, size3: float
) -> float:
    """Least of ``slope1 * (c1/g - 1) + slope2 * (c2/h - 1)`` over reuses g <= c1, h <= c2 that the room allows.

    The room holds the second tile grown by g and the third grown by g*h. The first term falls with g, the second
    rises, both are convex: the minimum is where their slopes meet, moved into the range.
    """
    most = room / (size2 + size3) if size2 + size3 > 0.0 else np.inf
    if most < 1.0:
        return np.inf
    g = min(c1, most)
    if slope2 > 0.0 and size3 > 0.0:
        flat = room / (size2 + c2 * size3)
        meet = g
        if slope1 > 0.0:
            meet = room / (size2 + np.sqrt(slope2 * c2 * size3 * room / (slope1 * c1)))
        else:
            meet = 1.0
        g = max(1.0, min(g, max(meet, flat)))
    reach = c2
    if size3 > 0.0:
        reach = max(1.0, min(c2, (room - size2 * g) / (size3 * g)))
    return (slope1 * (c1 / g - 1.0) + slope2 * (c2 / reach - 1.0)) * (1.0 - 1e-9)


@kernel
def pool_excess(slopes: Floats, counts: Floats, tiles: Floats, doubles: bool, batch: bool, room: float) -> float:
    """What a memory shared by up to three operands costs, at least, above one visit for each tile of each.

    Per operand: `slopes` is the cost of a further visit (below 0: not held here), `counts` the tiles of the group of
    dimensions that do not index it, `tiles` the bits of its smallest tile. One of the operands is visited once; the
    one before it as often as the room leaves tiles of its group; the first as often as its reuse leaves. `doubles`:
    tiles that change are held twice; `batch`: all tiles change. inf: not even the smallest tiles fit.
    """
    best = np.inf
    held = 0
    for x in range(3):
        held += 1 if slopes[x] >= 0.0 else 0
    if held == 0:
        return 0.0
    whole = 0.0
    for x in range(3):
        if slopes[x] >= 0.0:
            size = tiles[x]
            for y in range(3):
                if y != x:
                    size *= counts[y]
            whole += size * (2.0 if doubles and batch else 1.0)
    if whole <= room:
        return 0.0
    for x1 in range(3):
        for step in range(1, 3):
            x2 = (x1 + step) % 3
            x3 = 3 - x1 - x2
            # Doubled where a dimension that indexes the operand has tiles left to come.
            two1 = 2.0 if doubles and (batch or counts[x2] > 1.0 or counts[x3] > 1.0) else 1.0
            two2 = 2.0 if doubles and (batch or counts[x3] > 1.0) else 1.0
            two3 = 2.0 if doubles else 1.0
            if slopes[x3] < 0.0:
                two3 = 0.0
            elif two3 == 2.0 and not batch:
                # The last operand may be whole, held once: the room for it is what counts.
                size3 = tiles[x3] * counts[x1] * counts[x2]
                size2 = tiles[x2] * two2 * counts[x1] if slopes[x2] >= 0.0 else 0.0
                size1 = tiles[x1] * two1 if slopes[x1] >= 0.0 else 0.0
                if size1 + size2 + size3 <= room:
                    return 0.0
            left = room - (tiles[x1] * two1 if slopes[x1] >= 0.0 else 0.0)
            slope1, slope2 = max(slopes[x1], 0.0), max(slopes[x2], 0.0)
            size2 = tiles[x2] * two2 if slopes[x2] >= 0.0 else 0.0
            value = _least_excess(slope1, counts[x1], slope2, counts[x2], left, size2, tiles[x3] * two3)
            best = min(best, value)
    return best


@kernel
def _partial_sums(
    node: int, passed: int, sizes: Ints, relevant: Bools, space: Space, start: Start, visits: Floats, closed: Bools
) -> bool:
    """Whether sums surely come to an output node before they are complete: they take the accumulator's width."""
    for b in range(passed, space.n_bounds):
        for d in range(sizes.shape[0]):
            if not relevant[OUTPUTS, d] and start.shared[b, OUTPUTS, d] > 1:
                return True
    child = space.nodes[node, 3]
    if child >= 0:
        for k in range(space.nodes.shape[0]):
            if space.nodes[k, 0] == child and space.nodes[k, 1] == OUTPUTS:
                return closed[k] and visits[k] > 1.0
        return False
    if start.folded:
        return True
    for d in range(sizes.shape[0]):
        if not relevant[OUTPUTS, d]:
            inside = start.base[d]
            for b in range(passed):
                inside *= start.shared[b, OUTPUTS, d]
            if inside < sizes[d]:
                return True
    return False


@kernel
def _width(
    node: int,
    passed: int,
    sizes: Ints,
    relevant: Bools,
    space: Space,
    start: Start,
    visits: Floats,
    closed: Bools,
    bits: Floats,
) -> float:
    """Stored bits of an element of a node's tile."""
    operand = space.nodes[node, 1]
    if operand == OUTPUTS and _partial_sums(node, passed, sizes, relevant, space, start, visits, closed):
        return bits[3]
    return min(bits[2], bits[3]) if operand == OUTPUTS else bits[operand]


@kernel
def held_bits(
    node: int,
    passed: int,
    sizes: Ints,
    relevant: Bools,
    windows: Ints,
    space: Space,
    start: Start,
    levels: Floats,
    width: float,
    tile: Ints,
    count: Ints,
) -> float:
    """Bits of its level that a node takes: its tile, twice where that changes in time and the level double-buffers."""
    level, operand = space.nodes[node, 0], space.nodes[node, 1]
    need = box(operand, sizes, relevant, windows, tile) * width
    if levels[level, DOUBLE_BUFFER] <= 0:
        return need
    for d in range(sizes.shape[0]):
        if relevant[operand, d]:
            left = count[d]
            for b in range(passed, space.n_bounds):
                left = _ceil(left, start.every[b, d])
            if left > 1:
                return 2.0 * need
    return need


@kernel
def close_node(
    node: int,
    placed: int,
    passed: int,
    elements: float,
    sizes: Ints,
    relevant: Bools,
    space: Space,
    start: Start,
    count: Ints,
    first: float,
    bits: Floats,
    read_pj: Floats,
    write_pj: Floats,
    reading: Floats,
    writing: Floats,
) -> tuple[float, float]:
    """Energy of a node's traffic and how often each tile is visited; adds its bits to `reading` and `writing`."""
    level, operand, parent, child = space.nodes[node, 0], space.nodes[node, 1], space.nodes[node, 2], space.nodes[node, 3]
    fills, reads = 1.0, 1.0
    for d in range(sizes.shape[0]):
        if relevant[operand, d]:
            continue
        fills *= count[d]
        left = count[d]
        for b in range(passed, space.nodes[node, 4]):
            left = _ceil(left, start.shared[b, operand, d])
        reads *= left
        for b in range(placed, passed):
            fills *= start.every[b, d]
            reads *= start.every[b, d] // start.shared[b, operand, d]
    if operand != OUTPUTS:
        reading[parent] += elements * reads * bits[operand]
        writing[level] += elements * fills * bits[operand]
        return elements * (reads * read_pj[parent, operand] + fills * write_pj[level, operand]), reads
    writing[parent] += elements * ((reads - 1.0) * bits[3] + bits[2])
    reading[level] += elements * ((fills - 1.0) * bits[3] + min(bits[2], bits[3]))
    apart, _ = spread_between(start, OUTPUTS, space.nodes[node, 4], space.n_bounds, relevant)
    if apart <= 1.0:
        reading[parent] += elements * (reads - 1.0) * bits[3]
        writing[level] += elements * (reads - 1.0) * bits[3]
    return elements * output_energy(reads, fills, first, level, parent, child, read_pj, write_pj), reads


@kernel
def busy_cycles(reading: Floats, writing: Floats, levels: Floats, used: Floats, operand_bw: Floats) -> float:
    """Cycles that the busiest level's ports take, at least (levels with bandwidths by operand are left out)."""
    slowest = 0.0
    for level in range(levels.shape[0]):
        if operand_bw[level, 0] > 0 or operand_bw[level, 1] > 0 or operand_bw[level, 2] > 0:
            continue
        if levels[level, SHARED_PORTS] > 0:
            busy = (reading[level] + writing[level]) / levels[level, READ_BW]
        else:
            busy = max(reading[level] / levels[level, READ_BW], writing[level] / levels[level, WRITE_BW])
        slowest = max(slowest, busy / used[level])
    return slowest


LATENCY, ENERGY, EDP, WEIGHTED = 0, 1, 2, 3


@kernel
def score(objective: int, cycles: float, energy_pj: float, weights: Floats) -> float:
    """What is minimised, in cycles and pJ."""
    if objective == LATENCY:
        return cycles
    if objective == ENERGY:
        return energy_pj
    if objective == EDP:
        return cycles * energy_pj
    return cycles ** weights[0] * energy_pj ** weights[1]


class Walk(NamedTuple):
    """The state of a walk through one program: a row per step, so that going back is going up a row."""

    tile: Ints
    count: Ints
    factor: Ints
    """(S,): what each loop of the program has at the moment."""
    energy: Floats
    need: Floats
    """(S, L): bits taken of each level."""
    reading: Floats
    writing: Floats
    rest_pj: Floats
    """(S,): the least energy of what a step and those after it add."""
    rest_read: Floats
    rest_write: Floats
    elements: Floats
    visits: Floats
    position: Ints
    closed: Bools


class Goal(NamedTuple):
    """What is minimised, and what no mapping changes."""

    objective: int
    weights: Floats
    fixed_pj: float
    pj_per_cycle: float
    cycle_limit: float


class Best(NamedTuple):
    """The best mapping known: `value` (score, second, cycles, energy), its loops (outermost first) and tiles."""

    value: Floats
    loops: Ints
    """(3, MAX_LOOPS): dim, factor, axis."""
    tiles: Ints
    base: Ints
    n_loops: Ints
    counters: Ints
    """[0] costed, [1] left by a bound, [2] over capacity, [3] steps walked, [4] complete mappings reached."""
    front: Floats
    """(2, points): cycles and energy of the Pareto front, where one is asked for; no columns otherwise."""


SCORE, SECOND, CYCLES, ENERGY_OF, N_FRONT = range(5)
COSTED, BOUNDED, OVERFULL, WALKED, REACHED = range(5)
# Columns of a program's steps.
OP, ARG, PLACED, HINT, PASSED, ALONE, SEGMENT = range(7)


@kernel
def hopeless(cycles: float, energy_pj: float, goal: Goal, best: Best) -> bool:
    """Whether no mapping that takes at least this can be better than what is known."""
    if cycles > goal.cycle_limit:
        return True
    n_front = int(best.value[N_FRONT])
    if best.front.shape[1] > 0:
        for i in range(n_front):
            if best.front[0, i] <= cycles * (1 + 1e-12) and best.front[1, i] <= energy_pj * (1 + 1e-12):
                return True
        return False
    value = score(goal.objective, cycles, energy_pj, goal.weights)
    if value > best.value[SCORE] * (1 + 1e-12):
        return True
    second = energy_pj if goal.objective == LATENCY else cycles
    return value > best.value[SCORE] * (1 - 1e-12) and second > best.value[SECOND] * (1 - 1e-12)


@kernel
def _admit(cycles: float, energy_pj: float, goal: Goal, best: Best) -> bool:
    """Take a mapping in as the best one (or into the front) if it is better; whether it was."""
    if cycles > goal.cycle_limit:
        return False
    if best.front.shape[1] > 0:
        n = int(best.value[N_FRONT])
        for i in range(n):
            if best.front[0, i] <= cycles and best.front[1, i] <= energy_pj:
                return False
        kept = 0
        for i in range(n):
            if not (cycles <= best.front[0, i] and energy_pj <= best.front[1, i]):
                best.front[0, kept], best.front[1, kept] = best.front[0, i], best.front[1, i]
                kept += 1
        if kept < best.front.shape[1]:
            best.front[0, kept], best.front[1, kept] = cycles, energy_pj
            kept += 1
        best.value[N_FRONT] = float(kept)
    value = score(goal.objective, cycles, energy_pj, goal.weights)
    second = energy_pj if goal.objective == LATENCY else cycles
    if value > best.value[SCORE] or (value == best.value[SCORE] and second >= best.value[SECOND]):
        return False
    best.value[SCORE], best.value[SECOND] = value, second
    best.value[CYCLES], best.value[ENERGY_OF] = cycles, energy_pj
    return True


@kernel
def _append(nest: Nest, segment: Ints, n: int, dim: int, factor: int, axis: int, which: int) -> int:
    if factor > 1:
        nest.dim[n], nest.factor[n], nest.axis[n], segment[n] = dim, factor, axis, which
        return n + 1
    return n


@kernel
def inner_loops(
    program: Ints,
    n_steps: int,
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
    for step in range(n_steps):
        op, arg = program[step, OP], program[step, ARG]
        if op == PLACE:
            walk.position[arg] = n
        elif op == SPREAD:
            for back in range(slot_dim.shape[0]):
                i = slot_dim.shape[0] - 1 - back
                if slot_bound[i] == arg and slot_dim[i] >= 0:
                    n = _append(nest, segment, n, slot_dim[i], slot_factor[i], slot_axis[i], -1)
        elif op == GROW or op == FILL:
            n = _append(nest, segment, n, arg, walk.factor[step], -1, program[step, SEGMENT])
    last = program[n_steps - 1, SEGMENT]
    for d in range(walk.count.shape[1]):
        n = _append(nest, segment, n, d, walk.count[n_steps - 1, d], -1, last)
    return n


@kernel
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


@kernel
def _reverse(nest: Nest, n: int) -> None:
    for i in range(n // 2):
        j = n - 1 - i
        nest.dim[i], nest.dim[j] = nest.dim[j], nest.dim[i]
        nest.factor[i], nest.factor[j] = nest.factor[j], nest.factor[i]
        nest.axis[i], nest.axis[j] = nest.axis[j], nest.axis[i]


@kernel
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
    if _admit(cycles, energy, goal, best):
        best.n_loops[0] = n
        for i in range(n):
            best.loops[0, i], best.loops[1, i], best.loops[2, i] = nest.dim[i], nest.factor[i], nest.axis[i]
        best.tiles[:] = tiles
        best.base[:] = nest.base


@kernel
def leaf(
    program: Ints,
    n_steps: int,
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
    nest: Nest,
    segment: Ints,
    tiles: Ints,
    goal: Goal,
    best: Best,
) -> None:
    """Cost the walk's mapping, with every way in which the windows of inputs can slide.

    `homes[level, operand]`: the position of tiles that are no nodes: 0 for the outermost, -1 where there is none.
    """
    sliding = 0
    if shape.windows[0, 0] >= 0:
        for k in range(space.nodes.shape[0]):
            sliding += 1 if space.nodes[k, 1] == INPUTS else 0
    total = 1
    variant = 0
    while variant < total:
        n = inner_loops(
            program, n_steps, walk, slot_dim, slot_factor, slot_axis, slot_bound, nest, segment
        )
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
        tiles[:] = homes
        for k in range(space.nodes.shape[0]):
            tiles[space.nodes[k, 0], space.nodes[k, 1]] = n - walk.position[k]
        _cost_leaf(shape, nest, n, tiles, machine, scratch, goal, best)
        variant += 1


@kernel
def next_factor(count: int, most: int, divisors: Ints, dim: int, perfect: int) -> int:
    """The largest useful factor up to `most` for a dimension with `count` tiles; 0 when there is none.

    Useful: the least factor for its number of tiles, or where factors must divide, a divisor.
    """
    if most < 1:
        return 0
    if most >= count:
        return count
    if not perfect:
        return _ceil(count, _ceil(count, most))
    for back in range(divisors.shape[1]):
        divisor = divisors[dim, divisors.shape[1] - 1 - back]
        if 0 < divisor <= most and count % divisor == 0:
            return divisor
    return 0


@kernel
def most_growth(
    step: int,
    dim: int,
    program: Ints,
    walk: Walk,
    shape: Shape,
    space: Space,
    start: Start,
    machine: Machine,
) -> int:
    """The most that a dimension can grow: the next node that it indexes must fit, spatial loops above have their share."""
    count = walk.count[step, dim]
    most = count
    for b in range(program[step, PASSED], space.n_bounds):
        units = start.every[b, dim]
        if units > 1:
            most = min(most, (count - 1) // (units - 1) if not space.perfect else count // units)
            if not space.perfect and most >= 1 and _ceil(count, most) < units:
                most -= 1
    hint = program[step, HINT]
    if hint < 0 or most <= 1:
        return most
    level, operand = space.nodes[hint, 0], space.nodes[hint, 1]
    width = machine.bits[operand] if operand != OUTPUTS else min(machine.bits[2], machine.bits[3])
    room = machine.levels[level, CAPACITY] - machine.levels[level, RESERVED] - walk.need[step, level]
    size = box(operand, shape.sizes, shape.relevant, shape.windows, walk.tile[step]) * width
    if size > room:
        return 0
    tile = walk.tile[step, dim]
    whole = size / min(tile, shape.sizes[dim]) * shape.sizes[dim]
    if whole <= room and most >= count:
        return most
    if size * most <= room:
        return most
    return min(most, int(room / size))


@kernel
def _copy_row(step: int, walk: Walk) -> None:
    for d in range(walk.tile.shape[1]):
        walk.tile[step + 1, d] = walk.tile[step, d]
        walk.count[step + 1, d] = walk.count[step, d]
    walk.energy[step + 1] = walk.energy[step]
    for level in range(walk.need.shape[1]):
        walk.need[step + 1, level] = walk.need[step, level]
        walk.reading[step + 1, level] = walk.reading[step, level]
        walk.writing[step + 1, level] = walk.writing[step, level]


@kernel
def _least_cycles(
    step: int, walk: Walk, compute: float, used: Floats, machine: Machine, reading: Floats, writing: Floats
) -> float:
    if not machine.count[MEMORY_STALLS]:
        return compute
    for level in range(used.shape[0]):
        reading[level] = walk.reading[step, level] + walk.rest_read[step, level]
        writing[level] = walk.writing[step, level] + walk.rest_write[step, level]
    return max(compute, np.ceil(busy_cycles(reading, writing, machine.levels, used, machine.operand_bw) - 1e-6))


@kernel
def _grow(step: int, factor: int, dim: int, walk: Walk) -> None:
    _copy_row(step, walk)
    walk.factor[step] = factor
    walk.tile[step + 1, dim] = walk.tile[step, dim] * factor
    walk.count[step + 1, dim] = _ceil(walk.count[step, dim], factor)


@kernel
def walk_program(
    program: Ints,
    n_steps: int,
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
    nest: Nest,
    segment: Ints,
    tiles: Ints,
    goal: Goal,
    best: Best,
    most_steps: int,
) -> bool:
    """All mappings of one program from one start, depth first. False when `most_steps` ended it before its time.

    Row 0 of `walk` is set. Factors are tried from the largest down; where the loop stands alone before its node's
    traffic is counted, the first that a bound rules out ends the series, as smaller ones only cost more.
    """
    first = machine.count[FIRST_PARTIAL_READ]
    n_levels = machine.levels.shape[0]
    reading, writing = np.zeros(n_levels), np.zeros(n_levels)
    step = 0
    forward = True
    while step >= 0:
        if not forward:
            step -= 1
            if step < 0:
                break
            if program[step, OP] != GROW:
                continue
            dim = program[step, ARG]
            factor = next_factor(walk.count[step, dim], walk.factor[step] - 1, space.divisors, dim, space.perfect)
            if factor == 0:
                continue
            _grow(step, factor, dim, walk)
            step += 1
            forward = True
            continue
        best.counters[WALKED] += 1
        if best.counters[WALKED] > most_steps:
            return False
        op, arg = program[step, OP], program[step, ARG]
        if op == GROW:
            most = most_growth(step, arg, program, walk, shape, space, start, machine)
            factor = next_factor(walk.count[step, arg], most, space.divisors, arg, space.perfect)
            if factor == 0:
                forward = False
                continue
            _grow(step, factor, arg, walk)
        elif op == FILL:
            _grow(step, walk.count[step, arg], arg, walk)
        elif op == SPREAD:
            _copy_row(step, walk)
            good = True
            for d in range(shape.sizes.shape[0]):
                units = start.every[arg, d]
                if units > 1:
                    count = walk.count[step, d]
                    good = good and count >= units and not (space.perfect and count % units > 0)
                    walk.tile[step + 1, d] = walk.tile[step, d] * units
                    walk.count[step + 1, d] = _ceil(count, units)
            if not good:
                forward = False
                continue
        elif op == PLACE:
            _copy_row(step, walk)
            for k in range(space.nodes.shape[0]):
                walk.closed[k] = False
            for before in range(step):
                if program[before, OP] == CLOSE:
                    walk.closed[program[before, ARG]] = True
            level = space.nodes[arg, 0]
            passed = program[step, PASSED]
            width = _width(
                arg, passed, shape.sizes, shape.relevant, space, start, walk.visits, walk.closed, machine.bits
            )
            tile, count = walk.tile[step], walk.count[step]
            walk.need[step + 1, level] += held_bits(
                arg,
                passed,
                shape.sizes,
                shape.relevant,
                shape.windows,
                space,
                start,
                machine.levels,
                width,
                tile,
                count,
            )
            if walk.need[step + 1, level] > machine.levels[level, CAPACITY] - machine.levels[level, RESERVED]:
                best.counters[OVERFULL] += 1
                forward = False
                continue
            walk.elements[arg] = least_elements(
                space.nodes[arg, 1], shape.sizes, shape.relevant, shape.windows, tile, count
            )
        elif op == CLOSE:
            _copy_row(step, walk)
            energy, visits = close_node(
                arg,
                program[step, PLACED],
                program[step, PASSED],
                walk.elements[arg],
                shape.sizes,
                shape.relevant,
                space,
                start,
                walk.count[step],
                first,
                machine.bits,
                machine.read_pj,
                machine.write_pj,
                walk.reading[step + 1],
                walk.writing[step + 1],
            )
            walk.visits[arg] = visits
            walk.energy[step + 1] += energy
            cycles = _least_cycles(step + 1, walk, compute, used, machine, reading, writing)
            least_pj = (
                walk.energy[step + 1] + walk.rest_pj[step + 1] + goal.fixed_pj + goal.pj_per_cycle * cycles
            )
            if hopeless(cycles, least_pj, goal, best):
                best.counters[BOUNDED] += 1
                forward = False
                if program[step, ALONE] > 0 and space.steady[arg]:
                    # Go back past the loop: its smaller factors cost more.
                    step -= program[step, ALONE]
                continue
        else:
            best.counters[REACHED] += 1
            leaf(
                program,
                n_steps,
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
                nest,
                segment,
                tiles,
                goal,
                best,
            )
            forward = False
            continue
        step += 1
    return True


class Starts(NamedTuple):
    """All ways to begin, S of them, as `Start` says, with what each costs before any tile is chosen."""

    base: Ints
    every: Ints
    """(S, B, D)"""
    shared: Ints
    """(S, B, 3, D)"""
    folded: Ints
    slot_dim: Ints
    """(S, slots)"""
    slot_factor: Ints
    slot_axis: Ints
    slot_bound: Ints
    compute: Floats
    energy: Floats
    """(S,): of what moves between the innermost levels and the PEs."""
    reading: Floats
    """(S, L): bits."""
    writing: Floats
    used: Floats
    """(S, L): instances at work."""


class Programs(NamedTuple):
    """P programs of up to N steps (`program` columns above), their lengths, and which level each memory pool is."""

    steps: Ints
    lengths: Ints


@kernel
def _node_least(
    node: int, placed: int, shape: Shape, space: Space, start: Start, machine: Machine
) -> tuple[float, float]:
    """(least energy, energy of each further visit or 0) of a node that is still to come."""
    tile = np.ones(shape.sizes.shape[0], np.int64)
    operand = space.nodes[node, 1]
    elements = 1.0
    if operand == INPUTS and shape.windows[0, 0] >= 0:
        elements = box(operand, shape.sizes, shape.relevant, shape.windows, shape.sizes)
    else:
        elements = least_elements(operand, shape.sizes, shape.relevant, shape.windows, tile, tile)
    first = machine.count[FIRST_PARTIAL_READ]
    base, slope = node_line(
        node, placed, space, start, elements, shape.relevant, first, machine.read_pj, machine.write_pj
    )
    if slope >= 0.0:
        return base + slope, slope
    visits = 1.0
    for d in range(shape.sizes.shape[0]):
        if not shape.relevant[operand, d]:
            visits *= shape.sizes[d]
    return base + slope * visits, 0.0


@kernel
def _node_bits(
    node: int, placed: int, shape: Shape, space: Space, start: Start, machine: Machine, read: Floats, write: Floats
) -> float:
    """Adds the least bits a node moves through the ports of its parent and its level; bits of a further visit."""
    level, operand, parent = space.nodes[node, 0], space.nodes[node, 1], space.nodes[node, 2]
    elements = box(operand, shape.sizes, shape.relevant, shape.windows, shape.sizes)
    every, shared = spread_between(start, operand, placed, space.nodes[node, 4], shape.relevant)
    apart = every / shared
    if operand != OUTPUTS:
        read[parent] += elements * apart * machine.bits[operand]
        write[level] += elements * every * machine.bits[operand]
        return elements * machine.bits[operand] * (1.0 if not space.perfect else apart)
    write[parent] += elements * ((apart - 1.0) * machine.bits[3] + machine.bits[2])
    read[level] += elements * ((every - 1.0) * machine.bits[3] + min(machine.bits[2], machine.bits[3]))
    return elements * machine.bits[3] * (1.0 if not space.perfect else apart)


@kernel
def pool_excesses(
    shape: Shape, space: Space, start: Start, machine: Machine, placed: Ints, excess: Floats, traffic: Floats
) -> bool:
    """Least energy of each level's nodes above one visit each, and least bits above that at each level's parents.

    placed[level]: boundaries inside a level. False when some level cannot hold even the smallest tiles.
    """
    n_dims, n_levels = shape.sizes.shape[0], machine.levels.shape[0]
    slopes, rates, counts, tiles = np.zeros(3), np.zeros(3), np.ones(3), np.zeros(3)
    tile = np.ones(n_dims, np.int64)
    scrap_read, scrap_write = np.zeros(n_levels), np.zeros(n_levels)
    for level in range(n_levels):
        excess[level] = 0.0
        slopes[:] = -1.0
        rates[:] = -1.0
        parent = -1
        same = True
        batch = False
        for d in range(n_dims):
            tile[d] = start.base[d]
            for b in range(placed[level]):
                tile[d] *= start.every[b, d]
        for x in range(3):
            counts[x] = 1.0
        for d in range(n_dims):
            above = 1
            for b in range(placed[level], space.n_bounds):
                above *= start.every[b, d]
            left = shape.sizes[d] / (float(min(tile[d], shape.sizes[d])) * above)
            lacking = -1
            for x in range(3):
                if not shape.relevant[x, d]:
                    lacking = x
            if lacking >= 0:
                counts[lacking] *= max(left, 1.0)
            elif left > 1.0:
                batch = True
        windows = shape.windows[0, 0] >= 0
        for k in range(space.nodes.shape[0]):
            if space.nodes[k, 0] != level:
                continue
            operand = space.nodes[k, 1]
            _, slope = _node_least(k, placed[level], shape, space, start, machine)
            slopes[operand] = slope
            rates[operand] = _node_bits(k, placed[level], shape, space, start, machine, scrap_read, scrap_write)
            if parent >= 0 and space.nodes[k, 2] != parent:
                same = False
            parent = space.nodes[k, 2]
            width = machine.bits[operand]
            if operand == OUTPUTS:
                width = min(machine.bits[2], machine.bits[3])
                if space.nodes[k, 3] < 0 and _sums_in_time(shape, start, placed[level]):
                    width = machine.bits[3]
            size = width
            for d in range(n_dims):
                if shape.relevant[operand, d]:
                    size *= min(tile[d], shape.sizes[d])
            if operand == INPUTS and windows:
                # A window's box is at least its tile of output rows and columns: filter taps come on top.
                for w in range(shape.windows.shape[0]):
                    if shape.windows[w, 0] >= 0:
                        taps = shape.sizes[shape.windows[w, 2]]
                        size /= taps
            tiles[operand] = size
        if parent < 0:
            continue
        room = machine.levels[level, CAPACITY] - machine.levels[level, RESERVED]
        doubles = machine.levels[level, DOUBLE_BUFFER] > 0
        excess[level] = pool_excess(slopes, counts, tiles, doubles, batch, room)
        if excess[level] == np.inf:
            return False
        if same and machine.operand_bw[parent].sum() == 0:
            if machine.levels[parent, SHARED_PORTS] > 0:
                pass
            elif rates[OUTPUTS] >= 0.0:
                rates[OUTPUTS] = 0.0
            traffic[parent] += pool_excess(rates, counts, tiles, doubles, batch, room)
    return True


@kernel
def _sums_in_time(shape: Shape, start: Start, passed: int) -> bool:
    if start.folded:
        return True
    for d in range(shape.sizes.shape[0]):
        if not shape.relevant[OUTPUTS, d]:
            inside = start.base[d]
            for b in range(passed):
                inside *= start.shared[b, OUTPUTS, d]
            if inside < shape.sizes[d]:
                return True
    return False


@kernel
def _set_rest(
    program: Ints,
    n_steps: int,
    placed: Ints,
    shape: Shape,
    space: Space,
    start: Start,
    machine: Machine,
    excess: Floats,
    traffic: Floats,
    parents: Ints,
    walk: Walk,
) -> None:
    """What the steps from each one on cost, at least: one visit of each node not yet counted, and what pools add."""
    n_levels = machine.levels.shape[0]
    walk.rest_pj[n_steps] = 0.0
    walk.rest_read[n_steps, :] = 0.0
    walk.rest_write[n_steps, :] = 0.0
    for back in range(n_steps):
        step = n_steps - 1 - back
        walk.rest_pj[step] = walk.rest_pj[step + 1]
        for level in range(n_levels):
            walk.rest_read[step, level] = walk.rest_read[step + 1, level]
            walk.rest_write[step, level] = walk.rest_write[step + 1, level]
        if program[step, OP] == CLOSE:
            node = program[step, ARG]
            within = placed[space.nodes[node, 0]]
            least, _ = _node_least(node, within, shape, space, start, machine)
            walk.rest_pj[step] += least
            _node_bits(node, within, shape, space, start, machine, walk.rest_read[step], walk.rest_write[step])
    for level in range(n_levels):
        first = -1
        for step in range(n_steps):
            if program[step, OP] == PLACE and space.nodes[program[step, ARG], 0] == level:
                first = step
                break
        if first < 0:
            continue
        for step in range(first + 1):
            walk.rest_pj[step] += excess[level]
            if parents[level] >= 0:
                walk.rest_read[step, parents[level]] += traffic[level]


@kernel
def start_of(starts: Starts, s: int) -> Start:
    return Start(starts.base[s], starts.every[s], starts.shared[s], starts.folded[s])


@kernel
def least_of_start(
    s: int,
    shape: Shape,
    space: Space,
    starts: Starts,
    machine: Machine,
    placed: Ints,
    parents: Ints,
    goal: Goal,
    excess: Floats,
    traffic: Floats,
    reading: Floats,
    writing: Floats,
) -> tuple[float, float]:
    """(cycles, energy in pJ) that no mapping from a start goes below; inf where none fits."""
    start = start_of(starts, s)
    n_levels = machine.levels.shape[0]
    by_parent = np.zeros(n_levels)
    for level in range(n_levels):
        reading[level], writing[level] = starts.reading[s, level], starts.writing[s, level]
        traffic[level] = 0.0
    if not pool_excesses(shape, space, start, machine, placed, excess, by_parent):
        return np.inf, np.inf
    energy = starts.energy[s]
    for k in range(space.nodes.shape[0]):
        within = placed[space.nodes[k, 0]]
        least, _ = _node_least(k, within, shape, space, start, machine)
        energy += least
        _node_bits(k, within, shape, space, start, machine, reading, writing)
    for level in range(n_levels):
        energy += excess[level]
        if parents[level] >= 0:
            # Several pools may share a parent: what they add is credited to the first of them.
            traffic[level] = by_parent[parents[level]]
            by_parent[parents[level]] = 0.0
            reading[parents[level]] += traffic[level]
    cycles = starts.compute[s]
    if machine.count[MEMORY_STALLS]:
        busy = busy_cycles(reading, writing, machine.levels, starts.used[s], machine.operand_bw)
        cycles = max(cycles, np.ceil(busy - 1e-6))
    return cycles, energy + goal.fixed_pj + goal.pj_per_cycle * cycles


@kernel
def least_of_starts(
    shape: Shape,
    space: Space,
    starts: Starts,
    machine: Machine,
    placed: Ints,
    parents: Ints,
    goal: Goal,
    least: Floats,
) -> None:
    """Fill `least` (S, 2) with what no mapping from each start goes below: cycles, energy in pJ."""
    n_levels = machine.levels.shape[0]
    excess, traffic = np.zeros(n_levels), np.zeros(n_levels)
    reading, writing = np.zeros(n_levels), np.zeros(n_levels)
    for s in range(least.shape[0]):
        least[s, 0], least[s, 1] = least_of_start(
            s, shape, space, starts, machine, placed, parents, goal, excess, traffic, reading, writing
        )


@kernel
def explore(
    order: Ints,
    begin: int,
    shape: Shape,
    space: Space,
    starts: Starts,
    programs: Programs,
    machine: Machine,
    scratch: Scratch,
    placed: Ints,
    parents: Ints,
    homes: Ints,
    taken: Floats,
    least: Floats,
    goal: Goal,
    best: Best,
    most_steps: int,
) -> int:
    """Search the starts `order[begin:]` until `most_steps` are walked; the index of the first one not finished.

    `taken[level]`: bits of each level that operands kept whole there take.
    """
    n_dims, n_levels, n_nodes = shape.sizes.shape[0], machine.levels.shape[0], space.nodes.shape[0]
    rows = programs.steps.shape[1] + 1
    walk = Walk(
        np.ones((rows, n_dims), np.int64),
        np.ones((rows, n_dims), np.int64),
        np.ones(rows, np.int64),
        np.zeros(rows),
        np.zeros((rows, n_levels)),
        np.zeros((rows, n_levels)),
        np.zeros((rows, n_levels)),
        np.zeros(rows),
        np.zeros((rows, n_levels)),
        np.zeros((rows, n_levels)),
        np.zeros(max(1, n_nodes)),
        np.zeros(max(1, n_nodes)),
        np.zeros(max(1, n_nodes), np.int64),
        np.zeros(max(1, n_nodes), np.bool_),
    )
    nest = Nest(
        np.zeros(MAX_LOOPS, np.int64),
        np.ones(MAX_LOOPS, np.int64),
        np.full(MAX_LOOPS, -1, np.int64),
        np.ones(n_dims, np.int64),
    )
    segment = np.zeros(MAX_LOOPS, np.int64)
    tiles = np.full((n_levels, 3), -1, np.int64)
    excess, traffic = np.zeros(n_levels), np.zeros(n_levels)
    reading, writing = np.zeros(n_levels), np.zeros(n_levels)
    for at in range(begin, order.shape[0]):
        s = order[at]
        if hopeless(least[s, 0], least[s, 1], goal, best):
            best.counters[BOUNDED] += 1
            continue
        start = start_of(starts, s)
        least_of_start(
            s, shape, space, starts, machine, placed, parents, goal, excess, traffic, reading, writing
        )
        nest.base[:] = start.base
        for p in range(programs.lengths.shape[0]):
            n_steps = programs.lengths[p]
            _set_rest(
                programs.steps[p],
                n_steps,
                placed,
                shape,
                space,
                start,
                machine,
                excess,
                traffic,
                parents,
                walk,
            )
            initial_counts(shape.sizes, start, space.n_bounds, walk.tile[0], walk.count[0])
            walk.energy[0] = starts.energy[s]
            walk.need[0, :] = taken
            walk.reading[0, :] = starts.reading[s]
            walk.writing[0, :] = starts.writing[s]
            cycles = _least_cycles(0, walk, starts.compute[s], starts.used[s], machine, reading, writing)
            energy = walk.energy[0] + walk.rest_pj[0] + goal.fixed_pj + goal.pj_per_cycle * cycles
            if hopeless(cycles, energy, goal, best):
                best.counters[BOUNDED] += 1
                continue
            done = walk_program(
                programs.steps[p],
                n_steps,
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
                nest,
                segment,
                tiles,
                goal,
                best,
                most_steps,
            )
            if not done:
                return at
    return order.shape[0]
