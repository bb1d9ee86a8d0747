"""How long each memory's ports are busy under a mapping."""

from __future__ import annotations

import math
from dataclasses import dataclass

from archsim.sim.cost import Raw, run_kernel
from archsim.sim.kernels import FILLS, READS, READS_PARTIAL, UPDATES, WRITES_PARTIAL
from archsim.sim.mapping import Mapping
from archsim.sim.occupancy import banks
from archsim.sim.problem import Problem
from archsim.workloads.op import OPERANDS


@dataclass(frozen=True, slots=True, kw_only=True)
class PortUse:
    """One port of a level: `port` is read, write, shared, or the operand that has a port of its own."""

    level: str
    port: str
    bits_per_cycle: float
    bits: float
    """What a mean instance moves through it."""

    @property
    def cycles(self) -> float:
        return self.bits / self.bits_per_cycle


def port_uses(problem: Problem, mapping: Mapping) -> tuple[PortUse, ...]:
    """Every port of limited bandwidth that moves something, levels outermost first.

    Counts are means over the instances in use; units at the edge of a dimension move less than the busiest.
    """
    raw = run_kernel(problem, mapping)
    uses: list[PortUse] = []
    for i, level in enumerate(problem.levels_used):
        own = dict(level.operand_bits_per_cycle)
        factor = banks(problem, level.per, level.instances)
        moved = {"read": 0.0, "write": 0.0}
        for j, operand in enumerate(OPERANDS):
            reads, writes = _bits(problem, raw, i, j)
            if own.get(operand, 0.0) > 0:
                use = PortUse(level=level.name, port=operand, bits_per_cycle=own[operand] * factor, bits=reads + writes)
                uses.append(use)
            else:
                moved["read"] += reads
                moved["write"] += writes
        if level.shared_ports:
            moved = {"shared": moved["read"] + moved["write"]}
        rates = {"write": level.write_bits_per_cycle}
        for port, bits in moved.items():
            rate = rates.get(port, level.read_bits_per_cycle) * factor
            uses.append(PortUse(level=level.name, port=port, bits_per_cycle=rate, bits=bits))
    return tuple(use for use in uses if math.isfinite(use.bits_per_cycle) and use.bits > 0)


def _bits(problem: Problem, raw: Raw, level: int, operand: int) -> tuple[float, float]:
    """(bits read, bits written) of one operand in a mean instance of a level; partial sums have their own width."""
    planes = raw.traffic[:, level, operand] / max(1.0, float(raw.used[level]))
    reads, writes = float(planes[READS]), float(planes[FILLS] + planes[UPDATES])
    width, wide = float(problem.bits[operand]), float(problem.bits[3])
    if OPERANDS[operand] != "outputs":
        return reads * width, writes * width
    partial_reads, partial_writes = float(planes[READS_PARTIAL]), float(planes[WRITES_PARTIAL])
    return (
        (reads - partial_reads) * width + partial_reads * wide,
        (writes - partial_writes) * width + partial_writes * wide,
    )
