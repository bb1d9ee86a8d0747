"""Accelerators of points, put together from parts that many points share, as the arrays that batches take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from archsim.arch.accelerator import Accelerator, VectorUnit
from archsim.arch.build import build_vector_unit, places_of
from archsim.arch.engines.base import Engine, UnitCost
from archsim.arch.kinds import KINDS
from archsim.arch.levels import memory_level
from archsim.arch.memory import AccessEnergy, EnergyBasis, MemoryLevel
from archsim.arch.memory_options import MemoryOptions
from archsim.arch.options import HardwareOptions
from archsim.explore.design_parts import Resolved
from archsim.explore.lru import Recent
from archsim.explore.trace_table import TraceTable
from archsim.sim.batch_kernels import N_LEVEL, PER_ACCESS, PER_BIT, PER_ELEMENT
from archsim.sim.frame import COARSE
from archsim.sim.kernels import Floats
from archsim.sim.schedule import home_level
from archsim.sim.totals import idle_array, peak_macs, unit_costs

_BASES = {EnergyBasis.BIT: PER_BIT, EnergyBasis.ELEMENT: PER_ELEMENT, EnergyBasis.ACCESS: PER_ACCESS}
MOST_LEVELS, MOST_MACHINES, MOST_FITTINGS = 4096, 4096, 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A memory with its row of figures."""

    memory: MemoryLevel
    row: Floats
    leakage_w: float
    """Of all instances."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUp:
    """An accelerator as it is set up in one phase; its vector unit is any point's."""

    accelerator: Accelerator
    levels: Floats
    """(L, N_LEVEL)"""
    memories_w: float
    """Leakage of all memories."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine(SetUp):
    """An accelerator with the figures that vector operations and placement take."""

    far: int
    near: int
    home_bits: float
    """Capacity of the level where activations can stay; -1 without one."""
    phases: Mapping[str, SetUp]
    """Phases in which its array is set up differently."""

    def in_phase(self, phase: str) -> SetUp:
        """The accelerator as it is set up in a phase of the workload."""
        return self.phases.get(phase, self)

    def accelerator_for(self, phase: str) -> Accelerator:
        return self.in_phase(phase).accelerator


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitting:
    """What an array makes of a trace: its PEs' costs, and its peak rates by class."""

    table: TraceTable
    units: list[UnitCost]
    peak: Floats
    array_w: float
    idle_pj: float
    peak_memory_bytes: float


def level_row(memory: MemoryLevel) -> Floats:
    """The figures of a memory in the order of `sim.batch_kernels`."""
    own = dict(memory.operand_bits_per_cycle)
    return np.array(
        [
            memory.capacity_bits,
            memory.read_bits_per_cycle,
            memory.write_bits_per_cycle,
            float(memory.shared_ports),
            float(memory.instances),
            *_energy(memory.read_energy),
            *_energy(memory.write_energy),
            *(own.get(name, 0.0) for name in ("inputs", "weights", "outputs")),
            float(memory.off_chip),
            float(memory.double_buffer),
            float(memory.read_word_bits),
            float(memory.write_word_bits),
            memory.read_word_pj,
            memory.write_word_pj,
            float(memory.per not in COARSE),
        ],
        np.float64,
    )


def _energy(energy: AccessEnergy) -> tuple[float, float, float]:
    return _BASES[energy.basis], energy.value_pj, float(energy.width_bits)


class Machines:
    """Accelerators by the states of a point's parts."""

    def __init__(self) -> None:
        self._engines: Recent[Engine] = Recent(MOST_LEVELS)
        self._levels: Recent[Level] = Recent(MOST_LEVELS)
        self._vectors: Recent[VectorUnit] = Recent(MOST_LEVELS)
        self._machines: Recent[Machine] = Recent(MOST_MACHINES)
        self._fittings: Recent[Fitting] = Recent(MOST_FITTINGS)

    def machine(self, point: Resolved) -> Machine:
        """Raises InputError or ValueError where the parts make no accelerator."""
        key = (point.array.number, point.chip.number, *[state.number for state in point.memories])
        return self._machines.get(key, lambda: self._machine(point))

    def vector(self, point: Resolved) -> VectorUnit:
        key = (point.vector.number, point.array.number, point.chip.number)
        return self._vectors.get(
            key, lambda: build_vector_unit(point.vector.options, point.array.options, point.chip.node_nm)
        )

    def fitting(self, point: Resolved, machine: Machine, table: TraceTable) -> Fitting:
        """An array and a trace together."""
        key = (point.array.number, point.chip.number, table.number)
        return self._fittings.get(key, lambda: _fitting(point, machine.accelerator, table))

    def _machine(self, point: Resolved) -> Machine:
        hardware = point.hardware()
        whole = self._set_up(point, hardware, "")
        home, memories = home_level(whole.accelerator), whole.accelerator.memories
        return Machine(
            accelerator=whole.accelerator,
            levels=whole.levels,
            memories_w=whole.memories_w,
            far=_first(memories, off_chip=True),
            near=_first(memories, off_chip=False),
            home_bits=-1.0 if home is None else home.capacity_bits,
            phases={phase: self._set_up(point, hardware.for_phase(phase), phase) for phase in point.array.phases},
        )

    def _set_up(self, point: Resolved, hardware: HardwareOptions, phase: str) -> SetUp:
        levels = self._levels_of(point, hardware)
        return SetUp(
            accelerator=self._accelerator(point, hardware, tuple(level.memory for level in levels), phase),
            levels=np.array([level.row for level in levels]),
            memories_w=sum(level.leakage_w for level in levels),
        )

    def _accelerator(
        self, point: Resolved, hardware: HardwareOptions, memories: tuple[MemoryLevel, ...], phase: str
    ) -> Accelerator:
        key = (point.array.number, point.chip.number, phase)
        engine = self._engines.get(key, lambda: KINDS[hardware.kind].build(hardware.array, point.chip.node_nm))
        return Accelerator(
            name="",
            kind=hardware.kind,
            clock_hz=point.chip.clock_hz,
            node_nm=point.chip.node_nm,
            cores=hardware.cores,
            engine=engine,
            memories=memories,
            vector=self.vector(point),
            idle_energy_fraction=hardware.array.idle_energy_fraction,
            integer_figures=hardware.array.stated_for == "integers",
        )

    def _levels_of(self, point: Resolved, hardware: HardwareOptions) -> list[Level]:
        places, chip = places_of(hardware), point.chip
        levels = []
        for index, (state, options) in enumerate(zip(point.memories, hardware.memory, strict=True)):
            instances = places.instances(options.per)

            def make(index: int = index, options: MemoryOptions = options) -> Level:
                memory = memory_level(options, index=index, places=places, clock_hz=chip.clock_hz, node_nm=chip.node_nm)
                return Level(memory=memory, row=level_row(memory), leakage_w=memory.leakage_w * memory.instances)

            levels.append(self._levels.get((state.number, chip.number, instances), make))
        return levels


def _first(memories: tuple[MemoryLevel, ...], *, off_chip: bool) -> int:
    """The memory that vector operations stream through; -1 for none."""
    for index, level in enumerate(memories):
        if level.off_chip == off_chip and level.serves("inputs", "activation"):
            return index
    return -1


def _fitting(point: Resolved, accelerator: Accelerator, table: TraceTable) -> Fitting:
    accumulator = point.quantization.accumulator
    idle = idle_array(table.sample, accelerator, accumulator)
    return Fitting(
        table=table,
        units=unit_costs(table.sample, accelerator, accumulator),
        peak=np.array(peak_macs(table.classes, table.class_macs, accelerator), np.float64),
        array_w=idle.leakage_w,
        idle_pj=idle.idle_pj_per_cycle,
        peak_memory_bytes=table.peak_memory_bytes(accelerator.engine),
    )


def with_vector(accelerator: Accelerator, vector: VectorUnit) -> Accelerator:
    """The accelerator with a point's own vector unit."""
    return accelerator if accelerator.vector is vector else replace(accelerator, vector=vector)


assert len(level_row(MemoryLevel(name="any", technology="sram"))) == N_LEVEL
