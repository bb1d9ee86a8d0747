"""Why one layer of an evaluation costs what it does, and what single changes of the hardware would do to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archsim.reports.mapping import (
    PJ_PER_J,
    limit_document,
    occupancy_documents,
    port_document,
    stall_documents,
    traffic_documents,
)
from archsim.reports.values import plain, ratio

if TYPE_CHECKING:
    from archsim.arch.engines.data import DataRate
    from archsim.sim.occupancy import Occupancy
    from archsim.sim.ports import PortUse
    from archsim.sim.records import LayerCost

SCHEMA = "archsim.explanation/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What one change does to a layer and to the whole workload, evaluated anew. Gains are before over after."""

    change: str
    overrides: tuple[str, ...]
    """The change as `--set` keys."""
    latency_s: float
    energy_j: float
    bound: str
    speedup: float
    energy_gain: float
    total_speedup: float
    total_energy_gain: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One layer of an evaluation, for one occurrence, with everything that explains it."""

    design_name: str
    archsim_version: str
    layer: LayerCost
    total_latency_s: float
    """Of the whole workload."""
    total_energy_j: float
    loop_nest: str | None
    """None for operations on the vector unit."""
    occupancy: tuple[Occupancy, ...]
    ports: tuple[PortUse, ...]
    effects: tuple[Effect, ...]
    data: DataRate | None = None
    """What the engine makes of the layer's data; None where it is nothing to it."""

    @property
    def time_share(self) -> float | None:
        """Share of the workload's time, over all runs of the layer."""
        return ratio(self.layer.cost.latency_s * self.layer.count, self.total_latency_s)

    @property
    def energy_share(self) -> float | None:
        return ratio(self.layer.cost.total_energy_j * self.layer.count, self.total_energy_j)

    def to_dict(self) -> dict[str, Any]:
        """The JSON document `archsim.explanation/1`."""
        layer, cost = self.layer, self.layer.cost
        document = {
            "schema": SCHEMA,
            "archsim": self.archsim_version,
            "design": self.design_name,
            "layer": layer.name,
            "kind": layer.kind,
            "phase": layer.phase,
            "count": layer.count,
            "dims": dict(layer.dims),
            "formats": dict(layer.formats),
            "cycles": cost.cycles,
            "compute_cycles": cost.compute_cycles,
            "stall_cycles": cost.stall_cycles,
            "latency_s": cost.latency_s,
            "energy_j": cost.total_energy_j,
            "energy_by_component_pj": {name: joules * PJ_PER_J for name, joules in cost.energy_j.items()},
            "time_share": self.time_share,
            "energy_share": self.energy_share,
            "utilization": cost.utilization,
            "bound": cost.bound,
            "limit": limit_document(cost, self.ports),
            "ports": [port_document(use, cost.cycles) for use in self.ports],
            "mapping": None if cost.mapping is None else cost.mapping.as_dict(),
            "loop_nest": self.loop_nest,
            "occupancy": [row for level in self.occupancy for row in occupancy_documents(level)],
            "traffic": traffic_documents(cost),
            "stalls": stall_documents(cost),
            "data": None if self.data is None else _data(self.data),
            "changes": [_effect(item) for item in self.effects],
        }
        cleaned: dict[str, Any] = plain(document)
        return cleaned


def _data(data: DataRate) -> dict[str, Any]:
    return {
        "executed_fraction": data.executed,
        "gated_fraction": data.gated,
        "waiting_fraction": data.imbalance,
        "exploited": sorted(data.exploited),
    }


def _effect(item: Effect) -> dict[str, Any]:
    return {
        "change": item.change,
        "overrides": list(item.overrides),
        "latency_s": item.latency_s,
        "energy_j": item.energy_j,
        "bound": item.bound,
        "speedup": item.speedup,
        "energy_gain": item.energy_gain,
        "total_speedup": item.total_speedup,
        "total_energy_gain": item.total_energy_gain,
    }
