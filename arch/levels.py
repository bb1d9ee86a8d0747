"""From one `[[hardware.memory]]` to a `MemoryLevel`: instances, bandwidths, energies, area, leakage."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from archsim.arch.components.arithmetic import register_cost
from archsim.arch.components.cost import MemoryCost
from archsim.arch.components.dram import ON_CHIP, dram_cost
from archsim.arch.components.sram import sram_cost
from archsim.arch.memory import UNLIMITED, AccessEnergy, EnergyBasis, MemoryLevel
from archsim.arch.memory_options import OPERAND_NAMES, ROLES, MemoryOptions
from archsim.core import units
from archsim.core.errors import InputError, Problem
from archsim.core.provenance import ESTIMATE

BITS_PER_BYTE = 8
DEFAULT_WIDTH_BITS = 64
"""Port width of an SRAM whose design states neither width nor bandwidth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """How many there are of each place where a memory may sit."""

    cores: int
    arrays: int
    """Arrays per core."""
    axes: Mapping[str, int]
    """Sizes of the array's axes by name; the first two are also ``row`` and ``column``."""

    def instances(self, per: str) -> int:
        """Instances on the chip of a memory that sits `per` place."""
        match per:
            case "chip":
                return 1
            case "core":
                return self.cores
            case "array":
                return self.cores * self.arrays
            case "pe":
                return self.cores * self.arrays * math.prod(self.axes.values())
            case _:
                return self.cores * self.arrays * self._axis(per)

    def _axis(self, name: str) -> int:
        if name in self.axes:
            return self.axes[name]
        sizes = tuple(self.axes.values())
        position = ("row", "column").index(name)
        return sizes[position] if position < len(sizes) else 1


def memory_level(options: MemoryOptions, *, index: int, places: Places, clock_hz: float, node_nm: float) -> MemoryLevel:
    """The memory level that validated options describe; `index` is its place in the design's list."""
    capacity_bits = _capacity_bits(options)
    read, write, by_operand = _bandwidths(options, clock_hz)
    cost = _technology_cost(options, capacity_bits, _width_bits(options, "read", read), node_nm)
    names = OPERAND_NAMES if options.operands is None else options.operands
    energies = {
        side: _energy(options, side, bits_per_cycle, default, index)
        for side, bits_per_cycle, default in (
            ("read", read, cost.read_pj_per_bit),
            ("write", write, cost.write_pj_per_bit),
        )
    }
    return MemoryLevel(
        name=options.name,
        technology=options.technology,
        capacity_bits=capacity_bits,
        operands=frozenset(name for name in names if name in OPERAND_NAMES) or frozenset(OPERAND_NAMES),
        roles=frozenset(name for name in names if name in ROLES),
        per=options.per,
        instances=places.instances(options.per),
        read_bits_per_cycle=read,
        write_bits_per_cycle=write,
        shared_ports=options.ports == "shared",
        operand_bits_per_cycle=by_operand,
        read_word_bits=_word_bits(options, "read", energies["read"]),
        write_word_bits=_word_bits(options, "write", energies["write"]),
        double_buffer=options.double_buffer,
        expanded=frozenset(options.expanded),
        bypass=frozenset(options.bypass),
        read_energy=energies["read"],
        write_energy=energies["write"],
        area_mm2=cost.area_mm2 if options.area is None else units.area_mm2(options.area),
        leakage_w=cost.leakage_w if options.leakage is None else units.power_w(options.leakage),
        off_chip=_off_chip(options),
        estimates=tuple(f"{text} (memory {options.name})" for text in _used_estimates(options, cost)),
    )


def _off_chip(options: MemoryOptions) -> bool:
    return options.technology not in ON_CHIP


def _capacity_bits(options: MemoryOptions) -> float:
    if options.capacity is not None:
        return units.capacity_bits(options.capacity)
    if _off_chip(options):
        return float(dram_cost(options.technology).capacity_bytes * BITS_PER_BYTE)
    return UNLIMITED


def _bandwidths(options: MemoryOptions, clock_hz: float) -> tuple[float, float, tuple[tuple[str, float], ...]]:
    """Bits per cycle of reads and of writes, and those of single operands."""
    shared, by_operand = _stated_bandwidth(options, clock_hz)
    sides = []
    for side, own in (("read", options.read_bandwidth), ("write", options.write_bandwidth)):
        if own is not None:
            sides.append(units.bandwidth(own).bits_per_cycle(clock_hz))
        elif shared is not None:
            sides.append(shared)
        else:
            sides.append(_default_bandwidth(options, side, clock_hz))
    return sides[0], sides[1], by_operand


def _stated_bandwidth(options: MemoryOptions, clock_hz: float) -> tuple[float | None, tuple[tuple[str, float], ...]]:
    match options.bandwidth:
        case None:
            return None, ()
        case str() as text:
            return units.bandwidth(text).bits_per_cycle(clock_hz), ()
        case table:
            return UNLIMITED, tuple(
                (operand, units.bandwidth(text).bits_per_cycle(clock_hz)) for operand, text in table.items()
            )


def _default_bandwidth(options: MemoryOptions, side: str, clock_hz: float) -> float:
    """What the ports carry where their width is stated; else the technology's; else unlimited."""
    width = _stated_width(options, side)
    if width is not None:
        ports = (options.read_ports if side == "read" else options.write_ports) or 1
        return float(width * ports * (options.banks or 1))
    if _off_chip(options):
        return dram_cost(options.technology).bandwidth_bytes_per_s * BITS_PER_BYTE / clock_hz
    return UNLIMITED


def _stated_width(options: MemoryOptions, side: str) -> int | None:
    text = (options.read_width if side == "read" else options.write_width) or options.width
    return None if text is None else units.width_bits(text)


def _word_bits(options: MemoryOptions, side: str, energy: AccessEnergy) -> int:
    """Bits of one access: what its energy is for, or the width that the design states; 0 where it says neither."""
    match energy.basis:
        case EnergyBasis.ACCESS:
            return energy.width_bits
        case EnergyBasis.BIT:
            return _stated_width(options, side) or 0
        case EnergyBasis.ELEMENT:
            return 0


def _width_bits(options: MemoryOptions, side: str, bits_per_cycle: float) -> int:
    """Width of one port: stated, or what one port and bank carry per cycle, or the default."""
    stated = _stated_width(options, side)
    if stated is not None:
        return stated
    if not math.isfinite(bits_per_cycle):
        return DEFAULT_WIDTH_BITS
    ports = (options.read_ports if side == "read" else options.write_ports) or 1
    return max(1, round(bits_per_cycle / (ports * (options.banks or 1))))


@dataclass(frozen=True, slots=True, kw_only=True)
class _LevelCost:
    """What the technology says of one instance, where the design states nothing."""

    read_pj_per_bit: float
    write_pj_per_bit: float
    area_mm2: float | None
    leakage_w: float
    estimates: tuple[str, ...]


def _technology_cost(options: MemoryOptions, capacity_bits: float, width_bits: int, node_nm: float) -> _LevelCost:
    if _off_chip(options):
        dram = dram_cost(options.technology)
        return _LevelCost(
            read_pj_per_bit=dram.read_pj_per_bit,
            write_pj_per_bit=dram.write_pj_per_bit,
            area_mm2=None,
            leakage_w=0.0,
            estimates=dram.estimates,
        )
    if options.technology == "register":
        return _register_cost(capacity_bits, node_nm)
    if not math.isfinite(capacity_bits):
        text = f"{ESTIMATE} an SRAM of unlimited capacity has no cost model; energy, area and leakage not counted"
        return _LevelCost(read_pj_per_bit=0.0, write_pj_per_bit=0.0, area_mm2=None, leakage_w=0.0, estimates=(text,))
    banks = options.banks or 1
    return _banked(sram_cost(capacity_bits / banks, width_bits, node_nm), banks)


def _banked(bank: MemoryCost, banks: int) -> _LevelCost:
    """An access opens one bank; all banks take area and leak."""
    return _LevelCost(
        read_pj_per_bit=bank.read_pj_per_bit,
        write_pj_per_bit=bank.write_pj_per_bit,
        area_mm2=bank.area_mm2 * banks,
        leakage_w=bank.leakage_w * banks,
        estimates=bank.estimates,
    )


def _register_cost(capacity_bits: float, node_nm: float) -> _LevelCost:
    """Flip-flops: every bit pays one register's energy, area and leakage; no decoder."""
    bit = register_cost(1, node_nm)
    finite = math.isfinite(capacity_bits)
    area_um2 = bit.area_um2 * capacity_bits if finite and bit.area_um2 is not None else None
    return _LevelCost(
        read_pj_per_bit=bit.energy_pj,
        write_pj_per_bit=bit.energy_pj,
        area_mm2=None if area_um2 is None else area_um2 * 1e-6,
        leakage_w=bit.leakage_w * capacity_bits if finite else 0.0,
        estimates=bit.estimates,
    )


def _used_estimates(options: MemoryOptions, cost: _LevelCost) -> tuple[str, ...]:
    """The technology's estimates, unless the design states every figure they stand for."""
    energies_stated = options.read_energy is not None and options.write_energy is not None
    if energies_stated and (_off_chip(options) or (options.area is not None and options.leakage is not None)):
        return ()
    return cost.estimates


def _energy(
    options: MemoryOptions, side: str, bits_per_cycle: float, default_pj_per_bit: float, index: int
) -> AccessEnergy:
    stated = options.read_energy if side == "read" else options.write_energy
    match stated:
        case None:
            return AccessEnergy(value_pj=default_pj_per_bit, source=f"technology {options.technology}")
        case str() as text:
            energy = units.access_energy(text)
            if energy.basis != "access":
                return AccessEnergy(value_pj=energy.value_pj, basis=EnergyBasis(energy.basis))
            width = _width_bits(options, side, bits_per_cycle)
            return AccessEnergy(value_pj=energy.value_pj, basis=EnergyBasis.ACCESS, width_bits=width)
        case table:
            return _energy_by_width(options, side, bits_per_cycle, table, index)


def _energy_by_width(
    options: MemoryOptions, side: str, bits_per_cycle: float, table: Mapping[str, str], index: int
) -> AccessEnergy:
    """The entry of the port's width; the only entry where the design says nothing of the width."""
    entries = {units.width_bits(width): units.energy_pj(energy) for width, energy in table.items()}
    stated = _stated_width(options, side) is not None or math.isfinite(bits_per_cycle)
    width = _width_bits(options, side, bits_per_cycle)
    if width not in entries and len(entries) == 1 and not stated:
        (width,) = entries
    if width not in entries:
        known = ", ".join(f"{entry} bit" for entry in sorted(entries))
        message = f"has no entry for the port's width, {width} bit (entries: {known})"
        raise InputError(
            Problem(key=f"hardware.memory.{options.name}.{side}_energy", message=message, hint="state the port's width")
        )
    return AccessEnergy(value_pj=entries[width], basis=EnergyBasis.ACCESS, width_bits=width)
