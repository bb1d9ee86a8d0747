"""What a mapped op costs, and what a whole trace costs: plain records in the units their names carry."""

from __future__ import annotations

import math
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from types import MappingProxyType

from archsim.sim.mapping import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Elements one instance of a level moves for one operand; `energy_j` covers all instances.

    `reads`: read out to the level below, or written back to the level above; `fills`: written from the level above;
    `updates`: written from the level below (results and partial sums).
    """

    level: str
    operand: str
    reads: float
    fills: float
    updates: float
    instances: int
    energy_j: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """Cycles the array waits: `cause` is bandwidth, first-load, write-back or unbuffered."""

    cause: str
    level: str
    operand: str
    cycles: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FusedTiles:
    """How the chain that an op runs in is cut: tile sizes of its loops, outermost first, and other choices in words."""

    kind: str
    loops: tuple[tuple[str, int, int], ...]
    """(loop, its size, size of a tile); a loop whose tile is its size runs once."""
    choice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a mapping takes of the level that holds other tensors too; no such level has no limit."""

    needed_bits: float = 0.0
    capacity_bits: float = math.inf

    def leaves(self, bits: float) -> bool:
        """Whether the mapping fits beside other tensors of so many bits, as `sim.cost_kernels.fits` decides it."""
        return self.needed_bits <= self.capacity_bits - bits


@dataclass(frozen=True, slots=True, kw_only=True)
class OpCost:
    """Cost of one occurrence of an op. ``cycles == compute_cycles + stall_cycles``; `energy_j` by component."""

    cycles: int
    compute_cycles: int
    stall_cycles: int
    latency_s: float
    energy_j: MappingOf[str, float]
    macs: int
    utilization: float | None
    compute_utilization: float | None
    mapping_utilization: float | None
    bound: str
    dram_bytes: float
    traffic: tuple[Traffic, ...] = ()
    stalls: tuple[Stall, ...] = ()
    mapping: Mapping | None = None
    warnings: tuple[str, ...] = ()
    fused: FusedTiles | None = None
    """Where the op runs as part of a chain: how that is cut."""
    room: Room | None = field(default=None, compare=False, repr=False)
    """What the mapping leaves to other tensors; None where that was not asked for."""

    @property
    def total_energy_j(self) -> float:
        return sum(self.energy_j.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCost:
    """One row of a result: an op, or several equal ones of a repeated block, with the cost of one occurrence."""

    name: str
    kind: str
    phase: str
    count: int
    dims: MappingOf[str, int]
    formats: MappingOf[str, str | None]
    """Operand name to format spelling: weights, inputs, outputs."""
    cost: OpCost


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptTensor:
    """Bytes that one on-chip level of `capacity_bytes` holds of a tensor while a chain runs: `copies` tiles."""

    level: str
    tensor: str
    bytes: float
    copies: int
    capacity_bytes: float
    """Of the level; inf without a limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainRow:
    """One chain of a trace, or several equal ones of repeated blocks: whether its ops run as one, and why not.

    `separate_*` are its ops one by one, `fused_*` as one (None where that cannot be), both for one run of all of them.
    """

    name: str
    """The chain's, or of several their common one with the range of their blocks."""
    names: tuple[str, ...]
    kind: str
    ops: tuple[str, ...]
    """Those of the first of the chains."""
    count: int
    taken: bool
    why_not: str | None = None
    tiles: FusedTiles | None = None
    held: tuple[KeptTensor, ...] = ()
    separate_cycles: int | None = None
    separate_energy_j: float | None = None
    separate_dram_bytes: float | None = None
    fused_cycles: int | None = None
    fused_energy_j: float | None = None
    fused_dram_bytes: float | None = None
    value: float | None = None
    bound: float | None = None
    optimal: bool | None = None
    evaluated: int = 0
    space: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceCost:
    """The schedule of a trace: layers in order, and what only the whole can say."""

    layers: tuple[LayerCost, ...]
    cycles: int
    latency_s: float
    energy_j: MappingOf[str, float | None]
    """Component to joules; None for a component the design does not have figures for."""
    area_mm2: MappingOf[str, float | None]
    macs: int
    utilization: float | None
    dram_bytes: float
    peak_memory_bytes: float
    ttft_s: float | None = None
    tpot_s: float | None = None
    throughput_per_s: float | None = None
    warnings: tuple[str, ...] = ()
    estimates: tuple[str, ...] = ()
    resources: MappingOf[str, float] = field(default_factory=lambda: MappingProxyType({}))
    chains: tuple[ChainRow, ...] = ()
    """What became of every chain, where chains may run as one."""
