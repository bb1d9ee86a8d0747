"""The answer to "the smallest X with Y at most Z", and what it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from archsim.reports.sweep_front import RunDesign
from archsim.reports.values import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A design with what it misses."""

    design: RunDesign
    missed: Mapping[str, float]
    """By how much it misses each condition, relative to the bound; conditions it keeps are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionEvidence:
    """What one condition does to the answer."""

    condition: str
    kept_by: int
    """Points that keep it."""
    best: float | None
    """The value of its total that comes nearest to the bound or lies farthest within it, over all points."""
    slack: float | None
    """How far within the bound the answer is, relative to it; None without an answer."""
    without: RunDesign | None
    """The answer if this condition were dropped; None where nothing else would be the answer."""
    binds: bool
    """Whether dropping it would give a better answer, or one at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The best design under some conditions among those tried."""

    total: str
    sense: Literal["min", "max"]
    conditions: tuple[ConditionEvidence, ...]
    answer: RunDesign | None
    runners_up: tuple[RunDesign, ...]
    nearest: tuple[Candidate, ...]
    """Without an answer, the designs that miss least; with one, the best of those that miss a condition narrowly."""
    tried: int
    """Points that were looked at, failed ones included."""
    feasible: int
    failed: int
    evaluated: int
    """Points that were evaluated for this question."""
    space: int
    """Points of the design space."""

    @property
    def proven(self) -> bool:
        """Whether every point of the space was tried."""
        return self.tried == self.space

    @property
    def names(self) -> tuple[str, ...]:
        """The totals that the question is about."""
        return tuple(dict.fromkeys([self.total, *(one.condition.split()[0] for one in self.conditions)]))

    def to_dict(self) -> dict[str, Any]:
        """The part ``find`` of the JSON document `archsim.pareto/1`."""
        document = {
            "minimize" if self.sense == "min" else "maximize": self.total,
            "conditions": [self._condition(one) for one in self.conditions],
            "answer": None if self.answer is None else self.answer.document(self.names),
            "runners_up": [one.document(self.names) for one in self.runners_up],
            "nearest": [one.design.document(self.names) | {"missed": dict(one.missed)} for one in self.nearest],
            "tried": self.tried,
            "feasible": self.feasible,
            "failed": self.failed,
            "evaluated": self.evaluated,
            "space": self.space,
            "proven": self.proven,
        }
        cleaned: dict[str, Any] = plain(document)
        return cleaned

    def _condition(self, one: ConditionEvidence) -> dict[str, Any]:
        return {
            "condition": one.condition,
            "kept_by": one.kept_by,
            "best": one.best,
            "slack": one.slack,
            "without": None if one.without is None else one.without.document(self.names),
            "binds": one.binds,
        }
