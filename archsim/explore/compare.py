"""Two runs of sweeps side by side: their fronts, what each covers, and how the points that both have moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import archsim
from archsim.api.design import design_from_document
from archsim.api.overrides import Override, parse_overrides
from archsim.core.errors import ArchsimError, InputError, Problem
from archsim.explore.load import open_run
from archsim.explore.pareto import Floats, hypervolume, non_dominated
from archsim.explore.points import as_overrides
from archsim.explore.questions import run_table
from archsim.explore.run_table import RunTable
from archsim.explore.runs import Run
from archsim.explore.study import EvaluatorSpec, Objective
from archsim.explore.table import cell
from archsim.reports.comparison import DesignChange, design_changes
from archsim.reports.values import plain

SCHEMA = "archsim.sweep-comparison/1"
MOVED = 1e-9
"""Relative change from which on a value has moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSide:
    """One of the two runs: its points, and the rows of its front under the common objectives."""

    name: str
    run: Run
    table: RunTable
    front: npt.NDArray[np.int64]
    covered: float | None
    """Volume that the front covers below the common reference; None where it does not exist."""
    beaten: int
    """Designs of this front that a feasible design of the other run dominates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A point of both runs whose objectives differ: its number in each, its axis values, and values by objective."""

    index_a: int
    index_b: int
    axes: tuple[tuple[str, str], ...]
    a: Mapping[str, float | None]
    b: Mapping[str, float | None]
    reason_a: str | None
    reason_b: str | None

    @property
    def largest(self) -> float:
        """The largest factor between both values of an objective; infinite where a side has none."""
        factors = [_factor(self.a[name], self.b[name]) for name in self.a]
        return max(factors, default=1.0)


def _factor(a: float | None, b: float | None) -> float:
    if a is None or b is None:
        return 1.0 if a is b else float("inf")
    if a == b:
        return 1.0
    return max(a / b, b / a) if a > 0 and b > 0 else float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepComparison:
    """What differs between two runs, under the objectives that both have."""

    a: SweepSide
    b: SweepSide
    objectives: tuple[Objective, ...]
    reference: Mapping[str, float]
    matched: int
    """Points with the same axis values in both."""
    moved: tuple[Moved, ...]
    """Those whose objectives differ, the largest factor first."""

    def to_dict(self) -> dict[str, Any]:
        """The document `archsim.sweep-comparison/1`."""
        document = {
            "schema": SCHEMA,
            "archsim": archsim.__version__,
            "objectives": {one.name: one.sense for one in self.objectives},
            "reference": self.reference,
            "a": self._side(self.a),
            "b": self._side(self.b),
            "design": [{"key": one.key, "a": one.a, "b": one.b} for one in self.differences],
            "matched": self.matched,
            "moved": [
                {"index": {"a": one.index_a, "b": one.index_b}, "axes": dict(one.axes)}
                | {"a": one.a, "b": one.b, "reason": {"a": one.reason_a, "b": one.reason_b}}
                for one in self.moved
            ],
            "findings": self.findings,
        }
        cleaned: dict[str, Any] = plain(document)
        return cleaned

    def _side(self, side: SweepSide) -> dict[str, Any]:
        return {
            "name": side.name,
            "run": str(side.run.folder),
            "points": len(side.table),
            "failed": int((~side.table.ok).sum()),
            "front": side.table.indices[side.front].tolist(),
            "hypervolume": side.covered,
            "beaten": side.beaten,
        }

    @property
    def differences(self) -> tuple[DesignChange, ...]:
        """Keys in which the base designs differ that no axis of either run sets; of their first workloads."""
        runs = (self.a.run, self.b.run)
        set_ = {key for run in runs for key in run.sweep.space.keys}
        changes = design_changes(*[_base(run) for run in runs])
        return tuple(one for one in changes if not any(_within(one.key, key) for key in set_))

    @property
    def findings(self) -> tuple[str, ...]:
        """What differs, in sentences."""
        lines = []
        differences = self.differences
        if self.a.run.sweep.spec.workloads != self.b.run.sweep.spec.workloads or any(
            one.key.partition(".")[0] == "workload" for one in differences
        ):
            lines.append("the runs are of different workloads: less time or energy does not make a design better")
        if differences:
            lines.append(f"beside what the axes set, the designs differ in {_named(differences)}")
        if self.a.covered and self.b.covered is not None:
            ratio = self.b.covered / self.a.covered
            lines.append(f"the front of b covers {ratio:.4g} times the volume that the front of a covers")
        for one, other, names in ((self.a, self.b, "ab"), (self.b, self.a, "ba")):
            if one.front.size and other.front.size:
                of = f"{one.beaten} of the {one.front.size} designs on the front of {names[0]}"
                lines.append(f"{of} are dominated by a design of {names[1]}")
        lines.append(f"{self.matched:,} points are in both runs; the objectives of {len(self.moved):,} moved")
        return tuple(lines)


MOST_NAMED = 6
"""Differences that a finding names."""


def _named(differences: tuple[DesignChange, ...]) -> str:
    texts = [f"{one.key} ({_said(one.a)} and {_said(one.b)})" for one in differences[:MOST_NAMED]]
    rest = len(differences) - MOST_NAMED
    return ", ".join(texts) + (f" and {rest} more keys" if rest > 0 else "")


def _said(value: object) -> str:
    return "not stated" if value is None else str(value)


def _within(key: str, axis: str) -> bool:
    """Whether an axis sets a key, all that it is part of, or a part of it."""
    return key == axis or key.startswith(f"{axis}.") or axis.startswith(f"{key}.")


def _base(run: Run) -> Mapping[str, Any]:
    """The base design of a run without its name: resolved, or as it was written where it cannot be read any more."""
    spec = run.sweep.spec
    try:
        values = design_from_document(spec.design, _stated(spec), spec.path).resolved
    except ArchsimError:
        values = spec.design.values
    return {key: value for key, value in values.items() if key != "design"}


def _stated(spec: EvaluatorSpec) -> list[Override]:
    """The settings of a sweep's base design, with those of its first workload."""
    return [*parse_overrides(spec.overrides), *as_overrides(spec.workloads[0].overrides)]


def is_sweep(path: str | Path) -> bool:
    """Whether a path is the run folder of a sweep."""
    return (Path(path) / "run.json").is_file()


def compare_sweeps(a: str | Path | Run, b: str | Path | Run) -> SweepComparison:
    """What differs between two runs of sweeps.

    Raises:
        InputError: a side is no run, holds no point, or both have no objective in common with the same sense.
    """
    runs = [run if isinstance(run, Run) else open_run(run) for run in (a, b)]
    tables = [_table(run) for run in runs]
    objectives = tuple(one for one in tables[0].objectives if one in tables[1].objectives)
    if not objectives:
        stated = " and ".join(", ".join(one.name for one in table.objectives) or "none" for table in tables)
        raise InputError(
            Problem(
                message=f"the runs have no objective in common ({stated})", hint="archsim pareto takes --objectives"
            )
        )
    values = [_feasible(table, objectives) for table in tables]
    corner = np.concatenate(values).max(axis=0) if sum(map(len, values)) else None
    names = _names(runs)
    sides = [_side(names[place], runs[place], tables[place], objectives, values[1 - place], corner) for place in (0, 1)]
    moved, matched = _moved(tables[0], tables[1], objectives)
    signs = [1.0 if one.sense == "min" else -1.0 for one in objectives]
    reference = (
        {}
        if corner is None
        else {one.name: float(sign * value) for one, sign, value in zip(objectives, signs, corner, strict=True)}
    )
    return SweepComparison(
        a=sides[0], b=sides[1], objectives=objectives, reference=reference, matched=matched, moved=moved
    )


def _table(run: Run) -> RunTable:
    frame = run.frame()
    if not len(frame):
        raise InputError(
            Problem(file=str(run.folder), message="holds no point yet", hint="archsim sweep goes on with it")
        )
    return run_table(frame, run.sweep)


def _names(runs: list[Run]) -> tuple[str, str]:
    """Names that tell the runs apart: those of the sweeps, else of the folders."""
    names = [run.sweep.name for run in runs]
    if names[0] == names[1]:
        names = [f"{run.sweep.name} ({run.folder.resolve().name})" for run in runs]
    return (f"a: {names[0]}", f"b: {names[1]}")


def _feasible(table: RunTable, objectives: tuple[Objective, ...]) -> Floats:
    """Objectives of the feasible points, minimised; a run none of whose points has one of them has no rows."""
    values = _minimised(table, objectives)
    return values[table.feasible(table.constraints) & np.isfinite(values).all(axis=1)]


def _minimised(table: RunTable, objectives: tuple[Objective, ...]) -> Floats:
    signs = [1.0 if one.sense == "min" else -1.0 for one in objectives]
    missing = np.full(len(table), np.nan)
    return np.stack(
        [sign * table.values.get(one.name, missing) for one, sign in zip(objectives, signs, strict=True)], axis=1
    )


def _side(
    name: str, run: Run, table: RunTable, objectives: tuple[Objective, ...], other: Floats, corner: Floats | None
) -> SweepSide:
    values = _minimised(table, objectives)
    rows = np.flatnonzero(table.feasible(table.constraints) & np.isfinite(values).all(axis=1))
    front = rows[non_dominated(values[rows])] if rows.size else rows
    covered = None if corner is None or not front.size else hypervolume(values[front], corner)
    beaten = sum(bool(((other <= own).all(axis=1) & (other < own).any(axis=1)).any()) for own in values[front])
    return SweepSide(name=name, run=run, table=table, front=front, covered=covered, beaten=int(beaten))


def _moved(a: RunTable, b: RunTable, objectives: tuple[Objective, ...]) -> tuple[tuple[Moved, ...], int]:
    """Points with equal axis values whose objectives differ, and how many points have equal ones."""
    keys = _keys(b)
    moved, matched = [], 0
    for row, key in enumerate(_keys(a)):
        other = keys.get(key)
        if other is None:
            continue
        matched += 1
        one = _pair(a, b, row, other, key, objectives)
        if one.largest > 1 + MOVED or (one.reason_a is None) != (one.reason_b is None):
            moved.append(one)
    return tuple(sorted(moved, key=lambda one: (-one.largest, one.index_a))), matched


def _keys(table: RunTable) -> dict[tuple[tuple[str, str], ...], int]:
    """Rows by their axis values as texts."""
    return {
        tuple(sorted((key, str(cell(value, "string"))) for key, value in table.point_values(row).items())): row
        for row in range(len(table))
    }


def _pair(
    a: RunTable, b: RunTable, row: int, other: int, key: tuple[tuple[str, str], ...], objectives: tuple[Objective, ...]
) -> Moved:
    def values(table: RunTable, place: int) -> dict[str, float | None]:
        found = {one.name: table.values.get(one.name) for one in objectives}
        return {
            name: None if column is None or np.isnan(column[place]) else float(column[place])
            for name, column in found.items()
        }

    return Moved(
        index_a=int(a.indices[row]),
        index_b=int(b.indices[other]),
        axes=key,
        a=values(a, row),
        b=values(b, other),
        reason_a=a.reasons[row],
        reason_b=b.reasons[other],
    )
