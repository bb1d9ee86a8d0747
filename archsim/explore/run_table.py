"""The points of a run as arrays: what fronts, searches and sensitivities are computed from."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from archsim.core.errors import InputError, Problem, unknown_name
from archsim.explore.archive import Outcomes
from archsim.explore.axes import Value, is_ordered
from archsim.explore.evolve import SearchSpace
from archsim.explore.neighbours import Gene, Genes, array_of, rows_of
from archsim.explore.pareto import Flags, Floats
from archsim.explore.results import OK, PointResult
from archsim.explore.space import Space
from archsim.explore.study import Constraint, Objective
from archsim.explore.tally import kind_of

_COMPARE = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt, "==": operator.eq}


@dataclass(frozen=True, kw_only=True)
class RunTable:
    """Points with their genes and values, each point once, in the order of the run."""

    name: str
    space: Space
    genes: Genes
    """(N, D): positions on the free axes."""
    indices: NDArray[np.int64]
    """(N,): the points' numbers in the run; -1 for points that were evaluated after it."""
    ids: tuple[str, ...]
    reasons: tuple[str | None, ...]
    """Why a point failed; None for one that did not."""
    values: Mapping[str, Floats]
    """Every total and component, (N,); NaN where a point has none."""
    objectives: tuple[Objective, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    _rows: dict[Gene, int] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.genes)

    @cached_property
    def ok(self) -> Flags:
        """Which points did not fail, (N,)."""
        return np.array([reason is None for reason in self.reasons], bool)

    @cached_property
    def failures(self) -> dict[str, int]:
        """How many points failed for each kind of reason, the most frequent first."""
        counts = Counter(kind_of(reason) for reason in self.reasons if reason is not None)
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def column(self, name: str, key: str | None = None) -> Floats:
        """A total of every point, (N,). Raises InputError when no point has it; `key` says where it was asked for."""
        known = {column: values for column, values in self.values.items() if not np.isnan(values).all()}
        if name in known:
            return known[name]
        if name in self.values:
            message = f"no point of this run has a value of {name}"
            raise InputError(Problem(key=key, message=message))
        raise InputError(unknown_name("total", name, known, key=key))

    def row(self, genes: Gene) -> int | None:
        """The row of a point; None when it was not evaluated."""
        if not self._rows:
            self._rows.update({gene: row for row, gene in enumerate(rows_of(self.genes))})
        return self._rows.get(genes)

    def point_values(self, row: int) -> dict[str, Value]:
        """Axis values of one point, linked and conditional ones included."""
        return dict(self.space.point(self.genes[row].tolist()).values)

    def minimised(self, objectives: Sequence[Objective]) -> Floats:
        """Objectives (N, M) with smaller values better; NaN where a point has none."""
        columns = [self.column(one.name) * (1.0 if one.sense == "min" else -1.0) for one in objectives]
        return np.stack(columns, axis=1) if columns else np.empty((len(self), 0))

    def meets(self, constraint: Constraint) -> Flags:
        """Which points keep a constraint, (N,); one without the value does not."""
        values = self.column(constraint.name)
        return np.asarray(_COMPARE[constraint.relation](values, constraint.bound), bool)

    def feasible(self, constraints: Iterable[Constraint]) -> Flags:
        """Which points did not fail and keep every constraint, (N,)."""
        found = self.ok.copy()
        for constraint in constraints:
            found &= self.meets(constraint)
        return found

    def outcomes(self, objectives: Sequence[Objective], constraints: Sequence[Constraint]) -> Outcomes:
        """Objectives and relative violations of all points, as a search takes them."""
        missed = [violations(self.column(one.name), one) for one in constraints]
        return Outcomes(objectives=self.minimised(objectives), violations=np.stack(missed, axis=1) if missed else None)

    def extended(self, results: Sequence[PointResult]) -> RunTable:
        """With the points of further evaluations; those that it has already stay as they are."""
        new = {result.point.genes: result for result in results if self.row(result.point.genes) is None}
        added = list(new.values())
        names = dict.fromkeys([*self.values, *(name for result in added for name in result.values)])
        return replace(
            self,
            genes=np.concatenate([self.genes, array_of(list(new), self.genes.shape[1])]),
            indices=np.concatenate([self.indices, np.full(len(added), -1)]),
            ids=(*self.ids, *(result.point_id for result in added)),
            reasons=(*self.reasons, *(_reason(result) for result in added)),
            values={name: np.concatenate([self._padded(name), _numbers(name, added)]) for name in names},
            _rows={},
        )

    def _padded(self, name: str) -> Floats:
        return self.values[name] if name in self.values else np.full(len(self), np.nan)


def _reason(result: PointResult) -> str | None:
    return None if result.status == OK else result.reason or "failed"


def _numbers(name: str, results: Sequence[PointResult]) -> Floats:
    found = [result.values.get(name) for result in results]
    return np.array([np.nan if value is None else value for value in found], float)


def table_of(
    name: str,
    space: Space,
    results: Sequence[PointResult],
    objectives: Sequence[Objective] = (),
    constraints: Sequence[Constraint] = (),
) -> RunTable:
    """A table of results; of two with the same genes the first counts."""
    empty = RunTable(
        name=name,
        space=space,
        genes=np.empty((0, len(space.free)), np.int64),
        indices=np.empty(0, np.int64),
        ids=(),
        reasons=(),
        values={},
        objectives=tuple(objectives),
        constraints=tuple(constraints),
    )
    table = empty.extended(results)
    numbers = {result.point.genes: result.point.index for result in reversed(results)}
    return replace(table, indices=np.array([numbers[gene] for gene in rows_of(table.genes)], np.int64), _rows={})


def violations(values: Floats, constraint: Constraint) -> Floats:
    """By how much values miss a bound, relative to it (absolute for a bound of 0), (N,); 0 where it holds.

    NaN for a point without the value; the smallest of floats for one on a bound that it must not touch.
    """
    holds = _COMPARE[constraint.relation](values, constraint.bound)
    missed = np.abs(values - constraint.bound) / (abs(constraint.bound) or 1.0)
    found: Floats = np.where(holds, 0.0, np.maximum(missed, np.finfo(float).tiny))
    found[np.isnan(values)] = np.nan
    return found


def search_space(space: Space) -> SearchSpace:
    """A space as a search sees it: integer genes, one spelling for each point, steps where values have an order."""
    if any(axis.when for axis in space.axes):
        return SearchSpace(
            cardinalities=space.cardinalities,
            ordered=tuple(is_ordered(axis) for axis in space.free),
            canonical=lambda genes: array_of([space.point(row).genes for row in genes.tolist()], len(space.free)),
        )
    return SearchSpace(cardinalities=space.cardinalities, ordered=tuple(is_ordered(axis) for axis in space.free))
