"""The front of a run: which designs no other beats, and how they trade one objective for another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from archsim.reports.records import INTEGER, NUMBER, TEXT, Row
from archsim.reports.values import json_text, plain

SCHEMA = "archsim.pareto/1"
_PLACE: dict[str, str] = {"index": INTEGER, "point_id": TEXT}
_STANDING: dict[str, str] = {"knee": INTEGER, "bulge": NUMBER, "crowding": NUMBER}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledObjective:
    """What is to be small or large, and on which scale designs are compared."""

    name: str
    sense: Literal["min", "max"]
    log: bool
    """Whether equal factors count as equal steps: in plots, for the knee, for sensitivities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDesign:
    """One point of a run."""

    index: int | None
    """Its number in the run; None for a point that was evaluated after it."""
    point_id: str
    axes: Mapping[str, Any]
    """Values by dotted key; a key is absent where its condition does not hold."""
    values: Mapping[str, float | None]
    """Totals and components."""

    def document(self, names: tuple[str, ...]) -> dict[str, Any]:
        """The design with some of its totals."""
        values = {name: self.values.get(name) for name in names}
        return {"index": self.index, "id": self.point_id, "axes": dict(self.axes), "values": values}


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontDesign:
    """One design of a front."""

    design: RunDesign
    knee: bool
    bulge: float
    """How far it lies below the plane through the front's ends, of 1/sqrt(objectives) at most."""
    crowding: float
    """Distance to its neighbours on the front; infinite at an end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """All feasible points of a run, for a picture."""

    values: Mapping[str, NDArray[np.float64]]
    """Objectives, (N,) each."""
    on_front: NDArray[np.bool_]
    colour_key: str | None = None
    colours: tuple[str, ...] = ()
    """The value of that axis of every point, as text."""
    order: tuple[str, ...] = ()
    """Values of that axis in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepFront:
    """The front of a run, best first objective first."""

    run: str
    points: int
    further: int
    """Of them, those that earlier questions about the run evaluated."""
    failed: Mapping[str, int]
    """Points that failed, by reason."""
    feasible: int
    objectives: tuple[ScaledObjective, ...]
    constraints: tuple[str, ...]
    axes: tuple[str, ...]
    designs: tuple[FrontDesign, ...]
    hypervolume: float | None
    """Covered below the reference, in the product of the objectives' units."""
    covered_fraction: float | None
    """Of the box between the best of each objective and the reference."""
    reference: Mapping[str, float]
    """By default the worst feasible value of each objective."""
    cloud: Cloud = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the objectives."""
        return tuple(objective.name for objective in self.objectives)

    @property
    def knees(self) -> tuple[FrontDesign, ...]:
        """Designs of the front where it bends."""
        return tuple(item for item in self.designs if item.knee)

    def columns(self) -> dict[str, str]:
        """Columns of `rows`: place, axes, standing, objectives, all other values."""
        found = {name: None for item in self.designs for name in item.design.values}
        values = dict.fromkeys((*self.names, *found), NUMBER)
        return _PLACE | dict.fromkeys(self.axes, TEXT) | _STANDING | values

    def rows(self) -> list[Row]:
        """One row per design of the front."""
        return [
            {
                "index": item.design.index,
                "point_id": item.design.point_id,
                **{key: _cell(item.design.axes.get(key)) for key in self.axes},
                "knee": int(item.knee),
                "bulge": item.bulge,
                "crowding": item.crowding,
                **item.design.values,
            }
            for item in self.designs
        ]

    def to_dict(self) -> dict[str, Any]:
        """The JSON document `archsim.pareto/1`."""
        document = {
            "schema": SCHEMA,
            "run": self.run,
            "points": self.points,
            "further": self.further,
            "failed": dict(self.failed),
            "feasible": self.feasible,
            "objectives": [
                {"name": one.name, "sense": one.sense, "scale": "log" if one.log else "linear"}
                for one in self.objectives
            ],
            "constraints": list(self.constraints),
            "front": [
                item.design.document(tuple(item.design.values))
                | {"knee": item.knee, "bulge": item.bulge, "crowding": item.crowding}
                for item in self.designs
            ],
            "knees": [item.design.index for item in self.knees],
            "hypervolume": self.hypervolume,
            "covered_fraction": self.covered_fraction,
            "reference": dict(self.reference),
        }
        cleaned: dict[str, Any] = plain(document)
        return cleaned


def _cell(value: Any) -> Any:
    """An axis value in a cell of a table: tables and lists as JSON."""
    return json_text(plain(value)).strip() if isinstance(value, dict | list) else value
