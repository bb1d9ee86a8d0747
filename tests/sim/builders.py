"""Small accelerators and ops for tests."""

from __future__ import annotations

from archsim.arch.accelerator import Accelerator, VectorUnit
from archsim.arch.engines.base import Engine, SpatialAxis
from archsim.arch.engines.spatial import SpatialEngine
from archsim.arch.engines.systolic import SystolicEngine
from archsim.arch.engines.units import UnitModel, UnitOverrides
from archsim.arch.formats import format
from archsim.arch.memory import UNLIMITED, AccessEnergy, MemoryLevel
from archsim.workloads.op import Op

UNIT = UnitModel(node_nm=28.0, overrides=UnitOverrides(mac_energy_pj=0.5, pe_area_um2=1000.0, pe_leakage_w=0.0))
INT8, INT32 = format("int8"), format("int32")


def systolic(
    rows: int = 8,
    columns: int = 8,
    permitted: tuple[str, ...] = ("ws",),
    *,
    fold_overlap: bool = False,
    weight_double_buffer: bool = False,
) -> SystolicEngine:
    return SystolicEngine(
        rows=rows,
        columns=columns,
        permitted=permitted,
        fold_overlap=fold_overlap,
        weight_double_buffer=weight_double_buffer,
        unit=UNIT,
    )


def spatial(*axes: SpatialAxis) -> SpatialEngine:
    return SpatialEngine(axes=axes, unit=UNIT)


def energy(pj_per_bit: float) -> AccessEnergy:
    return AccessEnergy(value_pj=pj_per_bit)


def dram(bandwidth: float = UNLIMITED) -> MemoryLevel:
    return MemoryLevel(
        name="dram",
        technology="ddr4",
        read_bits_per_cycle=bandwidth,
        write_bits_per_cycle=bandwidth,
        shared_ports=True,
        read_energy=energy(8.0),
        write_energy=energy(8.0),
        off_chip=True,
    )


def sram(capacity_bits: float = UNLIMITED, bandwidth: float = UNLIMITED, *, double_buffer: bool = True) -> MemoryLevel:
    return MemoryLevel(
        name="sram",
        technology="sram",
        capacity_bits=capacity_bits,
        read_bits_per_cycle=bandwidth,
        write_bits_per_cycle=bandwidth,
        double_buffer=double_buffer,
        read_energy=energy(0.1),
        write_energy=energy(0.12),
        area_mm2=0.5,
    )


def accelerator(engine: Engine, *memories: MemoryLevel, cores: int = 1) -> Accelerator:
    return Accelerator(
        name="test",
        kind=engine.kind,
        clock_hz=1e9,
        node_nm=28.0,
        cores=cores,
        engine=engine,
        memories=memories or (dram(), sram()),
        vector=VectorUnit(lanes=16, energy_pj=1.0, area_um2=500.0),
    )


def int8(op: Op) -> Op:
    return op.with_formats(inputs=INT8, weights=INT8, outputs=INT8)


def level(
    name: str,
    capacity_bits: float = UNLIMITED,
    *,
    off_chip: bool = False,
    per: str = "chip",
    instances: int = 1,
    operands: frozenset[str] = frozenset({"inputs", "weights", "outputs"}),
    double_buffer: bool = False,
    bandwidth: float = UNLIMITED,
) -> MemoryLevel:
    """A level that costs nothing, and is unlimited unless told otherwise."""
    return MemoryLevel(
        name=name,
        technology="dram" if off_chip else "sram",
        capacity_bits=capacity_bits,
        off_chip=off_chip,
        per=per,
        instances=instances,
        operands=operands,
        double_buffer=double_buffer,
        read_bits_per_cycle=bandwidth,
        write_bits_per_cycle=bandwidth,
    )
