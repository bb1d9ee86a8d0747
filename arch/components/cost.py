"""What a component costs, with the source of the figures and the estimates they rest on."""

from __future__ import annotations

from dataclasses import dataclass

BITS_PER_BYTE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentCost:
    """Energy of one operation, area and leakage of one unit."""

    energy_pj: float
    area_um2: float | None
    leakage_w: float
    source: str
    estimates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryCost:
    """Energy per bit read or written, area and leakage of one on-chip memory."""

    read_pj_per_bit: float
    write_pj_per_bit: float
    area_mm2: float
    leakage_w: float
    source: str
    estimates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DramCost:
    """Energy per bit, bandwidth and capacity of one standard channel, device or stack (`unit` says which)."""

    read_pj_per_bit: float
    write_pj_per_bit: float
    bandwidth_bytes_per_s: float
    capacity_bytes: int
    unit: str
    pins: int
    """Data pins of the unit."""
    channels: int
    """Independent channels that share the pins."""
    source: str
    estimates: tuple[str, ...] = ()

    @property
    def bandwidth_per_channel_bytes_per_s(self) -> float:
        return self.bandwidth_bytes_per_s / self.channels

    @property
    def data_rate_bits_per_s(self) -> float:
        """Of one pin."""
        return self.bandwidth_bytes_per_s * BITS_PER_BYTE / self.pins
