"""What would dominate a design: the smallest changes that make it better in everything that counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from archsim.reports.sweep_front import RunDesign, ScaledObjective
from archsim.reports.values import plain, ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisChange:
    """One axis that has another value; None where it does not exist."""

    key: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """Another design, compared with the one asked about."""

    design: RunDesign
    changes: tuple[AxisChange, ...]
    steps: int
    """Steps along the axes from one to the other; an axis whose values have no order counts 1."""
    ratios: Mapping[str, float | None]
    """Its value over the design's, by objective."""
    differences: Mapping[str, float | None]
    """Its value less the design's, by objective, in the objective's unit."""
    on_front: bool

    def document(self, names: tuple[str, ...]) -> dict[str, Any]:
        """As JSON has it."""
        return self.design.document(names) | {
            "changes": [{"key": one.key, "from": one.before, "to": one.after} for one in self.changes],
            "steps": self.steps,
            "ratios": dict(self.ratios),
            "differences": dict(self.differences),
            "on_front": self.on_front,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Dominance:
    """Which designs dominate one, the smallest change first."""

    design: RunDesign
    feasible: bool
    """Whether the design itself keeps the constraints."""
    objectives: tuple[ScaledObjective, ...]
    dominating: tuple[Contender, ...]
    """At most 1,000 of them."""
    dominating_count: int
    """How many there are."""
    always: tuple[AxisChange, ...]
    """Axes that have one and the same other value in every dominating design."""
    kept: Mapping[str, Any]
    """Axes whose value every dominating design shares with this one."""
    nearest: tuple[Contender, ...]
    """When nothing dominates: the designs that lose least in their worst objective, and gain elsewhere."""
    compared: int
    """Feasible designs that it was compared with."""
    evaluated: int
    """Of them, those that were evaluated for this question."""
    neighbours: int
    """Designs that differ in one axis, by one step where its values have an order."""
    neighbours_known: int
    """Of them, those that were evaluated, failed ones included."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the objectives."""
        return tuple(one.name for one in self.objectives)

    def to_dict(self) -> dict[str, Any]:
        """The part ``dominate`` of the JSON document `archsim.pareto/1`."""
        document = {
            "design": self.design.document(self.names),
            "feasible": self.feasible,
            "dominated": bool(self.dominating),
            "dominating_count": self.dominating_count,
            "dominating": [one.document(self.names) for one in self.dominating],
            "always": [{"key": one.key, "from": one.before, "to": one.after} for one in self.always],
            "kept": dict(self.kept),
            "nearest": [one.document(self.names) for one in self.nearest],
            "compared": self.compared,
            "evaluated": self.evaluated,
            "neighbours": self.neighbours,
            "neighbours_known": self.neighbours_known,
        }
        cleaned: dict[str, Any] = plain(document)
        return cleaned


def compared(one: RunDesign, other: RunDesign, names: tuple[str, ...]) -> tuple[dict[str, float | None], ...]:
    """Ratios and differences of ``other`` to ``one``."""
    pairs = {name: (other.values.get(name), one.values.get(name)) for name in names}
    ratios = {name: ratio(new, old) for name, (new, old) in pairs.items()}
    differences = {name: None if new is None or old is None else new - old for name, (new, old) in pairs.items()}
    return ratios, differences
