"""What every level of the hierarchy reads and writes of each operand under one mapping."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

import math

from archsim.core.kernels import inlined_kernel
from archsim.sim.kernels import (
    EQUAL,
    FILLS,
    FIRST_PARTIAL_READ,
    HALO_MULTICAST,
    INPUTS,
    LINK_FIRST,
    MAC_HOLDS,
    NESTED_REUSE,
    OUTPUTS,
    OVERLAP,
    PASSES,
    PSUM_REREADS,
    READ_WORDS,
    READS,
    READS_PARTIAL,
    REFILL_ALL,
    RETURNING,
    STRAY_WRITES,
    TRANSFERRED,
    UPDATES,
    WHOLE_HALO,
    WIDE_FINALS,
    WORDS,
    WRITE_BACK_READ,
    WRITE_WORDS,
    WRITES_PARTIAL,
    Bools,
    Ints,
    Machine,
    Nest,
    Scratch,
    Shape,
    mac_revisits,
    reuse_limit,
    revisits,
    shared_between,
    spatial_loops,
    tile_elements,
    tiles_apart,
    units_apart,
    whole_elements,
)
from archsim.sim.pass_kernels import array_abreast, array_factor
from archsim.sim.window_kernels import operand_elements, unequal_share


@inlined_kernel
def child(level: int, operand: int, tiles: Ints) -> int:
    """The next level inside `level` that holds the operand; -1 where the PEs come next."""
    for below in range(level + 1, tiles.shape[0]):
        if tiles[below, operand] >= 0:
            return below
    return -1


@inlined_kernel
def reduced_above(position: int, shape: Shape, nest: Nest, multicast: Bools) -> bool:
    """Whether sums of a level at `position` are added to those of its neighbours on the way up: it has no results."""
    for i in range(position):
        a = nest.axis[i]
        if a >= 0 and nest.factor[i] > 1 and multicast[OUTPUTS, a] and not shape.relevant[OUTPUTS, nest.dim[i]]:
            return True
    return False


@inlined_kernel
def _copies_above(operand: int, position: int, shape: Shape, nest: Nest) -> float:
    """Instances of a level that each hold the same data of an operand."""
    product = 1.0
    for i in range(position):
        if nest.axis[i] >= 0 and not shape.relevant[operand, nest.dim[i]]:
            product *= nest.factor[i]
    return product


@inlined_kernel
def _working(position: int, shape: Shape, nest: Nest, n_loops: int, none: Bools) -> float:
    """Instances of a level that each hold the same sums: those of `_copies_above` that have work."""
    product = 1.0
    for d in range(shape.sizes.shape[0]):
        if not shape.relevant[OUTPUTS, d]:
            product *= tiles_apart(d, 0, position, shape, nest, n_loops, none)
    return product


@inlined_kernel
def _any(flags: Bools) -> bool:
    found = False
    for i in range(flags.shape[0]):
        found = found or flags[i]
    return found


@inlined_kernel
def _distinct(
    operand: int, above: int, position: int, shape: Shape, nest: Nest, n_loops: int, machine: Machine, scratch: Scratch
) -> float:
    """Elements of the tiles at `position`, each once, and as often as units that `scratch.shared` parts need it."""
    shared, none, tile, counting = scratch.shared, scratch.none, scratch.tile, machine.counting
    whole = counting[WHOLE_HALO] > 0
    if counting[HALO_MULTICAST] == OVERLAP:
        return operand_elements(operand, position, shape, nest, n_loops, shared, none, tile, whole)
    elements = operand_elements(operand, position, shape, nest, n_loops, none, none, tile, whole)
    if operand == INPUTS and counting[HALO_MULTICAST] == EQUAL:
        elements *= unequal_share(above, position, shape, nest, n_loops, shared)
    return elements


@inlined_kernel
def _add_words(
    plane: int,
    level: int,
    operand: int,
    elements: float,
    partial: float,
    amount: float,
    machine: Machine,
    scratch: Scratch,
) -> None:
    """Add the words of `elements`, `partial` of them partial sums, that move `amount` at a time."""
    if machine.counting[WORDS] != TRANSFERRED:
        return
    width = machine.words[level, 0 if plane == READ_WORDS else 1]
    if width == 0:
        return
    bits = machine.bits
    full = math.ceil(amount * bits[operand] / width)
    wide = math.ceil(amount * bits[3] / width)
    scratch.traffic[plane, level, operand] += ((elements - partial) * full + partial * wide) / amount


@inlined_kernel
def down(operand: int, shape: Shape, nest: Nest, n_loops: int, tiles: Ints, machine: Machine, scratch: Scratch) -> None:
    """Traffic of an operand that flows towards the PEs (inputs, weights)."""
    traffic, shared = scratch.traffic, scratch.shared
    parent = -1
    for level in range(tiles.shape[0]):
        position = tiles[level, operand]
        if position < 0:
            continue
        if parent >= 0:
            above = tiles[parent, operand]
            shared_between(operand, above, position, nest, n_loops, machine.multicast, shared)
            moved = _distinct(operand, above, position, shape, nest, n_loops, machine, scratch)
            limit = reuse_limit(parent, tiles, shape, nest) if machine.counting[NESTED_REUSE] else 0
            moved *= revisits(operand, position, shape, nest, n_loops, shared, limit)
            traffic[READS, parent, operand] += moved
            filled = moved
            if _any(shared):
                whole = machine.counting[WHOLE_HALO] > 0
                none = scratch.none
                filled = operand_elements(operand, position, shape, nest, n_loops, none, none, scratch.tile, whole)
                filled *= revisits(operand, position, shape, nest, n_loops, none, limit)
            traffic[FILLS, level, operand] += filled
            one = tile_elements(operand, position, shape, nest, n_loops, scratch.tile)
            traffic[LINK_FIRST, parent, operand] = min(moved, one * spatial_loops(above, position, nest))
            apart = units_apart(operand, above, position, shape, nest, shared)
            _add_words(READ_WORDS, parent, operand, moved, 0.0, one * apart, machine, scratch)
            _add_words(WRITE_WORDS, level, operand, filled, 0.0, one, machine, scratch)
        parent = level
    if parent >= 0:
        _down_to_pes(parent, operand, shape, nest, n_loops, tiles, machine, scratch)


@inlined_kernel
def _down_to_pes(
    parent: int,
    operand: int,
    shape: Shape,
    nest: Nest,
    n_loops: int,
    tiles: Ints,
    machine: Machine,
    scratch: Scratch,
) -> None:
    """What PEs read of the innermost level that holds an operand."""
    shared = scratch.shared
    above = tiles[parent, operand]
    if machine.flow[0]:
        # Inside a pass a conv is a flattened GEMM: every element of the im2col matrix is sent.
        n = whole_elements(operand, shape) * _copies_above(operand, above, shape, nest)
        n *= array_factor(operand, machine.flow, scratch.folds, scratch.n_tiles)
        scratch.traffic[READS, parent, operand] += n
        abreast = array_abreast(operand, machine.flow, scratch.folds)
        _add_words(READ_WORDS, parent, operand, n, 0.0, abreast, machine, scratch)
        return
    shared_between(operand, above, n_loops, nest, n_loops, machine.multicast, shared)
    n = _distinct(operand, above, n_loops, shape, nest, n_loops, machine, scratch)
    n *= mac_revisits(operand, shape, nest, n_loops, shared, machine.counting[MAC_HOLDS] > 0)
    scratch.traffic[READS, parent, operand] += n
    apart = units_apart(operand, above, n_loops, shape, nest, shared)
    _add_words(READ_WORDS, parent, operand, n, 0.0, apart, machine, scratch)


@inlined_kernel
def returning(times: float, starts: float, first: float) -> float:
    """Partial sums that go down again, of `times` that come up and `starts` that need not: they begin at zero."""
    if first == RETURNING:
        return times if times > starts else 0.0
    return times if first else times - starts


@inlined_kernel
def partial_visits(times: float, finished: float, wide: float) -> float:
    """Those of `times` that move as partial sums: all but the finished, or with `wide` all where there are any."""
    return times if wide and times > finished else times - finished


@inlined_kernel
def up(shape: Shape, nest: Nest, n_loops: int, tiles: Ints, machine: Machine, scratch: Scratch) -> None:
    """Traffic of the outputs: results and partial sums up, partial sums back down."""
    traffic, shared, counting = scratch.traffic, scratch.shared, machine.counting
    total = whole_elements(OUTPUTS, shape)
    first, wide = counting[FIRST_PARTIAL_READ], counting[WIDE_FINALS]
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
            limit = reuse_limit(parent, tiles, shape, nest) if counting[NESTED_REUSE] else 0
            times = revisits(OUTPUTS, position, shape, nest, n_loops, shared, limit)
            copies = times
            if _any(shared):
                copies = revisits(OUTPUTS, position, shape, nest, n_loops, scratch.none, limit)
            finishes = 0.0 if reduced_above(position, shape, nest, machine.multicast) else 1.0
            back = returning(times, starts, first)
            fills = back
            if counting[REFILL_ALL]:
                fills = returning(copies, _working(position, shape, nest, n_loops, scratch.none), first)
            one = tile_elements(OUTPUTS, position, shape, nest, n_loops, scratch.tile)
            traffic[LINK_FIRST, parent, OUTPUTS] = min(total, one * spatial_loops(above, position, nest))
            together = one * units_apart(OUTPUTS, above, position, shape, nest, shared)
            partial = total * partial_visits(times, finished, wide)
            _written(UPDATES, parent, total * times, partial, together, machine, scratch)
            _written(FILLS, level, total * fills, total * fills, one, machine, scratch)
            _read(parent, total * back, total * back, together, machine, scratch)
            if counting[WRITE_BACK_READ]:
                _read(level, total * copies, total * partial_visits(copies, finishes, wide), one, machine, scratch)
            starts, finished = copies - fills, finishes
        parent = level
    if parent >= 0:
        _up_from_pes(parent, total, starts, finished, shape, nest, n_loops, tiles, machine, scratch)


@inlined_kernel
def _written(
    plane: int, level: int, elements: float, partial: float, amount: float, machine: Machine, scratch: Scratch
) -> None:
    scratch.traffic[plane, level, OUTPUTS] += elements
    scratch.traffic[WRITES_PARTIAL, level, OUTPUTS] += partial
    _add_words(WRITE_WORDS, level, OUTPUTS, elements, partial, amount, machine, scratch)


@inlined_kernel
def _read(level: int, elements: float, partial: float, amount: float, machine: Machine, scratch: Scratch) -> None:
    scratch.traffic[READS, level, OUTPUTS] += elements
    scratch.traffic[READS_PARTIAL, level, OUTPUTS] += partial
    _add_words(READ_WORDS, level, OUTPUTS, elements, partial, amount, machine, scratch)


@inlined_kernel
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
    shared, counting, flow = scratch.shared, machine.counting, machine.flow
    above = tiles[parent, OUTPUTS]
    amount, stray = 1.0, 0.0
    if flow[0]:
        times = array_factor(OUTPUTS, flow, scratch.folds, scratch.n_tiles)
        times *= _copies_above(OUTPUTS, above, shape, nest)
        amount = array_abreast(OUTPUTS, flow, scratch.folds)
        if flow[4] == OUTPUTS:
            stray = counting[STRAY_WRITES] * scratch.out[PASSES] * (machine.array[0] + machine.array[1])
    else:
        shared_between(OUTPUTS, above, n_loops, nest, n_loops, machine.multicast, shared)
        times = mac_revisits(OUTPUTS, shape, nest, n_loops, shared, False)
        amount = units_apart(OUTPUTS, above, n_loops, shape, nest, shared)
    partial = total * partial_visits(times, finished, counting[WIDE_FINALS])
    _written(UPDATES, parent, total * times + stray, partial, amount, machine, scratch)
    if counting[PSUM_REREADS]:
        back = total * returning(times, starts, counting[FIRST_PARTIAL_READ])
        _read(parent, back, back, amount, machine, scratch)
