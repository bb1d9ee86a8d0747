"""A sweep ready to run: its space, what counts, and what an evaluator needs to know."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from archsim.core.toml import TomlDocument
from archsim.explore.axes import Value
from archsim.explore.options import SearchOptions
from archsim.explore.space import Space

Sense = Literal["min", "max"]
Relation = Literal["<=", ">=", "<", ">", "=="]
_RELATIONS: Mapping[str, Callable[[float, float], bool]] = MappingProxyType(
    {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt, "==": operator.eq}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """A total to minimise or maximise."""

    name: str
    sense: Sense


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """A bound on a total. A total that does not exist meets none."""

    name: str
    relation: Relation
    bound: float

    def holds(self, value: float | None) -> bool:
        return value is not None and _RELATIONS[self.relation](value, self.bound)

    def __str__(self) -> str:
        return f"{self.name} {self.relation} {self.bound:.15g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedWorkload:
    """One workload of a sweep; the only one of a sweep without `[[workloads]]` has no name."""

    name: str = ""
    weight: float = 1.0
    overrides: tuple[tuple[str, Value], ...] = ()
    """Dotted keys over the design's own, under those of the axes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatorSpec:
    """What determines the rows of points: enough to build a `PointEvaluator` in another process."""

    design: TomlDocument
    """The base design as it was when the sweep began."""
    path: Path | None
    """Its file, in whose folder the files that it and the axes name lie; None for one that was given as values."""
    overrides: tuple[str, ...]
    """``dotted.key=value`` texts over the base design, under those of workloads and axes."""
    workloads: tuple[WeightedWorkload, ...]
    model_version: str
    mappings: Literal["best", "fixed"] = "best"
    """Each op's best mapping at each point, or the base design's at all points."""

    @property
    def combined(self) -> bool:
        """Whether totals are those of several workloads."""
        return bool(self.workloads[0].name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """A sweep file that was read and checked."""

    name: str
    document: TomlDocument
    space: Space
    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...]
    search: SearchOptions
    chunk: int | None
    spec: EvaluatorSpec
    columns: tuple[str, ...]
    """Names of `PointResult.values` that a row may have: totals, components, and each workload's totals."""
    rests_on: str
    """SHA-256 over the designs of the space that were tried, resolved, and over the files that they name."""
