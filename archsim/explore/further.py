"""A run's points with those that a question needs beyond them, evaluated when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from archsim.explore.neighbours import Gene
from archsim.explore.results import PointResult
from archsim.explore.run_table import RunTable
from archsim.explore.space import Point

EvaluatePoints = Callable[[Sequence[Point]], Sequence[PointResult]]


class Further:
    """A table that grows: up to `budget` points are evaluated, each once."""

    def __init__(self, table: RunTable, evaluate: EvaluatePoints | None = None, budget: int = 0) -> None:
        self.table = table
        self._evaluate = evaluate
        self.budget = budget if evaluate is not None else 0
        self.spent = 0

    @property
    def left(self) -> int:
        """Points that may still be evaluated."""
        return self.budget - self.spent

    def rows(self, genes: Iterable[Gene]) -> list[int | None]:
        """The rows of points, those that were missing evaluated while the budget lasts; None for the others."""
        wanted = list(genes)
        self._fetch([gene for gene in dict.fromkeys(wanted) if self.table.row(gene) is None][: self.left])
        return [self.table.row(gene) for gene in wanted]

    def _fetch(self, missing: Sequence[Gene]) -> None:
        if not missing or self._evaluate is None:
            return
        points = [self.table.space.point(gene, index=-1) for gene in missing]
        self.table = self.table.extended(self._evaluate(points))
        self.spent += len(missing)
