"""Cost of an operation on the vector unit: lanes, and the memory it streams through."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from archsim.arch.accelerator import Accelerator
from archsim.arch.memory import MemoryLevel
from archsim.sim.conventions import Counting
from archsim.sim.problem import element_bits
from archsim.sim.records import OpCost, Stall, Traffic
from archsim.workloads.op import VectorOp

PJ = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleArray:
    """What the PEs take while they have no work: leakage, and the energy of being clocked."""

    leakage_w: float = 0.0
    idle_pj_per_cycle: float = 0.0


def vector_cost(
    op: VectorOp,
    accelerator: Accelerator,
    counting: Counting,
    *,
    resident_inputs: float = 0.0,
    resident_outputs: bool = False,
    array: IdleArray = IdleArray(),
) -> OpCost:
    """Cost of one occurrence. `resident_inputs` is the fraction of what it reads that is on chip already.

    `array` is what the PEs take meanwhile.

    Elements stream: memory and lanes overlap, and the slower sets the time. What is not resident passes through the
    outermost on-chip level (one write, one read), shared out over its instances. Ignored: fill and drain of the vector
    pipeline.
    """
    lanes = accelerator.vector.operations_per_cycle(op.kind) * accelerator.cores
    operations = op.elements * op.operations_per_element
    compute = max(1, math.ceil(operations / lanes - 1e-9))
    traffic, times = _traffic(op, accelerator, resident_inputs, resident_outputs)
    slowest = max(times, key=lambda item: item[1], default=("", 0.0))
    memory = slowest[1] if counting.memory_stalls else 0.0
    cycles = max(compute, math.ceil(memory - 1e-9))
    latency_s = cycles / accelerator.clock_hz
    stall = cycles - compute
    energy = {"mac": 0.0} | {
        level.name: sum(row.energy_j for row in traffic if row.level == level.name) for level in accelerator.memories
    }
    energy["vector"] = operations * accelerator.vector.energy_pj * PJ
    memories_w = sum(level.leakage_w * level.instances for level in accelerator.memories)
    energy["leakage"] = latency_s * (memories_w + array.leakage_w)
    energy["idle"] = cycles * array.idle_pj_per_cycle * PJ
    off_chip = {level.name for level in accelerator.memories if level.off_chip}
    return OpCost(
        cycles=cycles,
        compute_cycles=compute,
        stall_cycles=stall,
        latency_s=latency_s,
        energy_j=energy,
        macs=0,
        utilization=None,
        compute_utilization=None,
        mapping_utilization=None,
        bound=slowest[0] if stall else "vector",
        dram_bytes=sum(_bits(op, row) / 8 for row in traffic if row.level in off_chip),
        traffic=traffic,
        stalls=(Stall(cause="bandwidth", level=slowest[0], operand="inputs", cycles=stall),) if stall else (),
    )


def _bits(op: VectorOp, row: Traffic) -> float:
    fmt = op.input_format if row.operand == "inputs" else op.format
    return (row.reads + row.fills + row.updates) * row.instances * element_bits(fmt)


def _traffic(
    op: VectorOp, accelerator: Accelerator, resident_inputs: float, resident_outputs: bool
) -> tuple[tuple[Traffic, ...], list[tuple[str, float]]]:
    """Traffic rows, and the cycles each level's ports are busy."""
    reads = op.elements * op.reads_per_element
    far_reads = reads * (1.0 - resident_inputs)
    writes = op.elements * op.writes_per_element
    far_writes = 0.0 if resident_outputs else writes
    rows: list[Traffic] = []
    times: list[tuple[str, float]] = []
    home = _first(accelerator, off_chip=False)
    far = _first(accelerator, off_chip=True)
    if far is not None:
        _add(rows, times, far, op, read=far_reads, written=far_writes, far=True)
    if home is not None:
        _add(rows, times, home, op, read=reads, written=writes, filled=far_reads, drained=far_writes)
    return tuple(rows), times


def _first(accelerator: Accelerator, *, off_chip: bool) -> MemoryLevel | None:
    """Outermost level of that kind which serves activations in and out; on chip one that serves inputs will do."""
    levels = [level for level in accelerator.memories if level.off_chip == off_chip]
    return next((level for level in levels if level.serves("inputs", "activation")), None)


def _add(
    rows: list[Traffic],
    times: list[tuple[str, float]],
    level: MemoryLevel,
    op: VectorOp,
    *,
    read: float,
    written: float,
    filled: float = 0.0,
    drained: float = 0.0,
    far: bool = False,
) -> None:
    in_bits, out_bits = element_bits(op.input_format), element_bits(op.format)
    for operand, bits, reads, fills, updates in (
        ("inputs", in_bits, read, filled, 0.0),
        ("outputs", out_bits, 0.0 if far else drained, 0.0, written),
    ):
        pj = reads * level.read_energy.per_element_pj(bits) + (fills + updates) * level.write_energy.per_element_pj(
            bits
        )
        rows.append(
            Traffic(
                level=level.name,
                operand=operand,
                reads=reads / level.instances,
                fills=fills / level.instances,
                updates=updates / level.instances,
                instances=level.instances,
                energy_j=pj * PJ,
            )
        )
    moved = {"inputs": (read * in_bits, filled * in_bits)}
    moved["outputs"] = (0.0 if far else drained * out_bits, written * out_bits)
    times.append((level.name, _port_cycles(level, moved) / level.instances))


def _port_cycles(level: MemoryLevel, moved: Mapping[str, tuple[float, float]]) -> float:
    """Cycles that the ports of one instance are busy with the bits read and written of each operand.

    An operand with a bandwidth of its own has one port for both.
    """
    own = dict(level.operand_bits_per_cycle)
    slowest = max((sum(bits) / own[operand] for operand, bits in moved.items() if operand in own), default=0.0)
    read = sum(bits[0] for operand, bits in moved.items() if operand not in own) / level.read_bits_per_cycle
    written = sum(bits[1] for operand, bits in moved.items() if operand not in own) / level.write_bits_per_cycle
    return max(slowest, read + written if level.shared_ports else max(read, written))
