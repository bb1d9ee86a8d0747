"""Cost of one mapped op: the closed form called once, and its arrays read out as records."""

from __future__ import annotations

import math
from dataclasses import dataclass

from archsim.arch.accelerator import Accelerator
from archsim.arch.engines.base import UnitCost
from archsim.arch.formats import Format
from archsim.core.memo import ByIdentity
from archsim.sim.conventions import Counting
from archsim.sim.frame import GROUPS
from archsim.sim.kernels import (
    COMPUTE,
    DRAM_BITS,
    FILLS,
    PASSES,
    READ_WORDS,
    READS,
    READS_PARTIAL,
    STREAMED,
    TOTAL,
    UPDATES,
    WORDS,
    WRITE_WORDS,
    WRITES_PARTIAL,
)
from archsim.sim.mapping import Loop, Mapping
from archsim.sim.problem import Problem, alike
from archsim.sim.raw import Raw, run_kernel
from archsim.sim.records import OpCost, Room, Traffic
from archsim.sim.waits import Counts, binding, stalls
from archsim.workloads.op import OPERANDS, Op
from archsim.workloads.operand_data import operand_data

__all__ = ["PJ", "Costing", "Raw", "cost_mapping", "cost_of", "pass_loops", "run_kernel"]

PJ = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Costing:
    """What turns counts into an OpCost: clock, unit cost, leakage and the counting switches."""

    accelerator: Accelerator
    unit: UnitCost
    counting: Counting
    leakage_w: float

    @classmethod
    def of(cls, accelerator: Accelerator, problem: Problem, accumulator: Format, counting: Counting) -> Costing:
        """Remembered: the same for all ops with the same data on one accelerator."""
        return _COSTINGS.get(
            (accelerator, alike(problem.op, accelerator.engine)),
            (accumulator, counting),
            lambda: cls._made(accelerator, problem.op, accumulator, counting),
        )

    @classmethod
    def _made(cls, accelerator: Accelerator, op: Op, accumulator: Format, counting: Counting) -> Costing:
        weights, inputs = operand_data(op, "weights"), operand_data(op, "inputs")
        idle = accelerator.idle_energy_fraction
        unit = accelerator.engine.data_cost(weights, inputs, accumulator.arithmetic, idle_energy_fraction=idle)
        leakage = sum(level.leakage_w * level.instances for level in accelerator.memories)
        return cls(
            accelerator=accelerator,
            unit=unit,
            counting=counting,
            leakage_w=leakage + unit.leakage_w * accelerator.units,
        )

    @property
    def array_cycle_pj(self) -> float:
        """What all PEs take in one cycle besides their MACs (`pe_energy`)."""
        return self.unit.cycle_pj * self.accelerator.units

    def mac_pj(self, macs: int) -> float:
        return self.unit.energy_pj * macs

    def decoder_pj(self, macs: int) -> float:
        """Energy of the decoders between buffers and multipliers."""
        return self.unit.decode_pj * macs

    def network_pj(self, problem: Problem) -> float | None:
        """Hops between neighbouring PEs: every MAC passes its moving operands on through one register each."""
        moving = problem.dataflow.moving
        if not moving or self.unit.hop_pj_per_bit is None:
            return None
        index = {"inputs": 0, "weights": 1, "outputs": 3}
        return self.unit.hop_pj_per_bit * problem.op.macs * float(sum(problem.bits[index[name]] for name in moving))

    def fixed_pj(self, problem: Problem) -> float:
        """Energy that no mapping changes: MACs, decoders and hops, less what the PEs at work do not idle."""
        macs = problem.op.macs
        busy = self.mac_pj(macs) * (1 - self.accelerator.idle_energy_fraction)
        return busy + self.decoder_pj(macs) + (self.network_pj(problem) or 0.0)

    def pj_per_cycle(self, problem: Problem) -> float:
        """Leakage, what the PEs take in every cycle, and what they take when they idle."""
        idle = problem.peak_macs_per_cycle * self.accelerator.idle_energy_fraction * self.unit.energy_pj
        return self.leakage_w / PJ / self.accelerator.clock_hz + self.array_cycle_pj + idle


_COSTINGS: ByIdentity[Costing] = ByIdentity(512)


def cost_mapping(problem: Problem, mapping: Mapping, costing: Costing) -> OpCost:
    """Cost of one occurrence of the op under `mapping`; capacity is the mapper's concern (`run_kernel(...).fits`)."""
    return cost_of(problem, mapping, run_kernel(problem, mapping), costing)


def cost_of(
    problem: Problem,
    mapping: Mapping | None,
    raw: Raw,
    costing: Costing,
    *,
    details: bool = True,
    room: Room | None = None,
) -> OpCost:
    """Cost of one occurrence of the op, from what the closed form gave for the mapping; that and `room` are noted.

    Without `details`, cycles, energies and bytes alone are right: nothing is said of traffic, stalls, bounds and
    utilizations.
    """
    accelerator, macs = costing.accelerator, problem.op.macs
    out: list[float] = raw.out.tolist()
    counts: Counts = raw.traffic.transpose(1, 2, 0).tolist()
    cycles = math.ceil(out[TOTAL] - 1e-9)
    compute = math.ceil(out[COMPUTE] - 1e-9)
    latency_s = cycles / accelerator.clock_hz
    peak = problem.peak_macs_per_cycle
    if not details:
        return OpCost(
            cycles=cycles,
            compute_cycles=compute,
            stall_cycles=cycles - compute,
            latency_s=latency_s,
            energy_j=_energy(problem, costing, _level_energies(problem, raw, counts), macs, cycles, latency_s),
            macs=macs,
            utilization=None,
            compute_utilization=None,
            mapping_utilization=None,
            bound="",
            dram_bytes=out[DRAM_BITS] / 8,
            mapping=mapping,
            room=room,
        )
    traffic = _traffic(problem, raw, counts)
    energies = [(row.level, row.energy_j) for row in traffic]
    return OpCost(
        cycles=cycles,
        compute_cycles=compute,
        stall_cycles=cycles - compute,
        latency_s=latency_s,
        energy_j=_energy(problem, costing, energies, macs, cycles, latency_s),
        macs=macs,
        utilization=macs / (peak * cycles) if cycles else None,
        compute_utilization=_compute_utilization(problem, out, costing.counting, macs, compute),
        mapping_utilization=macs / (peak * out[STREAMED]),
        bound=binding(problem, raw),
        dram_bytes=out[DRAM_BITS] / 8,
        traffic=traffic,
        stalls=stalls(problem, raw, counts, cycles - compute),
        mapping=mapping,
        room=room,
    )


def _compute_utilization(
    problem: Problem, out: list[float], counting: Counting, macs: int, compute: int
) -> float | None:
    cycles = float(compute)
    if counting.utilization_period == "scale-sim":
        cycles = out[COMPUTE] + (1.0 if counting.last_cycle == "index" else 0.0)
        if problem.dataflow.stationary in ("weights", "inputs"):
            cycles += out[PASSES] * (float(problem.array[1]) - 1.0)
    return macs / (problem.peak_macs_per_cycle * cycles) if cycles else None


def _traffic(problem: Problem, raw: Raw, counts: Counts) -> tuple[Traffic, ...]:
    rows: list[Traffic] = []
    prices = _LevelPrices.of(problem)
    levels = zip(problem.levels_used, raw.used.tolist(), raw.tiles.tolist(), counts, strict=True)
    for i, (level, used, tiles, own) in enumerate(levels):
        name, instances = level.name, max(1, round(used))
        for j, operand in enumerate(OPERANDS):
            if tiles[j] < 0:
                continue
            planes = own[j]
            rows.append(
                Traffic(
                    level=name,
                    operand=operand,
                    reads=planes[READS] / instances,
                    fills=planes[FILLS] / instances,
                    updates=planes[UPDATES] / instances,
                    instances=instances,
                    energy_j=prices.energy_pj(planes, i, j) * PJ,
                )
            )
    return tuple(rows)


def _level_energies(problem: Problem, raw: Raw, counts: Counts) -> list[tuple[str, float]]:
    """(memory, J) of every operand at every level, in the order of traffic."""
    tiles: list[list[int]] = raw.tiles.tolist()
    prices = _LevelPrices.of(problem)
    return [
        (level.name, prices.energy_pj(counts[i][j], i, j) * PJ)
        for i, level in enumerate(problem.levels_used)
        for j in range(len(OPERANDS))
        if tiles[i][j] >= 0
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _LevelPrices:
    """Energy of the accesses to each level: [level][operand, then partial sums] in pJ of an element, and of words."""

    read_pj: list[list[float]]
    write_pj: list[list[float]]
    by_word: list[bool]
    word_pj: list[list[float]]

    @classmethod
    def of(cls, problem: Problem) -> _LevelPrices:
        machine = problem.machine
        counted = bool(machine.counting[WORDS])
        return cls(
            read_pj=machine.read_pj.tolist(),
            write_pj=machine.write_pj.tolist(),
            by_word=[counted and read > 0 and write > 0 for read, write in machine.words.tolist()],
            word_pj=machine.word_pj.tolist(),
        )

    def energy_pj(self, counts: list[float], level: int, operand: int) -> float:
        """Energy of one operand's accesses; `counts` by plane."""
        if self.by_word[level]:
            read, write = self.word_pj[level]
            return counts[READ_WORDS] * read + counts[WRITE_WORDS] * write
        reads, partial_reads = counts[READS], counts[READS_PARTIAL]
        writes, partial_writes = counts[FILLS] + counts[UPDATES], counts[WRITES_PARTIAL]
        read_pj, write_pj = self.read_pj[level], self.write_pj[level]
        pj = (reads - partial_reads) * read_pj[operand] + partial_reads * read_pj[3]
        return pj + ((writes - partial_writes) * write_pj[operand] + partial_writes * write_pj[3])


def _energy(
    problem: Problem,
    costing: Costing,
    energies: list[tuple[str, float]],
    macs: int,
    cycles: int,
    latency_s: float,
) -> dict[str, float]:
    """Joules by component; the sum is the op's energy. `energies`: (memory, J) of single operands."""
    energy = {"mac": (costing.mac_pj(macs) + costing.array_cycle_pj * cycles) * PJ}
    if costing.unit.decode_pj:
        energy["decoder"] = costing.decoder_pj(macs) * PJ
    for level in costing.accelerator.memories:
        energy[level.name] = 0.0
    for name, joules in energies:
        energy[name] += joules
    energy["vector"] = 0.0
    network = costing.network_pj(problem)
    if network is not None:
        energy["network"] = network * PJ
    energy["leakage"] = costing.leakage_w * latency_s
    idle = max(0.0, cycles * problem.peak_macs_per_cycle - macs)
    energy["idle"] = idle * costing.accelerator.idle_energy_fraction * costing.unit.energy_pj * PJ
    return energy


def pass_loops(problem: Problem, array_tile: dict[str, int]) -> tuple[Loop, ...]:
    """The loops a pass engine runs inside its array tile: column folds, row folds, stream, rows, columns."""
    if not problem.flow[0]:
        return ()
    row, column, stream = (GROUPS[int(problem.flow[i])] for i in (1, 2, 3))
    rows, columns = int(problem.array[0]), int(problem.array[1])
    row_size, column_size = (_product(problem, array_tile, group) for group in (row, column))
    return (
        Loop(_letters(problem, column), -(-column_size // columns)),
        Loop(_letters(problem, row), -(-row_size // rows)),
        Loop(_letters(problem, stream), _product(problem, array_tile, stream)),
        Loop(_letters(problem, row), min(rows, row_size), problem.dataflow.axes[0].name),
        Loop(_letters(problem, column), min(columns, column_size), problem.dataflow.axes[1].name),
    )


def _product(problem: Problem, array_tile: dict[str, int], group: str) -> int:
    dims: tuple[str, ...] = getattr(problem.op, group)
    return math.prod(array_tile.get(dim, 1) for dim in dims)


def _letters(problem: Problem, group: str) -> str:
    dims: tuple[str, ...] = getattr(problem.op, group)
    return "".join(reversed(dims))
