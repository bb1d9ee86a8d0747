"""The cost of one mapping: traffic of every level and operand, cycles, stalls and energy."""

from __future__ import annotations

import numpy as np

from archsim.core.kernels import kernel
from archsim.sim.kernels import (
    CAPACITY,
    COMPUTE,
    DOUBLE_BUFFER,
    DRAM_BITS,
    ENERGY_PJ,
    FILLS,
    FIRST_LOAD,
    FIRST_PARTIAL_READ,
    LIMIT,
    LIMIT_LEVEL,
    LINK_FIRST,
    LINK_TIME,
    MEMORY_STALLS,
    OFF_CHIP,
    OUTPUTS,
    PASSES,
    PSUM_REREADS,
    READ_BW,
    READS,
    READS_PARTIAL,
    RESERVED,
    SHARED_PORTS,
    STRAY_WRITES,
    STREAMED,
    TOTAL,
    UNBUFFERED,
    UPDATES,
    WRITE_BACK,
    WRITE_BW,
    WRITES_PARTIAL,
    Bools,
    Floats,
    Ints,
    array_factor,
    count_tiles,
    group_folds,
    mac_revisits,
    operand_elements,
    pass_cycles,
    revisits,
    shared_below,
    spatial_loops,
    split,
    tile_elements,
)


@kernel
def compute_cycles(
    sizes: Ints,
    base: Ints,
    loop_dim: Ints,
    loop_factor: Ints,
    loop_axis: Ints,
    n_loops: int,
    groups: Ints,
    flow: Ints,
    array: Ints,
    timing: Floats,
    count: Floats,
    together: Bools,
    folds: Ints,
    n_tiles: Ints,
    out: Floats,
) -> None:
    """Cycles without memory stalls into `out`; fills `folds` (row, column, stream group) and `n_tiles` per group."""
    if not flow[0]:
        steps = timing[0]
        for d in range(sizes.shape[0]):
            steps *= count_tiles(d, n_loops, sizes, base, loop_dim, loop_factor, loop_axis, n_loops, together)
        out[COMPUTE], out[STREAMED], out[PASSES] = steps, steps, 1.0
        return
    arguments = (sizes, base, loop_dim, loop_factor, loop_axis, n_loops, together)
    group_folds(groups[flow[1]], array[0], *arguments, folds[0])
    group_folds(groups[flow[2]], array[1], *arguments, folds[1])
    group_folds(groups[flow[3]], 1, *arguments, folds[2])
    for which in range(3):
        n_tiles[flow[1 + which]] = folds[which, 0]
    batch = 1.0
    for j in range(groups.shape[1]):
        if groups[3, j] >= 0:
            batch *= count_tiles(groups[3, j], n_loops, *arguments)
    # folds[2][6] is the last unit piece; the last stream is the sum less the others, exact for one tile.
    last = folds[2, 1] / folds[2, 0]
    total, streamed = pass_cycles(
        folds[0], folds[1], array[0], array[1], folds[2, 0], folds[2, 1], last, batch, timing, count
    )
    out[COMPUTE], out[STREAMED] = total, streamed
    out[PASSES] = batch * folds[0, 2] * folds[1, 2] * folds[2, 0]


@kernel
def fits(
    sizes: Ints,
    base: Ints,
    loop_dim: Ints,
    loop_factor: Ints,
    loop_axis: Ints,
    n_loops: int,
    relevant: Bools,
    windows: Ints,
    tiles: Ints,
    groups: Ints,
    flow: Ints,
    array: Ints,
    multicast: Bools,
    levels: Floats,
    bits: Floats,
    shared: Bools,
    tile: Ints,
) -> bool:
    """Whether every level holds its tiles: two of each that changes over time under double buffering.

    Outputs take the accumulator's width wherever their sums arrive before they are complete.
    """
    reduction = 1.0
    for j in range(groups.shape[1]):
        if groups[2, j] >= 0:
            reduction *= base[groups[2, j]]
    folded = flow[0] > 0 and flow[4] != OUTPUTS and reduction > array[0]
    for level in range(levels.shape[0]):
        need = 0.0
        for operand in range(3):
            position = tiles[level, operand]
            if position < 0:
                continue
            elements = tile_elements(
                operand, position, sizes, base, loop_dim, loop_factor, n_loops, relevant, windows, tile
            )
            width = bits[operand]
            if operand == OUTPUTS and _holds_partial_sums(
                level,
                sizes,
                base,
                loop_dim,
                loop_factor,
                loop_axis,
                n_loops,
                relevant,
                tiles,
                folded,
                multicast,
                shared,
            ):
                width = bits[3]
            changes = False
            for i in range(position):
                if loop_axis[i] < 0 and loop_factor[i] > 1 and relevant[operand, loop_dim[i]]:
                    changes = True
            need += elements * width * (2.0 if changes and levels[level, DOUBLE_BUFFER] > 0 else 1.0)
        if need > levels[level, CAPACITY] - levels[level, RESERVED]:
            return False
    return True


@kernel
def busiest_share(
    position: int,
    sizes: Ints,
    base: Ints,
    loop_dim: Ints,
    loop_factor: Ints,
    loop_axis: Ints,
    n_loops: int,
    shared: Bools,
) -> float:
    """Share of all work that falls to the busiest instance of a level: units at the edge have less, or none."""
    for a in range(shared.shape[0]):
        shared[a] = False
    for i in range(position):
        if loop_axis[i] >= 0:
            shared[loop_axis[i]] = True
    share = 1.0
    for d in range(sizes.shape[0]):
        full, edge, size = split(d, 0, n_loops, sizes[d], base, loop_dim, loop_factor, loop_axis, n_loops, shared)
        share *= (full * size + edge) / sizes[d]
    return share


@kernel
def _child(level: int, operand: int, tiles: Ints) -> int:
    for below in range(level + 1, tiles.shape[0]):
        if tiles[below, operand] >= 0:
            return below
    return -1


@kernel
def reduced_above(
    position: int, loop_dim: Ints, loop_factor: Ints, loop_axis: Ints, relevant: Bools, multicast: Bools
) -> bool:
    """Whether sums of a level at `position` are added to those of its neighbours on the way up: it has no results."""
    for i in range(position):
        a = loop_axis[i]
        if a >= 0 and loop_factor[i] > 1 and multicast[OUTPUTS, a] and not relevant[OUTPUTS, loop_dim[i]]:
            return True
    return False


@kernel
def _holds_partial_sums(
    level: int,
    sizes: Ints,
    base: Ints,
    loop_dim: Ints,
    loop_factor: Ints,
    loop_axis: Ints,
    n_loops: int,
    relevant: Bools,
    tiles: Ints,
    folded: bool,
    multicast: Bools,
    shared: Bools,
) -> bool:
    """Whether sums come to a level before their reduction is complete (`folded`: inside an array tile already)."""
    position = tiles[level, OUTPUTS]
    if reduced_above(position, loop_dim, loop_factor, loop_axis, relevant, multicast):
        return True
    below = _child(level, OUTPUTS, tiles)
    if below >= 0:
        shared_below(OUTPUTS, position, loop_axis, n_loops, multicast, shared)
        for i in range(tiles[below, OUTPUTS], n_loops):
            if loop_axis[i] >= 0:
                shared[loop_axis[i]] = False
        times = revisits(
            OUTPUTS, tiles[below, OUTPUTS], sizes, base, loop_dim, loop_factor, loop_axis, n_loops, relevant, shared
        )
        return times > 1
    for i in range(n_loops):
        a = loop_axis[i]
        together = a >= 0 and i >= position and multicast[OUTPUTS, a]
        if loop_factor[i] > 1 and not relevant[OUTPUTS, loop_dim[i]] and not together:
            return True
    return folded


@kernel
def _copies_above(
    operand: int, position: int, loop_dim: Ints, loop_factor: Ints, loop_axis: Ints, relevant: Bools
) -> float:
    """Instances of a level that each hold the same data of an operand."""
    product = 1.0
    for i in range(position):
        if loop_axis[i] >= 0 and not relevant[operand, loop_dim[i]]:
            product *= loop_factor[i]
    return product


@kernel
def _down(
    operand: int,
    sizes: Ints,
    base: Ints,
    loop_dim: Ints,
    loop_factor: Ints,
    loop_axis: Ints,
    n_loops: int,
    relevant: Bools,
    windows: Ints,
    tiles: Ints,
    groups: Ints,
    flow: Ints,
    multicast: Bools,
    folds: Ints,
    n_tiles: Ints,
    none: Bools,
    shared: Bools,
    tile: Ints,
    traffic: Floats,
) -> None:
    """Traffic of an operand that flows towards the PEs (inputs, weights)."""
    parent = -1
    for level in range(tiles.shape[0]):
        position = tiles[level, operand]
        if position < 0:
            continue
        if parent >= 0:
            shared_below(operand, tiles[parent, operand], loop_axis, n_loops, multicast, shared)
            for i in range(position, n_loops):
                if loop_axis[i] >= 0:
                    shared[loop_axis[i]] = False
            n = operand_elements(
                operand,
                position,
                sizes,
                base,
                loop_dim,
                loop_factor,
                loop_axis,
                n_loops,
                relevant,
                windows,
                shared,
                tile,
            )
            times = revisits(
                operand, position, sizes, base, loop_dim, loop_factor, loop_axis, n_loops, relevant, shared
            )
            traffic[READS, parent, operand] += n * times
            own = operand_elements(
                operand, position, sizes, base, loop_dim, loop_factor, loop_axis, n_loops, relevant, windows, none, tile
            )
            copies = revisits(operand, position, sizes, base, loop_dim, loop_factor, loop_axis, n_loops, relevant, none)
            traffic[FILLS, level, operand] += own * copies
            one = tile_elements(operand, position, sizes, base, loop_dim, loop_factor, n_loops, relevant, windows, tile)
            traffic[LINK_FIRST, parent, operand] = min(
                n * times, one * spatial_loops(tiles[parent, operand], position, loop_factor, loop_axis)
            )
        parent = level
    if parent < 0:
        return
    shared_below(operand, tiles[parent, operand], loop_axis, n_loops, multicast, shared)
    n = operand_elements(
        operand, n_loops, sizes, base, loop_dim, loop_factor, loop_axis, n_loops, relevant, windows, shared, tile
    )
    if flow[0]:
        # Inside a pass a conv is a flattened GEMM: every element of the im2col matrix is sent.
        n = 1.0
        for d in range(sizes.shape[0]):
            if relevant[operand, d]:
                n *= sizes[d]
        n *= _copies_above(operand, tiles[parent, operand], loop_dim, loop_factor, loop_axis, relevant)
        traffic[READS, parent, operand] += n * array_factor(operand, flow, folds, n_tiles)
    else:
        traffic[READS, parent, operand] += n * mac_revisits(
            operand, sizes, base, loop_dim, loop_factor, loop_axis, n_loops, relevant, shared
        )


@kernel
def _up(
    sizes: Ints,
    base: Ints,
    loop_dim: Ints,
    loop_factor: Ints,
    loop_axis: Ints,
    n_loops: int,
    relevant: Bools,
    windows: Ints,
    tiles: Ints,
    groups: Ints,
    flow: Ints,
    multicast: Bools,
    folds: Ints,
    n_tiles: Ints,
    none: Bools,
    shared: Bools,
    tile: Ints,
    array: Ints,
    count: Floats,
    traffic: Floats,
    out: Floats,
) -> None:
    """Traffic of the outputs: results and partial sums up, partial sums back down."""
    total = 1.0
    for d in range(sizes.shape[0]):
        if relevant[OUTPUTS, d]:
            total *= sizes[d]
    first = count[FIRST_PARTIAL_READ]
    parent = -1
    # Copies of an element that the parent starts at zero, and whether one of them ever becomes the result.
    starts, finished = 1.0, 1.0
    for level in range(tiles.shape[0]):
        position = tiles[level, OUTPUTS]
        if position < 0:
            continue
        if parent >= 0:
            shared_below(OUTPUTS, tiles[parent, OUTPUTS], loop_axis, n_loops, multicast, shared)
            for i in range(position, n_loops):
                if loop_axis[i] >= 0:
                    shared[loop_axis[i]] = False
            times = revisits(
                OUTPUTS, position, sizes, base, loop_dim, loop_factor, loop_axis, n_loops, relevant, shared
            )
            copies = revisits(OUTPUTS, position, sizes, base, loop_dim, loop_factor, loop_axis, n_loops, relevant, none)
            finishes = 0.0 if reduced_above(position, loop_dim, loop_factor, loop_axis, relevant, multicast) else 1.0
            back = times - starts * (1.0 - first)
            traffic[UPDATES, parent, OUTPUTS] += total * times
            traffic[WRITES_PARTIAL, parent, OUTPUTS] += total * (times - finished)
            traffic[READS, level, OUTPUTS] += total * copies
            traffic[READS_PARTIAL, level, OUTPUTS] += total * (copies - finishes)
            traffic[READS, parent, OUTPUTS] += total * back
            traffic[READS_PARTIAL, parent, OUTPUTS] += total * back
            traffic[FILLS, level, OUTPUTS] += total * back
            traffic[WRITES_PARTIAL, level, OUTPUTS] += total * back
            one = tile_elements(OUTPUTS, position, sizes, base, loop_dim, loop_factor, n_loops, relevant, windows, tile)
            traffic[LINK_FIRST, parent, OUTPUTS] = min(
                total, one * spatial_loops(tiles[parent, OUTPUTS], position, loop_factor, loop_axis)
            )
            starts, finished = copies - back, finishes
        parent = level
    if parent < 0:
        return
    shared_below(OUTPUTS, tiles[parent, OUTPUTS], loop_axis, n_loops, multicast, shared)
    if flow[0]:
        times = array_factor(OUTPUTS, flow, folds, n_tiles)
        times *= _copies_above(OUTPUTS, tiles[parent, OUTPUTS], loop_dim, loop_factor, loop_axis, relevant)
    else:
        times = mac_revisits(OUTPUTS, sizes, base, loop_dim, loop_factor, loop_axis, n_loops, relevant, shared)
    stray = count[STRAY_WRITES] * out[PASSES] * (array[0] + array[1]) if flow[0] and flow[4] == OUTPUTS else 0.0
    traffic[UPDATES, parent, OUTPUTS] += total * times + stray
    traffic[WRITES_PARTIAL, parent, OUTPUTS] += total * (times - finished)
    if count[PSUM_REREADS]:
        back = times - starts * (1.0 - first)
        traffic[READS, parent, OUTPUTS] += total * back
        traffic[READS_PARTIAL, parent, OUTPUTS] += total * back


@kernel
def _energy(traffic: Floats, levels: Floats, bits: Floats, read_pj: Floats, write_pj: Floats, out: Floats) -> None:
    """Energy of all levels in pJ, and bits over off-chip ports, into `out`."""
    energy = 0.0
    dram_bits = 0.0
    for level in range(levels.shape[0]):
        level_bits = 0.0
        for operand in range(3):
            reads = traffic[READS, level, operand]
            writes = traffic[FILLS, level, operand] + traffic[UPDATES, level, operand]
            if operand == OUTPUTS:
                partial_reads = traffic[READS_PARTIAL, level, operand]
                partial_writes = traffic[WRITES_PARTIAL, level, operand]
                energy += partial_reads * read_pj[level, 3] + partial_writes * write_pj[level, 3]
                level_bits += (partial_reads + partial_writes) * bits[3]
                reads -= partial_reads
                writes -= partial_writes
            energy += reads * read_pj[level, operand] + writes * write_pj[level, operand]
            level_bits += (reads + writes) * bits[operand]
        if levels[level, OFF_CHIP] > 0:
            dram_bits += level_bits
    out[ENERGY_PJ] = energy
    out[DRAM_BITS] = dram_bits


@kernel
def _port_cycles(
    level: int, traffic: Floats, levels: Floats, bits: Floats, operand_bw: Floats, used: float, operands: Bools
) -> float:
    """Cycles that one instance's ports are busy for the operands selected by `operands`."""
    read_bits = 0.0
    write_bits = 0.0
    slowest = 0.0
    for operand in range(3):
        if not operands[operand]:
            continue
        reads = traffic[READS, level, operand] * bits[operand]
        writes = (traffic[FILLS, level, operand] + traffic[UPDATES, level, operand]) * bits[operand]
        if operand == OUTPUTS:
            extra = bits[3] - bits[operand]
            reads += traffic[READS_PARTIAL, level, operand] * extra
            writes += traffic[WRITES_PARTIAL, level, operand] * extra
        if operand_bw[level, operand] > 0:
            slowest = max(slowest, (reads + writes) / operand_bw[level, operand] / used)
        else:
            read_bits += reads
            write_bits += writes
    if levels[level, SHARED_PORTS] > 0:
        own = (read_bits + write_bits) / levels[level, READ_BW]
    else:
        own = max(read_bits / levels[level, READ_BW], write_bits / levels[level, WRITE_BW])
    return max(slowest, own / used)


@kernel
def _link_first(
    level: int, operand: int, traffic: Floats, levels: Floats, bits: Floats, operand_bw: Floats, used: float
) -> float:
    """Cycles to bring the first tile of an operand from `level` (or to take the last result tile there)."""
    amount = traffic[LINK_FIRST, level, operand] * bits[operand] / used
    if operand_bw[level, operand] > 0:
        return amount / operand_bw[level, operand]
    column = WRITE_BW if operand == OUTPUTS and levels[level, SHARED_PORTS] == 0 else READ_BW
    return amount / levels[level, column]


@kernel
def _time(
    tiles: Ints,
    traffic: Floats,
    levels: Floats,
    bits: Floats,
    operand_bw: Floats,
    used: Floats,
    count: Floats,
    steps: Floats,
    out: Floats,
) -> None:
    """Total cycles with stalls. See docs/cost-model.md, "time"."""
    compute = out[COMPUTE]
    out[TOTAL], out[LIMIT_LEVEL], out[LIMIT] = compute, -1.0, 0.0
    out[FIRST_LOAD], out[WRITE_BACK], out[UNBUFFERED] = 0.0, 0.0, 0.0
    if not count[MEMORY_STALLS]:
        return
    buffered = np.zeros(3, np.bool_)
    unbuffered = np.zeros(3, np.bool_)
    for level in range(levels.shape[0]):
        feeds_level = False
        for operand in range(3):
            below = _child(level, operand, tiles)
            feeds_level = feeds_level or (below >= 0 and tiles[level, operand] >= 0)
            held = tiles[level, operand] >= 0
            serial = held and below >= 0 and levels[below, DOUBLE_BUFFER] == 0
            buffered[operand] = held and not serial
            unbuffered[operand] = serial
            if held and below >= 0 and not serial:
                first = _link_first(level, operand, traffic, levels, bits, operand_bw, used[level])
                traffic[LINK_TIME, level, operand] = first
                if operand == OUTPUTS:
                    out[WRITE_BACK] += first
                else:
                    out[FIRST_LOAD] += first
        serial_time = _port_cycles(level, traffic, levels, bits, operand_bw, used[level], unbuffered)
        out[UNBUFFERED] += serial_time
        for operand in range(3):
            if unbuffered[operand]:
                traffic[LINK_TIME, level, operand] = serial_time
        busy = _port_cycles(level, traffic, levels, bits, operand_bw, used[level], buffered)
        if busy > 0 and feeds_level:
            busy += compute / steps[level]
        if busy > out[LIMIT]:
            out[LIMIT], out[LIMIT_LEVEL] = busy, float(level)
    out[TOTAL] = max(compute + out[FIRST_LOAD] + out[WRITE_BACK], out[LIMIT]) + out[UNBUFFERED]


@kernel
def cost(
    sizes: Ints,
    base: Ints,
    loop_dim: Ints,
    loop_factor: Ints,
    loop_axis: Ints,
    n_loops: int,
    relevant: Bools,
    windows: Ints,
    tiles: Ints,
    groups: Ints,
    flow: Ints,
    array: Ints,
    timing: Floats,
    count: Floats,
    multicast: Bools,
    levels: Floats,
    bits: Floats,
    read_pj: Floats,
    write_pj: Floats,
    operand_bw: Floats,
    none: Bools,
    shared: Bools,
    together: Bools,
    tile: Ints,
    folds: Ints,
    n_tiles: Ints,
    used: Floats,
    steps: Floats,
    traffic: Floats,
    out: Floats,
) -> None:
    """Cost of one mapping into `traffic` and `out`; scratch arrays are the caller's. Capacity: see `fits`."""
    traffic[:] = 0.0
    compute_cycles(
        sizes,
        base,
        loop_dim,
        loop_factor,
        loop_axis,
        n_loops,
        groups,
        flow,
        array,
        timing,
        count,
        together,
        folds,
        n_tiles,
        out,
    )
    for operand in range(2):
        _down(
            operand,
            sizes,
            base,
            loop_dim,
            loop_factor,
            loop_axis,
            n_loops,
            relevant,
            windows,
            tiles,
            groups,
            flow,
            multicast,
            folds,
            n_tiles,
            none,
            shared,
            tile,
            traffic,
        )
    _up(
        sizes,
        base,
        loop_dim,
        loop_factor,
        loop_axis,
        n_loops,
        relevant,
        windows,
        tiles,
        groups,
        flow,
        multicast,
        folds,
        n_tiles,
        none,
        shared,
        tile,
        array,
        count,
        traffic,
        out,
    )
    _energy(traffic, levels, bits, read_pj, write_pj, out)
    shares = np.ones(levels.shape[0])
    for level in range(levels.shape[0]):
        position = 0
        next_position = 0
        for operand in range(3):
            position = max(position, tiles[level, operand])
            below = _child(level, operand, tiles)
            if below >= 0 and tiles[level, operand] >= 0:
                next_position = max(next_position, tiles[below, operand])
        used[level] = spatial_loops(0, position, loop_factor, loop_axis)
        shares[level] = used[level]
        if used[level] > 1:
            shares[level] = 1.0 / busiest_share(
                position, sizes, base, loop_dim, loop_factor, loop_axis, n_loops, shared
            )
        steps[level] = 1.0
        for d in range(sizes.shape[0]):
            steps[level] *= count_tiles(
                d, next_position, sizes, base, loop_dim, loop_factor, loop_axis, n_loops, together
            )
    _time(tiles, traffic, levels, bits, operand_bw, shares, count, steps, out)
