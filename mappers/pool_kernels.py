"""What tiles that compete for room cost together, at least."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from archsim.core.kernels import inlined_kernel, inner_kernel
from archsim.mappers.fence_kernels import fenced_in
from archsim.mappers.space_kernels import doubles, sums_in_time
from archsim.mappers.state_kernels import Case
from archsim.sim.kernels import CAPACITY, INPUTS, NESTED_REUSE, OUTPUTS, RESERVED, Floats, Ints


class Rival(NamedTuple):
    """One operand's tile among up to three that compete."""

    further: float
    """Cost of a further visit of all its tiles; below 0: it is not held here."""
    tiles: float
    """Tiles that the dimensions that do not index it make."""
    size: float
    """Bits of its smallest tile."""
    room: float
    """How many times that size its own memory has room for."""
    twice: bool
    """Whether its memory holds two of it while it changes."""
    own: bool
    """Whether it has a memory of its own, beside others that share one."""


@inlined_kernel
def _least_excess(a: Rival, b: Rival, room: float, size2: float, size3: float) -> float:
    """Least of ``a.further (a.tiles/g - 1) + b.further (b.tiles/h - 1)`` over reuses g, h that the room allows.

    The room holds the second tile grown by g and the third grown by g*h. The first term falls with g, the second
    rises, both are convex: the minimum is where their slopes meet, moved into the range.
    """
    slope1, slope2 = max(a.further, 0.0), max(b.further, 0.0)
    most = room / (size2 + size3) if size2 + size3 > 0.0 else np.inf
    if most < 1.0:
        return np.inf
    g = min(a.tiles, most)
    if slope2 > 0.0 and size3 > 0.0:
        flat = room / (size2 + b.tiles * size3)
        meet = 1.0
        if slope1 > 0.0:
            meet = room / (size2 + np.sqrt(slope2 * b.tiles * size3 * room / (slope1 * a.tiles)))
        g = max(1.0, min(g, max(meet, flat)))
    reach = b.tiles
    if size3 > 0.0:
        reach = max(1.0, min(b.tiles, (room - size2 * g) / (size3 * g)))
    return (slope1 * (a.tiles / g - 1.0) + slope2 * (b.tiles / reach - 1.0)) * (1.0 - 1e-9)


@inlined_kernel
def _copies(rival: Rival, left: float) -> float:
    """How many tiles a memory holds of a rival whose data are `left` of its tiles, at least.

    Two while tiles change; one of those that are whole, which takes less than two of more than half.
    """
    return min(2.0, left * (1.0 - 1e-12)) if rival.twice and left > 1.0 else 1.0


@inlined_kernel
def _together(a: Rival, b: Rival, c: Rival, batch: float, room: float) -> float:
    """What three tiles in one memory of `room` bits cost above one visit each, at least, innermost first.

    The last is visited once; the second as often as the room leaves tiles of its group; the first as often as its reuse
    leaves. `batch`: tiles of dimensions that change all three. inf: not even the smallest tiles fit.
    """
    first = a.size * _copies(a, b.tiles * c.tiles * batch) if a.further >= 0.0 else 0.0
    second = b.size * _copies(b, c.tiles * batch) if b.further >= 0.0 else 0.0
    third = c.size if c.further >= 0.0 else 0.0
    alone = np.inf
    if c.twice and third > 0.0:
        # The last tile may be whole, and held once.
        left = room - first - third * a.tiles * b.tiles * batch * (1.0 - 1e-12)
        if second * a.tiles <= left:
            return 0.0
        if second <= left:
            alone = max(a.further, 0.0) * (a.tiles * second / left - 1.0) * (1.0 - 1e-9)
        third *= 2.0
    return min(alone, _least_excess(a, b, room - first, second, third))


@inlined_kernel
def _apart(a: Rival, b: Rival, c: Rival, batch: float) -> float:
    """`_together` of tiles that have memories of their own."""
    if a.further >= 0.0 and a.room < _copies(a, b.tiles * c.tiles * batch):
        return np.inf
    room2, room3 = b.room, c.room
    if b.further < 0.0:
        room2 = np.inf
    elif b.twice and c.tiles * batch > 1.0:
        room2 = np.inf if room2 >= a.tiles * c.tiles * batch * (1.0 - 1e-12) else room2 / 2.0
    if c.further < 0.0:
        room3 = np.inf
    elif c.twice:
        # The last tile may be whole, and held once.
        room3 = np.inf if room3 >= a.tiles * b.tiles * batch * (1.0 - 1e-12) else room3 / 2.0
    return _least_apart(a, b, room2, room3)


@inlined_kernel
def _least_apart(a: Rival, b: Rival, room2: float, room3: float) -> float:
    """`_least_excess` where the second tile may grow `room2` times and the third `room3` times."""
    slope1, slope2 = max(a.further, 0.0), max(b.further, 0.0)
    most = min(a.tiles, room2, room3)
    if most < 1.0:
        return np.inf
    g = most
    if slope2 > 0.0 and room3 < np.inf:
        g = room3 / b.tiles
        if slope1 > 0.0:
            g = max(g, np.sqrt(slope1 * a.tiles * room3 / (slope2 * b.tiles)))
        g = max(1.0, min(g, most))
    reach = max(1.0, min(b.tiles, room3 / g))
    return (slope1 * (a.tiles / g - 1.0) + slope2 * (b.tiles / reach - 1.0)) * (1.0 - 1e-9)


@inlined_kernel
def _in_room(rival: Rival, room: float) -> Rival:
    """A rival that has this room for itself."""
    times = room / rival.size if rival.size > 0.0 else 0.0
    return Rival(rival.further, rival.tiles, rival.size, times, rival.twice, True)


@inner_kernel
def _in_order(a: Rival, b: Rival, c: Rival, batch: float, joint: bool, room: float) -> float:
    """What three tiles cost above one visit each, at least, innermost first."""
    if not joint:
        return _apart(a, b, c, batch)
    if b.own or c.own:
        # The first tile lies in the memory of the other one, which has the rest of it.
        first = 0.0
        if a.further >= 0.0:
            first = a.size * _copies(a, b.tiles * c.tiles * batch)
        if first > room:
            return np.inf
        a = _in_room(a, room)
        if b.own:
            return _apart(a, b, _in_room(c, room - first), batch)
        return _apart(a, _in_room(b, room - first), c, batch)
    if a.own:
        if a.further >= 0.0 and a.room < _copies(a, b.tiles * c.tiles * batch):
            return np.inf
        a = Rival(a.further, a.tiles, 0.0, a.room, False, True)
    return _together(a, b, c, batch, room)


@inner_kernel
def _in_any_order(a: Rival, b: Rival, c: Rival, batch: float, joint: bool, room: float) -> float:
    """The least over all orders of the three tiles; inf where none fits."""
    best = _in_order(a, b, c, batch, joint, room)
    if best <= 0.0:
        return 0.0
    best = min(best, _in_order(a, c, b, batch, joint, room))
    best = min(best, _in_order(b, a, c, batch, joint, room))
    best = min(best, _in_order(b, c, a, batch, joint, room))
    best = min(best, _in_order(c, a, b, batch, joint, room))
    return min(best, _in_order(c, b, a, batch, joint, room))


@inlined_kernel
def _tile_bits(node: int, passed: int, case: Case, tile: Ints) -> float:
    """Bits that a node's tile takes, at least, and that grow with its factors: a window's box grows with its rows."""
    shape, level, operand = case.shape, case.space.nodes[node, 0], case.space.nodes[node, 1]
    width = 1.0
    if level >= 0:
        stored = case.machine.stored_bits[level]
        width = stored[operand]
        if operand == OUTPUTS:
            width = min(stored[2], stored[3])
            inside = max(passed, case.space.placed[level])
            if case.space.nodes[node, 3] < 0 and sums_in_time(shape, case.start, inside):
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


@inlined_kernel
def _rival(
    node: int, held: bool, passed: int, count: float, shared: int, case: Case, tile: Ints, need: Floats
) -> Rival:
    """The rival that a node to come is; `shared`: the level that nodes of its pool share, -1 for none."""
    if not held:
        return Rival(-1.0, count, 0.0, 0.0, False, False)
    level, machine = case.space.nodes[node, 0], case.machine
    own = shared >= 0 and level != shared
    size = _tile_bits(node, passed, case, tile)
    # One memory holds two of every tile that changes, if of any.
    room = 1.0 / size
    if level >= 0 and (shared < 0 or own):
        room = (machine.levels[level, CAPACITY] - machine.levels[level, RESERVED] - need[level]) / size
    return Rival(case.lines.slopes[node], count, size, room, level >= 0 and doubles(level, machine), own)


@inlined_kernel
def _in_bits(rival: Rival, rate: float) -> Rival:
    """A rival whose cost is counted in bits, `rate` for a further visit."""
    further = rate if rival.further >= 0.0 else -1.0
    return Rival(further, rival.tiles, rival.size, rival.room, rival.twice, rival.own)


@inlined_kernel
def _tiles_left(passed: int, case: Case, tile: Ints) -> tuple[float, float, float, float]:
    """Tiles that the dimensions make that do not index inputs, weights, outputs; that others make."""
    shape = case.shape
    count0, count1, count2 = 1.0, 1.0, 1.0
    batch = 1.0
    for d in range(tile.shape[0]):
        above = 1
        for b in range(passed, case.space.n_bounds):
            above *= case.start.every[b, d]
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
            batch *= left
    return count0, count1, count2, batch


@inlined_kernel
def pool_line(
    pool: int, passed: int, missing: int, left: int, case: Case, tile: Ints, need: Floats
) -> tuple[float, float]:
    """(energy in pJ, bits through the parent's ports) that the nodes of a pool cost above one visit each, at least.

    `tile` is what lies inside them, `missing` marks the operands (bit 0: inputs, ...) whose nodes are still to be
    placed, `need` the bits taken of each level. (inf, inf): not even the smallest tiles fit. Bits are 0 where the
    nodes have several parents.
    """
    pools, machine, rates = case.space.pools, case.machine, case.lines.rates
    count0, count1, count2, batch = _tiles_left(passed, case, tile)
    level, parent = pools[pool, 3], pools[pool, 4]
    joint = level >= 0
    node0, node1, node2 = pools[pool, 0], pools[pool, 1], pools[pool, 2]
    a = _rival(node0, node0 >= 0 and missing & 1 > 0, passed, count0, level, case, tile, need)
    b = _rival(node1, node1 >= 0 and missing & 2 > 0, passed, count1, level, case, tile, need)
    c = _rival(node2, node2 >= 0 and missing & 4 > 0, passed, count2, level, case, tile, need)
    room = machine.levels[level, CAPACITY] - machine.levels[level, RESERVED] - need[level] if joint else 0.0
    energy = _in_any_order(a, b, c, batch, joint, room)
    if machine.counting[NESTED_REUSE] and case.space.perfect and parent >= 0:
        slopes = max(a.further, 0.0), max(b.further, 0.0), max(c.further, 0.0)
        energy = max(energy, fenced_in(pool, passed, left, slopes, case, tile, need))
    if energy == np.inf or parent < 0:
        return energy, 0.0
    if machine.operand_bw[parent, 0] + machine.operand_bw[parent, 1] + machine.operand_bw[parent, 2] > 0:
        return energy, 0.0
    a, b, c = _in_bits(a, rates[node0]), _in_bits(b, rates[node1]), _in_bits(c, rates[node2])
    return energy, _in_any_order(a, b, c, batch, joint, room)


@inlined_kernel
def pool_excesses(case: Case, tile: Ints) -> bool:
    """`pool_line` of every pool with all its nodes to come; False when some level cannot hold the least tiles."""
    for pool in range(case.space.pools.shape[0]):
        inside = case.space.pools[pool, 5]
        for d in range(tile.shape[0]):
            tile[d] = case.start.base[d]
            for b in range(inside):
                tile[d] *= case.start.every[b, d]
        energy, bits = pool_line(pool, inside, 7, -1, case, tile, case.space.taken)
        case.lines.excess[pool], case.lines.traffic[pool] = energy, bits
        if energy == np.inf:
            return False
    return True
