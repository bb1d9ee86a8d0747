"""How long each memory's ports are busy under a mapping."""

from __future__ import annotations

import math
from dataclasses import dataclass

from archsim.sim.cost import Raw, run_kernel
from archsim.sim.kernels import (
    FILLS,
    PORT_WORDS,
    READ_BW,
    READ_WORDS,
    READS,
    READS_PARTIAL,
    SHARED_PORTS,
    UPDATES,
    WORDS,
    WRITE_BW,
    WRITE_WORDS,
    WRITES_PARTIAL,
)
from archsim.sim.mapping import Mapping
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
    raw, machine = run_kernel(problem, mapping), problem.machine
    uses: list[PortUse] = []
    for i, level in enumerate(problem.levels_used):
        moved = {"read": 0.0, "write": 0.0}
        for j, operand in enumerate(OPERANDS):
            reads, writes = _bits(problem, raw, i, j)
            own = float(machine.operand_bw[i, j])
            if own > 0:
                uses.append(PortUse(level=level.name, port=operand, bits_per_cycle=own, bits=reads + writes))
            else:
                moved["read"] += reads
                moved["write"] += writes
        if machine.levels[i, SHARED_PORTS] > 0:
            moved = {"shared": moved["read"] + moved["write"]}
        for port, bits in moved.items():
            rate = float(machine.levels[i, WRITE_BW if port == "write" else READ_BW])
            uses.append(PortUse(level=level.name, port=port, bits_per_cycle=rate, bits=bits))
    return tuple(use for use in uses if math.isfinite(use.bits_per_cycle) and use.bits > 0)


def _bits(problem: Problem, raw: Raw, level: int, operand: int) -> tuple[float, float]:
    """(bits read, bits written) of one operand in a mean instance of a level; partial sums have their own width."""
    planes, machine = raw.traffic[:, level, operand] / max(1.0, float(raw.used[level])), problem.machine
    if machine.counting[PORT_WORDS] > 0 and machine.counting[WORDS] > 0 and machine.words[level].min() > 0:
        read, write = machine.words[level]
        return float(planes[READ_WORDS] * read), float(planes[WRITE_WORDS] * write)
    width, wide = machine.stored_bits[level, operand], machine.stored_bits[level, 3]
    reads, writes = planes[READS] * width, (planes[FILLS] + planes[UPDATES]) * width
    if OPERANDS[operand] == "outputs":
        reads += planes[READS_PARTIAL] * (wide - width)
        writes += planes[WRITES_PARTIAL] * (wide - width)
    return float(reads), float(writes)
