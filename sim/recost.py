"""Cost of one mapping on many machines of the same structure at once: what a sweep with fixed mappings asks for.

The numbers are those of `cost_mapping`, to the bit; the records are left out.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from archsim.sim.cost import PJ, Costing
from archsim.sim.kernels import (
    COMPUTE,
    DRAM_BITS,
    FILLS,
    READ_WORDS,
    READS,
    READS_PARTIAL,
    TOTAL,
    UPDATES,
    WORDS,
    WRITE_WORDS,
    WRITES_PARTIAL,
    Bools,
    Floats,
    Ints,
    Machine,
)
from archsim.sim.mapping import Mapping
from archsim.sim.problem import Problem
from archsim.sim.raw import counted, placed
from archsim.sim.recost_kernels import Counts, Machines

VARYING = ("array", "timing", "levels", "bits", "stored_bits", "read_pj", "write_pj", "words", "word_pj", "operand_bw")
"""Fields of a machine that may differ within one batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What P accelerators take besides their memories, each an array (P,)."""

    memories: tuple[str, ...]
    """Names of all memories, those that do not serve the op too."""
    clock_hz: Floats
    mac_pj: Floats
    decode_pj: Floats
    """Of the decoders between buffers and multipliers, of a MAC."""
    cycle_pj: Floats
    """Of all PEs in every cycle, besides their MACs."""
    hop_pj_per_bit: Floats | None
    """None: not modelled."""
    leakage_w: Floats
    idle_energy_fraction: Floats
    peak_macs_per_cycle: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Recosted:
    """Cost of one occurrence of the op on each of P machines, each an array (P,)."""

    cycles: Floats
    compute_cycles: Floats
    latency_s: Floats
    energy_j: MappingOf[str, Floats]
    """By component, as `OpCost.energy_j`."""
    dram_bytes: Floats
    fits: Bools
    """Whether every level holds its tiles. Where it does not, the other numbers are of a mapping that cannot run."""


def machines_of(problems: Sequence[Problem]) -> Machines:
    """The machines of problems that differ in numbers only: array sizes, capacities, bandwidths, widths, energies.

    Raises ValueError where they differ in more: the op's loops, the levels and what they hold, the dataflow.
    """
    first = problems[0]
    for problem in problems:
        if problem.frame is not first.frame and not _alike(problem, first):
            raise ValueError(f"{problem.op.name!r} does not have the structure of {first.op.name!r}")
    return stacked([problem.machine for problem in problems])


def _alike(one: Problem, other: Problem) -> bool:
    a, b = one.frame, other.frame
    same = a.pattern == b.pattern and a.places == b.places and a.axis_names == b.axis_names
    arrays = ((a.flow, b.flow), (a.counting, b.counting), (a.multicast, b.multicast), (a.level_stage, b.level_stage))
    return same and all(np.array_equal(x, y) for x, y in arrays)


def stacked(machines: Sequence[Machine]) -> Machines:
    """Machines of the same flow, counting and multicast, one after the other."""
    first = machines[0]
    varying = {name: np.array([getattr(machine, name) for machine in machines]) for name in VARYING}
    return Machines(flow=first.flow, counting=first.counting, multicast=first.multicast, **varying)


def prices_of(problems: Sequence[Problem], costings: Sequence[Costing]) -> Prices:
    """What the accelerators of `costings` take besides their memories, for the problems they belong to."""
    hops = [costing.unit.hop_pj_per_bit for costing in costings]
    return Prices(
        memories=tuple(level.name for level in costings[0].accelerator.memories),
        clock_hz=np.array([costing.accelerator.clock_hz for costing in costings]),
        mac_pj=np.array([costing.unit.energy_pj for costing in costings]),
        decode_pj=np.array([costing.unit.decode_pj for costing in costings]),
        cycle_pj=np.array([costing.array_cycle_pj for costing in costings]),
        hop_pj_per_bit=None if None in hops else np.array(hops, np.float64),
        leakage_w=np.array([costing.leakage_w for costing in costings]),
        idle_energy_fraction=np.array([costing.accelerator.idle_energy_fraction for costing in costings]),
        peak_macs_per_cycle=np.array([problem.peak_macs_per_cycle for problem in problems]),
    )


def recost(problem: Problem, mapping: Mapping, machines: Machines, prices: Prices) -> Recosted:
    """Cost of `mapping` on every machine; `problem` gives the op, and any of them the structure.

    Whether the axes of every array have the units that the mapping spreads over is the caller's concern.
    """
    nest, tiles = placed(problem, mapping)
    counts = counted(problem, nest, len(mapping.loops), tiles, machines)
    cycles = np.ceil(counts.out[:, TOTAL] - 1e-9)
    latency_s = cycles / prices.clock_hz
    return Recosted(
        cycles=cycles,
        compute_cycles=np.ceil(counts.out[:, COMPUTE] - 1e-9),
        latency_s=latency_s,
        energy_j=_energy(problem, tiles, machines, prices, counts, cycles, latency_s),
        dram_bytes=counts.out[:, DRAM_BITS] / 8,
        fits=counts.fits,
    )


def _energy(
    problem: Problem,
    tiles: Ints,
    machines: Machines,
    prices: Prices,
    counts: Counts,
    cycles: Floats,
    latency_s: Floats,
) -> dict[str, Floats]:
    """Joules by component, added up in the order of the records."""
    macs = float(problem.op.macs)
    energy = {"mac": (prices.mac_pj * macs + prices.cycle_pj * cycles) * PJ}
    if prices.decode_pj.any():
        energy["decoder"] = prices.decode_pj * macs * PJ
    energy |= {name: np.zeros(len(cycles)) for name in prices.memories}
    for i, level in enumerate(problem.levels_used):
        for j in np.flatnonzero(tiles[i] >= 0):
            energy[level.name] = energy[level.name] + _level_energy_pj(machines, counts.traffic[:, :, i, j], i, j) * PJ
    energy["vector"] = np.zeros(len(cycles))
    hopping = _hopping_bits(problem, machines)
    if hopping is not None and prices.hop_pj_per_bit is not None:
        energy["network"] = prices.hop_pj_per_bit * macs * hopping * PJ
    energy["leakage"] = prices.leakage_w * latency_s
    idle = np.maximum(0.0, cycles * prices.peak_macs_per_cycle - macs)
    energy["idle"] = idle * prices.idle_energy_fraction * prices.mac_pj * PJ
    return energy


def _hopping_bits(problem: Problem, machines: Machines) -> Floats | None:
    """Bits that every MAC passes on to its neighbours (P,); None where operands do not move."""
    if not problem.dataflow.moving:
        return None
    columns = {"inputs": 0, "weights": 1, "outputs": 3}
    total = np.zeros(len(machines.bits))
    for name in problem.dataflow.moving:
        total = total + machines.bits[:, columns[name]]
    return total


def _level_energy_pj(machines: Machines, traffic: Floats, level: int, operand: int) -> Floats:
    """Energy of one operand's accesses to a level (P,), all instances; `traffic` (P, planes)."""
    reads, writes = traffic[:, READS], traffic[:, FILLS] + traffic[:, UPDATES]
    partial_reads, partial_writes = traffic[:, READS_PARTIAL], traffic[:, WRITES_PARTIAL]
    read_pj, write_pj = machines.read_pj[:, level], machines.write_pj[:, level]
    pj = (reads - partial_reads) * read_pj[:, operand] + partial_reads * read_pj[:, 3]
    pj = pj + ((writes - partial_writes) * write_pj[:, operand] + partial_writes * write_pj[:, 3])
    if not machines.counting[WORDS]:
        return pj
    word_pj = machines.word_pj[:, level]
    by_word = traffic[:, READ_WORDS] * word_pj[:, 0] + traffic[:, WRITE_WORDS] * word_pj[:, 1]
    return np.where(machines.words[:, level].all(axis=1), by_word, pj)
