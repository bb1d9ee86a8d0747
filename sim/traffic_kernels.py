"""What every level of the hierarchy reads and writes of each operand under one mapping."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

from archsim.core.kernels import inner_kernel
from archsim.sim.kernels import (
    FILLS,
    FIRST_PARTIAL_READ,
    LINK_FIRST,
    OUTPUTS,
    PASSES,
    PSUM_REREADS,
    READS,
    READS_PARTIAL,
    STRAY_WRITES,
    UPDATES,
    WRITES_PARTIAL,
    Bools,
    Ints,
    Machine,
    Nest,
    Scratch,
    Shape,
    mac_revisits,
    operand_elements,
    revisits,
    shared_between,
    spatial_loops,
    tile_elements,
    whole_elements,
)
from archsim.sim.pass_kernels import array_factor


@inner_kernel
def child(level: int, operand: int, tiles: Ints) -> int:
    """The next level inside `level` that holds the operand; -1 where the PEs come next."""
    for below in range(level + 1, tiles.shape[0]):
        if tiles[below, operand] >= 0:
            return below
    return -1


@inner_kernel
def reduced_above(position: int, shape: Shape, nest: Nest, multicast: Bools) -> bool:
    """Whether sums of a level at `position` are added to those of its neighbours on the way up: it has no results."""
    for i in range(position):
        a = nest.axis[i]
        if a >= 0 and nest.factor[i] > 1 and multicast[OUTPUTS, a] and not shape.relevant[OUTPUTS, nest.dim[i]]:
            return True
    return False


@inner_kernel
def _copies_above(operand: int, position: int, shape: Shape, nest: Nest) -> float:
    """Instances of a level that each hold the same data of an operand."""
    product = 1.0
    for i in range(position):
        if nest.axis[i] >= 0 and not shape.relevant[operand, nest.dim[i]]:
            product *= nest.factor[i]
    return product


@inner_kernel
def _any(flags: Bools) -> bool:
    found = False
    for i in range(flags.shape[0]):
        found = found or flags[i]
    return found


@inner_kernel
def down(operand: int, shape: Shape, nest: Nest, n_loops: int, tiles: Ints, machine: Machine, scratch: Scratch) -> None:
    """Traffic of an operand that flows towards the PEs (inputs, weights)."""
    traffic, shared, none, tile = scratch.traffic, scratch.shared, scratch.none, scratch.tile
    parent = -1
    for level in range(tiles.shape[0]):
        position = tiles[level, operand]
        if position < 0:
            continue
        if parent >= 0:
            above = tiles[parent, operand]
            shared_between(operand, above, position, nest, n_loops, machine.multicast, shared)
            moved = operand_elements(operand, position, shape, nest, n_loops, shared, none, tile)
            moved *= revisits(operand, position, shape, nest, n_loops, shared)
            traffic[READS, parent, operand] += moved
            filled = moved
            if _any(shared):
                filled = operand_elements(operand, position, shape, nest, n_loops, none, none, tile)
                filled *= revisits(operand, position, shape, nest, n_loops, none)
            traffic[FILLS, level, operand] += filled
            one = tile_elements(operand, position, shape, nest, n_loops, tile)
            traffic[LINK_FIRST, parent, operand] = min(moved, one * spatial_loops(above, position, nest))
        parent = level
    if parent < 0:
        return
    above = tiles[parent, operand]
    if machine.flow[0]:
        # Inside a pass a conv is a flattened GEMM: every element of the im2col matrix is sent.
        n = whole_elements(operand, shape) * _copies_above(operand, above, shape, nest)
        traffic[READS, parent, operand] += n * array_factor(operand, machine.flow, scratch.folds, scratch.n_tiles)
        return
    shared_between(operand, above, n_loops, nest, n_loops, machine.multicast, shared)
    n = operand_elements(operand, n_loops, shape, nest, n_loops, shared, none, tile)
    traffic[READS, parent, operand] += n * mac_revisits(operand, shape, nest, n_loops, shared)


@inner_kernel
def up(shape: Shape, nest: Nest, n_loops: int, tiles: Ints, machine: Machine, scratch: Scratch) -> None:
    """Traffic of the outputs: results and partial sums up, partial sums back down."""
    traffic, shared, none = scratch.traffic, scratch.shared, scratch.none
    total = whole_elements(OUTPUTS, shape)
    first = machine.counting[FIRST_PARTIAL_READ]
    parent = -1
    # Copies of an element that the parent starts at zero, and whether one of them ever becomes the result.
    starts, finished = 1.0, 1.0
    for level in range(tiles.shape[0]):
        position = tiles[level, OUTPUTS]
        if position < 0:
            continue
        if parent >= 0:
            above = tiles[parent, OUTPUTS]
            shared_between(OUTPUTS, above, position, nest, n_loops, machine.multicast, shared)
            times = revisits(OUTPUTS, position, shape, nest, n_loops, shared)
            copies = revisits(OUTPUTS, position, shape, nest, n_loops, none) if _any(shared) else times
            finishes = 0.0 if reduced_above(position, shape, nest, machine.multicast) else 1.0
            back = times - starts * (1.0 - first)
            traffic[UPDATES, parent, OUTPUTS] += total * times
            traffic[WRITES_PARTIAL, parent, OUTPUTS] += total * (times - finished)
            traffic[READS, level, OUTPUTS] += total * copies
            traffic[READS_PARTIAL, level, OUTPUTS] += total * (copies - finishes)
            traffic[READS, parent, OUTPUTS] += total * back
            traffic[READS_PARTIAL, parent, OUTPUTS] += total * back
            traffic[FILLS, level, OUTPUTS] += total * back
            traffic[WRITES_PARTIAL, level, OUTPUTS] += total * back
            one = tile_elements(OUTPUTS, position, shape, nest, n_loops, scratch.tile)
            traffic[LINK_FIRST, parent, OUTPUTS] = min(total, one * spatial_loops(above, position, nest))
            starts, finished = copies - back, finishes
        parent = level
    if parent < 0:
        return
    _up_from_pes(parent, total, starts, finished, shape, nest, n_loops, tiles, machine, scratch)


@inner_kernel
def _up_from_pes(
    parent: int,
    total: float,
    starts: float,
    finished: float,
    shape: Shape,
    nest: Nest,
    n_loops: int,
    tiles: Ints,
    machine: Machine,
    scratch: Scratch,
) -> None:
    """Sums that PEs bring to the innermost level, and those they fetch there to add to."""
    traffic, shared, count, flow = scratch.traffic, scratch.shared, machine.counting, machine.flow
    above = tiles[parent, OUTPUTS]
    if flow[0]:
        times = array_factor(OUTPUTS, flow, scratch.folds, scratch.n_tiles)
        times *= _copies_above(OUTPUTS, above, shape, nest)
    else:
        shared_between(OUTPUTS, above, n_loops, nest, n_loops, machine.multicast, shared)
        times = mac_revisits(OUTPUTS, shape, nest, n_loops, shared)
    stray = 0.0
    if flow[0] and flow[4] == OUTPUTS:
        stray = count[STRAY_WRITES] * scratch.out[PASSES] * (machine.array[0] + machine.array[1])
    traffic[UPDATES, parent, OUTPUTS] += total * times + stray
    traffic[WRITES_PARTIAL, parent, OUTPUTS] += total * (times - finished)
    if count[PSUM_REREADS]:
        back = times - starts * (1.0 - count[FIRST_PARTIAL_READ])
        traffic[READS, parent, OUTPUTS] += total * back
        traffic[READS_PARTIAL, parent, OUTPUTS] += total * back
