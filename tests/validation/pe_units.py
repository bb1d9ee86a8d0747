"""Published processing elements as circuits: rows of pe_costs.csv, the parts of pe_units.toml, the two halves."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from archsim.arch.components import gates
from archsim.arch.components.gates import Circuit
from tests.validation.measure import read

UNITS = Path(__file__).with_name("pe_units.toml")
SEED = 2026
LARGEST_UM2 = 8000.0
TAGS = ("read", "run", "derived")
PARTS: dict[str, Callable[..., Circuit]] = {
    part.__name__: part
    for part in (
        gates.gates,
        gates.adder,
        gates.incrementer,
        gates.inverter,
        gates.negater,
        gates.comparator,
        gates.selector,
        gates.maximum,
        gates.shifter,
        gates.leading_zeros,
        gates.register,
        gates.table,
        gates.carry_save,
        gates.multiplier,
        gates.float_multiplier,
        gates.float_adder,
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedUnit:
    """One row: a unit with its circuit, and what was published of it."""

    name: str
    circuit: Circuit
    node_nm: float
    clock_hz: float
    area_um2: float
    energy_pj: float | None


@cache
def unit_tables() -> dict[str, dict[str, Any]]:
    return tomllib.loads(UNITS.read_text(encoding="utf-8"))


def circuit_of(unit: str) -> Circuit:
    """The circuit of a unit of pe_units.toml: those it is like, the parts on its path, the parts beside it."""
    table = unit_tables()[unit]
    whole, path, beside = Circuit(), Circuit(), Circuit()
    for other in table.get("like", []):
        whole += circuit_of(other)
    for entry in table.get("parts", []):
        arguments = {key: value for key, value in entry.items() if key not in ("part", "count", "beside")}
        part = PARTS[entry["part"]](**arguments) * entry.get("count", 1)
        if entry.get("beside", False):
            beside += part
        else:
            path >>= part
    return whole + path + beside


def unit_of(name: str) -> str | None:
    """The unit with the longest beginning of a row's name."""
    found = [
        (len(start), unit) for unit, table in unit_tables().items() for start in table["rows"] if name.startswith(start)
    ]
    return max(found)[1] if found else None


@cache
def published_units() -> tuple[PublishedUnit, ...]:
    """Single PEs, MACs, multipliers and adders that were read, run or derived, with their area, below 8,000 um2."""
    units = []
    for row in read("pe_costs.csv"):
        unit = unit_of(row["unit"])
        if (
            unit is None
            or row["confidence"] not in TAGS
            or not row["area_um2"]
            or float(row["area_um2"]) >= LARGEST_UM2
        ):
            continue
        units.append(
            PublishedUnit(
                name=row["unit"],
                circuit=circuit_of(unit),
                node_nm=float(row["node_nm"]),
                clock_hz=float(row["clock_MHz"]) * 1e6,
                area_um2=float(row["area_um2"]),
                energy_pj=float(row["energy_pJ"]) if row["energy_pJ"] else None,
            )
        )
    return tuple(units)


def halves(seed: int = SEED) -> tuple[tuple[PublishedUnit, ...], tuple[PublishedUnit, ...]]:
    """(fitted on, predicted): the rows in file order, shuffled with `seed`, cut in the middle."""
    shuffled = list(published_units())
    random.Random(seed).shuffle(shuffled)
    middle = len(shuffled) // 2
    return tuple(shuffled[:middle]), tuple(shuffled[middle:])
