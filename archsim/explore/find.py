"""Inverse questions: which design is smallest, fastest, most frugal under conditions, and which condition decides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from archsim.explore.archive import Outcomes
from archsim.explore.front import run_design
from archsim.explore.further import EvaluatePoints, Further
from archsim.explore.neighbours import Genes, rows_of
from archsim.explore.pareto import Floats
from archsim.explore.run_table import RunTable, search_space, violations
from archsim.explore.study import Constraint, Objective
from archsim.reports.finding import Candidate, ConditionEvidence, Finding

SHOWN = 5
"""Runners-up and near misses that are shown."""


def find_design(
    table: RunTable,
    objective: Objective,
    conditions: Sequence[Constraint],
    *,
    evaluate: EvaluatePoints | None = None,
    budget: int = 0,
    seed: int = 0,
    known: Sequence[Objective] = (),
) -> Finding:
    """The best point of a run in one objective among those that keep all conditions (and the run's constraints).

    With `evaluate`, up to `budget` further points are searched for a better one, with what the run holds as a start.
    Of points that are equally good, the one that is better in the objectives `known` (by default the run's), one after
    the other, is the answer.

    Raises:
        InputError: a total that the run does not have; the search needs pymoo.
    """
    every = [*table.constraints, *conditions]
    further = Further(table, evaluate, budget)
    _check(table, objective, every)
    if further.left:
        _search(further, objective, every, seed)
    tie_breakers = [one for one in (known or table.objectives) if one.name != objective.name]
    return _finding(further, _Ranked(further.table, objective, tie_breakers), every)


def _check(table: RunTable, objective: Objective, conditions: Sequence[Constraint]) -> None:
    table.column(objective.name, "--maximize" if objective.sense == "max" else "--minimize")
    for condition in conditions:
        table.column(condition.name, "--find")


def _search(further: Further, objective: Objective, conditions: Sequence[Constraint], seed: int) -> None:
    """Evaluate what an evolutionary search for the one objective under the conditions asks for."""
    from archsim.explore.evolve import evolve

    def outcomes_of(genes: Genes) -> Outcomes:
        rows = np.array(further.rows(rows_of(genes)), np.int64)
        outcomes = further.table.outcomes([objective], conditions)
        return outcomes.rows(rows)

    table = further.table
    evolve(
        search_space(table.space),
        outcomes_of,
        objectives=1,
        budget=further.left,
        seed=seed,
        known=(table.genes, table.outcomes([objective], conditions)),
    )


class _Ranked:
    """Points of a table by an objective, ties by other ones, then in their order."""

    def __init__(self, table: RunTable, objective: Objective, tie_breakers: Sequence[Objective]) -> None:
        self.table, self.objective = table, objective
        self.values = table.minimised([objective])[:, 0]
        self._ties = table.minimised(tie_breakers)

    def best(self, eligible: NDArray[np.bool_], count: int) -> NDArray[np.int64]:
        """The best rows among some."""
        rows = np.flatnonzero(eligible & ~np.isnan(self.values))
        keys = (np.arange(len(rows)), *self._ties[rows].T[::-1], self.values[rows])
        return rows[np.lexsort(keys)][:count]


def _finding(further: Further, ranked: _Ranked, conditions: Sequence[Constraint]) -> Finding:
    table = further.table
    keeps = [table.ok & table.meets(condition) for condition in conditions]
    feasible = np.logical_and.reduce([table.ok, *keeps])
    rows = ranked.best(feasible, 1 + SHOWN)
    answer = int(rows[0]) if len(rows) else None
    evidence = [
        _evidence(ranked, condition, keeps[place], _others(table, keeps, place), answer)
        for place, condition in enumerate(conditions)
    ]
    return Finding(
        total=ranked.objective.name,
        sense=ranked.objective.sense,
        conditions=tuple(evidence),
        answer=None if answer is None else run_design(table, answer),
        runners_up=tuple(run_design(table, int(row)) for row in rows[1:]),
        nearest=tuple(_nearest(ranked, conditions, answer)),
        tried=len(table),
        feasible=int(feasible.sum()),
        failed=int((~table.ok).sum()),
        evaluated=further.spent,
        space=table.space.size,
    )


def _others(table: RunTable, keeps: Sequence[NDArray[np.bool_]], place: int) -> NDArray[np.bool_]:
    """Points that keep every condition but one."""
    return np.asarray(np.logical_and.reduce([table.ok, *keeps[:place], *keeps[place + 1 :]]), bool)


def _evidence(
    ranked: _Ranked, condition: Constraint, keeps: NDArray[np.bool_], others: NDArray[np.bool_], answer: int | None
) -> ConditionEvidence:
    table = ranked.table
    values = np.where(table.ok, table.column(condition.name), np.nan)
    without = ranked.best(others, 1)
    better = bool(len(without)) and (answer is None or bool(ranked.values[without[0]] < ranked.values[answer]))
    return ConditionEvidence(
        condition=str(condition),
        kept_by=int(keeps.sum()),
        best=_best(values, condition),
        slack=None if answer is None else abs(float(values[answer]) - condition.bound) / (abs(condition.bound) or 1.0),
        without=run_design(table, int(without[0])) if better else None,
        binds=better,
    )


def _best(values: Floats, condition: Constraint) -> float | None:
    """The value that keeps a condition best, or misses it least."""
    known = values[~np.isnan(values)]
    if not len(known):
        return None
    match condition.relation:
        case "<=" | "<":
            return float(known.min())
        case ">=" | ">":
            return float(known.max())
        case "==":
            return float(known[np.argmin(np.abs(known - condition.bound))])


def _nearest(ranked: _Ranked, conditions: Sequence[Constraint], answer: int | None) -> list[Candidate]:
    """Points that miss conditions: those that miss least, and beside an answer only those that would be better."""
    table = ranked.table
    missed = np.stack([violations(table.column(one.name), one) for one in conditions] or [np.zeros(len(table))], axis=1)
    total = missed.max(axis=1)
    eligible = table.ok & ~np.isnan(total) & (total > 0) & ~np.isnan(ranked.values)
    if answer is not None:
        eligible &= ranked.values < ranked.values[answer]
    rows = np.flatnonzero(eligible)
    rows = rows[np.lexsort((rows, ranked.values[rows], total[rows]))][:SHOWN]
    return [
        Candidate(
            design=run_design(table, int(row)),
            missed={str(one): float(missed[row, k]) for k, one in enumerate(conditions) if missed[row, k] > 0},
        )
        for row in rows
    ]
