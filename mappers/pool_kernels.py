"""What the tiles of a pool, which compete for room, cost together, at least."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

import numpy as np

from archsim.core.kernels import inlined_kernel
from archsim.mappers.fence_kernels import fenced_in
from archsim.mappers.rival_kernels import Rival, completed_in_any_order, in_any_order, in_bits
from archsim.mappers.space_kernels import doubles, sums_in_time
from archsim.mappers.state_kernels import Case
from archsim.sim.kernels import CAPACITY, INPUTS, NESTED_REUSE, OUTPUTS, RESERVED, Floats, Ints


@inlined_kernel
def _sums_come(node: int, passed: int, unclosed: int, visits: Floats, case: Case) -> int:
    """Whether sums come to an output node before they are complete, as far as its width depends on it: 1 if surely, 0
    if surely not, -1 if that is open.
    """
    level, child, space, start = case.space.nodes[node, 0], case.space.nodes[node, 5], case.space, case.start
    if level < 0 or child < 0:
        return 0
    stored = case.machine.stored_bits[level]
    if stored[3] <= stored[2]:
        return 0
    for b in range(max(passed, space.placed[level]), space.n_bounds):
        for d in range(case.shape.sizes.shape[0]):
            if not case.shape.relevant[OUTPUTS, d] and start.shared[b, OUTPUTS, d] > 1:
                return 1
    if (unclosed >> child) & 1:
        return -1
    return 1 if visits[child] > 1.0 else 0


@inlined_kernel
def _reuse_inside(node: int, passed: int, left: int, others: float, case: Case, tile: Ints, need: Floats) -> float:
    """How many times the results of `tile` the output node inside a node can hold, at most.

    `others`: how many such tiles of results there are; `left` marks the nodes to come. One that is placed holds those
    of `tile`.
    """
    child, machine = case.space.nodes[node, 5], case.machine
    if not (left >> child) & 1:
        return 1.0
    level = case.space.nodes[child, 0]
    size = min(machine.stored_bits[level, 2], machine.stored_bits[level, 3])
    if case.space.nodes[child, 3] < 0 and sums_in_time(case.shape, case.start, case.space.placed[level]):
        size = machine.stored_bits[level, 3]
    for d in range(tile.shape[0]):
        if case.shape.relevant[OUTPUTS, d]:
            inside = float(min(tile[d], case.shape.sizes[d]))
            for b in range(case.space.placed[level], passed):
                inside /= case.start.every[b, d]
            size *= max(1.0, inside)
    room = (machine.levels[level, CAPACITY] - machine.levels[level, RESERVED] - need[level]) / size
    if doubles(level, machine) and others * (1.0 - 1e-12) > room:
        room /= 2.0
    return float(max(1.0, room))


@inlined_kernel
def _tile_bits(node: int, passed: int, sums: bool, case: Case, tile: Ints) -> float:
    """Bits that a node's tile takes, at least, and that grow with its factors: as those of all windows together.

    `sums`: outputs come before they are complete.
    """
    shape, level, operand = case.shape, case.space.nodes[node, 0], case.space.nodes[node, 1]
    width = 1.0
    if level >= 0:
        stored = case.machine.stored_bits[level]
        width = stored[operand]
        if operand == OUTPUTS:
            width = min(stored[2], stored[3])
            inside = max(passed, case.space.placed[level])
            if sums or (case.space.nodes[node, 3] < 0 and sums_in_time(shape, case.start, inside)):
                width = stored[3]
    size = width
    for d in range(tile.shape[0]):
        if shape.relevant[operand, d]:
            inner = tile[d]
            for b in range(passed, case.space.placed[level] if level >= 0 else 0):
                inner *= case.start.every[b, d]
            size *= min(inner, shape.sizes[d])
    if operand == INPUTS:
        for w in range(shape.windows.shape[0]):
            d1, a, d2, b = shape.windows[w, 0], shape.windows[w, 1], shape.windows[w, 2], shape.windows[w, 3]
            if d1 >= 0:
                # Positions in a row share the fewer elements the fewer they are.
                s1, s2 = float(shape.sizes[d1]), float(shape.sizes[d2])
                size *= min(1.0, (a * (s1 - 1.0) + b * (s2 - 1.0) + 1.0) / (s1 * s2))
    return size


@inlined_kernel
def _rival(
    node: int, held: bool, passed: int, count: float, shared: int, sums: bool, case: Case, tile: Ints, need: Floats
) -> Rival:
    """The rival that a node to come is; `shared`: the level that nodes of its pool share, -1 for none; `sums`: as in
    `_tile_bits`.
    """
    if not held:
        return Rival(-1.0, count, 0.0, 0.0, False, False)
    level, machine = case.space.nodes[node, 0], case.machine
    own = shared >= 0 and level != shared
    size = _tile_bits(node, passed, sums, case, tile)
    # One memory holds two of every tile that changes, if of any.
    room = 1.0 / size
    if level >= 0 and (shared < 0 or own):
        room = (machine.levels[level, CAPACITY] - machine.levels[level, RESERVED] - need[level]) / size
    return Rival(case.lines.slopes[node], count, size, room, level >= 0 and doubles(level, machine), own)


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
    pool: int,
    passed: int,
    missing: int,
    left: int,
    unclosed: int,
    case: Case,
    tile: Ints,
    need: Floats,
    visits: Floats,
) -> tuple[float, float]:
    """(energy in pJ, bits through the parent's ports) that the nodes of a pool cost above one visit each, at least.

    `tile` is what lies inside them, `missing` marks the operands (bit 0: inputs, ...) whose nodes are still to be
    placed, `left` all nodes to be placed and `unclosed` those whose `visits` are not counted; `need`: the bits taken of
    each level. (inf, inf): not even the smallest tiles fit. Bits are 0 where the nodes have several parents.
    """
    pools, machine, rates = case.space.pools, case.machine, case.lines.rates
    count0, count1, count2, batch = _tiles_left(passed, case, tile)
    level, parent = pools[pool, 3], pools[pool, 4]
    joint = level >= 0
    node0, node1, node2 = pools[pool, 0], pools[pool, 1], pools[pool, 2]
    held = node2 >= 0 and missing & 4 > 0
    sums = _sums_come(node2, passed, unclosed, visits, case) if held else 0
    a = _rival(node0, node0 >= 0 and missing & 1 > 0, passed, count0, level, False, case, tile, need)
    b = _rival(node1, node1 >= 0 and missing & 2 > 0, passed, count1, level, False, case, tile, need)
    c = _rival(node2, held, passed, count2, level, sums != 0, case, tile, need)
    room = machine.levels[level, CAPACITY] - machine.levels[level, RESERVED] - need[level] if joint else 0.0
    energy = in_any_order(a, b, c, batch, joint, room)
    final, reuse = c, 1.0
    if sums < 0 and energy > 0.0:
        # Or they come complete: they take less room, and reuse ends further in.
        final = _rival(node2, held, passed, count2, level, False, case, tile, need)
        reuse = _reuse_inside(node2, passed, left, count0 * count1 * batch, case, tile, need)
        energy = min(energy, completed_in_any_order(a, b, final, batch, joint, room, reuse))
    if machine.counting[NESTED_REUSE] and case.space.perfect and parent >= 0:
        slopes = max(a.further, 0.0), max(b.further, 0.0), max(c.further, 0.0)
        energy = max(energy, fenced_in(pool, passed, left, slopes, case, tile, need))
    if energy == np.inf or parent < 0:
        return energy, 0.0
    if machine.operand_bw[parent, 0] + machine.operand_bw[parent, 1] + machine.operand_bw[parent, 2] > 0:
        return energy, 0.0
    a, b, c = in_bits(a, rates[node0]), in_bits(b, rates[node1]), in_bits(c, rates[node2])
    bits = in_any_order(a, b, c, batch, joint, room)
    if sums < 0 and bits > 0.0:
        final = in_bits(final, rates[node2])
        bits = min(bits, completed_in_any_order(a, b, final, batch, joint, room, reuse))
    return energy, bits


@inlined_kernel
def pool_excesses(case: Case, tile: Ints, visits: Floats) -> bool:
    """`pool_line` of every pool with all its nodes to come; False when some level cannot hold the least tiles."""
    for pool in range(case.space.pools.shape[0]):
        inside = case.space.pools[pool, 5]
        for d in range(tile.shape[0]):
            tile[d] = case.start.base[d]
            for b in range(inside):
                tile[d] *= case.start.every[b, d]
        energy, bits = pool_line(pool, inside, 7, -1, -1, case, tile, case.space.taken, visits)
        case.lines.excess[pool], case.lines.traffic[pool] = energy, bits
        if energy == np.inf:
            return False
    return True
