"""Trade-offs of mappings: energy against time, or energy against the size of one memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from archsim.reports.records import INTEGER, NUMBER, Row
from archsim.reports.values import plain

SCHEMA = "archsim.front/1"
COLUMNS: dict[str, str] = {
    "capacity_bytes": NUMBER,
    "cycles": INTEGER,
    "latency_s": NUMBER,
    "energy_pj": NUMBER,
    "edp": NUMBER,
    "optimal": INTEGER,
    "gap": NUMBER,
    "front": INTEGER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The best mappings under one setting."""

    cycles: float
    energy_pj: float
    latency_s: float
    optimal: bool
    """Proven best for the objective that it was searched with."""
    gap: float | None = None
    capacity_bytes: float | None = None
    """Of the memory that is swept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """All points that were searched, in the order of the swept size, or of falling time."""

    design_name: str
    work: str
    points: tuple[Point, ...]
    memory: str | None = None
    """The memory whose capacity is swept; None: energy against time."""
    capacity_bytes: float | None = None
    """The memory's capacity in the design."""

    def cost(self, point: Point) -> float:
        """What is traded for energy: cycles, or bytes of the memory."""
        return point.cycles if point.capacity_bytes is None else point.capacity_bytes

    @property
    def front(self) -> tuple[Point, ...]:
        """Points that no other beats in both, by rising cost."""
        return pareto(self.points, self.cost)

    def rows(self) -> list[Row]:
        """One row per point, with the columns of `COLUMNS`."""
        best = self.front
        return [
            {
                "capacity_bytes": point.capacity_bytes,
                "cycles": point.cycles,
                "latency_s": point.latency_s,
                "energy_pj": point.energy_pj,
                "edp": point.energy_pj * point.cycles,
                "optimal": int(point.optimal),
                "gap": point.gap,
                "front": int(point in best),
            }
            for point in self.points
        ]

    def to_dict(self) -> dict[str, Any]:
        """The JSON document `archsim.front/1`."""
        flags = ("optimal", "front")
        document = {
            "schema": SCHEMA,
            "design": self.design_name,
            "work": self.work,
            "memory": self.memory,
            "capacity_bytes": self.capacity_bytes,
            "points": [row | {flag: bool(row[flag]) for flag in flags} for row in self.rows()],
            "pareto": [{"energy_pj": point.energy_pj, "cycles": point.cycles} for point in self.front],
        }
        cleaned: dict[str, Any] = plain(document)
        return cleaned


def pareto(points: Sequence[Point], cost: Any) -> tuple[Point, ...]:
    """The points that no other equals or beats in cost and energy, by rising cost."""
    best: list[Point] = []
    for point in sorted(points, key=lambda item: (cost(item), item.energy_pj)):
        if not best or point.energy_pj < best[-1].energy_pj:
            best.append(point)
    return tuple(best)
