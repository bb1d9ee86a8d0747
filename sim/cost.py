"""Cost of one mapped op: the closed form called once, and its arrays read out as records."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archsim.arch.accelerator import Accelerator
from archsim.arch.engines.base import UnitCost
from archsim.arch.formats import Format
from archsim.sim.conventions import Counting
from archsim.sim.cost_kernels import cost as cost_kernel
from archsim.sim.cost_kernels import fits as fits_kernel
from archsim.sim.frame import GROUPS
from archsim.sim.kernels import (
    COMPUTE,
    DRAM_BITS,
    FILLS,
    FIRST_LOAD,
    LIMIT,
    LIMIT_LEVEL,
    LINK_TIME,
    LOAD_FIRST,
    PASSES,
    READ_WORDS,
    READS,
    READS_PARTIAL,
    STREAMED,
    THROUGHPUT,
    TOTAL,
    UNBUFFERED,
    UPDATES,
    WORDS,
    WRITE_BACK,
    WRITE_WORDS,
    WRITES_PARTIAL,
    empty_nest,
    scratch,
)
from archsim.sim.mapping import Loop, Mapping
from archsim.sim.problem import Problem
from archsim.sim.records import OpCost, Stall, Traffic
from archsim.workloads.op import OPERANDS

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
        weights, inputs = problem.op.weights.format, problem.op.inputs.format
        assert weights is not None
        assert inputs is not None
        unit = accelerator.engine.unit_cost(weights.arithmetic, inputs.arithmetic, accumulator.arithmetic)
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

    def network_pj(self, problem: Problem) -> float | None:
        """Hops between neighbouring PEs: every MAC passes its moving operands on through one register each."""
        moving = problem.dataflow.moving
        if not moving or self.unit.hop_pj_per_bit is None:
            return None
        index = {"inputs": 0, "weights": 1, "outputs": 3}
        return self.unit.hop_pj_per_bit * problem.op.macs * float(sum(problem.bits[index[name]] for name in moving))

    def fixed_pj(self, problem: Problem) -> float:
        """Energy that no mapping changes: MACs and hops, less what the PEs at work do not idle."""
        return self.mac_pj(problem.op.macs) * (1 - self.accelerator.idle_energy_fraction) + (
            self.network_pj(problem) or 0.0
        )

    def pj_per_cycle(self, problem: Problem) -> float:
        """Leakage, what the PEs take in every cycle, and what they take when they idle."""
        idle = problem.peak_macs_per_cycle * self.accelerator.idle_energy_fraction * self.unit.energy_pj
        return self.leakage_w / PJ / self.accelerator.clock_hz + self.array_cycle_pj + idle


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """The cost kernel's results for one mapping, and whether every level holds its tiles."""

    traffic: NDArray[np.float64]
    out: NDArray[np.float64]
    used: NDArray[np.float64]
    tiles: NDArray[np.int64]
    fits: bool


def run_kernel(problem: Problem, mapping: Mapping) -> Raw:
    """Call the closed form on one mapping; shapes: traffic (planes, levels, operands), used (levels,)."""
    dims = {dim: i for i, dim in enumerate(problem.dims)}
    axes = {name: i for i, name in enumerate(problem.axis_names)}
    nest = empty_nest(len(dims))
    for i, loop in enumerate(mapping.loops):
        nest.dim[i], nest.factor[i] = dims[loop.dim], loop.factor
        nest.axis[i] = -1 if loop.axis is None else axes[loop.axis]
    nest.base[:] = [mapping.array_tile.get(dim, 1) for dim in problem.dims]
    tiles = np.full((len(problem.levels_used), 3), -1, np.int64)
    for i, level in enumerate(problem.levels_used):
        for j, operand in enumerate(OPERANDS):
            tiles[i, j] = mapping.tiles.get(level.name, {}).get(operand, -1)
    room = scratch(len(dims), len(problem.levels_used), len(problem.axis_names))
    arguments = (problem.shape, nest, len(mapping.loops), tiles, problem.machine, room)
    cost_kernel(*arguments)
    fits = fits_kernel(*arguments)
    return Raw(traffic=room.traffic, out=room.out, used=room.used, tiles=tiles, fits=bool(fits))


def cost_mapping(problem: Problem, mapping: Mapping, costing: Costing) -> OpCost:
    """Cost of one occurrence of the op under `mapping`; capacity is the mapper's concern (`run_kernel(...).fits`)."""
    raw = run_kernel(problem, mapping)
    accelerator, macs = costing.accelerator, problem.op.macs
    cycles = math.ceil(raw.out[TOTAL] - 1e-9)
    compute = math.ceil(raw.out[COMPUTE] - 1e-9)
    traffic = _traffic(problem, raw)
    latency_s = cycles / accelerator.clock_hz
    energy = _energy(problem, costing, traffic, macs, cycles, latency_s)
    peak = problem.peak_macs_per_cycle
    return OpCost(
        cycles=cycles,
        compute_cycles=compute,
        stall_cycles=cycles - compute,
        latency_s=latency_s,
        energy_j=energy,
        macs=macs,
        utilization=macs / (peak * cycles) if cycles else None,
        compute_utilization=_compute_utilization(problem, raw, costing.counting, macs, compute),
        mapping_utilization=macs / (peak * float(raw.out[STREAMED])),
        bound=_bound(problem, raw),
        dram_bytes=float(raw.out[DRAM_BITS]) / 8,
        traffic=traffic,
        stalls=_stalls(problem, raw, cycles - compute),
        mapping=mapping,
    )


def _compute_utilization(problem: Problem, raw: Raw, counting: Counting, macs: int, compute: int) -> float | None:
    cycles = float(compute)
    if counting.utilization_period == "scale-sim":
        cycles = float(raw.out[COMPUTE]) + (1.0 if counting.last_cycle == "index" else 0.0)
        if problem.dataflow.stationary in ("weights", "inputs"):
            cycles += float(raw.out[PASSES]) * (float(problem.array[1]) - 1.0)
    return macs / (problem.peak_macs_per_cycle * cycles) if cycles else None


def _traffic(problem: Problem, raw: Raw) -> tuple[Traffic, ...]:
    rows = []
    for i, level in enumerate(problem.levels_used):
        used = max(1, round(float(raw.used[i])))
        for j, operand in enumerate(OPERANDS):
            if raw.tiles[i, j] < 0:
                continue
            reads, fills, updates = (float(raw.traffic[plane, i, j]) for plane in (READS, FILLS, UPDATES))
            rows.append(
                Traffic(
                    level=level.name,
                    operand=operand,
                    reads=reads / used,
                    fills=fills / used,
                    updates=updates / used,
                    instances=used,
                    energy_j=_level_energy_pj(problem, raw, i, j) * PJ,
                )
            )
    return tuple(rows)


def _level_energy_pj(problem: Problem, raw: Raw, level: int, operand: int) -> float:
    machine, traffic = problem.machine, raw.traffic[:, level, operand]
    if machine.counting[WORDS] and machine.words[level].all():
        words = (float(traffic[READ_WORDS]), float(traffic[WRITE_WORDS]))
        return float(words[0] * machine.word_pj[level, 0] + words[1] * machine.word_pj[level, 1])
    reads = float(traffic[READS])
    writes = float(traffic[FILLS] + traffic[UPDATES])
    partial_reads, partial_writes = float(traffic[READS_PARTIAL]), float(traffic[WRITES_PARTIAL])
    read_pj, write_pj = machine.read_pj[level], machine.write_pj[level]
    pj = (reads - partial_reads) * read_pj[operand] + partial_reads * read_pj[3]
    pj += (writes - partial_writes) * write_pj[operand] + partial_writes * write_pj[3]
    return float(pj)


def _energy(
    problem: Problem, costing: Costing, traffic: tuple[Traffic, ...], macs: int, cycles: int, latency_s: float
) -> dict[str, float]:
    """Joules by component; the sum is the op's energy."""
    energy = {"mac": (costing.mac_pj(macs) + costing.array_cycle_pj * cycles) * PJ}
    for level in costing.accelerator.memories:
        energy[level.name] = sum(row.energy_j for row in traffic if row.level == level.name)
    energy["vector"] = 0.0
    network = costing.network_pj(problem)
    if network is not None:
        energy["network"] = network * PJ
    energy["leakage"] = costing.leakage_w * latency_s
    idle = max(0.0, cycles * problem.peak_macs_per_cycle - macs)
    energy["idle"] = idle * costing.accelerator.idle_energy_fraction * costing.unit.energy_pj * PJ
    return energy


def _bound(problem: Problem, raw: Raw) -> str:
    """What the op waits for: a level, `latency` (fill, drain, first load, last write-back) or `compute`."""
    out = raw.out
    through = out[COMPUTE] + out[FIRST_LOAD] + out[WRITE_BACK]
    if problem.machine.counting[THROUGHPUT] == LOAD_FIRST and out[LIMIT] > out[COMPUTE]:
        return problem.levels_used[int(out[LIMIT_LEVEL])].name
    if out[LIMIT_LEVEL] >= 0 and out[LIMIT] > through:
        return problem.levels_used[int(out[LIMIT_LEVEL])].name
    if out[UNBUFFERED] > max(out[STREAMED], through - out[STREAMED]):
        busiest = int(np.argmax(raw.traffic[LINK_TIME].max(axis=1)))
        return problem.levels_used[busiest].name
    return "latency" if through - out[STREAMED] > out[STREAMED] else "compute"


def _stalls(problem: Problem, raw: Raw, stall_cycles: int) -> tuple[Stall, ...]:
    """Stall cycles by cause, level and operand; whole cycles that add up to `stall_cycles`."""
    if stall_cycles <= 0:
        return ()
    shares = _stall_shares(problem, raw)
    total = sum(share for *_, share in shares)
    exact = [stall_cycles * share / total for *_, share in shares]
    cycles = [math.floor(value) for value in exact]
    by_fraction = sorted(range(len(exact)), key=lambda i: (cycles[i] - exact[i], i))
    for i in by_fraction[: stall_cycles - sum(cycles)]:
        cycles[i] += 1
    return tuple(
        Stall(cause=cause, level=level, operand=operand, cycles=count)
        for (cause, level, operand, _), count in zip(shares, cycles, strict=True)
        if count > 0
    )


def _stall_shares(problem: Problem, raw: Raw) -> list[tuple[str, str, str, float]]:
    out, shares = raw.out, []
    # Where first loads come before everything else, they are waited for besides what limits it.
    serial = problem.machine.counting[THROUGHPUT] == LOAD_FIRST
    through = out[COMPUTE] if serial else out[COMPUTE] + out[FIRST_LOAD] + out[WRITE_BACK]
    limited = out[LIMIT_LEVEL] >= 0 and out[LIMIT] > through
    limit = int(out[LIMIT_LEVEL]) if limited else -1
    if limited:
        bits = [_port_bits(problem, raw, limit, j) for j in range(3)]
        for j, operand in enumerate(OPERANDS):
            if bits[j] > 0:
                share = float(out[LIMIT] - out[COMPUTE]) * bits[j] / sum(bits)
                shares.append(("bandwidth", problem.levels_used[limit].name, str(operand), share))
    for i, level in enumerate(problem.levels_used):
        for j, operand in enumerate(OPERANDS):
            time = float(raw.traffic[LINK_TIME, i, j])
            if time <= 0:
                continue
            below = next(k for k in range(i + 1, len(problem.levels_used)) if raw.tiles[k, j] >= 0)
            if not serial and not problem.levels_used[below].double_buffer:
                shares.append(("unbuffered", level.name, str(operand), time))
            elif serial or not limited:
                shares.append(("write-back" if operand == "outputs" else "first-load", level.name, str(operand), time))
    return shares


def _port_bits(problem: Problem, raw: Raw, level: int, operand: int) -> float:
    elements = float(sum(raw.traffic[plane, level, operand] for plane in (READS, FILLS, UPDATES)))
    partial = float(raw.traffic[READS_PARTIAL, level, operand] + raw.traffic[WRITES_PARTIAL, level, operand])
    bits = problem.machine.stored_bits[level]
    return elements * float(bits[operand]) + partial * float(bits[3] - bits[operand])


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
