"""Off-chip memories: energy, bandwidth and capacity by family."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any

from archsim.arch.components.cost import DramCost
from archsim.core.errors import InputError, unknown_name
from archsim.core.provenance import ESTIMATE

_TABLE = Path(__file__).parent / "data" / "dram.toml"

ON_CHIP = ("sram", "register")
"""Technologies whose cost follows from capacity and node."""


def dram_technologies() -> tuple[str, ...]:
    """Names of the off-chip families."""
    return tuple(_families())


def memory_technologies() -> tuple[str, ...]:
    """Every name that a memory's `technology` may have: the off-chip families, `sram` and `register`."""
    return (*_families(), *ON_CHIP)


def dram_cost(technology: str) -> DramCost:
    """Energy per bit and peak bandwidth of one standard channel, device or stack of a DRAM family.

    Energy is a constant per bit: row misses, refresh and idle power are not counted apart. Raises InputError for an
    unknown family.
    """
    family = _families().get(technology)
    if family is None:
        raise InputError(unknown_name("memory technology", technology, _families()))
    return family


@lru_cache(maxsize=1)
def _families() -> dict[str, DramCost]:
    tables: dict[str, dict[str, Any]] = tomllib.loads(_TABLE.read_text(encoding="utf-8"))
    return {name: _cost(name, table) for name, table in tables.items()}


def _cost(name: str, table: dict[str, Any]) -> DramCost:
    sources = (str(table["energy_source"]), str(table["bandwidth_source"]))
    return DramCost(
        read_pj_per_bit=float(table["energy_pj_per_bit"]),
        write_pj_per_bit=float(table["energy_pj_per_bit"]),
        bandwidth_bytes_per_s=float(table["data_rate"]) * int(table["width_bits"]) / 8,
        capacity_bytes=int(table["capacity_bytes"]),
        unit=str(table["unit"]),
        pins=int(table["width_bits"]),
        channels=int(table["channels"]),
        source="; ".join(sources),
        estimates=tuple(f"{source} ({name})" for source in sources if source.startswith(ESTIMATE)),
    )
