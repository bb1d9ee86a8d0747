"""What one node's traffic costs: as it is once its reuse has ended, and at least before that."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

import numpy as np

from archsim.core.kernels import inlined_kernel
from archsim.mappers.halo_kernels import least_elements, least_share
from archsim.mappers.price_kernels import least_price, most_elements, most_refill, set_prices, zero_all_the_way
from archsim.mappers.space_kernels import (
    ARG,
    FILL,
    GROW,
    OP,
    PLACE,
    SPREAD,
    SUMS,
    Space,
    Start,
    box,
    ceil_div,
    spread_between,
)
from archsim.mappers.state_kernels import DOWN, IN, OUT_FINAL, OUT_PARTIAL, UP_FINAL, UP_PARTIAL, Case, Walk
from archsim.mappers.time_kernels import least_moves, port_cycles
from archsim.sim.kernels import (
    EQUAL,
    FIRST_PARTIAL_READ,
    HALO_MULTICAST,
    INPUTS,
    MAC_HOLDS,
    MEMORY_STALLS,
    OUTPUTS,
    PSUM_REREADS,
    REFILL_ALL,
    RETURNING,
    SHARED_PORTS,
    THROUGHPUT,
    WIDE_FINALS,
    WRITE_BACK_READ,
    Floats,
    Machine,
    Shape,
    whole_elements,
)
from archsim.sim.traffic_kernels import partial_visits, returning


@inlined_kernel
def output_energy(
    times: float, copies: float, every: float, below: float, refill: float, prices: Floats, machine: Machine
) -> float:
    """Energy per output element of a node's traffic up and back, at its `prices` (6,).

    `times` partial sums come to the parent from `copies` tiles in `every` instances that hold the same elements. Sums
    that start at zero here save a `refill` of all tiles further in, where `below` of them come up to the next; those
    savings are credited here.
    """
    counting = machine.counting
    first, wide = counting[FIRST_PARTIAL_READ], counting[WIDE_FINALS]
    partial = partial_visits(times, 1.0, wide)
    energy = partial * prices[UP_PARTIAL] + (times - partial) * prices[UP_FINAL]
    if counting[WRITE_BACK_READ]:
        partial = partial_visits(copies, 1.0, wide)
        energy += partial * prices[OUT_PARTIAL] + (copies - partial) * prices[OUT_FINAL]
    back = returning(times, 1.0, first)
    fills = returning(copies, every, first) if counting[REFILL_ALL] else back
    energy += back * prices[DOWN] + fills * prices[IN]
    if first == 0.0:
        return float(energy - (copies - fills - 1.0) * refill)
    if first == RETURNING and every > 1.0:
        return float(energy - below * refill)
    return float(energy)


@inlined_kernel
def least_between(operand: int, begin: int, end: int, case: Case) -> tuple[float, float]:
    """Units from boundary `begin` to `end` with work to which a tile of an operand goes, at least: (all, accesses).

    Where factors need not divide, the outermost units of a dimension may have one tile more than the others have none.
    """
    start, relevant = case.start, case.shape.relevant
    every, apart = spread_between(start, operand, begin, end, relevant)
    apart = every / apart
    if case.space.perfect:
        return every, apart
    every, apart = 1.0, 1.0
    for d in range(relevant.shape[1]):
        if relevant[operand, d]:
            continue
        all_inside, apart_inside, all_here, apart_here = 1, 1, 1, 1
        for b in range(begin, end):
            units = start.every[b, d]
            if units == 1:
                continue
            served = start.shared[b, operand, d]
            full = start.needed[b, d] - 1
            all_here = full * all_inside + 1
            apart_here = full * apart_inside + 1 if served == 1 else apart_inside
            all_inside *= units
            apart_inside *= units // served
        every *= all_here
        apart *= apart_here
    return every, apart


@inlined_kernel
def _node_line(node: int, placed: int, elements: float, sent: float, case: Case) -> tuple[float, float]:
    """(least energy, energy of a further visit) of a node's traffic; the latter 0 where visits might save energy.

    Visits may be fractions: a tile that units hold in v parts of their steps goes to them v times at least, also where
    the last part is smaller and some have no work in it.
    """
    shape, machine, space, start = case.shape, case.machine, case.space, case.start
    operand, prices, refill = space.nodes[node, 1], case.lines.prices[node], case.lines.refills[node]
    every, apart = least_between(operand, placed, space.nodes[node, 4], case)
    if operand != OUTPUTS:
        once = sent * prices[DOWN] * apart + elements * prices[IN] * every
        return once, once
    most = 1.0
    for d in range(shape.sizes.shape[0]):
        if not shape.relevant[OUTPUTS, d]:
            most *= shape.sizes[d]
    whole, _ = spread_between(start, OUTPUTS, placed, space.n_bounds, shape.relevant)
    one = output_energy(apart, every, whole, most, refill, prices, machine)
    two = output_energy(2.0 * apart, 2.0 * every, whole, most, refill, prices, machine)
    many = output_energy(most * apart, most * every, whole, most, refill, prices, machine)
    # The second visit may cost more than each later one.
    further = min(two - one, (many - one) / max(1.0, most - 1.0)) if most > 1.0 else two - one
    if further >= 0.0:
        return elements * one, elements * further
    every, shared = spread_between(start, OUTPUTS, placed, space.nodes[node, 4], shape.relevant)
    last = output_energy(most * every / shared, most * every, whole, most, refill, prices, machine)
    return elements * min(one, last), 0.0


@inlined_kernel
def _moved(row: int, node: int, dim: int, units: int, case: Case, walk: Walk) -> int:
    """How often a node's tile goes to any of `units` along `dim` between it and `row`: to those that have work.

    Of the tiles above `row` all but the last are full. In the last one the loops are followed from the outermost in.
    """
    inner = row - 1
    while case.steps[walk.step[inner], OP] != PLACE or case.steps[walk.step[inner], ARG] != node:
        inner -= 1
    inner += 1
    tiles, moved = walk.counts[inner, dim], (walk.counts[row, dim] - 1) * units
    span = walk.tile[row, dim] // walk.tile[inner, dim]
    tiles -= (walk.counts[row, dim] - 1) * span
    for back in range(row - inner):
        step = case.steps[walk.step[row - 1 - back]]
        apart = step[OP] == SPREAD
        factor = 1
        if apart:
            factor = case.start.every[step[ARG], dim]
        elif (step[OP] == GROW or step[OP] == FILL) and step[ARG] == dim:
            factor = walk.factor[row - 1 - back]
        elif step[OP] == PLACE:
            factor = walk.tile[row - back, dim] // walk.tile[row - 1 - back, dim]
        if factor == 1:
            continue
        span //= factor
        if apart:
            units //= factor
            moved += (tiles - 1) // span * units
            tiles -= (tiles - 1) // span * span
        else:
            tiles = min(tiles, span)
    return int(moved + 1)


@inlined_kernel
def _refill(node: int, case: Case, walk: Walk) -> float:
    """pJ of an element whose partial sum goes down to an output node's tile, and on to those inside it."""
    energy, inner = walk.prices[node, DOWN] + walk.prices[node, IN], case.space.nodes[node, 5]
    if not zero_all_the_way(case.machine):
        return float(energy)
    while inner >= 0:
        node = inner
        energy += walk.prices[node, DOWN] + walk.prices[node, IN]
        inner = case.space.nodes[node, 5]
    return float(energy + case.lines.refills[node])


@inlined_kernel
def close_node(row: int, node: int, placed: int, passed: int, case: Case, walk: Walk) -> None:
    """Count the traffic of a node whose reuse has ended, at the tiles of `row`, into the row after it."""
    shape, machine, space, start = case.shape, case.machine, case.space, case.start
    level, operand, parent = space.nodes[node, 0], space.nodes[node, 1], space.nodes[node, 2]
    prices, widths = walk.prices[node], walk.widths[node]
    count, elements, leaving = walk.counts[row], walk.elements[node], walk.sent[node]
    reading, writing = walk.reading[row + 1], walk.writing[row + 1]
    fills, reads = 1.0, 1.0
    for d in range(shape.sizes.shape[0]):
        if shape.relevant[operand, d]:
            continue
        left = count[d]
        for b in range(passed, space.nodes[node, 4]):
            left = ceil_div(left, start.shared[b, operand, d])
        units, sent = 1, 1
        for b in range(placed, passed):
            units *= start.every[b, d]
            sent *= start.every[b, d] // start.shared[b, operand, d]
        if units == 1 or space.perfect:
            fills *= count[d] * units
            reads *= left * sent
            continue
        moved = _moved(row, node, d, units, case, walk)
        fills *= moved
        reads *= moved if left == count[d] and sent == units else (left - 1) * sent + 1
    at = case.ports.row[parent, operand]
    walk.visits[node] = reads
    if operand != OUTPUTS:
        reading[at] += leaving * reads * widths[DOWN]
        walk.energy[row + 1] += leaving * reads * prices[DOWN]
        if level >= 0:
            writing[case.ports.row[level, operand]] += elements * fills * widths[IN]
            walk.energy[row + 1] += elements * fills * prices[IN]
        return
    within = case.ports.row[level, operand]
    writing[at] += elements * ((reads - 1.0) * widths[UP_PARTIAL] + widths[UP_FINAL])
    if machine.counting[WRITE_BACK_READ]:
        reading[within] += elements * ((fills - 1.0) * widths[OUT_PARTIAL] + widths[OUT_FINAL])
    whole, _ = spread_between(start, OUTPUTS, placed, space.n_bounds, shape.relevant)
    apart, _ = spread_between(start, OUTPUTS, space.nodes[node, 4], space.n_bounds, shape.relevant)
    if apart <= 1.0:
        reading[at] += elements * (reads - 1.0) * widths[DOWN]
        if whole <= 1.0:
            writing[within] += elements * (reads - 1.0) * widths[IN]
    below, refill = start.totals[SUMS], case.lines.refills[node]
    child = space.nodes[node, 5]
    if child >= 0:
        below, refill = walk.visits[child], _refill(child, case, walk)
    walk.energy[row + 1] += elements * output_energy(reads, fills, whole, below, refill, prices, machine)


@inlined_kernel
def _start_elements(node: int, begin: int, end: int, case: Case) -> float:
    """Elements that all tiles of a node to come have, at least, as units between two boundaries are sent them."""
    shape, machine, start, operand = case.shape, case.machine, case.start, case.space.nodes[node, 1]
    if operand == INPUTS and case.space.nodes[node, 0] < 0:
        # What a PE holds is one tile of the array's.
        return least_elements(operand, begin, end, shape, machine, start, start.base, shape.sizes)
    distinct = box(operand, shape.sizes, shape.relevant, shape.windows, shape.sizes)
    return distinct * least_share(begin, end, shape, machine, start) if operand == INPUTS else distinct


@inlined_kernel
def set_line(node: int, case: Case) -> None:
    """Fill in what a node that is still to come costs at least, and each further visit."""
    space, level = case.space, case.space.nodes[node, 0]
    placed = space.placed[level] if level >= 0 else 0
    elements = _start_elements(node, placed, placed, case)
    sent = _start_elements(node, placed, space.nodes[node, 4], case)
    # What a PE holds is one element; other tiles are not known yet.
    most = most_elements(node, placed, case)
    set_prices(node, placed, 1.0 if level < 0 else 0.0, most, case, case.lines.prices, case.lines.widths)
    case.lines.refills[node] = most_refill(node, placed, case) if space.nodes[node, 1] == OUTPUTS else 0.0
    least, slope = _node_line(node, placed, elements, sent, case)
    case.lines.least[node], case.lines.slopes[node] = least, slope
    case.lines.steady[node] = slope > 0.0
    case.lines.rates[node] = _set_bits(node, placed, elements, sent, case)


@inlined_kernel
def _set_bits(node: int, placed: int, elements: float, sent: float, case: Case) -> float:
    """Fill in the least bits that a node moves through its parent's ports and its own.

    Returns those of a further visit: through the ports that reads take.
    """
    nodes, lines, widths = case.space.nodes, case.lines, case.lines.widths[node]
    operand = nodes[node, 1]
    every, apart = least_between(operand, placed, nodes[node, 4], case)
    if operand != OUTPUTS:
        lines.bits[node, 0] = sent * apart * widths[DOWN]
        lines.bits[node, 3] = elements * every * widths[IN] if nodes[node, 0] >= 0 else 0.0
        return float(sent * widths[DOWN] * apart)
    lines.bits[node, 1] = elements * ((apart - 1.0) * widths[UP_PARTIAL] + widths[UP_FINAL])
    if case.machine.counting[WRITE_BACK_READ]:
        lines.bits[node, 2] = elements * ((every - 1.0) * widths[OUT_PARTIAL] + widths[OUT_FINAL])
    if case.machine.levels[nodes[node, 2], SHARED_PORTS] > 0:
        return float(elements * min(widths[UP_PARTIAL], widths[DOWN]) * apart)
    # Units outside that add to the same sums may each bring their first without one read.
    beyond, _ = spread_between(case.start, OUTPUTS, nodes[node, 4], case.space.n_bounds, case.shape.relevant)
    return float(elements * widths[DOWN]) if beyond <= 1.0 else 0.0


@inlined_kernel
def add_node_bits(node: int, case: Case, reading: Floats, writing: Floats) -> None:
    """Add the bits of one visit of a node."""
    nodes, lines, rows = case.space.nodes, case.lines, case.ports.row
    level, operand, parent = nodes[node, 0], nodes[node, 1], nodes[node, 2]
    at = rows[parent, operand]
    reading[at] += lines.bits[node, 0]
    writing[at] += lines.bits[node, 1]
    if level >= 0:
        at = rows[level, operand]
        reading[at] += lines.bits[node, 2]
        writing[at] += lines.bits[node, 3]


@inlined_kernel
def floors(case: Case, walk: Walk) -> tuple[float, float]:
    """What no start can save: pJ of moving every operand between levels once, and cycles that a port of a level with
    one instance is busy with it, where a step of computing comes on top; 0 cycles where none does.
    """
    shape, machine, space, lines = case.shape, case.machine, case.space, case.lines
    reading, writing = walk.read_scrap, walk.write_scrap
    for i in range(reading.shape[0]):
        reading[i], writing[i] = 0.0, 0.0
    energy = 0.0
    for k in range(space.nodes.shape[0]):
        operand, parent = space.nodes[k, 1], space.nodes[k, 2]
        if space.nodes[k, 0] < 0:
            continue
        set_prices(k, 0, 0.0, np.inf, case, lines.prices, lines.widths)
        prices, widths = lines.prices[k], lines.widths[k]
        elements = box(operand, shape.sizes, shape.relevant, shape.windows, shape.sizes)
        if operand == INPUTS and machine.counting[HALO_MULTICAST] == EQUAL and shape.windows[0, 0] >= 0:
            # How few of the units' windows differ depends on the start.
            continue
        if operand == OUTPUTS:
            energy += elements * min(prices[UP_FINAL], prices[UP_PARTIAL])
            writing[case.ports.row[parent, operand]] += elements * widths[UP_FINAL]
        else:
            energy += elements * (prices[DOWN] + prices[IN])
            reading[case.ports.row[parent, operand]] += elements * widths[DOWN]
    cycles = 0.0
    for level in range(space.placed.shape[0]):
        if space.placed[level] == space.n_bounds:
            cycles = max(cycles, port_cycles(level, reading[level], writing[level], machine))
    without = machine.counting[THROUGHPUT] or not machine.counting[MEMORY_STALLS]
    return energy * (1.0 - 1e-12), 0.0 if without else cycles * (1.0 - 1e-12)


@inlined_kernel
def _groups_served(operand: int, placed: int, shape: Shape, start: Start) -> float:
    """How often PEs take every element of an operand from a level outside `placed` boundaries, at least.

    Once for each group of positions along the dimensions that do not index it, as one access serves a group.
    """
    times = 1.0
    for d in range(shape.sizes.shape[0]):
        if not shape.relevant[operand, d] and shape.sizes[d] > 1:
            together = 1
            for b in range(placed):
                together *= start.shared[b, operand, d]
            times *= ceil_div(shape.sizes[d], together)
    return times


@inlined_kernel
def least_of_pes(any_tile: bool, shape: Shape, machine: Machine, space: Space, start: Start) -> float:
    """pJ of every operand's way between PEs and the innermost level that holds it, at least; quick to know.

    With the units of a start and its tile of the array, or `any_tile`.
    """
    energy = 0.0
    for operand in range(3):
        level = space.innermost[operand]
        if level < 0:
            continue
        if machine.flow[0]:
            elements = whole_elements(operand, shape)
            times = least_moves(operand, any_tile, shape, machine, start)
        else:
            elements, times = box(operand, shape.sizes, shape.relevant, shape.windows, shape.sizes), 1.0
            if operand == OUTPUTS or machine.counting[MAC_HOLDS] == 0.0:
                times = _groups_served(operand, space.placed[level], shape, start)
            if operand == INPUTS:
                elements *= least_share(0, space.placed[level], shape, machine, start)
        if operand != OUTPUTS:
            energy += elements * times * least_price(level, 0, operand, machine)
            continue
        partial = least_price(level, 1, 3, machine)
        energy += elements * ((times - 1.0) * partial + min(least_price(level, 1, 2, machine), partial))
        if machine.counting[PSUM_REREADS] and machine.counting[FIRST_PARTIAL_READ] == 0.0:
            # Units whose sums are added up further out start at zero each: on every visit, unless all are refilled.
            every, _ = spread_between(start, OUTPUTS, space.placed[level], space.n_bounds, shape.relevant)
            if every == 1.0 or machine.counting[REFILL_ALL]:
                energy += elements * max(0.0, times - every) * least_price(level, 0, 3, machine)
    return energy * (1.0 - 1e-12)
