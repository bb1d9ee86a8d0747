"""How long a mapping takes, at least: computing, ports, first loads, and the step that no transfer overlaps with."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

import numpy as np

from archsim.core.kernels import inlined_kernel
from archsim.mappers.halo_kernels import least_share
from archsim.mappers.space_kernels import (
    COMPUTE_CYCLES,
    EVEN_STEP,
    LEAST_STEP,
    UNEVEN_CYCLES,
    Space,
    Start,
    box,
    ceil_div,
)
from archsim.mappers.state_kernels import Case
from archsim.sim.kernels import (
    COMPUTE,
    INPUTS,
    LAST_CYCLE,
    LOAD_FIRST,
    MEMORY_STALLS,
    OUTPUTS,
    READ_BW,
    SHARED_PORTS,
    THROUGHPUT,
    WRITE_BW,
    Floats,
    Ints,
    Machine,
    Scratch,
    Shape,
)
from archsim.sim.pass_kernels import column_cycles


@inlined_kernel
def port_cycles(level: int, read: float, written: float, machine: Machine) -> float:
    """Of the ports that operands share."""
    if machine.levels[level, SHARED_PORTS] > 0:
        return float((read + written) / machine.levels[level, READ_BW])
    return float(max(read / machine.levels[level, READ_BW], written / machine.levels[level, WRITE_BW]))


@inlined_kernel
def least_time(
    firsts: float, reading: Floats, writing: Floats, shares: Floats, own: Ints, start: Start, machine: Machine
) -> float:
    """Cycles, at least, of an op that moves these bits, `firsts` before or after it computes.

    A level that feeds others does so beside all steps but one, which takes `shares` (L,) array tiles, at least; 0 where
    a level feeds none. Rows of `reading` and `writing`, in bits: of the levels; of levels that feed others without
    double buffers, since nothing overlaps with that; of the ports of single operands (`own`, see `Ports`).
    """
    compute, used = start.totals[COMPUTE_CYCLES], start.used
    if not machine.counting[MEMORY_STALLS]:
        return float(np.ceil(compute - 1e-6))
    n_levels = used.shape[0]
    slowest, serial = 0.0, 0.0
    for level in range(n_levels):
        if machine.counting[THROUGHPUT]:
            read, written = reading[level] + reading[level + n_levels], writing[level] + writing[level + n_levels]
            busy = max(
                port_cycles(level, read, written, machine), _own_cycles(level, -1, own, reading, writing, machine)
            )
            slowest = max(slowest, busy / used[level])
            continue
        busy = port_cycles(level, reading[level], writing[level], machine)
        busy = max(busy, _own_cycles(level, 0, own, reading, writing, machine)) / used[level]
        if busy > 0.0 and shares[level] > 0.0:
            busy += _step_beside(busy, shares[level], start)
        slowest = max(slowest, busy)
        beside = port_cycles(level, reading[level + n_levels], writing[level + n_levels], machine)
        serial += max(beside, _own_cycles(level, 1, own, reading, writing, machine)) / used[level]
    if machine.counting[THROUGHPUT]:
        return float(np.ceil(max(compute, slowest) + firsts - 1e-6))
    return float(np.ceil(max(compute + firsts, slowest) + serial - 1e-6))


@inlined_kernel
def _own_cycles(level: int, serial: int, own: Ints, reading: Floats, writing: Floats, machine: Machine) -> float:
    """Cycles of the slowest port of a single operand, of those that do (not) overlap; `serial` -1: of all."""
    slowest, first = 0.0, reading.shape[0] - own.shape[0]
    for i in range(own.shape[0]):
        if own[i, 0] == level and (serial < 0 or own[i, 2] == serial):
            moved = reading[first + i] + writing[first + i]
            slowest = max(slowest, moved / machine.operand_bw[level, own[i, 1]])
    return float(slowest)


@inlined_kernel
def _step_beside(busy: float, share: float, start: Start) -> float:
    """Cycles of a step of `share` array tiles, at least, beside a port that is `busy` in all others.

    Either all units have as little to do as can be, or some have more, and computing takes longer than that.
    """
    totals = start.totals
    return float(min(share * totals[EVEN_STEP], max(share * totals[LEAST_STEP], totals[UNEVEN_CYCLES] - busy)))


@inlined_kernel
def set_steps(shape: Shape, machine: Machine, space: Space, scratch: Scratch, start: Start) -> None:
    """Fill in what one array tile takes, on average and at least (`EVEN_STEP` and below), of a start just costed."""
    compute, tiles, more = scratch.out[COMPUTE], 1.0, np.inf
    for d in range(shape.sizes.shape[0]):
        units = _units(d, 0, start)
        each = ceil_div(ceil_div(shape.sizes[d], start.base[d]), units)
        tiles *= each
        if units > 1 and not space.perfect:
            more = min(more, (each + 1.0) / each)
    step, taken_off = _step(shape, machine, space, scratch, start), machine.counting[LAST_CYCLE]
    start.totals[EVEN_STEP] = compute / tiles * (1.0 - 1e-12)
    start.totals[LEAST_STEP] = max(0.0, step * (1.0 - 1e-12) - taken_off)
    start.totals[UNEVEN_CYCLES] = max(compute, tiles * more * step * (1.0 - 1e-12) - taken_off)


@inlined_kernel
def _step(shape: Shape, machine: Machine, space: Space, scratch: Scratch, start: Start) -> float:
    """`least_step`, with loads and drains where every unit has all rows and streams."""
    step, groups, flow = least_step(shape, machine, space, start), shape.groups, machine.flow
    if not flow[0] or _split(groups[flow[1]], start) or _split(groups[flow[3]], start):
        return step
    folds, streams = scratch.folds, float(scratch.folds[2, 0])
    rows = column_cycles(folds[0], machine.array[0], streams, float(folds[2, 1]), machine.timing, machine.counting)
    columns = max(1.0, _mean_tile(groups[flow[2]], shape, space, start) / machine.array[1])
    return float(max(step, rows / (folds[0, 0] * streams) * columns))


@inlined_kernel
def _split(group: Ints, start: Start) -> bool:
    """Whether units share the work along a group."""
    split = False
    for j in range(group.shape[0]):
        split = split or (group[j] >= 0 and _units(group[j], 0, start) > 1)
    return split


@inlined_kernel
def _units(dim: int, begin: int, start: Start) -> int:
    """Units along a dimension outside boundary `begin`."""
    units = 1
    for b in range(begin, start.every.shape[0]):
        units *= start.every[b, dim]
    return units


@inlined_kernel
def least_step(shape: Shape, machine: Machine, space: Space, start: Start) -> float:
    """Cycles of an array tile, on average over those of the busiest unit, at least: its passes one after another."""
    if not machine.flow[0]:
        return float(machine.timing[0])
    groups, flow = shape.groups, machine.flow
    step = machine.timing[0] * _mean_tile(groups[flow[3]], shape, space, start)
    for axis in range(2):
        step *= max(1.0, _mean_tile(groups[flow[1 + axis]], shape, space, start) / machine.array[axis])
    return float(step)


@inlined_kernel
def _mean_tile(group: Ints, shape: Shape, space: Space, start: Start) -> float:
    """Size of an array tile along a group, on average over those of the busiest unit, at least."""
    mean = 1.0
    for j in range(group.shape[0]):
        d = group[j]
        if d < 0 or start.base[d] == 1:
            continue
        base, units = start.base[d], _units(d, 0, start)
        tiles = ceil_div(shape.sizes[d], base)
        if units == 1:
            mean *= shape.sizes[d] / float(tiles)
        elif space.perfect:
            mean *= base
        else:
            mean *= _least_mean(ceil_div(tiles, units), base)
    return mean


@inlined_kernel
def _least_mean(number: int, full: float) -> float:
    """Mean size of at least `number` pieces of which all but the last are `full`, or the only one is."""
    return float(max(((number - 1) * full + 1.0) / number, 0.5 * (full + 1.0)))


@inlined_kernel
def least_compute(any_tile: bool, shape: Shape, machine: Machine, start: Start) -> float:
    """Compute cycles of a start, at least, or with its units and `any_tile` of the array; quick to know."""
    if not machine.flow[0]:
        cycles = machine.timing[0]
        for d in range(shape.sizes.shape[0]):
            cycles *= ceil_div(shape.sizes[d], _units(d, 0, start))
        return float(cycles)
    groups, flow = shape.groups, machine.flow
    cycles = machine.timing[0] * _each(groups[flow[3]], shape, start) * _tiles_each(groups[3], shape, start)
    for axis in range(2):
        group = groups[flow[1 + axis]]
        folds = np.ceil(_each(group, shape, start) / machine.array[axis] - 1e-9)
        cycles *= folds if any_tile else max(_tiles_each(group, shape, start), folds)
    return float(cycles - machine.counting[LAST_CYCLE])


@inlined_kernel
def least_moves(operand: int, any_tile: bool, shape: Shape, machine: Machine, start: Start) -> float:
    """How often array tiles of an operand are moved, at least; see `pass_kernels.array_factor`."""
    flow, lacking = machine.flow, 1 if operand == 0 else (0 if operand == 1 else 2)
    group = shape.groups[lacking]
    tiles = 1.0 if any_tile else _tiles_each(group, shape, start)
    if operand != flow[4]:
        for axis in range(2):
            if flow[1 + axis] == lacking:
                tiles = max(tiles, np.ceil(_each(group, shape, start) / machine.array[axis] - 1e-9))
    return float(tiles)


@inlined_kernel
def _each(group: Ints, shape: Shape, start: Start) -> float:
    """How much of a group falls to each unit, at least to the busiest."""
    size = 1.0
    for j in range(group.shape[0]):
        if group[j] >= 0:
            size *= ceil_div(shape.sizes[group[j]], _units(group[j], 0, start))
    return size


@inlined_kernel
def _tiles_each(group: Ints, shape: Shape, start: Start) -> float:
    """How many array tiles of a group that are."""
    tiles = 1.0
    for j in range(group.shape[0]):
        d = group[j]
        if d >= 0:
            tiles *= ceil_div(ceil_div(shape.sizes[d], start.base[d]), _units(d, 0, start))
    return tiles


@inlined_kernel
def step_share(passed: int, tile: Ints, shape: Shape, space: Space, start: Start) -> float:
    """Array tiles in a tile above `passed` boundaries, on average and at least, of the busiest unit."""
    share = 1.0
    for d in range(tile.shape[0]):
        inside = start.base[d]
        for b in range(passed):
            inside *= start.every[b, d]
        full = tile[d] // inside
        if full <= 1:
            continue
        size, units = shape.sizes[d], _units(d, 0, start)
        if units == 1:
            share *= ceil_div(size, start.base[d]) / float(ceil_div(size, tile[d]))
        elif space.perfect:
            share *= full
        else:
            number = ceil_div(ceil_div(size, tile[d]), _units(d, passed, start))
            # One piece is all that the unit has; else all but the last are full.
            alone = float(ceil_div(ceil_div(size, start.base[d]), units))
            share *= _least_mean(number, full) if number > 1 else min(alone, 0.5 * (full + 1.0))
    return share


@inlined_kernel
def first_cycles(node: int, passed: int, held: float, case: Case) -> float:
    """Cycles of the first load of a node's tiles (of outputs: of the last write-back), of `held` elements each."""
    shape, machine, space, start = case.shape, case.machine, case.space, case.start
    level, operand, parent = space.nodes[node, 0], space.nodes[node, 1], space.nodes[node, 2]
    if level < 0 or not machine.counting[MEMORY_STALLS]:
        return 0.0
    units = 1.0
    for b in range(passed, space.nodes[node, 4]):
        for d in range(shape.sizes.shape[0]):
            units *= start.every[b, d]
    whole = box(operand, shape.sizes, shape.relevant, shape.windows, shape.sizes)
    if operand == INPUTS:
        whole *= least_share(passed, space.nodes[node, 4], shape, machine, start)
    moved = min(held * units, whole) * machine.stored_bits[parent, operand]
    if machine.counting[THROUGHPUT]:
        if machine.counting[THROUGHPUT] != LOAD_FIRST or operand == OUTPUTS:
            return 0.0
        read = moved / start.used[parent] / machine.levels[parent, READ_BW]
        return float(max(read, moved / start.used[level] / machine.levels[level, WRITE_BW]))
    if space.serial[parent, operand]:
        return 0.0
    if machine.operand_bw[parent, operand] > 0.0:
        return float(moved / machine.operand_bw[parent, operand] / start.used[parent])
    read, written = (0.0, moved) if operand == OUTPUTS else (moved, 0.0)
    return float(port_cycles(parent, read, written, machine) / start.used[parent])


@inlined_kernel
def set_firsts(case: Case, tile: Ints) -> float:
    """Fill in the first cycles of all nodes, at least: with the smallest tiles; their sum."""
    shape, space, start = case.shape, case.space, case.start
    total = 0.0
    for k in range(space.nodes.shape[0]):
        inside = space.placed[space.nodes[k, 0]] if space.nodes[k, 0] >= 0 else 0
        for d in range(tile.shape[0]):
            tile[d] = start.base[d]
            for b in range(inside):
                tile[d] *= start.every[b, d]
        held = box(space.nodes[k, 1], shape.sizes, shape.relevant, shape.windows, tile)
        case.lines.firsts[k] = first_cycles(k, inside, held, case) * (1.0 - 1e-12)
        total += case.lines.firsts[k]
    return total


@inlined_kernel
def set_feeding(space: Space, shares: Floats) -> None:
    """1 for each level that feeds another one, 0 for the others."""
    for level in range(shares.shape[0]):
        shares[level] = 0.0
        for k in range(space.nodes.shape[0]):
            if space.nodes[k, 2] == level and space.nodes[k, 0] >= 0:
                shares[level] = 1.0


@inlined_kernel
def feeds_first(node: int, left: int, space: Space) -> bool:
    """Whether a node that is placed is the first one that its parent feeds; `left` marks nodes to come."""
    for k in range(space.nodes.shape[0]):
        if k != node and space.nodes[k, 2] == space.nodes[node, 2] and space.nodes[k, 0] >= 0 and not (left >> k) & 1:
            return False
    return True
