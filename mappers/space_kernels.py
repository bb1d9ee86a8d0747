"""The space of mappings as the search walks it: nodes, ways to begin, and what one tile holds."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

from typing import NamedTuple

from archsim.core.kernels import inlined_kernel
from archsim.sim.kernels import (
    DOUBLE_BUFFER,
    INPUTS,
    NO_RESERVE,
    OUTPUTS,
    RESERVE,
    Bools,
    Floats,
    Ints,
    Machine,
    Shape,
)

PLACE, SPREAD, GROW, FILL, CLOSE, BOUND, BRANCH, LEAF = range(8)
"""Steps of a program: place a node, put in the spatial loops of a boundary, grow a dimension by any factor or to its
full size, count a node's traffic, look ahead at what the rest of a pool costs, go on with one of several nodes, cost
the mapping."""
# Columns of a program's steps. PLACED: boundaries passed when a closed node was placed; whether the child of a placed
# one is closed; operands that a look ahead counts; alternatives of a branch; the least factor of a loop. PARENT: of a
# pool; the node whose words a loop fills. LEFT, OPEN, AHEAD: bit masks of nodes not placed
# yet, of nodes not closed yet, of pools not looked at yet. BACK: steps from a close to the last loop before it.
OP, ARG, PLACED, PARENT, PASSED, BACK, SEGMENT, LEFT, OPEN, AHEAD = range(10)
UNEVEN = -2
"""As the PARENT of a loop inside units: but for 1, only factors that leave some of them without work are of use."""


class Space(NamedTuple):
    """What does not change while one problem is searched. D dimensions, L levels, K nodes, B spatial boundaries."""

    nodes: Ints
    """(K, 6): level, operand, parent level, child level of the operand (-1: none), boundaries inside the parent, node
    of the child level. Level -1: what a PE holds while its loops stand still, one element."""
    divisors: Ints
    """(D, longest): divisors of each size, ascending, 0 behind them; no rows where factors need not divide."""
    perfect: int
    edges: int
    """1 where of factors with as many tiles others than the least are worth trying: whole words are moved."""
    n_bounds: int
    serial: Ints
    """(L, 3): 1 where a level feeds another one that has no double buffer for an operand."""
    fixed: Ints
    """(K, D): sizes that a node's tile must have; 0: free."""
    pools: Ints
    """(pools, 6): nodes of inputs, weights, outputs (-1: none), the level that all or two share (-1: each has its own),
    their parent (-1: several), boundaries inside all of them. What a pool's tiles cost is bounded together."""
    placed: Ints
    """(L,): boundaries inside each level."""
    innermost: Ints
    """(3,): the innermost level of each operand."""
    homes: Ints
    """(L, 3): position of the tiles that are no nodes: 0 for the outermost, -1 elsewhere."""
    taken: Floats
    """(L,): bits that operands kept whole in a level take."""
    alone: Ints
    """(K,): 1 for nodes of an operand that every loop indexes, whose tiles are visited once each; 2 for those of them
    that best stand as far inside as they fill words; else 0."""


class Ways(NamedTuple):
    """All ways to begin, S = O T of them: every array tile with every choice of spatial loops."""

    tiles: Ints
    """(T, D)"""
    dims: Ints
    """(O, slots): the dimension that each slot's loop unrolls, -1 for none."""
    factors: Ints
    """(O, slots)"""
    slot_axis: Ints
    """(slots,)"""
    slot_bound: Ints
    """(slots,): the boundary that a slot's loop belongs to."""


class Start(NamedTuple):
    """One way to begin, and what it costs before any tile is chosen. Products of the spatial factors by boundary."""

    base: Ints
    """(D,): the array tile."""
    every: Ints
    """(B, D): spatial factors of a boundary."""
    needed: Ints
    """(B, D): least number of tiles for which every spatial loop has two at least."""
    shared: Ints
    """(B, 3, D): those along which one access serves all units."""
    slot_dim: Ints
    """(slots,), as in `Ways`, like the next three."""
    slot_factor: Ints
    slot_axis: Ints
    slot_bound: Ints
    reading: Floats
    """(2 L + P,): bits, as `least_time` takes them."""
    writing: Floats
    used: Floats
    """(L,): instances at work."""
    totals: Floats
    """Columns FOLDED to UNEVEN_CYCLES."""


FOLDED, COMPUTE_CYCLES, STREAMED_CYCLES, START_PJ, SUMS, EVEN_STEP, LEAST_STEP, UNEVEN_CYCLES = range(8)
"""Of `Start.totals`: whether sums are folded inside the array tile; compute cycles; cycles in which operands stream,
without fill and drain; energy of what moves between the innermost levels and the PEs; partial sums of each output
that PEs bring to the innermost level; cycles of an array tile, on average, where no unit has more tiles than it must,
and at least anywhere; compute cycles, at least, where some unit has more."""
N_TOTALS = 8


@inlined_kernel
def ceil_div(a: int, b: int) -> int:
    return (a + b - 1) // b


@inlined_kernel
def copy_ints(source: Ints, target: Ints) -> None:
    for i in range(target.shape[0]):
        target[i] = source[i]


@inlined_kernel
def copy_floats(source: Floats, target: Floats) -> None:
    for i in range(target.shape[0]):
        target[i] = source[i]


@inlined_kernel
def copy_tiles(source: Ints, target: Ints) -> None:
    for i in range(target.shape[0]):
        for j in range(target.shape[1]):
            target[i, j] = source[i, j]


@inlined_kernel
def initial_counts(shape_sizes: Ints, start: Start, tile: Ints, count: Ints) -> None:
    """Tile and number of tiles of each dimension before the first step."""
    for d in range(shape_sizes.shape[0]):
        tile[d] = start.base[d]
        count[d] = ceil_div(shape_sizes[d], start.base[d])


@inlined_kernel
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


@inlined_kernel
def spread_between(start: Start, operand: int, begin: int, end: int, relevant: Bools) -> tuple[float, float]:
    """Units along which an operand does not change, from boundary `begin` to `end`: (all, served by one access)."""
    every, shared = 1.0, 1.0
    for b in range(begin, end):
        for d in range(relevant.shape[1]):
            if not relevant[operand, d]:
                every *= start.every[b, d]
                shared *= start.shared[b, operand, d]
    return every, shared


@inlined_kernel
def doubles(level: int, machine: Machine) -> bool:
    """Whether a level keeps room for the next tile."""
    if machine.counting[RESERVE] == NO_RESERVE:
        return False
    return bool(machine.levels[level, DOUBLE_BUFFER] > 0 or machine.counting[RESERVE] != 0)


@inlined_kernel
def sums_in_time(shape: Shape, start: Start, passed: int) -> bool:
    if start.totals[FOLDED] > 0.0:
        return True
    for d in range(shape.sizes.shape[0]):
        if not shape.relevant[OUTPUTS, d]:
            inside = start.base[d]
            for b in range(passed):
                inside *= start.shared[b, OUTPUTS, d]
            if inside < shape.sizes[d]:
                return True
    return False


@inlined_kernel
def partial_sums(
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
    if start.totals[FOLDED] > 0.0:
        return True
    for d in range(sizes.shape[0]):
        if not relevant[OUTPUTS, d]:
            inside = start.base[d]
            for b in range(passed):
                inside *= start.shared[b, OUTPUTS, d]
            if inside < sizes[d]:
                return True
    return False


@inlined_kernel
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
                left = ceil_div(left, start.every[b, d])
            if left > 1:
                return float(2.0 * width)
    return float(width)
