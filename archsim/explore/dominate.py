"""What would dominate a design: the points of a run that do, and its neighbours where none does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.core.errors import InputError, Problem
from archsim.core.spelling import brief
from archsim.explore.axes import is_ordered, same
from archsim.explore.front import chosen_objectives, on_scale, run_design, scaled_objectives
from archsim.explore.further import EvaluatePoints, Further
from archsim.explore.pareto import Flags, Floats, non_dominated
from archsim.explore.run_table import RunTable, search_space
from archsim.explore.study import Constraint, Objective
from archsim.reports.dominance import AxisChange, Contender, Dominance, compared
from archsim.reports.sweep_front import RunDesign, ScaledObjective

NEAREST = 5
"""Designs that are shown where none dominates."""
_INDEX = re.compile(r"0|[1-9]\d{0,17}", re.ASCII)
_SHORTEST_ID = 4


def row_named(table: RunTable, name: str, key: str = "--dominate") -> int:
    """The row of a point by its number in the run, or by the first characters of its id.

    Raises InputError when there is none, or several.
    """
    if _INDEX.fullmatch(name) and (rows := np.flatnonzero(table.indices == int(name))).size:
        return int(rows[0])
    found = [row for row, point_id in enumerate(table.ids) if point_id.startswith(name)]
    if len(name) >= _SHORTEST_ID and len(found) == 1:
        return found[0]
    what = "several points have ids that begin so" if found and len(name) >= _SHORTEST_ID else "no such point"
    hint = f"an index up to {table.indices.max()}, or {_SHORTEST_ID} and more characters of an id"
    raise InputError(Problem(key=key, message=f"{what}: '{brief(name)}'", hint=hint))


def dominators_of(
    table: RunTable,
    row: int,
    objectives: Sequence[Objective] | None = None,
    constraints: Sequence[Constraint] = (),
    *,
    log: Sequence[str] | None = None,
    evaluate: EvaluatePoints | None = None,
    budget: int = 0,
) -> Dominance:
    """The feasible designs that are nowhere worse than a point and somewhere better, the smallest change first.

    Where none is, up to `budget` further points are evaluated with `evaluate`: the neighbours of the design, then those
    of the neighbours, and so on, until one dominates it.

    Raises:
        InputError: an objective or constraint that the run does not have; a point that failed.
    """
    further = Further(table, evaluate, budget)
    question = _Question(further, row, chosen_objectives(table, objectives), [*table.constraints, *constraints])
    found = question.dominating()
    ring = {question.genes}
    looked = set(ring)
    while not len(found) and further.left and ring:
        around = [gene for one in sorted(ring) for gene in question.space.around(one)]
        ring = set(around) - looked
        looked |= ring
        further.rows(sorted(ring))
        found = question.dominating()
    return question.answer(found, log)


class _Question:
    """One design among those of a table that may grow; a point's row never changes."""

    def __init__(
        self, further: Further, row: int, objectives: Sequence[Objective], constraints: Sequence[Constraint]
    ) -> None:
        self.further, self.row = further, row
        self.objectives, self.constraints = objectives, constraints
        self._on_front: Flags | None = None
        self.genes = tuple(further.table.genes[row].tolist())
        self.space = search_space(further.table.space)
        if np.isnan(self.values()[row]).any():
            reason = further.table.reasons[row] or "it has no value of an objective"
            raise InputError(Problem(key="--dominate", message=f"this point cannot be compared: {reason}"))

    @property
    def table(self) -> RunTable:
        return self.further.table

    def values(self) -> Floats:
        return self.table.minimised(self.objectives)

    def eligible(self) -> Flags:
        return self.table.feasible(self.constraints) & ~np.isnan(self.values()).any(axis=1)

    def dominating(self) -> NDArray[np.int64]:
        """Rows that dominate the design."""
        values = self.values()
        own = values[self.row]
        return np.flatnonzero(self.eligible() & (values <= own).all(axis=1) & (values < own).any(axis=1))

    def answer(self, found: NDArray[np.int64], log: Sequence[str] | None) -> Dominance:
        """The report, with `found` the rows that dominate."""
        eligible = self.eligible()
        feasible = bool(eligible[self.row])
        compared_rows = eligible.copy()
        compared_rows[self.row] = True
        scaled = scaled_objectives(self.objectives, self.values()[compared_rows], log)
        design = run_design(self.table, self.row)
        contenders = [self._contender(design, int(row), scaled) for row in found]
        contenders.sort(key=lambda one: (len(one.changes), one.steps, not one.on_front, one.design.point_id))
        around = self.space.around(self.genes)
        known = [row for gene in around if (row := self.table.row(gene)) is not None]
        return Dominance(
            design=design,
            feasible=feasible,
            objectives=scaled,
            dominating=tuple(contenders),
            always=_always(contenders),
            kept=_kept(design, contenders),
            nearest=() if contenders else tuple(self._nearest(design, scaled, eligible)),
            compared=int(eligible.sum()) - int(feasible),
            evaluated=self.further.spent,
            neighbours=len(around),
            neighbours_known=len(known),
        )

    def _contender(self, design: RunDesign, row: int, scaled: Sequence[ScaledObjective]) -> Contender:
        other = run_design(self.table, row)
        ratios, differences = compared(design, other, tuple(one.name for one in scaled))
        keys = dict.fromkeys([*design.axes, *other.axes])
        changes = [
            AxisChange(key=key, before=design.axes.get(key), after=other.axes.get(key))
            for key in keys
            if not same(design.axes.get(key), other.axes.get(key))
        ]
        return Contender(
            design=other,
            changes=tuple(changes),
            steps=self._steps(row),
            ratios=ratios,
            differences=differences,
            on_front=bool(self._front()[row]),
        )

    def _steps(self, row: int) -> int:
        apart = np.abs(self.table.genes[row] - self.table.genes[self.row])
        along = [is_ordered(axis) for axis in self.table.space.free]
        return int(np.where(along, apart, apart > 0).sum())

    def _front(self) -> Flags:
        if self._on_front is None or len(self._on_front) != len(self.table):
            eligible = self.eligible()
            self._on_front = non_dominated(np.where(eligible[:, None], self.values(), np.nan))
        return self._on_front

    def _nearest(self, design: RunDesign, scaled: Sequence[ScaledObjective], eligible: Flags) -> list[Contender]:
        """Designs by how much they lose in their worst objective, relative to the spread of the front or in factors.

        Source: Zitzler et al., "Performance assessment of multiobjective optimizers", 2003 (the epsilon indicator).
        """
        values = on_scale(self.values(), scaled)
        with np.errstate(invalid="ignore"):  # infinite less infinite: cannot be compared, and comes last
            gaps = values - values[self.row]
        spread = np.ptp(values[eligible], axis=0) if eligible.any() else np.ones(len(scaled))
        lost = np.where([one.log for one in scaled], gaps, gaps / np.where(spread > 0, spread, 1.0)).max(axis=1)
        better = (gaps < 0).any(axis=1) & eligible
        rows = np.flatnonzero(better)
        best = rows[np.argsort(lost[rows], kind="stable")[:NEAREST]]
        return [self._contender(design, int(row), scaled) for row in best]


def _always(contenders: Sequence[Contender]) -> tuple[AxisChange, ...]:
    """Changes that all have in common."""
    if not contenders:
        return ()
    first, *others = contenders
    return tuple(
        change
        for change in first.changes
        if all(
            any(change.key == one.key and same(change.after, one.after) for one in other.changes) for other in others
        )
    )


def _kept(design: RunDesign, contenders: Sequence[Contender]) -> dict[str, Any]:
    """Axis values that none changes."""
    if not contenders:
        return {}
    changed = {change.key for one in contenders for change in one.changes}
    return {key: value for key, value in design.axes.items() if key not in changed}
