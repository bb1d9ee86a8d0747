"""Fixed mappings on many points at once: each op's mapping costed on all machines in one call.

Results equal those of `archsim.explore.kept.kept_cost` to the bit.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from archsim.arch.engines.base import Dataflow
from archsim.explore.design_parts import Resolved
from archsim.explore.kept import Kept, flow_of, off_chip, placements_of, refusal, stands, structure
from archsim.explore.lru import Recent
from archsim.explore.machines import Machine, SetUp
from archsim.explore.op_costs import RESIDENT, component_names, too_large
from archsim.explore.trace_table import TraceTable, Variant
from archsim.sim import batch_kernels as rows_of
from archsim.sim.cost import Costing
from archsim.sim.kernels import Bools, Floats, Ints
from archsim.sim.mapping import Mapping
from archsim.sim.problem import Problem, build_problem
from archsim.sim.recost import Prices, Recosted, recost
from archsim.sim.recost_kernels import Machines
from archsim.workloads.op import Op
from archsim.workloads.trace import Trace

MOST_PROBLEMS = 8192
COMPENSATED = sys.version_info >= (3, 12)
"""Whether Python's `sum` compensates what it rounds."""
NO_HOPS = -1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptOp:
    """A product under one placement with the mapping that it keeps."""

    variant: Variant
    number: int
    """Its row."""
    op: Op
    mapping: Mapping
    flow: Dataflow
    """The base design's."""
    shape_number: int
    """The same for products that can be costed together: of equal loops, mapping, dataflow and placement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPlan:
    """A trace as it runs: the row of each op (n,), the products among the rows, and the vector operations."""

    number: int
    table: TraceTable
    kept: Kept
    variant: Ints
    products: tuple[KeptOp, ...]
    vector: Ints
    variants: rows_of.Variants
    kept_bits: Floats
    """(n,): bits of a result that stays on chip; below any capacity where it does not."""
    most_kept: float
    """The largest of them."""

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.variants.code)


def plan_of(number: int, table: TraceTable, trace: Trace, kept: Kept, number_of: Callable[[Hashable], int]) -> KeptPlan:
    """How a trace runs with the mappings of another one of the same ops. Rows: one for each (class, placement,
    mapping).
    """
    op_class = table.work.op_class.tolist()
    rows: dict[tuple[Variant, int], int] = {}
    variant, products, vector, described = [], [], [], []
    placements = placements_of(trace, kept.on_chip)
    for i, (op, placement) in enumerate(zip(trace.ops, placements, strict=True)):
        mapping = kept.mappings[i]
        if isinstance(op, Op):
            resident = RESIDENT.index(placement.operands(op))
            found: Variant = (op_class[i], resident, placement.reserved_bits)
        else:
            found = (op_class[i], int(placement.outputs), placement.input_fraction)
        key = (found, id(mapping))
        if key not in rows:
            rows[key] = len(rows)
            described.append(found)
            flow = kept.flows[i]
            if isinstance(op, Op) and mapping is not None and flow is not None:
                shape = number_of(_shape(op, mapping, flow, found[1]))
                products.append(
                    KeptOp(variant=found, number=rows[key], op=op, mapping=mapping, flow=flow, shape_number=shape)
                )
            else:
                vector.append(rows[key])
        variant.append(rows[key])
    kept_bits: Floats = np.where(kept.on_chip, table.work.result_bits, -np.inf)
    return KeptPlan(
        number=number,
        table=table,
        kept=kept,
        variant=np.array(variant, np.int64),
        products=tuple(products),
        vector=np.array(vector, np.int64),
        variants=rows_of.Variants(
            first=np.zeros(0, np.int64),
            following=np.zeros(0, np.int64),
            op_class=np.array([c for c, _, _ in described], np.int64),
            code=np.array([code for _, code, _ in described], np.int64),
            share=np.array([share for *_, share in described], np.float64),
        ),
        kept_bits=kept_bits,
        most_kept=float(kept_bits.max()),
    )


def _shape(op: Op, mapping: Mapping, flow: Dataflow, code: int) -> Hashable:
    operands = tuple((operand.axes, operand.role) for operand in (op.inputs, op.weights, op.outputs))
    tiles = tuple((level, tuple(held.items())) for level, held in mapping.tiles.items())
    loops, base = tuple(op.loops.items()), tuple(mapping.array_tile.items())
    return (op.kind, op.phase, loops, operands, mapping.loops, tiles, base, structure(flow), code)


@dataclass(frozen=True, slots=True, kw_only=True)
class _OnArray:
    """A kept op on one array: whether it stands there, a problem that shows its structure, and the array's numbers."""

    problem: Problem | None
    numbers: Floats


# Columns of the numbers of an op on an array, after its rows and columns.
_TIMING = slice(2, 11)
_ARRAYS, _MAC_PJ, _CYCLE_PJ, _HOP_PJ, _DECODE_PJ, _LEAKAGE_W, _IDLE_FRACTION, _PEAK = range(11, 19)
_BITS = slice(19, 23)
_COLUMNS = 23


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A product of one point: the number of its plan, and the accelerator as it is set up for it."""

    plan: int
    product: KeptOp
    point: Resolved
    chip: SetUp


class KeptCosts:
    """Costs of kept mappings on batches of machines."""

    def __init__(self) -> None:
        self._on_arrays: Recent[_OnArray] = Recent(MOST_PROBLEMS)

    def cost(self, entries: Sequence[Entry]) -> tuple[Floats, Bools]:
        """Rows (P, columns) of products of one shape, each on its machine; whether it stands and fits there (P,)."""
        chips = [entry.chip for entry in entries]
        found = [self._on_array(entry) for entry in entries]
        sample = next((item.problem for item in found if item.problem is not None), None)
        rows = np.zeros((len(entries), rows_of.MAC + len(component_names(chips[0].accelerator.memories))))
        if sample is None:
            return rows, np.zeros(len(found), np.bool_)
        standing: Bools = np.array([item.problem is not None for item in found])
        numbers = np.array([item.numbers for item in found])
        levels = np.array([chip.levels for chip in chips])
        first = entries[0]
        reserved = np.array([entry.product.variant[2] for entry in entries])
        machines = _machines(sample, first.point, numbers, levels, reserved)
        costs = recost(sample, first.product.mapping, machines, _prices(numbers, chips))
        _write(costs, chips[0], rows)
        whole = first.point.simulation.counting.tiling == "whole-layer"
        return rows, standing if whole else np.asarray(standing & costs.fits)

    def _on_array(self, entry: Entry) -> _OnArray:
        product, point = entry.product, entry.point
        key = (entry.plan, product.number, point.array.number, point.chip.number, point.simulation.number)
        return self._on_arrays.get(key, lambda: _on_array(product, point, entry.chip))


def _on_array(product: KeptOp, point: Resolved, chip: SetUp) -> _OnArray:
    accelerator, accumulator = chip.accelerator, point.quantization.accumulator
    counting = point.simulation.counting
    flow = flow_of(accelerator, product.flow)
    numbers = np.ones(_COLUMNS)
    if flow is None:
        return _OnArray(problem=None, numbers=numbers)
    _, code, bits = product.variant
    problem = build_problem(
        product.op, accelerator, flow, counting, accumulator, resident=RESIDENT[code], reserved_bits=bits
    )
    if not stands(problem, product.mapping):
        return _OnArray(problem=None, numbers=numbers)
    costing = Costing.of(accelerator, problem, accumulator, counting)
    hop = costing.unit.hop_pj_per_bit
    passes = bool(flow.stream)
    numbers[:2], numbers[_TIMING] = problem.machine.array, problem.machine.timing
    numbers[_ARRAYS] = accelerator.cores * accelerator.engine.arrays if passes else 0
    numbers[_MAC_PJ], numbers[_CYCLE_PJ] = costing.unit.energy_pj, costing.array_cycle_pj
    numbers[_HOP_PJ], numbers[_DECODE_PJ] = NO_HOPS if hop is None else hop, costing.unit.decode_pj
    numbers[_BITS] = problem.bits
    numbers[_LEAKAGE_W] = costing.unit.leakage_w * accelerator.units
    numbers[_IDLE_FRACTION], numbers[_PEAK] = accelerator.idle_energy_fraction, problem.peak_macs_per_cycle
    return _OnArray(problem=problem, numbers=numbers)


def _machines(sample: Problem, point: Resolved, numbers: Floats, levels: Floats, reserved_bits: Floats) -> Machines:
    """The machines, as `sim.machine.machine_of` makes one; levels (P, all memories, N_LEVEL)."""
    counting = point.simulation.counting
    used: Floats = np.ascontiguousarray(levels[:, list(sample.frame.used)])
    arrays = numbers[:, _ARRAYS, None]
    split = (arrays > 0) & (used[:, :, rows_of.IN_ARRAY] > 0)
    banks = np.where(split, used[:, :, rows_of.INSTANCES] // np.maximum(arrays, 1.0), 1.0)
    table = np.zeros((*used.shape[:2], 7))
    table[:, :, 0] = used[:, :, rows_of.CAPACITY] * banks
    table[:, :, 1] = used[:, :, rows_of.READ_BW] * banks
    table[:, :, 2] = used[:, :, rows_of.WRITE_BW] * banks
    table[:, :, 3] = {"shared": 1.0, "separate": 0.0}.get(counting.ports, used[:, :, rows_of.SHARED])
    table[:, :, 4], table[:, :, 5] = used[:, :, rows_of.DOUBLE_BUFFER], used[:, :, rows_of.OFF_CHIP]
    if sample.frame.home >= 0:
        table[:, sample.frame.home, 6] = reserved_bits
    bits: Floats = np.ascontiguousarray(numbers[:, _BITS])
    stored = _stored(bits, used[:, :, rows_of.READ_WORD], packed=counting.packing == "bits")
    return Machines(
        flow=sample.machine.flow,
        array=numbers[:, :2].astype(np.int64),
        timing=np.ascontiguousarray(numbers[:, _TIMING]),
        counting=sample.machine.counting,
        multicast=sample.machine.multicast,
        levels=table,
        bits=bits,
        stored_bits=stored,
        read_pj=_element_pj(used, rows_of.READ_BASIS, stored),
        write_pj=_element_pj(used, rows_of.WRITE_BASIS, stored),
        words=np.ascontiguousarray(used[:, :, rows_of.READ_WORD : rows_of.WRITE_WORD + 1]),
        word_pj=np.ascontiguousarray(used[:, :, rows_of.READ_WORD_PJ : rows_of.WRITE_WORD_PJ + 1]),
        operand_bw=np.ascontiguousarray(used[:, :, rows_of.INPUTS_BW : rows_of.OUTPUTS_BW + 1]),
    )


def _stored(bits: Floats, word: Floats, *, packed: bool) -> Floats:
    """Bits that elements of each width take in words (P, L, 4); see `sim.machine.stored_bits`."""
    whole = np.broadcast_to(bits[:, None, :], (*word.shape, bits.shape[1]))
    if packed:
        return np.ascontiguousarray(whole)
    words = word[:, :, None]
    safe = np.where(words > 0, words, 1.0)
    wide = np.ceil(whole / safe) * words
    narrow = words / np.maximum(safe // whole, 1.0)
    return np.asarray(np.where(words == 0, whole, np.where(whole > words, wide, narrow)))


def _element_pj(levels: Floats, first: int, stored: Floats) -> Floats:
    """pJ of elements through the port whose figures begin at column `first` (P, L, 4)."""
    basis, value, width = (levels[:, :, first + i, None] for i in range(3))
    per_bit = value * stored
    per_access = per_bit / np.where(width > 0, width, 1.0)
    found = np.where(basis == rows_of.PER_ELEMENT, value, np.where(basis == rows_of.PER_ACCESS, per_access, per_bit))
    return np.asarray(found)


def _prices(numbers: Floats, chips: Sequence[SetUp]) -> Prices:
    hops: Floats = numbers[:, _HOP_PJ]
    return Prices(
        memories=tuple(level.name for level in chips[0].accelerator.memories),
        clock_hz=np.array([chip.accelerator.clock_hz for chip in chips]),
        mac_pj=numbers[:, _MAC_PJ],
        decode_pj=numbers[:, _DECODE_PJ],
        cycle_pj=numbers[:, _CYCLE_PJ],
        hop_pj_per_bit=None if (hops == NO_HOPS).any() else hops,
        leakage_w=np.array([chip.memories_w for chip in chips]) + numbers[:, _LEAKAGE_W],
        idle_energy_fraction=numbers[:, _IDLE_FRACTION],
        peak_macs_per_cycle=numbers[:, _PEAK],
    )


def _write(costs: Recosted, chip: SetUp, out: Floats) -> None:
    """Costs as rows."""
    names = component_names(chip.accelerator.memories)
    out[:, rows_of.CYCLES], out[:, rows_of.LATENCY] = costs.cycles, costs.latency_s
    out[:, rows_of.ENERGY] = summed(list(costs.energy_j.values()))
    out[:, rows_of.DRAM] = costs.dram_bytes
    out[:, rows_of.FLAGS] = rows_of.HAS_NETWORK * ("network" in costs.energy_j)
    if "decoder" in costs.energy_j:
        out[:, rows_of.FLAGS] += rows_of.HAS_DECODER * (costs.energy_j["decoder"] != 0)
    for i, name in enumerate(names):
        out[:, rows_of.MAC + i] = costs.energy_j.get(name, 0.0)


def summed(terms: Sequence[Floats]) -> Floats:
    """Sums of floats as Python's `sum` makes them, one by one: from 3.12 on with what rounding lost."""
    total, rest = np.zeros(len(terms[0])), np.zeros(len(terms[0]))
    for term in terms:
        after = total + term
        if COMPENSATED:
            larger = np.abs(total) >= np.abs(term)
            rest += np.where(larger, (total - after) + term, (term - after) + total)
        total = after
    return np.where(np.isfinite(rest), total + rest, total) if COMPENSATED else total


def kept_refusal(plan: KeptPlan, machine: Machine, possible: Bools, *, limited: bool) -> str | None:
    """Why a point cannot run as its base does, said of the first op that cannot; None where it can.

    `possible` (rows,) is of products; `limited`: tensors must fit the outermost memory.
    """
    work, outermost = plan.table.work, machine.accelerator.memories[0]
    same = off_chip(machine.accelerator) == plan.kept.off_chip
    limited = limited and outermost.off_chip
    most = plan.table.largest_footprint(outermost) if limited else 0.0
    if same and possible.all() and plan.most_kept <= machine.home_bits and most <= outermost.capacity_bits:
        return None
    refused = ~possible[plan.variant]
    refused |= plan.kept_bits > machine.home_bits
    refused |= not same
    if limited:
        sizes = np.array(plan.table.footprints(outermost))
        large = (sizes > outermost.capacity_bits)[work.op_class]
        refused |= large
    i = int(np.argmax(refused))
    op = plan.table.classes[int(work.op_class[i])]
    if limited and sizes[work.op_class[i]] > outermost.capacity_bits:
        return too_large(op, machine.accelerator)
    return refusal(plan.kept.ops[i])
