"""What a start costs before any tile is chosen: compute cycles, and what moves between the innermost levels and PEs."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

from archsim.core.kernels import inlined_kernel, inner_kernel
from archsim.mappers.halo_kernels import least_share
from archsim.mappers.space_kernels import (
    COMPUTE_CYCLES,
    FOLDED,
    START_PJ,
    STREAMED_CYCLES,
    SUMS,
    Space,
    Start,
    Ways,
    ceil_div,
    copy_ints,
)
from archsim.mappers.state_kernels import Case, Room, Task
from archsim.mappers.time_kernels import set_steps
from archsim.sim.cost_kernels import level_energy
from archsim.sim.kernels import (
    COMPUTE,
    COUNTED,
    ENERGY_PJ,
    FILLS,
    INPUTS,
    MAC_HOLDS,
    OUTPUTS,
    READ_WORDS,
    READS,
    READS_PARTIAL,
    STREAMED,
    UPDATES,
    WORDS,
    WRITES_PARTIAL,
    Ints,
    Machine,
    Nest,
    Scratch,
    Shape,
    whole_elements,
)


@inner_kernel
def lay_start(task: Task, room: Room) -> int:
    """Write the nest whose cost a start has that `set_start` has filled in; how many loops it has.

    Its tiles are those of the innermost levels alone: what they cost no choice of tiles further out makes less (sums
    that start at zero are credited to those).
    """
    start, walk = room.start, room.walk
    after, tiles = walk.segment, walk.tiles
    n = _nest_of(start, task.shape, task.space.n_bounds, walk.nest, after)
    held = task.machine.counting[MAC_HOLDS] and not task.machine.flow[0]
    for operand in range(3):
        for level in range(tiles.shape[0]):
            tiles[level, operand] = -1
        level = task.space.innermost[operand]
        if level >= 0 and (operand == OUTPUTS or not held):
            tiles[level, operand] = after[task.space.placed[level]]
    return n


@inlined_kernel
def set_start(s: int, ways: Ways, shape: Shape, machine: Machine, perfect: int, start: Start) -> None:
    """Fill in the start of number `s`."""
    n_tiles = ways.tiles.shape[0]
    _set_units(s // n_tiles, ways, machine, perfect, start)
    set_tile(s % n_tiles, ways, shape, machine, start)


@inlined_kernel
def set_tile(tile: int, ways: Ways, shape: Shape, machine: Machine, start: Start) -> None:
    """Fill in another array tile of a start whose units stay as they are."""
    copy_ints(ways.tiles[tile], start.base)
    start.totals[FOLDED] = _folded(shape, machine, start.base)


@inlined_kernel
def _set_units(option: int, ways: Ways, machine: Machine, perfect: int, start: Start) -> None:
    """Fill in the spatial loops of a start."""
    every, needed, shared = start.every, start.needed, start.shared
    for b in range(every.shape[0]):
        for d in range(every.shape[1]):
            every[b, d], needed[b, d] = 1, 1
            for operand in range(3):
                shared[b, operand, d] = 1
    for i in range(ways.slot_axis.shape[0]):
        d, factor, b = ways.dims[option, i], ways.factors[option, i], ways.slot_bound[i]
        start.slot_dim[i], start.slot_factor[i] = d, factor
        start.slot_axis[i], start.slot_bound[i] = ways.slot_axis[i], b
        if d < 0:
            continue
        every[b, d] *= factor
        if needed[b, d] == 1:
            needed[b, d] = factor
        for operand in range(3):
            if machine.multicast[operand, ways.slot_axis[i]]:
                shared[b, operand, d] *= factor
    for b in range(every.shape[0]):
        for d in range(every.shape[1]):
            # So far the outermost loop of each: with fewer than two tiles it would be idle.
            needed[b, d] = every[b, d] if perfect else every[b, d] - every[b, d] // needed[b, d] + 1


@inlined_kernel
def _folded(shape: Shape, machine: Machine, base: Ints) -> float:
    """1 where sums are folded inside the array tile: there are more of them than the array adds up at once."""
    if not machine.flow[0] or machine.flow[4] == OUTPUTS:
        return 0.0
    product = 1
    for i in range(shape.groups.shape[1]):
        if shape.groups[2, i] >= 0:
            product *= base[shape.groups[2, i]]
    return 1.0 if product > machine.array[0] else 0.0


@inlined_kernel
def _nest_of(start: Start, shape: Shape, n_bounds: int, nest: Nest, after: Ints) -> int:
    """Loops over everything outside all boundaries, then those of each; `after[b]`: loops above boundary b's inside."""
    n = 0
    for d in range(shape.sizes.shape[0]):
        nest.base[d] = start.base[d]
        inside = start.base[d]
        for b in range(n_bounds):
            inside *= start.every[b, d]
        steps = ceil_div(shape.sizes[d], inside)
        if steps > 1:
            nest.dim[n], nest.factor[n], nest.axis[n] = d, steps, -1
            n += 1
    after[n_bounds] = n
    for back in range(n_bounds):
        b = n_bounds - 1 - back
        for i in range(start.slot_axis.shape[0]):
            if start.slot_bound[i] == b and start.slot_dim[i] >= 0 and start.slot_factor[i] > 1:
                nest.dim[n], nest.factor[n], nest.axis[n] = start.slot_dim[i], start.slot_factor[i], start.slot_axis[i]
                n += 1
        after[b] = n
    return n


@inlined_kernel
def take_start(case: Case, scratch: Scratch) -> None:
    """Fill in what a start costs, as it has just been costed."""
    shape, machine, space, start = case.shape, case.machine, case.space, case.start
    n_levels = machine.levels.shape[0]
    _take_off(shape, machine, space, scratch, start)
    start.totals[COMPUTE_CYCLES] = scratch.out[COMPUTE]
    set_steps(shape, machine, space, scratch, start)
    start.totals[STREAMED_CYCLES] = scratch.out[STREAMED]
    start.totals[START_PJ] = scratch.out[ENERGY_PJ]
    start.totals[SUMS] = 1.0
    if space.innermost[OUTPUTS] >= 0:
        elements = whole_elements(OUTPUTS, shape)
        start.totals[SUMS] = scratch.traffic[UPDATES, space.innermost[OUTPUTS], OUTPUTS] / elements
    for row in range(start.reading.shape[0]):
        start.reading[row], start.writing[row] = 0.0, 0.0
    for level in range(n_levels):
        _add_port_bits(level, case, scratch)
        start.used[level] = 1.0
        for b in range(space.placed[level], space.n_bounds):
            for d in range(shape.sizes.shape[0]):
                start.used[level] *= start.every[b, d]


@inlined_kernel
def _take_off(shape: Shape, machine: Machine, space: Space, scratch: Scratch, start: Start) -> None:
    """Take off what other mappings from a start save of its reads, and cost their energy anew."""
    traffic, inputs, outputs = scratch.traffic, space.innermost[INPUTS], space.innermost[OUTPUTS]
    counted = machine.counting[WORDS] == COUNTED and outputs >= 0 and machine.words[outputs, 0] > 0
    if counted:
        # Sums that start at zero may save less than a word, which whole words of fewer reads do not.
        traffic[READ_WORDS, outputs, OUTPUTS] = _read_bits(outputs, machine, scratch) / machine.words[outputs, 0]
    share = 1.0
    if inputs >= 0 and not machine.flow[0]:
        # Loops inside the units may make their windows equal.
        share = least_share(0, space.placed[inputs], shape, machine, start)
        traffic[READS, inputs, INPUTS] *= share
        traffic[READ_WORDS, inputs, INPUTS] *= share
    if counted or share < 1.0:
        level_energy(machine, scratch)


@inlined_kernel
def _read_bits(level: int, machine: Machine, scratch: Scratch) -> float:
    """Bits of outputs that are read of a level, as it stores them."""
    partial = scratch.traffic[READS_PARTIAL, level, OUTPUTS]
    whole = scratch.traffic[READS, level, OUTPUTS] - partial
    return float(whole * machine.stored_bits[level, OUTPUTS] + partial * machine.stored_bits[level, 3])


@inlined_kernel
def _add_port_bits(level: int, case: Case, scratch: Scratch) -> None:
    """Add the bits read from and written to a level, at least: partial sums read back are left out."""
    traffic, bits, start, rows = scratch.traffic, case.machine.bits, case.start, case.ports.row[level]
    for operand in range(2):
        start.reading[rows[operand]] += traffic[READS, level, operand] * bits[operand]
        start.writing[rows[operand]] += traffic[FILLS, level, operand] * bits[operand]
    partial = traffic[WRITES_PARTIAL, level, OUTPUTS]
    written = (traffic[UPDATES, level, OUTPUTS] - partial) * min(bits[OUTPUTS], bits[3]) + partial * bits[3]
    start.writing[rows[OUTPUTS]] += written
    read = (traffic[READS, level, OUTPUTS] - traffic[READS_PARTIAL, level, OUTPUTS]) * bits[OUTPUTS]
    start.reading[rows[OUTPUTS]] += read
