"""On-chip network: energy of a bit over a length of wire, and through a router."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any

from archsim.arch.components.cost import ComponentCost
from archsim.arch.components.gates import register, selector
from archsim.arch.components.logic import area_um2, circuit_cost, logic_constants, logic_estimates
from archsim.arch.interpolation import is_outside, log_log
from archsim.arch.technology import check_node
from archsim.core.errors import InputError, Problem
from archsim.core.provenance import ESTIMATE

_TABLE = Path(__file__).parent / "data" / "network.toml"


@lru_cache(maxsize=256)
def wire_cost(length_mm: float, node_nm: float) -> ComponentCost:
    """Energy of one bit over `length_mm` of repeated wire; its area is in metal and not counted.

    A power law between the published nodes, which goes on outside as an estimate. Raises InputError for a
    negative length.
    """
    check_node(node_nm)
    if length_mm < 0:
        raise InputError(Problem(message=f"a wire is at least 0 mm long (got {length_mm:g} mm)"))
    wire = _table()["wire"]
    nodes = [float(node) for node in wire["nodes_nm"]]
    per_mm = log_log(node_nm, nodes, [float(value) for value in wire["pj_per_bit_mm"]])
    beyond = f"{ESTIMATE} wires at {node_nm:g} nm, published for {nodes[0]:g} and {nodes[-1]:g} nm"
    return ComponentCost(
        energy_pj=per_mm * length_mm,
        area_um2=None,
        leakage_w=0.0,
        source=str(wire["source"]),
        estimates=(beyond,) if is_outside(node_nm, nodes) else (),
    )


@lru_cache(maxsize=256)
def router_cost(node_nm: float) -> ComponentCost:
    """Energy of one bit through a router (a hop without its wire); area and leakage of the router per bit of its ports.

    A bit is written into one word of a buffer, chosen from its words, sent through the crossbar and registered.
    """
    check_node(node_nm)
    table = _table()["router"]
    ports, words = int(table["ports"]), int(table["buffer_words"])
    passed = register(2) + selector(1, words) + selector(1, ports)
    whole = (register(words + 1) + selector(1, words) + selector(1, ports)) * ports
    cost = circuit_cost(whole, node_nm)
    return ComponentCost(
        energy_pj=circuit_cost(passed, node_nm).energy_pj,
        area_um2=area_um2(whole, node_nm, None, logic_constants()),
        leakage_w=cost.leakage_w,
        source=cost.source,
        estimates=(str(table["source"]), *logic_estimates(node_nm)),
    )


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    return tomllib.loads(_TABLE.read_text(encoding="utf-8"))
