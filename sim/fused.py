"""Cost of a chain of ops that runs as one: tiles of all its ops in turn, what lies between them never off the chip.

A `Plan` says which tiles run how often, what every level holds meanwhile, and what crosses to the off-chip memory.
The engine's own cost of each tile (all of its operands on chip) and the plan give the cost of each op of the chain,
such that they add up to the chain's: docs/fusion.md has the formulae.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from archsim.arch.accelerator import Accelerator
from archsim.arch.memory import MemoryLevel
from archsim.sim.conventions import Counting
from archsim.sim.records import FusedTiles, OpCost, Stall, Traffic
from archsim.sim.vector import IdleArray
from archsim.workloads.op import Op

PJ = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a level holds of one tensor while the chain runs: `copies` tiles of `elements`."""

    level: str
    tensor: str
    elements: int
    element_bits: float
    copies: int = 1

    @property
    def bits(self) -> float:
        return self.elements * self.element_bits * self.copies


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Elements of one operand of one op that cross between the off-chip memory and `level`, over the whole chain.

    `partial_reads` and `partial_writes` are sums that are not complete, `partial_bits` wide; the others leave them out.
    """

    member: int
    operand: str
    level: str
    bits: float
    reads: int = 0
    writes: int = 0
    partial_reads: int = 0
    partial_writes: int = 0
    partial_bits: float = 0.0

    @property
    def read_bits(self) -> float:
        return self.reads * self.bits + self.partial_reads * self.partial_bits

    @property
    def written_bits(self) -> float:
        return self.writes * self.bits + self.partial_writes * self.partial_bits


@dataclass(frozen=True, slots=True, kw_only=True)
class TileWork:
    """`times` runs of one tile of a product."""

    member: int
    op: Op
    times: int
    level: str = ""
    """Where its result is."""
    summed: int = 0
    """Elements of its result, over all its runs, that are added to sums of earlier tiles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a chain runs: `tiles` of its shared loops, what is kept, what moves, and the tiles of its products."""

    tiles: FusedTiles
    kept: tuple[Kept, ...]
    moved: tuple[Moved, ...]
    works: tuple[TileWork, ...]
    vectors: tuple[tuple[int, OpCost], ...]
    """Cost of vector operations by the op they belong to, with all they read and write on chip."""
    steps: int
    """Times that new tiles come from the off-chip memory."""
    first_bits: float
    """What must have come before anything can start."""
    last_bits: float
    """What is left to write when all else is done."""

    def held_bits(self, level: str) -> float:
        return sum(kept.bits for kept in self.kept if kept.level == level)

    @property
    def dram_bits(self) -> float:
        return sum(moved.read_bits + moved.written_bits for moved in self.moved)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What the cost of a chain needs of the accelerator, besides the tiles' costs."""

    accelerator: Accelerator
    counting: Counting
    far: MemoryLevel
    """The off-chip memory."""
    peak_macs_per_cycle: float
    leakage_w: float
    array_cycle_pj: float
    """What all PEs take in a cycle besides MACs, while an op of the array runs."""
    idle_pj_per_mac: float
    """What a PE-cycle without work takes, per MAC it could have done."""
    idle: IdleArray = field(default_factory=IdleArray)
    """What the PEs take during vector operations."""
    partial_bits: float
    """Width of sums that are not complete."""


@dataclass(slots=True)
class _Share:
    """What one op of a chain takes, added up tile by tile."""

    cycles: int = 0
    compute_cycles: int = 0
    macs_computed: int = 0
    array_cycles: float = 0.0
    energy_j: dict[str, float] = field(default_factory=dict)
    traffic: dict[tuple[str, str], Traffic] = field(default_factory=dict)
    stalls: dict[tuple[str, str, str], int] = field(default_factory=dict)
    bounds: dict[str, int] = field(default_factory=dict)
    main: OpCost | None = None
    largest: int = 0

    def add(self, cost: OpCost, times: int, macs: int) -> None:
        self.cycles += cost.cycles * times
        self.compute_cycles += cost.compute_cycles * times
        self.macs_computed += macs * times
        if cost.mapping_utilization:
            self.array_cycles += macs * times / cost.mapping_utilization
        for name, joules in cost.energy_j.items():
            self.energy_j[name] = self.energy_j.get(name, 0.0) + joules * times
        for row in cost.traffic:
            self.move(row.level, row.operand, row.instances, row.energy_j * times, row.reads * times,
                      row.fills * times, row.updates * times)  # fmt: skip
        for stall in cost.stalls:
            key = (stall.cause, stall.level, stall.operand)
            self.stalls[key] = self.stalls.get(key, 0) + stall.cycles * times
        self.bounds[cost.bound] = self.bounds.get(cost.bound, 0) + cost.cycles * times
        if cost.cycles > self.largest:
            self.main, self.largest = cost, cost.cycles

    def move(
        self, level: str, operand: str, instances: int, energy_j: float, reads: float, fills: float, updates: float
    ) -> None:
        """Add traffic, in elements per instance; the level's energy is the caller's to add."""
        row = self.traffic.get((level, operand))
        if row is None:
            row = Traffic(
                level=level, operand=operand, reads=0.0, fills=0.0, updates=0.0, instances=instances, energy_j=0.0
            )
        elif row.instances != instances:
            scale = row.instances / instances
            row = replace(
                row, reads=row.reads * scale, fills=row.fills * scale, updates=row.updates * scale, instances=instances
            )
        self.traffic[level, operand] = replace(
            row,
            reads=row.reads + reads,
            fills=row.fills + fills,
            updates=row.updates + updates,
            energy_j=row.energy_j + energy_j,
        )

    def spend(self, component: str, joules: float) -> None:
        self.energy_j[component] = self.energy_j.get(component, 0.0) + joules


def fused_costs(
    plan: Plan, members: Sequence[object], tile_costs: Sequence[OpCost], machine: Machine
) -> tuple[OpCost, ...]:
    """Cost of each op of the chain, in order; `tile_costs` are those of `plan.works`.

    The products and vector operations run one after the other; what comes from and goes to the off-chip memory
    overlaps with them where the on-chip level holds two tiles, and its stalls are shared out by bits moved.
    """
    shares = [_Share() for _ in members]
    for work, cost in zip(plan.works, tile_costs, strict=True):
        shares[work.member].add(cost, work.times, work.op.macs)
    for member, cost in plan.vectors:
        shares[member].add(cost, 1, 0)
    _add_sums(plan, shares, machine)
    _add_moves(plan, shares, machine)
    busy = sum(share.cycles for share in shares)
    stalls = _stall_cycles(plan, shares, busy, machine)
    bits = [
        sum(moved.read_bits + moved.written_bits for moved in plan.moved if moved.member == i)
        for i in range(len(members))
    ]
    given = _shared_out(stalls, bits)
    return tuple(
        _op_cost(plan, share, op, extra, moved_bits, machine)
        for share, op, extra, moved_bits in zip(shares, members, given, bits, strict=True)
    )


def _add_sums(plan: Plan, shares: list[_Share], machine: Machine) -> None:
    """Reads of the sums that tiles are added to."""
    for work in plan.works:
        if work.summed:
            level = machine.accelerator.memory(work.level)
            joules = work.summed * level.read_energy.per_element_pj(machine.partial_bits) * PJ
            share = shares[work.member]
            share.move(level.name, "outputs", level.instances, joules, work.summed / level.instances, 0.0, 0.0)
            share.spend(level.name, joules)


def _add_moves(plan: Plan, shares: list[_Share], machine: Machine) -> None:
    """Traffic between the off-chip memory and the chip, with its energy at both ends."""
    far = machine.far
    for moved in plan.moved:
        share, home = shares[moved.member], machine.accelerator.memory(moved.level)
        pairs = (
            (moved.reads, moved.writes, moved.bits),
            (moved.partial_reads, moved.partial_writes, moved.partial_bits),
        )
        for reads, writes, bits in pairs:
            if not reads and not writes:
                continue
            far_pj = reads * far.read_energy.per_element_pj(bits) + writes * far.write_energy.per_element_pj(bits)
            near_reads = writes if machine.counting.write_back_read else 0
            near_pj = reads * home.write_energy.per_element_pj(bits)
            near_pj += near_reads * home.read_energy.per_element_pj(bits)
            share.move(far.name, moved.operand, far.instances, far_pj * PJ, reads / far.instances, 0.0,
                       writes / far.instances)  # fmt: skip
            share.move(home.name, moved.operand, home.instances, near_pj * PJ, near_reads / home.instances,
                       reads / home.instances, 0.0)  # fmt: skip
            share.spend(far.name, far_pj * PJ)
            share.spend(home.name, near_pj * PJ)


def port_cycles(level: MemoryLevel, read_bits: float, written_bits: float) -> float:
    """Cycles that the level's ports take for bits read and written; operands' own ports are taken together."""
    read, written = level.read_bits_per_cycle, level.write_bits_per_cycle
    own = sum(bandwidth for _, bandwidth in level.operand_bits_per_cycle)
    if own:
        return (read_bits + written_bits) / own
    times = (read_bits / read, written_bits / written)
    return sum(times) if level.shared_ports else max(times)


def _stall_cycles(plan: Plan, shares: list[_Share], busy: int, machine: Machine) -> int:
    """Cycles that the chain waits for the off-chip memory.

    With room for two tiles: max(busy + first + last, transfers + one step), else busy + transfers.
    """
    if not machine.counting.memory_stalls:
        return 0
    far = machine.far
    read = sum(moved.read_bits for moved in plan.moved)
    written = sum(moved.written_bits for moved in plan.moved)
    transfers = port_cycles(far, read, written)
    for level in {moved.level for moved in plan.moved}:
        home = machine.accelerator.memory(level)
        into = sum(moved.read_bits for moved in plan.moved if moved.level == level)
        out = sum(moved.written_bits for moved in plan.moved if moved.level == level)
        transfers = max(transfers, port_cycles(home, out, into))
    if machine.counting.latency == "throughput":
        return max(0, math.ceil(transfers - 1e-9) - busy)
    if not all(machine.accelerator.memory(level).double_buffer for level in {moved.level for moved in plan.moved}):
        return math.ceil(transfers - 1e-9)
    ends = port_cycles(far, plan.first_bits, 0.0) + port_cycles(far, 0.0, plan.last_bits)
    return math.ceil(max(busy + ends, transfers + busy / plan.steps) - 1e-9) - busy


def _shared_out(cycles: int, bits: Sequence[float]) -> list[int]:
    """Whole cycles in proportion to `bits` that add up to `cycles`."""
    total = sum(bits)
    if not cycles or not total:
        return [0] * len(bits)
    exact = [cycles * part / total for part in bits]
    whole = [math.floor(value) for value in exact]
    order = sorted(range(len(bits)), key=lambda i: (whole[i] - exact[i], i))
    for i in order[: cycles - sum(whole)]:
        whole[i] += 1
    return whole


def _op_cost(plan: Plan, share: _Share, op: object, extra: int, bits: float, machine: Machine) -> OpCost:
    """One op's cost: its tiles, and `extra` cycles of waiting."""
    product = isinstance(op, Op)
    macs = op.macs if isinstance(op, Op) else 0
    seconds = extra / machine.accelerator.clock_hz
    if extra:
        share.spend("leakage", machine.leakage_w * seconds)
        if product:
            share.spend("mac", machine.array_cycle_pj * extra * PJ)
            share.spend("idle", machine.peak_macs_per_cycle * extra * machine.idle_pj_per_mac * PJ)
        else:
            share.spend("idle", machine.idle.idle_pj_per_cycle * extra * PJ)
        for (level, operand), count in _far_stalls(plan, share, extra, machine).items():
            share.stalls["bandwidth", level, operand] = share.stalls.get(("bandwidth", level, operand), 0) + count
    cycles = share.cycles + extra
    peak = machine.peak_macs_per_cycle
    return OpCost(
        cycles=cycles,
        compute_cycles=share.compute_cycles,
        stall_cycles=cycles - share.compute_cycles,
        latency_s=cycles / machine.accelerator.clock_hz,
        energy_j=share.energy_j,
        macs=macs,
        utilization=macs / (peak * cycles) if product and cycles else None,
        compute_utilization=macs / (peak * share.compute_cycles) if product and share.compute_cycles else None,
        mapping_utilization=macs / share.array_cycles if product and share.array_cycles else None,
        bound=machine.far.name if extra > share.cycles else max(share.bounds, key=lambda name: share.bounds[name]),
        dram_bytes=bits / 8,
        traffic=tuple(_ordered(share, machine)),
        stalls=tuple(
            Stall(cause=cause, level=level, operand=operand, cycles=count)
            for (cause, level, operand), count in share.stalls.items()
            if count
        ),
        mapping=share.main.mapping if share.main is not None else None,
        fused=plan.tiles,
    )


def _far_stalls(plan: Plan, share: _Share, extra: int, machine: Machine) -> dict[tuple[str, str], int]:
    """The op's waiting by operand, in proportion to what it moves off chip."""
    rows = [row for row in share.traffic.values() if row.level == machine.far.name]
    counts = _shared_out(extra, [row.reads + row.updates for row in rows])
    return {(row.level, row.operand): count for row, count in zip(rows, counts, strict=True)}


def _ordered(share: _Share, machine: Machine) -> list[Traffic]:
    """Traffic rows from the outermost level in, inputs, weights, outputs."""
    levels = [level.name for level in machine.accelerator.memories]
    operands = ("inputs", "weights", "outputs")
    return sorted(share.traffic.values(), key=lambda row: (levels.index(row.level), operands.index(row.operand)))
