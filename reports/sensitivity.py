"""How much each axis of a design space moves each objective."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from archsim.reports.sweep_front import RunDesign, ScaledObjective
from archsim.reports.values import plain

SobolMethod = Literal["grid", "sample", "evaluated"]
METHODS: Mapping[str, str] = {
    "grid": "variances over all points of the space",
    "sample": "from the points of the run: correlation ratio (first order), pairs that differ in one axis (total)",
    "evaluated": "points evaluated for it: Saltelli 2010 (first order), Jansen 1999 (total)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisStep:
    """One value of an axis, all other axes as in the centre."""

    value: Any
    values: Mapping[str, float | None]
    """Objectives; empty for a point that failed or was not evaluated."""
    status: Literal["ok", "failed", "not evaluated"]
    reason: str | None
    centre: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisResponse:
    """What one axis does around one design."""

    key: str
    steps: tuple[AxisStep, ...]
    factors: Mapping[str, float | None]
    """Largest over smallest value along the axis, by objective; None where there is none (a value of 0, one point)."""
    elasticities: Mapping[str, float | None]
    """Relative change over the axis' own, from the step below to the step above the centre; -1: twice the value, half
    the objective. None where the axis has no numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SobolIndex:
    """An axis' share of the variance of an objective. Each with half the width of its 95 % confidence interval."""

    first: float | None
    """By itself."""
    first_interval: float | None
    total: float | None
    """With all its interactions."""
    total_interval: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SobolIndices:
    """The indices of every axis for every objective."""

    method: SobolMethod
    samples: int
    """Points the indices rest on."""
    failed: int
    """Points that were asked for and failed: the indices are over the others."""
    indices: Mapping[str, Mapping[str, SobolIndex]]
    """By objective, then axis."""
    note: str | None = None
    """Why an index is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """One at a time around a design, and over the whole space."""

    objectives: tuple[ScaledObjective, ...]
    centre_name: str
    centre: RunDesign
    responses: tuple[AxisResponse, ...]
    sobol: SobolIndices
    evaluated: int
    """Points that were evaluated for this question."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the objectives."""
        return tuple(one.name for one in self.objectives)

    def to_dict(self) -> dict[str, Any]:
        """The part ``sensitivity`` of the JSON document `archsim.pareto/1`."""
        document = {
            "centre": {"name": self.centre_name} | self.centre.document(self.names),
            "one_at_a_time": [
                {
                    "axis": one.key,
                    "factors": dict(one.factors),
                    "elasticities": dict(one.elasticities),
                    "steps": [
                        {"value": step.value, "status": step.status, "reason": step.reason, "values": dict(step.values)}
                        for step in one.steps
                    ],
                }
                for one in self.responses
            ],
            "sobol": {
                "method": self.sobol.method,
                "estimators": METHODS[self.sobol.method],
                "samples": self.sobol.samples,
                "failed": self.sobol.failed,
                "note": self.sobol.note,
                "scale": {one.name: "log" if one.log else "linear" for one in self.objectives},
                "indices": {
                    name: {key: _index(index) for key, index in axes.items()}
                    for name, axes in self.sobol.indices.items()
                },
            },
            "evaluated": self.evaluated,
        }
        cleaned: dict[str, Any] = plain(document)
        return cleaned


def _index(index: SobolIndex) -> dict[str, float | None]:
    return {
        "first": index.first,
        "first_interval": index.first_interval,
        "total": index.total,
        "total_interval": index.total_interval,
    }
