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

from archsim.core.kernels import inner_kernel, kernel
from archsim.sim.cost_kernels import cost, fits
from archsim.sim.kernels import (
    CAPACITY,
    DOUBLE_BUFFER,
    ENERGY_PJ,
    FIRST_PARTIAL_READ,
    INPUTS,
    MAX_LOOPS,
    MEMORY_STALLS,
    NO_RESERVE,
    OUTPUTS,
    PSUM_REREADS,
    READ_BW,
    REFILL_ALL,
    RESERVE,
    RESERVED,
    RETURNING,
    SHARED_PORTS,
    THROUGHPUT,
    TOTAL,
    WHOLE_HALO,
    WIDE_FINALS,
    WRITE_BACK_READ,
    WRITE_BW,
    Bools,
    Floats,
    Ints,
    Machine,
    Nest,
    Scratch,
    Shape,
)
from archsim.sim.traffic_kernels import partial_visits, returning

PLACE, SPREAD, GROW, FILL, CLOSE, BOUND, BRANCH, LEAF = range(8)
"""Steps of a program: place a node, put in the spatial loops of a boundary, grow a dimension by any factor or to its
full size, count a node's traffic, look ahead at what the rest of a level costs, go on with one of several nodes, cost the mapping."""


class Space(NamedTuple):
    """What does not change while one problem is searched. D dimensions, L levels, K nodes, B spatial boundaries."""

    nodes: Ints
    """(K, 6): level, operand, parent level, child level of the operand (-1: none), boundaries inside the parent, node of
    the child level."""
    divisors: Ints
    """(D, longest): divisors of each size, ascending, 0 behind them; no rows where factors need not divide."""
    perfect: int
    n_bounds: int
    steady: Bools
    """(K,): more visits always cost more energy."""
    slopes: Floats
    """(K,): energy of a further visit to all tiles of a node, at least, from the present start; 0 where it may fall."""
    rates: Floats
    """(K,): bits through the parent's ports of a further visit."""
    least: Floats
    """(K,): energy of one visit."""
    bits: Floats
    """(K, 4): bits of one visit that the parent reads and writes and the level reads and writes."""
    serial: Ints
    """(L, 3): 1 where a level feeds another one that has no double buffer for an operand."""
    fixed: Ints
    """(K, D): sizes that a node's tile must have; 0: free."""
    pools: Ints
    """(pools, 6): nodes of inputs, weights, outputs (-1: none), the level they share (-1: each has its own), their
    parent (-1: several), boundaries inside all of them. What a pool's tiles cost is bounded together."""


class Start(NamedTuple):
    """One way to begin: an array tile and spatial loops. Products of the spatial factors by boundary."""

    base: Ints
    every: Ints
    """(B, D): spatial factors of a boundary."""
    shared: Ints
    """(B, 3, D): those along which one access serves all units."""
    folded: int
    """Whether sums are folded inside the array tile."""
    sums: float
    """Partial sums of each output that PEs bring to the innermost level."""


@inner_kernel
def _ceil(a: int, b: int) -> int:
    return (a + b - 1) // b


@inner_kernel
def _copy_ints(source: Ints, target: Ints) -> None:
    for i in range(target.shape[0]):
        target[i] = source[i]


@inner_kernel
def _copy_floats(source: Floats, target: Floats) -> None:
    for i in range(target.shape[0]):
        target[i] = source[i]


@inner_kernel
def _copy_tiles(source: Ints, target: Ints) -> None:
    for i in range(target.shape[0]):
        for j in range(target.shape[1]):
            target[i, j] = source[i, j]


@inner_kernel
def initial_counts(shape_sizes: Ints, start: Start, tile: Ints, count: Ints) -> None:
    """Tile and number of tiles of each dimension before the first step."""
    for d in range(shape_sizes.shape[0]):
        tile[d] = start.base[d]
        count[d] = _ceil(shape_sizes[d], start.base[d])


@inner_kernel
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


@inner_kernel
def _window(sizes: Ints, windows: Ints, w: int, n1: int, n2: int, t1: int, t2: int) -> float:
    d1, a, d2, b = windows[w, 0], windows[w, 1], windows[w, 2], windows[w, 3]
    s1, s2 = sizes[d1], sizes[d2]
    every = float(s1) * s2
    if a * (t1 - 1) + b * (t2 - 1) + 1 > t1 * t2:
        return float(every)
    return float(min(float(a * (s1 - n1) * n2 + b * (s2 - n2) * n1 + n1 * n2), every))


@inner_kernel
def least_elements(operand: int, shape: Shape, machine: Machine, tile: Ints, count: Ints) -> float:
    """Elements of all tiles of an operand, at least: with the halo of windows, less what the best slide saves."""
    sizes, windows = shape.sizes, shape.windows
    distinct = box(operand, sizes, shape.relevant, windows, sizes)
    if operand != INPUTS or windows[0, 0] < 0:
        return distinct
    total = 1.0
    for d in range(sizes.shape[0]):
        if shape.relevant[operand, d]:
            total *= sizes[d]
    # The share of what a window touches that is moved; a slide along one of its dimensions makes that one whole.
    best = 1.0
    for w in range(windows.shape[0]):
        d1, d2 = windows[w, 0], windows[w, 2]
        if d1 < 0:
            continue
        every = float(sizes[d1]) * sizes[d2]
        t1, t2 = min(tile[d1], sizes[d1]), min(tile[d2], sizes[d2])
        halo = _window(sizes, windows, w, count[d1], count[d2], t1, t2) / every
        total *= halo
        if not machine.counting[WHOLE_HALO]:
            slid = _window(sizes, windows, w, 1, count[d2], sizes[d1], t2)
            slid = min(slid, _window(sizes, windows, w, count[d1], 1, t1, sizes[d2]))
            best = min(best, slid / every / halo)
    return max(total * best, distinct)


@inner_kernel
def spread_between(start: Start, operand: int, begin: int, end: int, relevant: Bools) -> tuple[float, float]:
    """Units along which an operand does not change, from boundary `begin` to `end`: (all, served by one access)."""
    every, shared = 1.0, 1.0
    for b in range(begin, end):
        for d in range(relevant.shape[1]):
            if not relevant[operand, d]:
                every *= start.every[b, d]
                shared *= start.shared[b, operand, d]
    return every, shared


@inner_kernel
def output_energy(
    times: float, copies: float, every: float, below: float, level: int, parent: int, child: int, machine: Machine
) -> float:
    """Energy per output element of a node's traffic up and back.

    `times` partial sums come to the parent from `copies` tiles in `every` instances that hold the same elements. Sums
    that start at zero here save a refill further in, where `below` of them come up; those savings are credited here.
    """
    counting, read_pj, write_pj = machine.counting, machine.read_pj, machine.write_pj
    first, wide = counting[FIRST_PARTIAL_READ], counting[WIDE_FINALS]
    partial = partial_visits(times, 1.0, wide)
    energy = partial * write_pj[parent, 3] + (times - partial) * write_pj[parent, OUTPUTS]
    if counting[WRITE_BACK_READ]:
        partial = partial_visits(copies, 1.0, wide)
        energy += partial * read_pj[level, 3] + (copies - partial) * read_pj[level, OUTPUTS]
    back = returning(times, 1.0, first)
    fills = returning(copies, every, first) if counting[REFILL_ALL] else back
    energy += back * read_pj[parent, 3] + fills * write_pj[level, 3]
    refill = write_pj[child, 3] if child >= 0 else 0.0
    if child >= 0 or counting[PSUM_REREADS]:
        refill += read_pj[level, 3]
    if first == 0.0:
        return float(energy - (copies - fills - 1.0) * refill)
    if first == RETURNING and every > 1.0:
        return float(energy - below * refill)
    return float(energy)


@inner_kernel
def node_line(
    node: int, placed: int, space: Space, start: Start, elements: float, shape: Shape, machine: Machine
) -> tuple[float, float]:
    """(least energy, energy of a further visit) of a node's traffic; the latter 0 where visits might save energy."""
    level, operand, parent, child = (
        space.nodes[node, 0],
        space.nodes[node, 1],
        space.nodes[node, 2],
        space.nodes[node, 3],
    )
    every, shared = spread_between(start, operand, placed, space.nodes[node, 4], shape.relevant)
    apart = every / shared
    if operand != OUTPUTS:
        read = machine.read_pj[parent, operand]
        write = machine.write_pj[level, operand] if level >= 0 else 0.0
        further = (read * apart + write * every) if space.perfect else (read + write)
        return elements * (read * apart + write * every), elements * further
    most = 1.0
    for d in range(shape.sizes.shape[0]):
        if not shape.relevant[OUTPUTS, d]:
            most *= shape.sizes[d]
    whole, _ = spread_between(start, OUTPUTS, placed, space.n_bounds, shape.relevant)
    one = output_energy(apart, every, whole, most, level, parent, child, machine)
    two = output_energy(2.0 * apart, 2.0 * every, whole, most, level, parent, child, machine)
    if not space.perfect:
        two = min(two, output_energy(apart + 1.0, every + 1.0, whole, most, level, parent, child, machine))
    if two >= one:
        return elements * one, elements * (two - one)
    last = output_energy(most * apart, most * every, whole, most, level, parent, child, machine)
    return elements * min(one, last), 0.0


@inner_kernel
def _least_excess(slope1: float, c1: float, slope2: float, c2: float, room: float, size2: float, size3: float) -> float:
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


@inner_kernel
def pool_excess(
    slope0: float,
    slope1: float,
    slope2: float,
    count0: float,
    count1: float,
    count2: float,
    size0: float,
    size1: float,
    size2: float,
    doubles: bool,
    batch: bool,
    room: float,
) -> float:
    """What a memory shared by up to three operands costs, at least, above one visit for each tile of each.

    Per operand: the cost of a further visit (below 0: not held here), how many tiles the dimensions that do not index
    it make, and the bits of its smallest tile. One of the operands is visited once; the one before it as often as the
    room leaves tiles of its group; the first as often as its reuse leaves. `doubles`: tiles that change are held twice;
    `batch`: all tiles change. inf: not even the smallest tiles fit.
    """
    best = _in_order(slope0, slope1, slope2, count0, count1, count2, size0, size1, size2, doubles, batch, room)
    if best <= 0.0:
        return 0.0
    best = min(
        best, _in_order(slope0, slope2, slope1, count0, count2, count1, size0, size2, size1, doubles, batch, room)
    )
    best = min(
        best, _in_order(slope1, slope0, slope2, count1, count0, count2, size1, size0, size2, doubles, batch, room)
    )
    best = min(
        best, _in_order(slope1, slope2, slope0, count1, count2, count0, size1, size2, size0, doubles, batch, room)
    )
    best = min(
        best, _in_order(slope2, slope0, slope1, count2, count0, count1, size2, size0, size1, doubles, batch, room)
    )
    return min(
        best, _in_order(slope2, slope1, slope0, count2, count1, count0, size2, size1, size0, doubles, batch, room)
    )


@inner_kernel
def _in_order(
    slope1: float,
    slope2: float,
    slope3: float,
    count1: float,
    count2: float,
    count3: float,
    size1: float,
    size2: float,
    size3: float,
    doubles: bool,
    batch: bool,
    room: float,
) -> float:
    """`pool_excess` with the operands' tiles in this order, innermost first."""
    # Doubled where a dimension that indexes the operand has tiles left to come.
    two1 = 2.0 if doubles and (batch or count2 > 1.0 or count3 > 1.0) else 1.0
    two2 = 2.0 if doubles and (batch or count3 > 1.0) else 1.0
    first = size1 * two1 if slope1 >= 0.0 else 0.0
    second = size2 * two2 if slope2 >= 0.0 else 0.0
    third = size3 if slope3 >= 0.0 else 0.0
    if doubles and third > 0.0:
        # The last tile may be whole, and held once.
        if first + second * count1 + third * count1 * count2 * (2.0 if batch else 1.0) <= room:
            return 0.0
        third *= 2.0
    return _least_excess(max(slope1, 0.0), count1, max(slope2, 0.0), count2, room - first, second, third)


@inner_kernel
def _partial_sums(
    node: int, passed: int, sizes: Ints, relevant: Bools, space: Space, start: Start, visits: Floats, closed: bool
) -> bool:
    """Whether sums surely come to an output node before they are complete: they take the accumulator's width."""
    for b in range(passed, space.n_bounds):
        for d in range(sizes.shape[0]):
            if not relevant[OUTPUTS, d] and start.shared[b, OUTPUTS, d] > 1:
                return True
    child = space.nodes[node, 5]
    if child >= 0:
        return closed and visits[child] > 1.0
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


@inner_kernel
def held_bits(
    node: int, passed: int, partial: bool, shape: Shape, space: Space, start: Start, machine: Machine, count: Ints
) -> float:
    """Bits of its level that an element of a node takes: doubled where tiles change in time and the level has two."""
    level, operand = space.nodes[node, 0], space.nodes[node, 1]
    stored = machine.stored_bits[level]
    width = stored[operand]
    if operand == OUTPUTS:
        width = stored[3] if partial else min(stored[2], stored[3])
    if not doubles(level, machine):
        return float(width)
    for d in range(shape.sizes.shape[0]):
        if shape.relevant[operand, d]:
            left = count[d]
            for b in range(passed, space.n_bounds):
                left = _ceil(left, start.every[b, d])
            if left > 1:
                return float(2.0 * width)
    return float(width)


@inner_kernel
def doubles(level: int, machine: Machine) -> bool:
    """Whether a level keeps room for the next tile."""
    if machine.counting[RESERVE] == NO_RESERVE:
        return False
    return bool(machine.levels[level, DOUBLE_BUFFER] > 0 or machine.counting[RESERVE] != 0)


@inner_kernel
def _serial(level: int, operand: int, space: Space) -> int:
    """Where in a table of port bits a level and operand count: behind the levels' own rows if nothing overlaps."""
    return int(level + space.serial[level, operand] * space.serial.shape[0])


@inner_kernel
def close_node(
    node: int,
    placed: int,
    passed: int,
    elements: float,
    shape: Shape,
    space: Space,
    start: Start,
    count: Ints,
    visits: Floats,
    machine: Machine,
    reading: Floats,
    writing: Floats,
) -> tuple[float, float]:
    """Energy of a node's traffic and how often each tile is visited; adds its bits to `reading` and `writing`."""
    level, operand, parent, child = (
        space.nodes[node, 0],
        space.nodes[node, 1],
        space.nodes[node, 2],
        space.nodes[node, 3],
    )
    bits = machine.bits
    fills, reads = 1.0, 1.0
    for d in range(shape.sizes.shape[0]):
        if shape.relevant[operand, d]:
            continue
        fills *= count[d]
        left = count[d]
        for b in range(passed, space.nodes[node, 4]):
            left = _ceil(left, start.shared[b, operand, d])
        reads *= left
        for b in range(placed, passed):
            fills *= start.every[b, d]
            reads *= start.every[b, d] // start.shared[b, operand, d]
    at = _serial(parent, operand, space)
    if operand != OUTPUTS:
        reading[at] += elements * reads * bits[operand]
        energy = elements * reads * machine.read_pj[parent, operand]
        if level >= 0:
            writing[_serial(level, operand, space)] += elements * fills * bits[operand]
            energy += elements * fills * machine.write_pj[level, operand]
        return energy, reads
    within = _serial(level, operand, space)
    writing[at] += elements * ((reads - 1.0) * bits[3] + min(bits[2], bits[3]))
    if machine.counting[WRITE_BACK_READ]:
        reading[within] += elements * ((fills - 1.0) * bits[3] + min(bits[2], bits[3]))
    whole, _ = spread_between(start, OUTPUTS, placed, space.n_bounds, shape.relevant)
    apart, _ = spread_between(start, OUTPUTS, space.nodes[node, 4], space.n_bounds, shape.relevant)
    if apart <= 1.0:
        reading[at] += elements * (reads - 1.0) * bits[3]
        if whole <= 1.0:
            writing[within] += elements * (reads - 1.0) * bits[3]
    below = start.sums if space.nodes[node, 5] < 0 else visits[space.nodes[node, 5]]
    return elements * output_energy(reads, fills, whole, below, level, parent, child, machine), reads


@inner_kernel
def _port_cycles(level: int, read: float, written: float, machine: Machine) -> float:
    if machine.operand_bw[level, 0] > 0 or machine.operand_bw[level, 1] > 0 or machine.operand_bw[level, 2] > 0:
        return 0.0
    if machine.levels[level, SHARED_PORTS] > 0:
        return float((read + written) / machine.levels[level, READ_BW])
    return float(max(read / machine.levels[level, READ_BW], written / machine.levels[level, WRITE_BW]))


@inner_kernel
def least_time(
    compute: float, firsts: float, reading: Floats, writing: Floats, used: Floats, machine: Machine
) -> float:
    """Cycles, at least, of an op that computes for `compute` and moves these bits, `firsts` before or after it.

    The second half of the rows is of levels that feed others without double buffers: nothing overlaps with those.
    Levels with bandwidths by operand are left out.
    """
    if not machine.counting[MEMORY_STALLS]:
        return compute
    n_levels = used.shape[0]
    slowest, serial = 0.0, 0.0
    for level in range(n_levels):
        if machine.counting[THROUGHPUT]:
            read, written = reading[level] + reading[level + n_levels], writing[level] + writing[level + n_levels]
            slowest = max(slowest, _port_cycles(level, read, written, machine) / used[level])
        else:
            slowest = max(slowest, _port_cycles(level, reading[level], writing[level], machine) / used[level])
            beside = _port_cycles(level, reading[level + n_levels], writing[level + n_levels], machine)
            serial += beside / used[level]
    if machine.counting[THROUGHPUT]:
        return float(max(compute, np.ceil(slowest - 1e-6)))
    return float(np.ceil(max(compute + firsts, slowest) + serial - 1e-6))


@inner_kernel
def start_elements(node: int, shape: Shape, space: Space, start: Start, machine: Machine) -> float:
    """Elements that all tiles of a node to come have, at least: what PEs hold is one tile of the array's."""
    operand = space.nodes[node, 1]
    if operand != INPUTS or space.nodes[node, 0] >= 0:
        return box(operand, shape.sizes, shape.relevant, shape.windows, shape.sizes)
    total = 1.0
    for d in range(shape.sizes.shape[0]):
        if shape.relevant[operand, d]:
            total *= shape.sizes[d]
    for w in range(shape.windows.shape[0]):
        d1, d2 = shape.windows[w, 0], shape.windows[w, 2]
        if d1 < 0:
            continue
        shared1, shared2 = 1, 1
        for b in range(space.n_bounds):
            shared1 *= start.shared[b, INPUTS, d1]
            shared2 *= start.shared[b, INPUTS, d2]
        if shared1 > 1 or shared2 > 1 or start.base[d1] > 1 or start.base[d2] > 1:
            return box(operand, shape.sizes, shape.relevant, shape.windows, shape.sizes)
    return total


@inner_kernel
def _node_least(
    node: int, placed: int, shape: Shape, space: Space, start: Start, machine: Machine
) -> tuple[float, float]:
    """(least energy, energy of each further visit or 0) of a node that is still to come."""
    elements = start_elements(node, shape, space, start, machine)
    return node_line(node, placed, space, start, elements, shape, machine)


@inner_kernel
def _node_bits(node: int, placed: int, shape: Shape, space: Space, start: Start, machine: Machine) -> float:
    """Fill in the least bits that a node moves through its parent's ports and its own; bits of a further visit."""
    operand = space.nodes[node, 1]
    elements = start_elements(node, shape, space, start, machine)
    every, shared = spread_between(start, operand, placed, space.nodes[node, 4], shape.relevant)
    apart = every / shared
    bits = machine.bits
    further = 1.0 if not space.perfect else apart
    if operand != OUTPUTS:
        space.bits[node, 0] = elements * apart * bits[operand]
        space.bits[node, 3] = elements * every * bits[operand]
        return float(elements * bits[operand] * further)
    space.bits[node, 1] = elements * ((apart - 1.0) * bits[3] + min(bits[2], bits[3]))
    if machine.counting[WRITE_BACK_READ]:
        space.bits[node, 2] = elements * ((every - 1.0) * bits[3] + min(bits[2], bits[3]))
    return float(elements * bits[3] * further)


@inner_kernel
def add_node_bits(node: int, space: Space, reading: Floats, writing: Floats) -> None:
    """Add what `_node_bits` has filled in."""
    level, operand, parent = space.nodes[node, 0], space.nodes[node, 1], space.nodes[node, 2]
    at = _serial(parent, operand, space)
    reading[at] += space.bits[node, 0]
    writing[at] += space.bits[node, 1]
    if level >= 0:
        at = _serial(level, operand, space)
        reading[at] += space.bits[node, 2]
        writing[at] += space.bits[node, 3]


@inner_kernel
def _apart(slope1: float, slope2: float, count1: float, count2: float, room2: float, room3: float) -> float:
    """`_least_excess` of tiles in memories of their own: the second may grow `room2` times, the third `room3` times."""
    most = min(count1, room2, room3)
    if most < 1.0:
        return np.inf
    g = most
    if slope2 > 0.0 and room3 < np.inf:
        g = room3 / count2
        if slope1 > 0.0:
            g = max(g, np.sqrt(slope1 * count1 * room3 / (slope2 * count2)))
        g = max(1.0, min(g, most))
    reach = max(1.0, min(count2, room3 / g))
    return (slope1 * (count1 / g - 1.0) + slope2 * (count2 / reach - 1.0)) * (1.0 - 1e-9)


@inner_kernel
def _apart_in_order(
    slope1: float,
    slope2: float,
    slope3: float,
    count1: float,
    count2: float,
    count3: float,
    room1: float,
    room2: float,
    room3: float,
    twice: int,
    batch: bool,
    first: int,
    second: int,
    third: int,
) -> float:
    """`_apart` with the operands' tiles in this order; rooms are in tiles of one, bits of `twice` mark double buffers."""
    changes1 = batch or count2 > 1.0 or count3 > 1.0
    if slope1 >= 0.0 and room1 < (2.0 if changes1 and (twice >> first) & 1 else 1.0):
        return np.inf
    if slope2 < 0.0:
        room2 = np.inf
    elif (batch or count3 > 1.0) and (twice >> second) & 1:
        room2 /= 2.0
    if slope3 < 0.0:
        room3 = np.inf
    elif (twice >> third) & 1:
        # The last tile may be whole, and held once.
        room3 = np.inf if room3 >= count1 * count2 * (2.0 if batch else 1.0) else room3 / 2.0
    return _apart(max(slope1, 0.0), max(slope2, 0.0), count1, count2, room2, room3)


@inner_kernel
def _tile_bits(node: int, passed: int, shape: Shape, space: Space, start: Start, machine: Machine, tile: Ints) -> float:
    """Bits that a node's tile takes, at least, and that grow with its factors: a window's box grows with its rows."""
    level, operand = space.nodes[node, 0], space.nodes[node, 1]
    width = 1.0
    if level >= 0:
        stored = machine.stored_bits[level]
        width = stored[operand]
        if operand == OUTPUTS:
            width = min(stored[2], stored[3])
            if space.nodes[node, 3] < 0 and _sums_in_time(shape, start, passed):
                width = stored[3]
    size = width
    for d in range(tile.shape[0]):
        if shape.relevant[operand, d]:
            size *= min(tile[d], shape.sizes[d])
    if operand == INPUTS:
        for w in range(shape.windows.shape[0]):
            if shape.windows[w, 0] >= 0:
                size /= shape.sizes[shape.windows[w, 2]]
    return size


@inner_kernel
def pool_line(
    pool: int,
    passed: int,
    missing: int,
    shape: Shape,
    space: Space,
    start: Start,
    machine: Machine,
    tile: Ints,
    need: Floats,
) -> tuple[float, float]:
    """(energy in pJ, bits through the parent's ports) that the nodes of a pool cost above one visit each, at least.

    `tile` is what lies inside them, `missing` marks the operands (bit 0: inputs, ...) whose nodes are still to be
    placed, `need` the bits taken of each level. (inf, inf): not even the smallest tiles fit. Bits are 0 where the
    nodes have several parents.
    """
    count0, count1, count2 = 1.0, 1.0, 1.0
    batch = False
    for d in range(tile.shape[0]):
        above = 1
        for b in range(passed, space.n_bounds):
            above *= start.every[b, d]
        left = shape.sizes[d] / (float(min(tile[d], shape.sizes[d])) * above)
        if left <= 1.0:
            continue
        if not shape.relevant[0, d]:
            count0 *= left
        elif not shape.relevant[1, d]:
            count1 *= left
        elif not shape.relevant[2, d]:
            count2 *= left
        else:
            batch = True
    slope0, slope1, slope2 = -1.0, -1.0, -1.0
    rate0, rate1, rate2 = -1.0, -1.0, -1.0
    size0, size1, size2 = 0.0, 0.0, 0.0
    twice = 0
    joint = space.pools[pool, 3]
    for operand in range(3):
        node = space.pools[pool, operand]
        if node < 0 or not (missing >> operand) & 1:
            continue
        level = space.nodes[node, 0]
        size = _tile_bits(node, passed, shape, space, start, machine, tile)
        if level >= 0 and doubles(level, machine):
            twice |= 1 << operand
        if joint < 0:
            # The room in tiles of this size.
            free = 1.0
            if level >= 0:
                free = machine.levels[level, CAPACITY] - machine.levels[level, RESERVED] - need[level]
            size = free / size
        if operand == 0:
            slope0, rate0, size0 = space.slopes[node], space.rates[node], size
        elif operand == 1:
            slope1, rate1, size1 = space.slopes[node], space.rates[node], size
        else:
            slope2, rate2, size2 = space.slopes[node], space.rates[node], size
    room = 0.0
    if joint >= 0:
        room = machine.levels[joint, CAPACITY] - machine.levels[joint, RESERVED] - need[joint]
    energy = _pool(slope0, slope1, slope2, count0, count1, count2, size0, size1, size2, twice, batch, room, joint >= 0)
    parent = space.pools[pool, 4]
    if energy == np.inf or parent < 0:
        return energy, 0.0
    if machine.operand_bw[parent, 0] + machine.operand_bw[parent, 1] + machine.operand_bw[parent, 2] > 0:
        return energy, 0.0
    if machine.levels[parent, SHARED_PORTS] <= 0 and rate2 >= 0.0:
        rate2 = 0.0
    return energy, _pool(
        rate0, rate1, rate2, count0, count1, count2, size0, size1, size2, twice, batch, room, joint >= 0
    )


@inner_kernel
def _pool(
    slope0: float,
    slope1: float,
    slope2: float,
    count0: float,
    count1: float,
    count2: float,
    size0: float,
    size1: float,
    size2: float,
    twice: int,
    batch: bool,
    room: float,
    joint: bool,
) -> float:
    if joint:
        return pool_excess(slope0, slope1, slope2, count0, count1, count2, size0, size1, size2, twice > 0, batch, room)
    best = np.inf
    for first in range(3):
        for step in range(1, 3):
            second = (first + step) % 3
            third = 3 - first - second
            s1 = slope0 if first == 0 else (slope1 if first == 1 else slope2)
            s2 = slope0 if second == 0 else (slope1 if second == 1 else slope2)
            s3 = slope0 if third == 0 else (slope1 if third == 1 else slope2)
            c1 = count0 if first == 0 else (count1 if first == 1 else count2)
            c2 = count0 if second == 0 else (count1 if second == 1 else count2)
            c3 = count0 if third == 0 else (count1 if third == 1 else count2)
            r1 = size0 if first == 0 else (size1 if first == 1 else size2)
            r2 = size0 if second == 0 else (size1 if second == 1 else size2)
            r3 = size0 if third == 0 else (size1 if third == 1 else size2)
            value = _apart_in_order(s1, s2, s3, c1, c2, c3, r1, r2, r3, twice, batch, first, second, third)
            best = min(best, value)
    return best


@inner_kernel
def pool_excesses(
    shape: Shape,
    space: Space,
    start: Start,
    machine: Machine,
    taken: Floats,
    tile: Ints,
    excess: Floats,
    traffic: Floats,
) -> bool:
    """`pool_line` of every pool with all its nodes to come; False when some level cannot hold the least tiles."""
    for pool in range(space.pools.shape[0]):
        inside = space.pools[pool, 5]
        for d in range(shape.sizes.shape[0]):
            tile[d] = start.base[d]
            for b in range(inside):
                tile[d] *= start.every[b, d]
        excess[pool], traffic[pool] = pool_line(pool, inside, 7, shape, space, start, machine, tile, taken)
        if excess[pool] == np.inf:
            return False
    return True


@inner_kernel
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


LATENCY, ENERGY, EDP, WEIGHTED = 0, 1, 2, 3


@inner_kernel
def score(objective: int, cycles: float, energy_pj: float, weights: Floats) -> float:
    """What is minimised, in cycles and pJ."""
    if objective == LATENCY:
        return cycles
    if objective == ENERGY:
        return energy_pj
    if objective == EDP:
        return cycles * energy_pj
    return float(cycles ** weights[0] * energy_pj ** weights[1])


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


class Goal(NamedTuple):
    """What is minimised, and what no mapping changes."""

    objective: int
    weights: Floats
    fixed_pj: float
    pj_per_cycle: float
    cycle_limit: float
    ties: int
    """Whether a mapping that is as good counts if it is better otherwise: less time, or for latency less energy."""


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
# Columns of a program's steps. PLACED: boundaries passed when a closed node was placed; whether the child of a placed
# one is closed; operands that a look ahead counts; alternatives of a branch. PARENT: of a pool; the node whose words a loop fills. LEFT, OPEN, AHEAD: bit masks of nodes not
# placed yet, of nodes not closed yet, of pools not looked at yet. BACK: steps from a close to the last loop before it.
OP, ARG, PLACED, PARENT, PASSED, BACK, SEGMENT, LEFT, OPEN, AHEAD = range(10)


@inner_kernel
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
    if not goal.ties:
        return bool(value >= best.value[SCORE] * (1 - 1e-12))
    second = energy_pj if goal.objective == LATENCY else cycles
    return bool(value > best.value[SCORE] * (1 - 1e-12) and second > best.value[SECOND] * (1 - 1e-12))


@inner_kernel
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
        elif op == GROW or op == FILL:
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
    if _admit(cycles, energy, goal, best):
        best.n_loops[0] = n
        for i in range(n):
            best.loops[0, i], best.loops[1, i], best.loops[2, i] = nest.dim[i], nest.factor[i], nest.axis[i]
        _copy_tiles(tiles, best.tiles)
        _copy_ints(nest.base, best.base)


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
        _copy_tiles(homes, tiles)
        for k in range(space.nodes.shape[0]):
            if space.nodes[k, 0] >= 0:
                tiles[space.nodes[k, 0], space.nodes[k, 1]] = n - walk.position[k]
        _cost_leaf(shape, nest, n, tiles, machine, scratch, goal, best)
        variant += 1


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
        return _ceil(count, _ceil(count, most))
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
            most = min(most, (count - 1) // (units - 1) if not space.perfect else count // units)
            if not space.perfect and most >= 1 and _ceil(count, most) < units:
                most -= 1
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
            most = max(most, int(np.ceil(word / held)), 2)
    return most


@inner_kernel
def _in_window(dim: int, windows: Ints) -> bool:
    for w in range(windows.shape[0]):
        if windows[w, 0] == dim or windows[w, 2] == dim:
            return True
    return False


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
    walk.counts[row + 1, dim] = _ceil(walk.counts[row, dim], factor)


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
            if count < units or (perfect and count % units > 0):
                return False
            walk.tile[row + 1, d] = walk.tile[row, d] * units
            walk.counts[row + 1, d] = _ceil(count, units)
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
    partial = operand == OUTPUTS and _partial_sums(node, passed, sizes, relevant, space, start, walk.visits, closed)
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
        walk.firsts[row + 1] += _port_cycles(parent, read, written, machine) / used[parent]
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
    most_steps: int,
) -> bool:
    """All mappings from one start, depth first. False when `most_steps` ended it before its time.

    Row 0 of `walk` is set. Factors are tried from the largest down; the first that a bound rules out ends the series
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
                factor = next_factor(walk.counts[row, dim], walk.factor[row] - 1, space.divisors, dim, space.perfect)
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
        if best.counters[WALKED] > most_steps:
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
                if step[BACK] > 0 and space.steady[arg]:
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


class Starts(NamedTuple):
    """All ways to begin, S of them, as `Start` says, with what each costs before any tile is chosen."""

    base: Ints
    every: Ints
    """(S, B, D)"""
    shared: Ints
    """(S, B, 3, D)"""
    folded: Ints
    sums: Floats
    slot_dim: Ints
    """(S, slots)"""
    slot_factor: Ints
    slot_axis: Ints
    slot_bound: Ints
    compute: Floats
    streamed: Floats
    """(S,): cycles in which operands stream, without fill and drain."""
    energy: Floats
    """(S,): of what moves between the innermost levels and the PEs."""
    reading: Floats
    """(S, 2 L): bits, as `least_time` takes them."""
    writing: Floats
    used: Floats
    """(S, L): instances at work."""


@inner_kernel
def set_lines(
    start: Start, shape: Shape, space: Space, machine: Machine, placed: Ints, reading: Floats, writing: Floats
) -> float:
    """Fill in what each node costs, at least, from a start; adds the bits of one visit of each; their energy."""
    energy = 0.0
    for k in range(space.nodes.shape[0]):
        within = placed[space.nodes[k, 0]] if space.nodes[k, 0] >= 0 else 0
        least, slope = _node_least(k, within, shape, space, start, machine)
        space.least[k], space.slopes[k] = least, slope
        space.steady[k] = slope > 0.0
        space.rates[k] = _node_bits(k, within, shape, space, start, machine)
        add_node_bits(k, space, reading, writing)
        energy += least
    return energy


@inner_kernel
def start_of(starts: Starts, s: int) -> Start:
    return Start(starts.base[s], starts.every[s], starts.shared[s], starts.folded[s], starts.sums[s])


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


def new_best(n_dims: int, n_levels: int, front: int, known: float) -> Best:
    """Nothing found yet; only what scores below `known` will count."""
    return Best(
        value=np.array([known, np.inf, np.inf, np.inf, 0.0]),
        loops=np.zeros((3, MAX_LOOPS), np.int64),
        tiles=np.full((n_levels, 3), -1, np.int64),
        base=np.ones(n_dims, np.int64),
        n_loops=np.full(1, -1, np.int64),
        counters=np.zeros(5, np.int64),
        front=np.zeros((2, front)),
    )


@kernel
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
    most_steps: int,
) -> int:
    """Search the starts `order[begin:]` until `most_steps` are walked; the index of the first one not finished.

    `taken[level]`: bits of each level that operands kept whole there take.
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
        _copy_ints(start.base, walk.nest.base)
        initial_counts(shape.sizes, start, walk.tile[0], walk.counts[0])
        walk.energy[0] = starts.energy[s]
        _copy_floats(taken, walk.need[0])
        _copy_floats(starts.reading[s], walk.reading[0])
        _copy_floats(starts.writing[s], walk.writing[0])
        if not walk_program(
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
            most_steps,
        ):
            return at
    return int(order.shape[0])
