"""One mapped op: its mapping with the proof, and everything that explains it, as a record and as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archsim.reports.values import plain, ratio

if TYPE_CHECKING:
    from archsim.arch.accelerator import Accelerator
    from archsim.mappers.found import Found
    from archsim.mappers.remedies import Overflow
    from archsim.sim.mapping import Mapping
    from archsim.sim.occupancy import Occupancy
    from archsim.sim.ports import PortUse
    from archsim.sim.problem import Problem
    from archsim.sim.records import OpCost
    from archsim.workloads.op import Op

SCHEMA = "archsim.mapping/1"
TABLE_SCHEMA = "archsim.mappings/1"
PJ_PER_J = 1e12
UNITS = {"latency": "cycles", "energy": "pJ", "edp": "pJ cycles", "weighted": "cycles^a pJ^b"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Help:
    """What one change of the hardware would do to an op, searched anew. Ratios are before over after."""

    change: str
    overrides: tuple[str, ...]
    """The change as `--set` keys."""
    cycles: int
    energy_j: float
    bound: str
    speedup: float
    energy_gain: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedOp:
    """An op of `names` (equal ops are mapped once) with its best mapping, or the cost of a given one."""

    design_name: str
    archsim_version: str
    names: tuple[str, ...]
    count: int
    """Occurrences in the workload, over all names."""
    op: Op
    accelerator: Accelerator
    problem: Problem
    found: Found
    exponents: tuple[float, float]
    """Of cycles and energy in the weighted objective."""
    occupancy: tuple[Occupancy, ...]
    ports: tuple[PortUse, ...]
    given: str | None = None
    """The file of a mapping that was given; None for one that was searched."""
    overflows: tuple[Overflow, ...] = ()
    outside: str | None = None
    """What every mapping that a search may take does and this given one does not; None for one of them."""
    stopped: bool = False
    """Whether the search ended at its budget: not at a tolerance, nor at what constraints let it prove."""
    help: tuple[Help, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def cost(self) -> OpCost:
        return self.found.cost

    @property
    def mapping(self) -> Mapping:
        assert self.cost.mapping is not None
        return self.cost.mapping

    @property
    def legal(self) -> bool:
        """Whether every memory holds its tiles."""
        return not self.overflows

    @property
    def optimal(self) -> bool:
        """Whether no mapping of the declared space is proven to be better."""
        return self.found.optimal

    @property
    def cycles(self) -> int:
        return self.cost.cycles

    @property
    def energy_pj(self) -> float:
        return self.cost.total_energy_j * PJ_PER_J

    @property
    def edp(self) -> float:
        """Energy in pJ times cycles."""
        return self.energy_pj * self.cost.cycles

    @property
    def pareto(self) -> tuple[tuple[float, float], ...]:
        """Energy (pJ) and cycles of the front."""
        return self.found.pareto

    @property
    def value(self) -> float:
        """The objective in cycles, pJ, or their product."""
        return objective_value(self.found.objective, self.cost.cycles, self.energy_pj, self.exponents)

    @property
    def bound(self) -> float | None:
        """What no mapping is below, in the unit of `value`; None when nothing is proven."""
        if self.found.optimal:
            return self.value
        share = ratio(self.found.bound, self.found.value)
        return self.value * share if share else None

    @property
    def gap(self) -> float | None:
        """How far `value` may lie above the optimum, as a fraction; None when nothing is proven.

        Below 0 only for a given mapping that no search may take: its tiles do not fit, it breaks a constraint.
        """
        if self.outside is not None and self.found.bound > 0:
            return self.found.value / self.found.bound - 1
        return self.found.gap if math.isfinite(self.found.gap) else None

    @property
    def loop_nest(self) -> str:
        """The loop nest as text, which `--mapping` reads back."""
        from archsim.mappers.mapping_text import loop_nest

        return loop_nest(self.problem, self.mapping)

    @property
    def limit(self) -> dict[str, Any]:
        """The binding resource with its numbers."""
        return limit_document(self.cost, self.ports)

    def to_dict(self) -> dict[str, Any]:
        """The JSON document `archsim.mapping/1`."""
        cost, found = self.cost, self.found
        document = {
            "schema": SCHEMA,
            "archsim": self.archsim_version,
            "design": self.design_name,
            "op": op_document(self.op) | {"names": list(self.names), "count": self.count},
            "objective": found.objective,
            "value": self.value,
            "bound": self.bound,
            "gap": self.gap,
            "unit": UNITS[found.objective],
            "optimal": found.optimal,
            "energy_pj": self.energy_pj,
            "cycles": cost.cycles,
            "edp": self.energy_pj * cost.cycles,
            "latency_s": cost.latency_s,
            "evaluated": found.evaluated,
            "pruned": found.pruned,
            "space": found.space,
            "given": self.given,
            "legal": self.legal,
            "overflows": [overflow_document(item) for item in self.overflows],
            "compute_cycles": cost.compute_cycles,
            "stall_cycles": cost.stall_cycles,
            "utilization": cost.utilization,
            "compute_utilization": cost.compute_utilization,
            "mapping_utilization": cost.mapping_utilization,
            "dram_bytes": cost.dram_bytes,
            "limit": self.limit,
            "ports": [port_document(use, cost.cycles) for use in self.ports],
            "energy_by_component_pj": {name: joules * PJ_PER_J for name, joules in cost.energy_j.items()},
            "mapping": self.mapping.as_dict(),
            "loop_nest": self.loop_nest,
            "occupancy": [row for level in self.occupancy for row in occupancy_documents(level)],
            "traffic": traffic_documents(cost),
            "stalls": stall_documents(cost),
            "help": [help_document(item) for item in self.help],
            "pareto": [{"energy_pj": energy, "cycles": cycles} for energy, cycles in found.pareto],
            "warnings": list(dict.fromkeys([*self.warnings, *cost.warnings])),
        }
        cleaned: dict[str, Any] = plain(document)
        return cleaned


def objective_value(objective: str, cycles: float, energy_pj: float, exponents: tuple[float, float]) -> float:
    """An objective in cycles, pJ, or their product."""
    match objective:
        case "latency":
            return cycles
        case "energy":
            return energy_pj
        case "edp":
            return cycles * energy_pj
        case _:
            return float(cycles ** exponents[0] * energy_pj ** exponents[1])


def table_document(mapped: Sequence[MappedOp]) -> dict[str, Any]:
    """Several mapped ops as one document, `archsim.mappings/1`."""
    first = mapped[0]
    return {
        "schema": TABLE_SCHEMA,
        "archsim": first.archsim_version,
        "design": first.design_name,
        "mappings": [item.to_dict() for item in mapped],
    }


def op_document(op: Op) -> dict[str, Any]:
    formats = {name: getattr(op, name).format for name in ("weights", "inputs", "outputs")}
    return {
        "name": op.name,
        "kind": op.kind,
        "dims": dict(op.dims),
        "formats": {name: None if fmt is None else fmt.name for name, fmt in formats.items()},
        "macs": op.macs,
    }


def occupancy_documents(level: Occupancy) -> list[dict[str, Any]]:
    """One row per operand that an instance of the level holds."""
    capacity = level.capacity_bits / 8
    return [
        {
            "level": level.level,
            "operand": item.operand,
            "elements": item.elements,
            "bits_per_element": item.bits_per_element,
            "copies": item.copies,
            "bytes": item.bits / 8,
            "capacity_bytes": capacity,
            "fraction": ratio(item.bits / 8, capacity) if math.isfinite(capacity) else None,
            "instances": level.instances,
        }
        for item in level.held
    ]


def overflow_document(overflow: Overflow) -> dict[str, Any]:
    held = overflow.occupancy
    return {
        "level": held.level,
        "needed_bytes": (held.bits + held.reserved_bits) / 8,
        "capacity_bytes": held.capacity_bits / 8,
        "excess_bytes": held.excess_bits / 8,
        "message": overflow.message,
        "hint": overflow.hint,
    }


def port_document(use: PortUse, cycles: int) -> dict[str, Any]:
    return {
        "level": use.level,
        "port": use.port,
        "bytes_per_cycle": use.bits_per_cycle / 8,
        "busy_cycles": use.cycles,
        "busy_fraction": ratio(use.cycles, cycles),
    }


def limit_document(cost: OpCost, ports: Sequence[PortUse]) -> dict[str, Any]:
    """What the op waits for: the array, a level with its busiest port, or `latency` (fill, drain, first load, last
    write-back).
    """
    document: dict[str, Any] = {
        "bound": cost.bound,
        "cycles": cost.cycles,
        "compute_cycles": cost.compute_cycles,
        "port": None,
        "bytes_per_cycle": None,
        "busy_cycles": None,
        "busy_fraction": None,
    }
    at_level = [use for use in ports if use.level == cost.bound]
    if at_level:
        document |= port_document(max(at_level, key=lambda use: use.cycles), cost.cycles)
        document.pop("level")
    return document


def traffic_documents(cost: OpCost) -> list[dict[str, Any]]:
    return [
        {
            "level": row.level,
            "operand": row.operand,
            "reads": row.reads,
            "fills": row.fills,
            "updates": row.updates,
            "instances": row.instances,
            "energy_j": row.energy_j,
        }
        for row in cost.traffic
    ]


def stall_documents(cost: OpCost) -> list[dict[str, Any]]:
    return [
        {"cause": stall.cause, "level": stall.level, "operand": stall.operand, "cycles": stall.cycles}
        for stall in cost.stalls
    ]


def help_document(item: Help) -> dict[str, Any]:
    return {
        "change": item.change,
        "overrides": list(item.overrides),
        "cycles": item.cycles,
        "energy_pj": item.energy_j * PJ_PER_J,
        "bound": item.bound,
        "speedup": item.speedup,
        "energy_gain": item.energy_gain,
    }
