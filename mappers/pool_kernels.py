"""What tiles that compete for room cost together, at least."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

import numpy as np

from archsim.core.kernels import inner_kernel
from archsim.mappers.space_kernels import Space, Start, doubles, sums_in_time
from archsim.sim.kernels import CAPACITY, INPUTS, OUTPUTS, RESERVED, SHARED_PORTS, Floats, Ints, Machine, Shape


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
        meet = 1.0
        if slope1 > 0.0:
            meet = room / (size2 + np.sqrt(slope2 * c2 * size3 * room / (slope1 * c1)))
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
    """`_apart` with the operands' tiles in this order; rooms are in tiles, bits of `twice` mark double buffers."""
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
            if space.nodes[node, 3] < 0 and sums_in_time(shape, start, passed):
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
