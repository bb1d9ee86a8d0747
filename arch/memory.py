"""One level of on-chip or off-chip storage, as the cost model sees it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum


class EnergyBasis(StrEnum):
    """What one access energy is charged for."""

    BIT = "bit"
    ELEMENT = "element"
    ACCESS = "access"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessEnergy:
    """Energy of moving data through one port, in pJ per bit, per element, or per access of `width_bits`."""

    value_pj: float
    basis: EnergyBasis = EnergyBasis.BIT
    width_bits: int = 0
    """Width of one access; only for ACCESS."""
    source: str = "given in the design"

    def __post_init__(self) -> None:
        if self.basis is EnergyBasis.ACCESS and self.width_bits < 1:
            raise ValueError(f"an energy per access needs width_bits >= 1 (got {self.width_bits})")

    def per_element_pj(self, element_bits: float) -> float:
        """pJ for one element of `element_bits` bits; accesses are assumed full (elements packed across words)."""
        match self.basis:
            case EnergyBasis.BIT:
                return self.value_pj * element_bits
            case EnergyBasis.ELEMENT:
                return self.value_pj
            case EnergyBasis.ACCESS:
                return self.value_pj * element_bits / self.width_bits

    def per_word_pj(self, word_bits: int) -> float:
        """pJ for one whole access of `word_bits`; an energy per element is none of a word's."""
        match self.basis:
            case EnergyBasis.BIT:
                return self.value_pj * word_bits
            case EnergyBasis.ELEMENT:
                raise ValueError("an energy per element says nothing of a word's")
            case EnergyBasis.ACCESS:
                return self.value_pj * word_bits / self.width_bits


UNLIMITED = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLevel:
    """A storage level. Capacity, bandwidth and ports are per instance; energies per access; area and leakage too.

    `operands` are the operand names it serves, `roles` (empty: all) narrow them to parameters, activations or KV.
    Adjacent levels with disjoint operands are siblings: each operand sees only its own chain of levels.
    `per` says where instances sit: chip, core, array, row, column, pe or the name of a spatial axis.
    """

    name: str
    technology: str
    capacity_bits: float = UNLIMITED
    operands: frozenset[str] = frozenset({"inputs", "weights", "outputs"})
    roles: frozenset[str] = frozenset()
    per: str = "chip"
    instances: int = 1
    read_bits_per_cycle: float = UNLIMITED
    write_bits_per_cycle: float = UNLIMITED
    shared_ports: bool = False
    """One port set serves reads and writes: their times add. `read_bits_per_cycle` is then the shared bandwidth."""
    operand_bits_per_cycle: tuple[tuple[str, float], ...] = ()
    """Own bandwidth of single operands (a port each), where the design gives a table."""
    read_word_bits: int = 0
    write_word_bits: int = 0
    """Bits of one access, where the design states them; 0 where it does not, or charges energy per element."""
    double_buffer: bool = False
    expanded: frozenset[str] = frozenset()
    """Operands that are kept with their zeros here, though the engine packs them elsewhere."""
    bypass: frozenset[str] = frozenset()
    read_energy: AccessEnergy = AccessEnergy(value_pj=0.0)
    write_energy: AccessEnergy = AccessEnergy(value_pj=0.0)
    area_mm2: float | None = None
    """Area of one instance; None where it does not exist or is not known (off-chip memory)."""
    leakage_w: float = 0.0
    """Leakage of one instance."""
    off_chip: bool = False
    estimates: tuple[str, ...] = ()
    """Sentences on the figures above that rest on no published value."""

    def __post_init__(self) -> None:
        if self.capacity_bits <= 0:
            raise ValueError(f"memory {self.name!r}: capacity must be above 0 bits (got {self.capacity_bits})")
        if self.read_bits_per_cycle <= 0 or self.write_bits_per_cycle <= 0:
            raise ValueError(f"memory {self.name!r}: bandwidth must be above 0 bits per cycle")
        if self.instances < 1:
            raise ValueError(f"memory {self.name!r}: instances must be at least 1 (got {self.instances})")

    @property
    def read_word_pj(self) -> float:
        """Energy of reading one whole word of `read_word_bits`; 0 where those are not known."""
        return self.read_energy.per_word_pj(self.read_word_bits) if self.read_word_bits else 0.0

    @property
    def write_word_pj(self) -> float:
        """Energy of writing one whole word of `write_word_bits`; 0 where those are not known."""
        return self.write_energy.per_word_pj(self.write_word_bits) if self.write_word_bits else 0.0

    def serves(self, operand: str, role: str) -> bool:
        """Whether data of this operand and role may live here."""
        return operand in self.operands and (not self.roles or role in self.roles)
