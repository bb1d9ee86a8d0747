"""The schedule of one trace on many designs at once: vector operations, residency, and the sums over all ops.

`place` says what `sim.schedule.place` says, and `add_up` what `sim.totals` sums, in the same order of additions, so
that results are equal to the bit. Costs of products come from the caller: where one is missing, a design stops, says
which, and goes on from there in the next call.

Rows of costs are [cycles, latency in s, energy in J, bytes off chip, which components it has, energy by component in
J: mac, memories in order, vector, network, leakage, idle, decoder].
"""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

import math
from typing import NamedTuple

from archsim.core.kernels import inner_kernel, kernel
from archsim.sim.kernels import Bools, Floats, Ints

PJ = 1e-12

# Columns of a memory's row.
(
    CAPACITY,
    READ_BW,
    WRITE_BW,
    SHARED,
    INSTANCES,
    READ_BASIS,
    READ_PJ,
    READ_WIDTH,
    WRITE_BASIS,
    WRITE_PJ,
    WRITE_WIDTH,
    INPUTS_BW,
    WEIGHTS_BW,
    OUTPUTS_BW,
    OFF_CHIP,
    DOUBLE_BUFFER,
    READ_WORD,
    WRITE_WORD,
    READ_WORD_PJ,
    WRITE_WORD_PJ,
    IN_ARRAY,
) = range(21)
N_LEVEL = 21
PER_BIT, PER_ELEMENT, PER_ACCESS = 0.0, 1.0, 2.0
"""What an access energy is charged for."""

# Columns of a row of costs; components follow.
CYCLES, LATENCY, ENERGY, DRAM, FLAGS, MAC = range(6)
N_OTHERS = 6
"""Components besides memories."""
HAS_NETWORK, HAS_DECODER = 1, 2
"""Components that only some products have, as bits of FLAGS."""
# Columns of a vector operation's numbers.
ELEMENTS, OPERATIONS, READS, WRITES, IN_BITS, OUT_BITS = range(6)
# Columns of a design's numbers.
CLOCK, VECTOR_PJ, MEMORIES_W, ARRAY_W, IDLE_PJ, HOME_BITS = range(6)
N_CHIP = 6
# Columns of a design's sums; energies by component follow.
PEAK, DRAM_BYTES, PREFILL_S, DECODE_S, TOTAL_LATENCY, TOTAL_ENERGY, PRESENT, COMPONENTS = range(8)

LATENCY_GOAL, ENERGY_GOAL, EDP_GOAL, WEIGHTED_GOAL = 0, 1, 2, 3
PREFILL, DECODE = 1, 2

UNKNOWN, FEASIBLE, INFEASIBLE = 0, 1, 2
START, DONE = -1, -2


class Work(NamedTuple):
    """A trace of n ops in C classes of equal cost. `sources` of op i: source[first_source[i] : first_source[i + 1]].

    last_reader: -1 where none reads it; blocked: its result cannot stay on chip; kind (C,): of vector operation, -1
    for a product; all_sources (C,): whether a product's inputs come from all its sources or from the first.
    """

    op_class: Ints
    counts: Ints
    phase: Ints
    first_source: Ints
    source: Ints
    last_reader: Ints
    blocked: Bools
    result_bits: Floats
    kind: Ints
    all_sources: Bools
    vector: Floats


class Variants(NamedTuple):
    """Classes under placements: (class, code, share). Those of a class are chained from `first` along `following`.

    Of products, code is 1 for inputs on chip plus 2 for outputs, and share the bits taken by others; of vector
    operations, code is 1 for outputs on chip, and share the part of the inputs that is.
    """

    first: Ints
    following: Ints
    op_class: Ints
    code: Ints
    share: Floats


class Chips(NamedTuple):
    """P designs with L memories: levels (P, L, N_LEVEL), numbers (P, N_CHIP), lanes by kind of operation (P, kinds).

    far, near: the memories that vector operations stream through, -1 for none. peak (P, C): MACs per cycle at a class'
    formats.
    """

    levels: Floats
    numbers: Floats
    lanes: Floats
    far: Ints
    near: Ints
    peak: Floats


class Progress(NamedTuple):
    """How far each of P designs is: step (P,), and for its n ops the sources on chip (bits), placement and variant."""

    step: Ints
    mask: Ints
    kept: Bools
    taken: Floats
    variant: Ints
    cycles: Ints
    sums: Floats


class Wanted(NamedTuple):
    """What each design waits for: number (P,), and (class, code, share) of each."""

    number: Ints
    op_class: Ints
    code: Ints
    share: Floats


class Goal(NamedTuple):
    """What placement minimises, with the exponents; whether sums carry a compensation; whether ops are placed."""

    objective: int
    latency: float
    energy: float
    compensated: bool
    stalls: bool
    places: bool


@inner_kernel
def plus(total: float, rest: float, value: float, compensated: bool) -> tuple[float, float]:
    """`total + value` as Python's `sum` adds floats: plainly, or (from 3.12 on) with what rounding lost in `rest`."""
    after = total + value
    if compensated:
        if abs(total) >= abs(value):
            rest += (total - after) + value
        else:
            rest += (value - after) + total
    return after, rest


@inner_kernel
def ended(total: float, rest: float) -> float:
    """The sum that `plus` made."""
    return total + rest if rest != 0.0 and math.isfinite(rest) else total


@inner_kernel
def element_pj(level: Floats, first: int, bits: float) -> float:
    """pJ of one element through the port whose figures begin at column `first`."""
    if level[first] == PER_ELEMENT:
        return float(level[first + 1])
    if level[first] == PER_ACCESS:
        return float(level[first + 1] * bits / level[first + 2])
    return float(level[first + 1] * bits)


@inner_kernel
def _stream(
    level: Floats, numbers: Floats, read: float, written: float, filled: float, drained: float
) -> tuple[float, float]:
    """(J, cycles) of what a vector operation moves through one memory."""
    in_bits, out_bits = numbers[IN_BITS], numbers[OUT_BITS]
    inputs_pj = read * element_pj(level, READ_BASIS, in_bits) + filled * element_pj(level, WRITE_BASIS, in_bits)
    outputs_pj = drained * element_pj(level, READ_BASIS, out_bits) + written * element_pj(level, WRITE_BASIS, out_bits)
    energy = inputs_pj * PJ + outputs_pj * PJ
    slowest, out, into = 0.0, 0.0, 0.0
    if level[INPUTS_BW] > 0:
        slowest = (read * in_bits + filled * in_bits) / level[INPUTS_BW]
    else:
        out, into = read * in_bits, filled * in_bits
    if level[OUTPUTS_BW] > 0:
        slowest = max(slowest, (drained * out_bits + written * out_bits) / level[OUTPUTS_BW])
    else:
        out, into = out + drained * out_bits, into + written * out_bits
    reads, writes = out / level[READ_BW], into / level[WRITE_BW]
    own = reads + writes if level[SHARED] > 0 else max(reads, writes)
    return energy, max(slowest, own) / level[INSTANCES]


@inner_kernel
def vector_row(
    chip: int, chips: Chips, numbers: Floats, kind: int, kept: int, share: float, goal: Goal, row: Floats
) -> None:
    """The costs of one vector operation, as `sim.vector.vector_cost` has them, into `row`."""
    n_levels = chips.levels.shape[1]
    own = chips.numbers[chip]
    operations = numbers[ELEMENTS] * numbers[OPERATIONS]
    cycles = max(1.0, math.ceil(operations / chips.lanes[chip, kind] - 1e-9))
    reads, writes = numbers[ELEMENTS] * numbers[READS], numbers[ELEMENTS] * numbers[WRITES]
    far_reads = reads * (1.0 - share)
    far_writes = 0.0 if kept else writes
    row[:] = 0.0
    slowest = 0.0
    far, near = chips.far[chip], chips.near[chip]
    if far >= 0:
        level = chips.levels[chip, far]
        row[MAC + 1 + far], slowest = _stream(level, numbers, far_reads, far_writes, 0.0, 0.0)
        n = level[INSTANCES]
        row[DRAM] = far_reads / n * n * numbers[IN_BITS] / 8 + far_writes / n * n * numbers[OUT_BITS] / 8
    if near >= 0:
        level = chips.levels[chip, near]
        row[MAC + 1 + near], busy = _stream(level, numbers, reads, writes, far_reads, far_writes)
        slowest = max(slowest, busy)
    if goal.stalls:
        cycles = max(cycles, math.ceil(slowest - 1e-9))
    latency_s = cycles / own[CLOCK]
    rest = MAC + 1 + n_levels
    row[CYCLES], row[LATENCY] = cycles, latency_s
    row[rest] = operations * own[VECTOR_PJ] * PJ
    row[rest + 2] = latency_s * (own[MEMORIES_W] + own[ARRAY_W])
    row[rest + 3] = cycles * own[IDLE_PJ] * PJ
    total, lost = 0.0, 0.0
    for component in range(MAC, rest + 4):
        if component != rest + 1:
            total, lost = plus(total, lost, row[component], goal.compensated)
    row[ENERGY] = ended(total, lost)


@inner_kernel
def _found(variants: Variants, op_class: int, code: int, share: float) -> int:
    """The variant of a class under a placement; -1 where it has not come up yet."""
    v = variants.first[op_class]
    while v >= 0:
        if variants.code[v] == code and variants.share[v] == share:
            return int(v)
        v = variants.following[v]
    return -1


@inner_kernel
def _sources_on_chip(work: Work, op: int, mask: int) -> int:
    held = 0
    for s in range(work.first_source[op + 1] - work.first_source[op]):
        held += mask >> s & 1
    return held


@inner_kernel
def _variant(work: Work, variants: Variants, op: int, mask: int, kept: bool, taken: float) -> tuple[int, int, float]:
    """(variant or -1, code, share) of an op under a placement."""
    c = work.op_class[op]
    n = work.first_source[op + 1] - work.first_source[op]
    code, share = 1 if kept else 0, 0.0
    if work.kind[c] >= 0:
        if n > 0:
            share = _sources_on_chip(work, op, mask) / n
    else:
        first = n if work.all_sources[c] else min(n, 1)
        whole = first > 0 and mask & ((1 << first) - 1) == (1 << first) - 1
        code, share = 2 * code + (1 if whole else 0), taken
    return _found(variants, c, code, share), code, share


@inner_kernel
def _value(row: Floats, sums: Floats, goal: Goal) -> float:
    """What one occurrence adds to what placement minimises."""
    latency = row[LATENCY] / sums[TOTAL_LATENCY] if sums[TOTAL_LATENCY] != 0.0 else 0.0
    energy = row[ENERGY] / sums[TOTAL_ENERGY] if sums[TOTAL_ENERGY] != 0.0 else 0.0
    if goal.objective == LATENCY_GOAL:
        return latency
    if goal.objective == ENERGY_GOAL:
        return energy
    if goal.objective == EDP_GOAL:
        return latency + energy
    return goal.latency * latency + goal.energy * energy


@inner_kernel
def _moved(work: Work, progress: Progress, p: int, i: int, j: int) -> tuple[int, bool, float]:
    """The placement of op j when the result of op i stays on chip until its last reader."""
    mask, kept, taken = progress.mask[p, j], progress.kept[p, j], progress.taken[p, j]
    if j == i:
        return mask, True, taken
    begin, end = work.first_source[j], work.first_source[j + 1]
    reads = False
    for s in range(begin, end):
        if work.source[s] == i:
            mask |= 1 << (s - begin)
            reads = True
    if not reads or work.source[begin] != i:
        taken += work.result_bits[i]
    return mask, kept, taken


@inner_kernel
def _want(wanted: Wanted, p: int, op_class: int, code: int, share: float) -> None:
    """Note a variant that is needed, once; where there is no room it will come up again."""
    n = wanted.number[p]
    for w in range(n):
        if wanted.op_class[p, w] == op_class and wanted.code[p, w] == code and wanted.share[p, w] == share:
            return
    if n < wanted.op_class.shape[1]:
        wanted.op_class[p, n], wanted.code[p, n], wanted.share[p, n] = op_class, code, share
        wanted.number[p] = n + 1


@inner_kernel
def _begin(p: int, work: Work, chips: Chips, known: Ints, rows: Floats, progress: Progress, goal: Goal) -> None:
    """Everything off chip: the first variant of each class, and the sums that placement is relative to."""
    for c in range(work.kind.shape[0]):
        if work.kind[c] >= 0:
            vector_row(p, chips, work.vector[c], work.kind[c], 0, 0.0, goal, rows[p, c])
            known[p, c] = FEASIBLE
    latency, latency_rest, energy, energy_rest = 0.0, 0.0, 0.0, 0.0
    for i in range(work.op_class.shape[0]):
        c = work.op_class[i]
        progress.variant[p, i] = c
        latency, latency_rest = plus(latency, latency_rest, rows[p, c, LATENCY] * work.counts[i], goal.compensated)
        energy, energy_rest = plus(energy, energy_rest, rows[p, c, ENERGY] * work.counts[i], goal.compensated)
    progress.sums[p, TOTAL_LATENCY] = ended(latency, latency_rest)
    progress.sums[p, TOTAL_ENERGY] = ended(energy, energy_rest)


@inner_kernel
def _try(
    p: int,
    i: int,
    work: Work,
    variants: Variants,
    chips: Chips,
    known: Ints,
    rows: Floats,
    progress: Progress,
    wanted: Wanted,
    goal: Goal,
) -> None:
    """Keep the result of op i on chip, where all ops on the way still fit and the objective gains."""
    possible = True
    before, before_rest, after, after_rest = 0.0, 0.0, 0.0, 0.0
    for j in range(i, work.last_reader[i] + 1):
        mask, kept, taken = _moved(work, progress, p, i, j)
        v, code, share = _variant(work, variants, j, mask, kept, taken)
        c = work.op_class[j]
        if v < 0 or (known[p, v] == UNKNOWN and work.kind[c] < 0):
            _want(wanted, p, c, code, share)
            continue
        if known[p, v] == UNKNOWN:
            vector_row(p, chips, work.vector[c], work.kind[c], code, share, goal, rows[p, v])
            known[p, v] = FEASIBLE
        if known[p, v] == INFEASIBLE:
            possible = False
            continue
        was = _value(rows[p, progress.variant[p, j]], progress.sums[p], goal) * work.counts[j]
        now = _value(rows[p, v], progress.sums[p], goal) * work.counts[j]
        before, before_rest = plus(before, before_rest, was, goal.compensated)
        after, after_rest = plus(after, after_rest, now, goal.compensated)
    if wanted.number[p] > 0 or not possible or not ended(after, after_rest) < ended(before, before_rest):
        return
    for j in range(i, work.last_reader[i] + 1):
        mask, kept, taken = _moved(work, progress, p, i, j)
        v, _, _ = _variant(work, variants, j, mask, kept, taken)
        progress.mask[p, j], progress.kept[p, j], progress.taken[p, j] = mask, kept, taken
        progress.variant[p, j] = v


@kernel
def place(
    designs: Ints,
    work: Work,
    variants: Variants,
    chips: Chips,
    known: Ints,
    rows: Floats,
    progress: Progress,
    wanted: Wanted,
    goal: Goal,
) -> None:
    """Place the ops of each of `designs` as far as costs are known; those that get through are added up.

    known (P, V) and rows (P, V, columns) are the costs of variants; the first C are the classes with everything off
    chip, and must be known for products.
    """
    for at in range(designs.shape[0]):
        p = designs[at]
        wanted.number[p] = 0
        if progress.step[p] == START:
            _begin(p, work, chips, known, rows, progress, goal)
            progress.step[p] = 0
        home_bits = chips.numbers[p, HOME_BITS]
        n = work.op_class.shape[0] if goal.places and home_bits >= 0 else 0
        i = progress.step[p]
        while i < n:
            if work.last_reader[i] >= 0 and not work.blocked[i] and work.result_bits[i] <= home_bits:
                _try(p, i, work, variants, chips, known, rows, progress, wanted, goal)
                if wanted.number[p] > 0:
                    break
            i += 1
        progress.step[p] = i
        if wanted.number[p] == 0:
            progress.step[p] = DONE
            add_up(p, work, chips, rows, progress, goal)


@inner_kernel
def add_up(p: int, work: Work, chips: Chips, rows: Floats, progress: Progress, goal: Goal) -> None:
    """The sums over all ops of one design, each in the order of the trace."""
    sums = progress.sums[p]
    sums[COMPONENTS:] = 0.0
    present = 0
    cycles = 0
    peak, peak_rest, dram, dram_rest = 0.0, 0.0, 0.0, 0.0
    prefill, prefill_rest, decode, decode_rest = 0.0, 0.0, 0.0, 0.0
    for i in range(work.op_class.shape[0]):
        row, count = rows[p, progress.variant[p, i]], work.counts[i]
        cycles += int(row[CYCLES]) * count
        busy = chips.peak[p, work.op_class[i]] * row[CYCLES] * count
        peak, peak_rest = plus(peak, peak_rest, busy, goal.compensated)
        dram, dram_rest = plus(dram, dram_rest, row[DRAM] * count, goal.compensated)
        if work.phase[i] == PREFILL:
            prefill, prefill_rest = plus(prefill, prefill_rest, row[LATENCY] * count, goal.compensated)
        elif work.phase[i] == DECODE:
            decode, decode_rest = plus(decode, decode_rest, row[LATENCY] * count, goal.compensated)
        present |= int(row[FLAGS])
        for component in range(row.shape[0] - MAC):
            sums[COMPONENTS + component] += row[MAC + component] * count
    progress.cycles[p] = cycles
    sums[PRESENT] = present
    sums[PEAK], sums[DRAM_BYTES] = ended(peak, peak_rest), ended(dram, dram_rest)
    sums[PREFILL_S], sums[DECODE_S] = ended(prefill, prefill_rest), ended(decode, decode_rest)


@kernel
def run(
    designs: Ints,
    work: Work,
    variant: Ints,
    vector: Ints,
    variants: Variants,
    chips: Chips,
    rows: Floats,
    progress: Progress,
    goal: Goal,
) -> None:
    """Add up each of `designs` whose op i runs as `variant[i]` (n,); `vector` are the variants of vector operations."""
    for at in range(designs.shape[0]):
        p = designs[at]
        for i in range(vector.shape[0]):
            v = vector[i]
            c = variants.op_class[v]
            numbers, kind = work.vector[c], work.kind[c]
            vector_row(p, chips, numbers, kind, variants.code[v], variants.share[v], goal, rows[p, v])
        for i in range(variant.shape[0]):
            progress.variant[p, i] = variant[i]
        add_up(p, work, chips, rows, progress, goal)
