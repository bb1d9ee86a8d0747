"""What reuse costs at least where tiles are kept only while those of the level above stand still."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

import numpy as np

from archsim.core.kernels import inlined_kernel
from archsim.mappers.space_kernels import Space
from archsim.mappers.state_kernels import Case
from archsim.sim.kernels import CAPACITY, OUTPUTS, RESERVED, Floats, Ints


@inlined_kernel
def _least_bits(node: int, passed: int, case: Case, tile: Ints) -> float:
    """Bits that a node to come takes of its level, at least, with `tile` above `passed` boundaries inside it."""
    shape, start, level, operand = case.shape, case.start, case.space.nodes[node, 0], case.space.nodes[node, 1]
    stored = case.machine.stored_bits[level]
    size = stored[operand] if operand != OUTPUTS else min(stored[2], stored[3])
    for d in range(tile.shape[0]):
        if shape.relevant[operand, d]:
            inside = tile[d]
            for b in range(passed, case.space.placed[level]):
                inside *= start.every[b, d]
            size *= min(inside, shape.sizes[d])
    return float(size)


@inlined_kernel
def _room_to_grow(node: int, passed: int, left: int, case: Case, tile: Ints, need: Floats) -> float:
    """How many times its least elements a node to come can hold, at most, beside others to come."""
    level, machine, nodes = case.space.nodes[node, 0], case.machine, case.space.nodes
    room = machine.levels[level, CAPACITY] - machine.levels[level, RESERVED] - need[level]
    for other in range(nodes.shape[0]):
        if other != node and nodes[other, 0] == level and (left >> other) & 1:
            room -= _least_bits(other, passed, case, tile)
    return float(room / _least_bits(node, passed, case, tile))


@inlined_kernel
def _only_dim(operand: int, passed: int, case: Case, tile: Ints) -> tuple[int, int]:
    """The one dimension that does not index an operand and has tiles left, and how many; (-1, 1) where there are none.

    (-1, 0) where there are several.
    """
    only, tiles = -1, 1
    for d in range(tile.shape[0]):
        if case.shape.relevant[operand, d]:
            continue
        inside = tile[d]
        for b in range(passed, case.space.n_bounds):
            inside *= case.start.every[b, d]
        if inside < case.shape.sizes[d]:
            if only >= 0 or case.shape.sizes[d] % inside > 0:
                return -1, 0
            only, tiles = d, case.shape.sizes[d] // inside
    return only, tiles


@inlined_kernel
def _factor_below(dim: int, tiles: int, at: int, most: float, space: Space) -> tuple[int, int]:
    """The largest factor of the tiles of a dimension that is at most `most`, from column `at` of its divisors down."""
    while at > 0:
        factor = space.divisors[dim, at]
        if 0 < factor <= most and tiles % factor == 0:
            return factor, at
        at -= 1
    return 1, 0


@inlined_kernel
def _factor_above(dim: int, tiles: int, at: int, most: float, space: Space) -> tuple[int, int]:
    """The next factor after column `at`, at most `most`; 0 where there is none."""
    while dim >= 0 and at + 1 < space.divisors.shape[1]:
        at += 1
        factor = space.divisors[dim, at]
        if factor == 0 or factor > min(tiles, most):
            break
        if tiles % factor == 0:
            return factor, at
    return 0, at


@inlined_kernel
def _least_pair(
    first: int, slope1: float, second: int, slope2: float, passed: int, room: float, case: Case, tile: Ints
) -> float:
    """Least of ``slope1 (tiles1/g - 1) + slope2 (tiles2/h - 1)`` over factors g, h of the tiles with g h <= room.

    The tiles are of the dimensions that do not index the operands `first` and `second`; 0 where these have several.
    """
    space = case.space
    (dim1, tiles1), (dim2, tiles2) = _only_dim(first, passed, case, tile), _only_dim(second, passed, case, tile)
    if tiles1 * tiles2 <= room or tiles1 * tiles2 == 0 or room < 1.0:
        return 0.0
    least, at1, at2 = np.inf, 0, space.divisors.shape[1] - 1
    factor1 = 1
    while factor1 > 0:
        factor2, at2 = _factor_below(dim2, tiles2, at2, room / factor1, space)
        least = min(least, slope1 * (tiles1 / factor1 - 1.0) + slope2 * (tiles2 / factor2 - 1.0))
        factor1, at1 = _factor_above(dim1, tiles1, at1, room, space)
    return least * (1.0 - 1e-9)


@inlined_kernel
def fenced_in(
    pool: int, passed: int, left: int, slopes: tuple[float, float, float], case: Case, tile: Ints, need: Floats
) -> float:
    """What the nodes of a pool cost above one visit each, at least, where the level above fences in their reuse.

    A tile is kept only while those of the level above stand still (`NESTED_REUSE`), and one of an operand that every
    loop indexes never does: all loops that reuse a tile of the pool lie inside it. Each of them makes it larger, so
    that the reuses of the two other operands together are no more than it has room for. This holds of tiles inside
    units that stand below all of that level (others may stand above its tiles), and of factors that divide. `slopes`:
    energy of a further visit of each operand's tiles; `left` marks the nodes to come, `tile` lies above `passed`
    boundaries.
    """
    nodes, parent, placed, most = case.space.nodes, case.space.pools[pool, 4], case.space.placed, 0.0
    for operand in range(3):
        own = case.space.pools[pool, operand]
        if own >= 0 and nodes[own, 0] >= 0 and placed[nodes[own, 0]] >= placed[parent]:
            return 0.0
    for node in range(nodes.shape[0]):
        if nodes[node, 0] == parent and (left >> node) & 1 and case.space.alone[node] > 0:
            room = _room_to_grow(node, passed, left, case, tile, need)
            first, second = (1 if nodes[node, 1] == 0 else 0), (1 if nodes[node, 1] == OUTPUTS else 2)
            most = max(most, _least_pair(first, slopes[first], second, slopes[second], passed, room, case, tile))
    return most
