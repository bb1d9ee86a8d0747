"""Energy and area of logic in another technology node."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from archsim.arch.interpolation import is_outside, log_log
from archsim.core.errors import InputError, Problem
from archsim.core.provenance import ESTIMATE

SOURCE = "Stillmaker and Baas, Integration 58, 2017 (doi 10.1016/j.vlsi.2017.02.002)"
SUPPLY_V = 0.9
"""Supply of the table's column that is used unless told otherwise: that of the 45 nm figures it is applied to."""
SMALLEST_NM, LARGEST_NM = 1.0, 250.0
"""Nodes that are accepted at all."""
BELOW_ENERGY_EXPONENT = 0.5
BELOW_AREA_EXPONENT = 1.0
"""Below the published nodes energy falls with the square root of the node and area linearly (hwcomponents' rule)."""

_TABLE = Path(__file__).parent / "components" / "data" / "node_scaling.csv"


@dataclass(frozen=True, slots=True)
class Scaling:
    """Factors that take energy and area from one node to another."""

    energy: float
    area: float
    source: str
    estimate: bool
    """Whether a node lies outside the published ones."""


@dataclass(frozen=True, slots=True)
class _Column:
    """Factors relative to 45 nm at one supply, nodes ascending."""

    nodes_nm: tuple[float, ...]
    energy: tuple[float, ...]
    area: tuple[float, ...]


def check_node(node_nm: float) -> None:
    """Raise InputError unless `node_nm` is a node that scaling reaches."""
    if not SMALLEST_NM <= node_nm <= LARGEST_NM:
        message = f"node must be between {SMALLEST_NM:g} nm and {LARGEST_NM:g} nm (got {node_nm:g} nm)"
        raise InputError(Problem(message=message))


@lru_cache(maxsize=256)
def logic_scaling(from_nm: float, to_nm: float, supply_v: float = SUPPLY_V) -> Scaling:
    """Factors on energy per operation and on area of logic when it moves from one node to another at one supply.

    Both are ratios of the published factors relative to 45 nm, interpolated log-log between nodes; so going there and
    back changes nothing. Below 7 nm energy goes with the square root of the node and area with the node; above 130 nm
    the last segment goes on; both are estimates. Ignores that supplies fall with the node, and wires.
    Source: Stillmaker and Baas 2017.
    """
    check_node(from_nm)
    check_node(to_nm)
    column = _column(supply_v)
    estimate = is_outside(from_nm, column.nodes_nm) or is_outside(to_nm, column.nodes_nm)
    energy = _relative(to_nm, column, column.energy, BELOW_ENERGY_EXPONENT) / _relative(
        from_nm, column, column.energy, BELOW_ENERGY_EXPONENT
    )
    area = _relative(to_nm, column, column.area, BELOW_AREA_EXPONENT) / _relative(
        from_nm, column, column.area, BELOW_AREA_EXPONENT
    )
    source = SOURCE
    if estimate:
        source = (
            f"{ESTIMATE} {from_nm:g} nm to {to_nm:g} nm reaches beyond the {column.nodes_nm[0]:g} nm to "
            f"{column.nodes_nm[-1]:g} nm of {SOURCE}"
        )
    return Scaling(energy, area, source, estimate)


def _relative(node_nm: float, column: _Column, factors: tuple[float, ...], below: float) -> float:
    slope = below if node_nm < column.nodes_nm[0] else None
    return log_log(node_nm, column.nodes_nm, factors, slope)


@lru_cache(maxsize=8)
def _column(supply_v: float) -> _Column:
    """The published nodes of one supply; rows that are themselves estimates are left to the rule."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        table = [row for row in csv.DictReader(file) if not row["source"].startswith(ESTIMATE)]
    rows = sorted((row for row in table if float(row["supply_v"]) == supply_v), key=lambda row: float(row["node_nm"]))
    if not rows:
        supplies = ", ".join(sorted({row["supply_v"] for row in table}))
        raise InputError(Problem(message=f"supply must be one of {supplies} V (got {supply_v:g} V)"))
    return _Column(
        nodes_nm=tuple(float(row["node_nm"]) for row in rows),
        energy=tuple(float(row["energy_factor"]) for row in rows),
        area=tuple(float(row["area_factor"]) for row in rows),
    )
