"""A whole space of mappings of one op: its size, how energy and time are spread, where the optimum found lies in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from archsim.mappers.enumerate import WholeSpace
from archsim.reports.records import INTEGER, NUMBER, Row
from archsim.reports.values import plain

SCHEMA = "archsim.space/1"
UNITS = {"latency": "cycles", "energy": "pJ", "edp": "pJ cycles", "weighted": "cycles^a pJ^b"}
QUANTILES = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
COLUMNS: dict[str, str] = {
    "energy_from_pj": NUMBER,
    "energy_to_pj": NUMBER,
    "cycles_from": NUMBER,
    "cycles_to": NUMBER,
    "mappings": INTEGER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A mapping's cost and its place in the space."""

    cycles: float
    energy_pj: float
    value: float
    """The objective in the unit of the space: cycles, pJ, or their product."""
    better: int
    """Legal mappings that are better by the objective."""
    optimal: bool | None = None
    """Of what the search found: whether it says so."""
    file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingSpace:
    """Every mapping of one op that the settings declare, counted and costed."""

    design_name: str
    work: str
    objective: str
    tiles: str
    factors: str
    constrained: bool
    clock_hz: float
    space: WholeSpace
    found: Placed
    """What the search finds in it."""
    given: Placed | None = None

    @property
    def placed(self) -> Placed:
        """The mapping that is ranked: the given one, else what was found."""
        return self.given or self.found

    def share_better(self, placed: Placed) -> float:
        """Fraction of the legal mappings that are better."""
        return placed.better / max(1, self.space.legal)

    def energy_quantiles_pj(self) -> dict[float, float]:
        """Energy that so many of the legal mappings stay below, to the width of a cell (5 %)."""
        histogram = self.space.histogram
        return {} if histogram is None else _quantiles(histogram.counts.sum(axis=1), histogram.energy_edges_pj)

    def cycle_quantiles(self) -> dict[float, float]:
        histogram = self.space.histogram
        return {} if histogram is None else _quantiles(histogram.counts.sum(axis=0), histogram.cycle_edges)

    def rows(self) -> list[Row]:
        """One row for each cell of the histogram with mappings in it."""
        histogram = self.space.histogram
        if histogram is None:
            return []
        energy, cycles = histogram.energy_edges_pj.tolist(), histogram.cycle_edges.tolist()
        return [
            {
                "energy_from_pj": energy[i],
                "energy_to_pj": energy[i + 1],
                "cycles_from": cycles[j],
                "cycles_to": cycles[j + 1],
                "mappings": int(histogram.counts[i, j]),
            }
            for i, j in np.argwhere(histogram.counts > 0).tolist()
        ]

    def to_dict(self) -> dict[str, Any]:
        """The JSON document `archsim.space/1`."""
        space = self.space
        document = {
            "schema": SCHEMA,
            "design": self.design_name,
            "work": self.work,
            "objective": self.objective,
            "unit": UNITS[self.objective],
            "tiles": self.tiles,
            "factors": self.factors,
            "constrained": self.constrained,
            "mappings": space.mappings,
            "legal": space.legal,
            "best": {
                name: {
                    "value": best.value,
                    "cycles": best.cycles,
                    "energy_pj": best.energy_pj,
                    "mapping": best.mapping.as_dict(),
                }
                for name, best in space.best.items()
            },
            "found": self._placed(self.found),
            "given": None if self.given is None else self._placed(self.given) | {"file": self.given.file},
            "energy_pj": {
                "least": space.least_energy_pj,
                "mean": space.mean_energy_pj,
                "most": space.most_energy_pj,
                "quantiles": {str(share): value for share, value in self.energy_quantiles_pj().items()},
            },
            "cycles": {
                "least": space.least_cycles,
                "mean": space.mean_cycles,
                "most": space.most_cycles,
                "quantiles": {str(share): value for share, value in self.cycle_quantiles().items()},
            },
            "pareto": [{"energy_pj": energy, "cycles": cycles} for energy, cycles in space.front],
            "histogram": self.rows(),
        }
        cleaned: dict[str, Any] = plain(document)
        return cleaned

    def _placed(self, placed: Placed) -> dict[str, Any]:
        return {
            "value": placed.value,
            "cycles": placed.cycles,
            "energy_pj": placed.energy_pj,
            "optimal": placed.optimal,
            "better": placed.better,
            "share_better": self.share_better(placed),
        }


def _quantiles(counts: Any, edges: Any) -> dict[float, float]:
    running = np.cumsum(counts)
    total = int(running[-1])
    if total == 0:
        return {}
    return {share: float(edges[int(np.searchsorted(running, share * total)) + 1]) for share in QUANTILES}
