"""The closed form: one function costs one mapping; the mapper and the evaluator call that same one."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

import math

from archsim.core.kernels import inlined_kernel, inner_kernel
from archsim.sim.kernels import (
    ALL_RESERVE,
    CAPACITY,
    COMPUTE,
    COUNTED,
    DOUBLE_BUFFER,
    DRAM_BITS,
    ENERGY_PJ,
    FILLS,
    FIRST_LOAD,
    LIMIT,
    LIMIT_LEVEL,
    LINK_FIRST,
    LINK_TIME,
    LOAD_FIRST,
    MEMORY_STALLS,
    NESTED_REUSE,
    NO_RESERVE,
    OFF_CHIP,
    OUTPUTS,
    PORT_WORDS,
    READ_BW,
    READ_WORDS,
    READS,
    READS_PARTIAL,
    RESERVE,
    RESERVED,
    SHARED_PORTS,
    THROUGHPUT,
    TOTAL,
    UNBUFFERED,
    UPDATES,
    WORDS,
    WRITE_BACK,
    WRITE_BW,
    WRITE_WORDS,
    WRITES_PARTIAL,
    Ints,
    Machine,
    Nest,
    Scratch,
    Shape,
    count_tiles,
    reuse_limit,
    revisits,
    shared_between,
    spatial_loops,
    split,
    tile_elements,
)
from archsim.sim.pass_kernels import compute_cycles
from archsim.sim.traffic_kernels import child, down, reduced_above, up


@inner_kernel
def cost(shape: Shape, nest: Nest, n_loops: int, tiles: Ints, machine: Machine, scratch: Scratch) -> None:
    """Cost of one mapping into `scratch.traffic` and `scratch.out`. Capacity: see `fits`."""
    scratch.traffic[:] = 0.0
    compute_cycles(shape, nest, n_loops, machine, scratch)
    for operand in range(2):
        down(operand, shape, nest, n_loops, tiles, machine, scratch)
    up(shape, nest, n_loops, tiles, machine, scratch)
    instances(shape, nest, n_loops, tiles, scratch)
    if machine.counting[WORDS] == COUNTED:
        count_words(machine, scratch)
    level_energy(machine, scratch)
    if machine.counting[THROUGHPUT]:
        _throughput(tiles, machine, scratch)
    else:
        _time(tiles, machine, scratch)


@inner_kernel
def fits(shape: Shape, nest: Nest, n_loops: int, tiles: Ints, machine: Machine, scratch: Scratch) -> bool:
    """Whether every level holds its tiles: two of each that changes over time under double buffering.

    Outputs take the accumulator's width wherever their sums arrive before they are complete.
    """
    levels = machine.levels
    for level in range(levels.shape[0]):
        need = 0.0
        for operand in range(3):
            if tiles[level, operand] >= 0:
                need += held_bits(level, operand, shape, nest, n_loops, tiles, machine, scratch)
        if need > levels[level, CAPACITY] - levels[level, RESERVED]:
            return False
    return True


@inner_kernel
def held_bits(
    level: int, operand: int, shape: Shape, nest: Nest, n_loops: int, tiles: Ints, machine: Machine, scratch: Scratch
) -> float:
    """Bits that a level sets aside for its tile of an operand. It reads the tiles of that operand alone, but for
    outputs where tiles are kept only while the level above stands still (`NESTED_REUSE`).
    """
    position, bits = tiles[level, operand], machine.stored_bits[level]
    elements = tile_elements(operand, position, shape, nest, n_loops, scratch.tile)
    width = bits[operand]
    if operand == OUTPUTS and _holds_partial_sums(level, shape, nest, n_loops, tiles, machine, scratch):
        width = bits[3]
    twice = machine.counting[RESERVE] != NO_RESERVE and machine.levels[level, DOUBLE_BUFFER] > 0
    twice = twice or machine.counting[RESERVE] == ALL_RESERVE
    copies = 1.0
    if twice and _changes(operand, position, shape, nest):
        copies = 2.0
    return float(elements * width * copies)


@inlined_kernel
def _changes(operand: int, position: int, shape: Shape, nest: Nest) -> bool:
    """Whether an operand's tile at `position` is replaced by another one over time."""
    for i in range(position):
        if nest.axis[i] < 0 and nest.factor[i] > 1 and shape.relevant[operand, nest.dim[i]]:
            return True
    return False


@inlined_kernel
def _holds_partial_sums(
    level: int, shape: Shape, nest: Nest, n_loops: int, tiles: Ints, machine: Machine, scratch: Scratch
) -> bool:
    """Whether sums come to a level before their reduction is complete."""
    position = tiles[level, OUTPUTS]
    if reduced_above(position, shape, nest, machine.multicast):
        return True
    below = child(level, OUTPUTS, tiles)
    if below >= 0:
        inner = tiles[below, OUTPUTS]
        shared_between(OUTPUTS, position, inner, nest, n_loops, machine.multicast, scratch.shared)
        limit = reuse_limit(level, tiles, shape, nest) if machine.counting[NESTED_REUSE] else 0
        return revisits(OUTPUTS, inner, shape, nest, n_loops, scratch.shared, limit) > 1
    for i in range(n_loops):
        a = nest.axis[i]
        together = a >= 0 and i >= position and machine.multicast[OUTPUTS, a]
        if nest.factor[i] > 1 and not shape.relevant[OUTPUTS, nest.dim[i]] and not together:
            return True
    return _folded(shape, nest, machine)


@inlined_kernel
def _folded(shape: Shape, nest: Nest, machine: Machine) -> bool:
    """Whether sums leave an array before they are complete: its tile's reduction takes several folds."""
    if machine.flow[0] == 0 or machine.flow[4] == OUTPUTS:
        return False
    reduction = 1.0
    for j in range(shape.groups.shape[1]):
        if shape.groups[2, j] >= 0:
            reduction *= nest.base[shape.groups[2, j]]
    return reduction > machine.array[0]


@inlined_kernel
def _busiest_share(position: int, shape: Shape, nest: Nest, n_loops: int, scratch: Scratch) -> float:
    """Share of all work that falls to the busiest instance of a level: units at the edge have less, or none."""
    shared = scratch.shared
    for a in range(shared.shape[0]):
        shared[a] = False
    for i in range(position):
        if nest.axis[i] >= 0:
            shared[nest.axis[i]] = True
    share = 1.0
    for d in range(shape.sizes.shape[0]):
        if shape.sizes[d] > 1:
            full, edge, size = split(d, n_loops, shape, nest, n_loops, shared)
            share *= (full * size + edge) / shape.sizes[d]
    return share


@inlined_kernel
def instances(shape: Shape, nest: Nest, n_loops: int, tiles: Ints, scratch: Scratch) -> None:
    """Instances of each level at work, what they count for (the busiest has most to do), and steps at the level."""
    for level in range(tiles.shape[0]):
        position = 0
        next_position = 0
        for operand in range(3):
            position = max(position, tiles[level, operand])
            below = child(level, operand, tiles)
            if below >= 0 and tiles[level, operand] >= 0:
                next_position = max(next_position, tiles[below, operand])
        used = spatial_loops(0, position, nest)
        scratch.used[level] = used
        scratch.shares[level] = used
        if used > 1:
            scratch.shares[level] = 1.0 / _busiest_share(position, shape, nest, n_loops, scratch)
        steps = 1.0
        for d in range(shape.sizes.shape[0]):
            steps *= count_tiles(d, next_position, shape, nest, n_loops, scratch.together)
        scratch.steps[level] = steps


@inlined_kernel
def count_words(machine: Machine, scratch: Scratch) -> None:
    """Whole words that each instance reads, and writes from either side, of each operand."""
    for level in range(machine.levels.shape[0]):
        for operand in range(3):
            for plane in (READS, FILLS, UPDATES):
                width = machine.words[level, 0 if plane == READS else 1]
                if width > 0:
                    bits = _plane_bits(plane, level, operand, machine, scratch)
                    words = math.ceil(bits / width / scratch.used[level]) * scratch.used[level]
                    scratch.traffic[READ_WORDS if plane == READS else WRITE_WORDS, level, operand] += words


@inlined_kernel
def _plane_bits(plane: int, level: int, operand: int, machine: Machine, scratch: Scratch) -> float:
    """Bits of one operand's reads, fills or updates, partial sums at their width (fills of outputs are all partial)."""
    traffic, bits = scratch.traffic, machine.stored_bits[level]
    partial = 0.0
    if operand == OUTPUTS:
        if plane == READS:
            partial = traffic[READS_PARTIAL, level, operand]
        elif plane == FILLS:
            partial = traffic[FILLS, level, operand]
        else:
            partial = traffic[WRITES_PARTIAL, level, operand] - traffic[FILLS, level, operand]
    return float((traffic[plane, level, operand] - partial) * bits[operand] + partial * bits[3])


@inlined_kernel
def level_energy(machine: Machine, scratch: Scratch) -> None:
    """Energy of all levels in pJ, and bits over off-chip ports, into `scratch.out`."""
    traffic, read_pj, write_pj = scratch.traffic, machine.read_pj, machine.write_pj
    energy = 0.0
    dram_bits = 0.0
    for level in range(machine.levels.shape[0]):
        bits, by_word = machine.stored_bits[level], _by_word(level, machine)
        level_bits = 0.0
        for operand in range(3):
            reads = traffic[READS, level, operand]
            writes = traffic[FILLS, level, operand] + traffic[UPDATES, level, operand]
            if operand == OUTPUTS:
                partial_reads = traffic[READS_PARTIAL, level, operand]
                partial_writes = traffic[WRITES_PARTIAL, level, operand]
                if not by_word:
                    energy += partial_reads * read_pj[level, 3] + partial_writes * write_pj[level, 3]
                level_bits += (partial_reads + partial_writes) * bits[3]
                reads -= partial_reads
                writes -= partial_writes
            if by_word:
                energy += traffic[READ_WORDS, level, operand] * machine.word_pj[level, 0]
                energy += traffic[WRITE_WORDS, level, operand] * machine.word_pj[level, 1]
            else:
                energy += reads * read_pj[level, operand] + writes * write_pj[level, operand]
            level_bits += (reads + writes) * bits[operand]
        if machine.levels[level, OFF_CHIP] > 0:
            dram_bits += level_bits
    scratch.out[ENERGY_PJ] = energy
    scratch.out[DRAM_BITS] = dram_bits


@inlined_kernel
def _by_word(level: int, machine: Machine) -> bool:
    """Whether a level's accesses are whole words: the convention says so, and the design states their width."""
    return machine.counting[WORDS] > 0 and machine.words[level, 0] > 0 and machine.words[level, 1] > 0


@inlined_kernel
def _port_cycles(level: int, machine: Machine, scratch: Scratch, links: int) -> float:
    """Cycles that one instance's ports are busy for the operands whose bit is set in `links`."""
    operand_bw, levels = machine.operand_bw, machine.levels
    used = scratch.shares[level]
    read_bits = 0.0
    write_bits = 0.0
    slowest = 0.0
    for operand in range(3):
        if not links >> operand & 1:
            continue
        reads, writes = moved_bits(level, operand, machine, scratch)
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


@inlined_kernel
def moved_bits(level: int, operand: int, machine: Machine, scratch: Scratch) -> tuple[float, float]:
    """Bits of one operand that a level's ports are busy for: (read, written)."""
    traffic, bits = scratch.traffic, machine.stored_bits[level]
    if machine.counting[PORT_WORDS] > 0 and _by_word(level, machine):
        words = machine.words[level]
        return traffic[READ_WORDS, level, operand] * words[0], traffic[WRITE_WORDS, level, operand] * words[1]
    reads = traffic[READS, level, operand] * bits[operand]
    writes = (traffic[FILLS, level, operand] + traffic[UPDATES, level, operand]) * bits[operand]
    if operand == OUTPUTS:
        extra = bits[3] - bits[operand]
        reads += traffic[READS_PARTIAL, level, operand] * extra
        writes += traffic[WRITES_PARTIAL, level, operand] * extra
    return reads, writes


@inlined_kernel
def link_first(level: int, operand: int, machine: Machine, scratch: Scratch) -> float:
    """Cycles to bring the first tile of an operand from `level` (or to take the last result tile there)."""
    amount = scratch.traffic[LINK_FIRST, level, operand] * machine.stored_bits[level, operand] / scratch.shares[level]
    if machine.operand_bw[level, operand] > 0:
        return amount / machine.operand_bw[level, operand]
    column = WRITE_BW if operand == OUTPUTS and machine.levels[level, SHARED_PORTS] == 0 else READ_BW
    return amount / machine.levels[level, column]


@inlined_kernel
def _time(tiles: Ints, machine: Machine, scratch: Scratch) -> None:
    """Total cycles with stalls. See docs/cost-model.md, "time"."""
    out, traffic = scratch.out, scratch.traffic
    compute = out[COMPUTE]
    out[TOTAL], out[LIMIT_LEVEL], out[LIMIT] = compute, -1.0, 0.0
    out[FIRST_LOAD], out[WRITE_BACK], out[UNBUFFERED] = 0.0, 0.0, 0.0
    if not machine.counting[MEMORY_STALLS]:
        return
    for level in range(machine.levels.shape[0]):
        feeds_level = False
        buffered, unbuffered = 0, 0
        for operand in range(3):
            if tiles[level, operand] < 0:
                continue
            below = child(level, operand, tiles)
            if below >= 0 and machine.levels[below, DOUBLE_BUFFER] == 0:
                feeds_level = True
                unbuffered |= 1 << operand
                continue
            buffered |= 1 << operand
            if below >= 0:
                feeds_level = True
                first = link_first(level, operand, machine, scratch)
                traffic[LINK_TIME, level, operand] = first
                out[WRITE_BACK if operand == OUTPUTS else FIRST_LOAD] += first
        if unbuffered:
            serial_time = _port_cycles(level, machine, scratch, unbuffered)
            out[UNBUFFERED] += serial_time
            for operand in range(3):
                if unbuffered >> operand & 1:
                    traffic[LINK_TIME, level, operand] = serial_time
        busy = _port_cycles(level, machine, scratch, buffered)
        if busy > 0 and feeds_level:
            busy += compute / scratch.steps[level]
        if busy > out[LIMIT]:
            out[LIMIT], out[LIMIT_LEVEL] = busy, float(level)
    out[TOTAL] = max(compute + out[FIRST_LOAD] + out[WRITE_BACK], out[LIMIT]) + out[UNBUFFERED]


@inlined_kernel
def _throughput(tiles: Ints, machine: Machine, scratch: Scratch) -> None:
    """Total cycles where transfers overlap with everything else: the slowest of the array and each port."""
    out = scratch.out
    out[TOTAL], out[LIMIT_LEVEL], out[LIMIT] = out[COMPUTE], -1.0, 0.0
    out[FIRST_LOAD], out[WRITE_BACK], out[UNBUFFERED] = 0.0, 0.0, 0.0
    if not machine.counting[MEMORY_STALLS]:
        return
    for level in range(machine.levels.shape[0]):
        links = 0
        for operand in range(3):
            if tiles[level, operand] >= 0:
                links |= 1 << operand
        busy = _port_cycles(level, machine, scratch, links)
        if busy > out[LIMIT]:
            out[LIMIT], out[LIMIT_LEVEL] = busy, float(level)
    if machine.counting[THROUGHPUT] == LOAD_FIRST:
        _load_first(tiles, machine, scratch)
    out[TOTAL] = max(out[COMPUTE], out[LIMIT]) + out[FIRST_LOAD]


@inlined_kernel
def _load_first(tiles: Ints, machine: Machine, scratch: Scratch) -> None:
    """Cycles until each level holds its first tile of inputs and weights: link after link, at its slower end."""
    traffic, used, levels = scratch.traffic, scratch.used, machine.levels
    for level in range(levels.shape[0]):
        for operand in range(OUTPUTS):
            below = child(level, operand, tiles) if tiles[level, operand] >= 0 else -1
            if below >= 0:
                bits = traffic[LINK_FIRST, level, operand] * machine.stored_bits[level, operand]
                first = max(bits / used[level] / levels[level, READ_BW], bits / used[below] / levels[below, WRITE_BW])
                traffic[LINK_TIME, level, operand] = first
                scratch.out[FIRST_LOAD] += first
