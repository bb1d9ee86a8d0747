"""On-chip SRAM: energy, area and leakage from a grid of CACTI 7 runs."""

from __future__ import annotations

import csv
import tomllib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from archsim.arch.components.arithmetic import register_cost
from archsim.arch.components.cost import MemoryCost
from archsim.arch.interpolation import is_outside, log_log
from archsim.arch.technology import check_node, logic_scaling
from archsim.core.errors import InputError, Problem

_DATA = Path(__file__).parent / "data"

BYTE = 8
WATT_PER_MILLIWATT = 1e-3

READ, WRITE, AREA, LEAKAGE = "read_pj", "write_pj", "area_mm2", "leakage_mw"
ENERGIES = (READ, WRITE)
QUANTITIES = (READ, WRITE, AREA, LEAKAGE)

Values = dict[str, float]


@dataclass(frozen=True, slots=True)
class Grid:
    """Per quantity, node and width: the values at `capacities_bits`. All axes ascending."""

    nodes_nm: tuple[float, ...]
    widths_bits: tuple[float, ...]
    capacities_bits: tuple[float, ...]
    values: dict[tuple[str, float, float], tuple[float, ...]]


@lru_cache(maxsize=4096)
def sram_cost(capacity_bits: float, width_bits: float, node_nm: float) -> MemoryCost:
    """Energy per bit, area and leakage of one single-ported SRAM of `capacity_bits`, accessed `width_bits` at a time.

    Interpolates CACTI's energy per access, area and leakage linearly in the logarithms of capacity, width and node; a
    point of the grid comes back unchanged. Outside the grid the rules of `data/sram.toml` go on, as estimates. A narrow
    port costs more per bit: the array is read in rows. Raises InputError for what is not a memory.
    """
    _check(capacity_bits, width_bits, node_nm)
    grid, rules = _grid(), _rules()
    banks = max(width_bits / grid.widths_bits[-1], 1.0)
    values = _at(grid, rules, capacity_bits / banks, width_bits / banks, node_nm)
    read, write = (values[energy] * banks / width_bits for energy in ENERGIES)
    if capacity_bits < grid.capacities_bits[0]:
        flip_flop = register_cost(1, node_nm).energy_pj
        read, write = max(read, flip_flop), max(write, flip_flop)
    return MemoryCost(
        read_pj_per_bit=read,
        write_pj_per_bit=write,
        area_mm2=values[AREA] * banks,
        leakage_w=values[LEAKAGE] * banks * WATT_PER_MILLIWATT,
        source=str(rules["source"]),
        estimates=_estimates(grid, rules, capacity_bits, width_bits, node_nm),
    )


def _check(capacity_bits: float, width_bits: float, node_nm: float) -> None:
    check_node(node_nm)
    if not 1 <= width_bits <= capacity_bits:
        message = f"an SRAM's port has from 1 bit to its capacity (got {width_bits:g} bit of {capacity_bits:g} bit)"
        raise InputError(Problem(message=message))


def _at(grid: Grid, rules: dict[str, Any], capacity_bits: float, width_bits: float, node_nm: float) -> Values:
    """All quantities of one bank; `width_bits` at most the grid's widest."""
    nearest = min(max(node_nm, grid.nodes_nm[0]), grid.nodes_nm[-1])
    width = max(width_bits, grid.widths_bits[0])
    factors = _node_factors(grid, rules, node_nm)
    values = {}
    for quantity in QUANTITIES:
        at_nodes = [_at_node(grid, rules, quantity, node, capacity_bits, width) for node in grid.nodes_nm]
        values[quantity] = log_log(nearest, grid.nodes_nm, at_nodes) * factors[quantity]
    narrow = rules["narrow"]
    if width_bits < width:
        share = float(narrow["fixed"]) + float(narrow["per_width"]) * width_bits / width
        for energy in ENERGIES:
            values[energy] *= share
    return values


def _at_node(
    grid: Grid, rules: dict[str, Any], quantity: str, node_nm: float, capacity_bits: float, width: float
) -> float:
    outside = rules["small" if capacity_bits < grid.capacities_bits[0] else "large"]
    exponent = float(outside["energy_exponent" if quantity in ENERGIES else "linear_exponent"])
    at_widths = [
        log_log(capacity_bits, grid.capacities_bits, grid.values[quantity, node_nm, at], exponent)
        for at in grid.widths_bits
    ]
    return log_log(width, grid.widths_bits, at_widths)


def _node_factors(grid: Grid, rules: dict[str, Any], node_nm: float) -> Values:
    """What multiplies the grid's outermost node to reach one beyond it."""
    smallest, largest = grid.nodes_nm[0], grid.nodes_nm[-1]
    if node_nm < smallest:
        ratio, rule = node_nm / smallest, rules["node"]
        energy, area = ratio ** float(rule["below_energy_exponent"]), ratio ** float(rule["below_area_exponent"])
        return {READ: energy, WRITE: energy, AREA: area, LEAKAGE: ratio ** float(rule["below_leakage_exponent"])}
    if node_nm > largest:
        logic = logic_scaling(largest, node_nm)
        return {READ: logic.energy, WRITE: logic.energy, AREA: logic.area, LEAKAGE: 1.0}
    return dict.fromkeys(QUANTITIES, 1.0)


def _estimates(
    grid: Grid, rules: dict[str, Any], capacity_bits: float, width_bits: float, node_nm: float
) -> tuple[str, ...]:
    conditions: Sequence[tuple[bool, str]] = (
        (capacity_bits < grid.capacities_bits[0], rules["small"]["source"]),
        (capacity_bits > grid.capacities_bits[-1], rules["large"]["source"]),
        (width_bits < grid.widths_bits[0], rules["narrow"]["source"]),
        (width_bits > grid.widths_bits[-1], rules["wide"]["source"]),
        (node_nm < float(rules["node"]["measured_from_nm"]), rules["node"]["below_source"]),
        (is_outside(node_nm, (0.0, grid.nodes_nm[-1])), rules["node"]["above_source"]),
    )
    return tuple(text for holds, text in conditions if holds)


@lru_cache(maxsize=1)
def _rules() -> dict[str, Any]:
    return tomllib.loads((_DATA / "sram.toml").read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def _grid() -> Grid:
    with (_DATA / "sram_cacti.csv").open(encoding="utf-8", newline="") as file:
        return grid_of(list(csv.DictReader(file)))


def grid_of(rows: list[dict[str, str]]) -> Grid:
    """The grid of table rows that are complete in node x width x capacity."""
    curves: defaultdict[tuple[str, float, float], list[float]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: float(row["capacity_bytes"])):
        for quantity in QUANTITIES:
            curves[quantity, float(row["node_nm"]), float(row["width_bits"])].append(float(row[quantity]))
    return Grid(
        nodes_nm=tuple(sorted({float(row["node_nm"]) for row in rows})),
        widths_bits=tuple(sorted({float(row["width_bits"]) for row in rows})),
        capacities_bits=tuple(sorted({float(row["capacity_bytes"]) * BYTE for row in rows})),
        values={key: tuple(curve) for key, curve in curves.items()},
    )
