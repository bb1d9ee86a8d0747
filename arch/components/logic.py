"""Area, energy and leakage of a circuit at a node and clock, from its gates."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from archsim.arch.components.cost import ComponentCost
from archsim.arch.components.gates import Circuit, cells
from archsim.arch.interpolation import is_outside, log_log
from archsim.arch.technology import check_node, logic_scaling
from archsim.core.provenance import ESTIMATE

_TABLE = Path(__file__).parent / "data" / "logic.toml"

PJ_PER_FJ = 1e-3
PS_PER_S = 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class LogicConstants:
    """Constants of the gate-level model: what `data/logic.toml` holds, or a fit under way."""

    area_nodes_nm: tuple[float, ...]
    um2_per_ge: tuple[float, ...]
    energy_nodes_nm: tuple[float, ...]
    fj_per_ge: tuple[float, ...]
    flip_flop: float
    upsizing: float
    level_ps_per_nm: float
    cycle_ps_per_nm: float


@lru_cache(maxsize=1)
def logic_constants() -> LogicConstants:
    """The constants that ship."""
    table = logic_table()
    area, energy, timing = table["area"], table["energy"], table["timing"]
    return LogicConstants(
        area_nodes_nm=tuple(area["nodes_nm"]),
        um2_per_ge=tuple(area["um2_per_ge"]),
        energy_nodes_nm=tuple(energy["nodes_nm"]),
        fj_per_ge=tuple(energy["fj_per_ge"]),
        flip_flop=float(energy["flip_flop"]),
        upsizing=float(timing["upsizing"]),
        level_ps_per_nm=float(timing["level_ps_per_nm"]),
        cycle_ps_per_nm=float(timing["cycle_ps_per_nm"]),
    )


def area_um2(circuit: Circuit, node_nm: float, clock_hz: float | None, constants: LogicConstants) -> float:
    """Cells' area: combinational ones grow with the share of the cycle that the longest path takes."""
    upsized_ge = circuit.logic_ge * _upsizing(circuit, node_nm, clock_hz, constants)
    flip_flops_ge = circuit.flip_flops * cells().flip_flop
    per_ge = _at_node(node_nm, constants.area_nodes_nm, constants.um2_per_ge, "area")
    return (upsized_ge + flip_flops_ge) * per_ge


def energy_pj(circuit: Circuit, node_nm: float, clock_hz: float | None, constants: LogicConstants) -> float:
    """Energy of one cycle of full use: logic, as large as timing makes it, and clocked flip-flops."""
    flip_flops_ge = circuit.flip_flops * cells().flip_flop * constants.flip_flop
    total_ge = circuit.logic_ge * _upsizing(circuit, node_nm, clock_hz, constants) + flip_flops_ge
    return total_ge * _at_node(node_nm, constants.energy_nodes_nm, constants.fj_per_ge, "energy") * PJ_PER_FJ


def circuit_cost(circuit: Circuit, node_nm: float, clock_hz: float | None = None) -> ComponentCost:
    """Energy of one cycle of full use, area and leakage of `circuit`; without a clock, at one that suits the node.

    Ignores wires beyond the library's, clock trees beyond the flip-flops', data that switch less than usual, and that
    supplies differ. Raises InputError for a node out of reach.
    """
    check_node(node_nm)
    constants = logic_constants()
    area = area_um2(circuit, node_nm, clock_hz, constants)
    leakage = logic_table()["leakage"]
    from_leaky = logic_scaling(float(leakage["node_nm"]), node_nm)
    leakage_at_node = float(leakage["watts_per_um2"]) * from_leaky.energy / from_leaky.area
    return ComponentCost(
        energy_pj=energy_pj(circuit, node_nm, clock_hz, constants),
        area_um2=area,
        leakage_w=area * leakage_at_node,
        source=str(logic_table()["source"]),
        estimates=logic_estimates(node_nm, clock_hz),
    )


def logic_estimates(node_nm: float, clock_hz: float | None = None) -> tuple[str, ...]:
    """What a cost of logic at `node_nm` rests on besides the fitted constants."""
    table, constants = logic_table(), logic_constants()
    notes = [str(table["leakage"]["source"])]
    if clock_hz is None:
        notes.append(str(table["timing"]["cycle_source"]))
    nodes = constants.area_nodes_nm + constants.energy_nodes_nm
    if is_outside(node_nm, (max(constants.area_nodes_nm[0], constants.energy_nodes_nm[0]), max(nodes))):
        nearest = logic_scaling(min(constants.energy_nodes_nm, key=lambda node: abs(node - node_nm)), node_nm)
        notes.append(f"{ESTIMATE} logic at {node_nm:g} nm by scaling; {nearest.source.removeprefix(ESTIMATE).strip()}")
    return tuple(notes)


@lru_cache(maxsize=1)
def logic_table() -> dict[str, Any]:
    """The tables of `data/logic.toml`."""
    return tomllib.loads(_TABLE.read_text(encoding="utf-8"))


def _upsizing(circuit: Circuit, node_nm: float, clock_hz: float | None, constants: LogicConstants) -> float:
    path_ps = circuit.levels * constants.level_ps_per_nm * node_nm
    cycle_ps = constants.cycle_ps_per_nm * node_nm if clock_hz is None else PS_PER_S / clock_hz
    return float(1 + constants.upsizing * (path_ps / cycle_ps) ** 2)


def _at_node(node_nm: float, nodes_nm: tuple[float, ...], values: tuple[float, ...], quantity: str) -> float:
    """A power law between the fitted nodes; beyond them as logic scales from the nearest."""
    nearest = min(max(node_nm, nodes_nm[0]), nodes_nm[-1])
    scaling = logic_scaling(nearest, node_nm)
    return log_log(nearest, nodes_nm, values) * (scaling.area if quantity == "area" else scaling.energy)
