"""Designs at equal compute area: their arrays, and speed and energy on each workload against the first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from archsim.reports.values import plain

SCHEMA = "archsim.iso-area/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledDesign:
    """A design at the common area."""

    name: str
    array: str
    """Rows by columns."""
    phases: Mapping[str, str]
    """Other shapes of it by phase."""
    own_array: str
    """As the design states it."""
    units: int
    area_mm2: float
    """Of its PEs and decoders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one design takes for one workload."""

    design: str
    latency_s: float
    energy_j: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One workload on all designs, in their order."""

    name: str
    phase: str
    outcomes: tuple[Outcome, ...]

    def speedup(self, index: int) -> float:
        """How many times as fast as the first design."""
        return self.outcomes[0].latency_s / self.outcomes[index].latency_s

    def energy_gain(self, index: int) -> float:
        """How many times less energy than the first design."""
        return self.outcomes[0].energy_j / self.outcomes[index].energy_j


@dataclass(frozen=True, slots=True, kw_only=True)
class IsoAreaComparison:
    """Designs at equal compute area on the same workloads."""

    area_mm2: float
    designs: tuple[ScaledDesign, ...]
    workloads: tuple[Workload, ...]

    def unused_fraction(self, index: int) -> float:
        """Share of the area that is left, because the next larger array does not fit."""
        return max(0.0, 1.0 - self.designs[index].area_mm2 / self.area_mm2)

    def mean_speedup(self, index: int) -> float:
        """Geometric mean over workloads."""
        return math.exp(math.fsum(math.log(work.speedup(index)) for work in self.workloads) / len(self.workloads))

    def mean_energy_gain(self, index: int) -> float:
        """Geometric mean over workloads."""
        return math.exp(math.fsum(math.log(work.energy_gain(index)) for work in self.workloads) / len(self.workloads))

    def to_dict(self) -> dict[str, Any]:
        """The document ``archsim.iso-area/1``."""
        document: dict[str, Any] = plain(
            {
                "schema": SCHEMA,
                "area_mm2": self.area_mm2,
                "reference": self.designs[0].name,
                "designs": [
                    {
                        "design": design.name,
                        "array": design.array,
                        "phases": dict(design.phases),
                        "own_array": design.own_array,
                        "units": design.units,
                        "area_mm2": design.area_mm2,
                        "unused_fraction": self.unused_fraction(index),
                        "speedup": self.mean_speedup(index),
                        "energy_gain": self.mean_energy_gain(index),
                    }
                    for index, design in enumerate(self.designs)
                ],
                "workloads": [self._workload(work) for work in self.workloads],
            }
        )
        return document

    def _workload(self, work: Workload) -> dict[str, Any]:
        results = [
            {
                "design": outcome.design,
                "latency_s": outcome.latency_s,
                "energy_j": outcome.energy_j,
                "edp_js": outcome.latency_s * outcome.energy_j,
                "speedup": work.speedup(index),
                "energy_gain": work.energy_gain(index),
            }
            for index, outcome in enumerate(work.outcomes)
        ]
        return {"workload": work.name, "phase": work.phase, "results": results}
