"""What a search has evaluated so far: genes with their outcomes, none twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from archsim.explore.neighbours import Gene, Genes, array_of, rows_of
from archsim.explore.pareto import Flags, Floats, crowding, non_dominated

FAILED_VIOLATION = 1e12
"""Violation that stands for a point without values: worse than any that has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What evaluating N points gave."""

    objectives: Floats
    """(N, M), smaller is better; a row with a NaN is a point that failed."""
    violations: Floats | None = None
    """(N, K): by how much each constraint is missed, 0 or less where it holds; comparable with one another (relative to
    the bound). None: no constraints."""

    def __post_init__(self) -> None:
        if self.objectives.ndim != 2 or (self.violations is not None and len(self.violations) != len(self.objectives)):
            raise ValueError("outcomes: objectives must be (N, M), violations (N, K)")

    def rows(self, rows: NDArray[np.int64]) -> Outcomes:
        """Those of some points."""
        violations = None if self.violations is None else self.violations[rows]
        return Outcomes(objectives=self.objectives[rows], violations=violations)

    @property
    def total_violations(self) -> Floats:
        """What is missed over all constraints, (N,); 0 for a feasible point."""
        missed = np.zeros(len(self.objectives))
        if self.violations is not None:
            missed += np.where(np.isnan(self.violations), FAILED_VIOLATION, np.maximum(self.violations, 0.0)).sum(
                axis=1
            )
        missed[np.isnan(self.objectives).any(axis=1)] = FAILED_VIOLATION
        return np.minimum(missed, FAILED_VIOLATION)

    @property
    def feasible(self) -> Flags:
        """Which points have values and miss no constraint, (N,)."""
        return np.equal(self.total_violations, 0.0)

    @property
    def front(self) -> Flags:
        """Which points are feasible and dominated by no feasible one, (N,)."""
        return non_dominated(np.where(self.feasible[:, None], self.objectives, np.nan))


@dataclass(slots=True)
class Archive:
    """Points in the order of evaluation."""

    width: int
    """Genes of a point."""
    genes: list[Gene] = field(default_factory=list)
    _seen: set[Gene] = field(default_factory=set)
    _objectives: list[Floats] = field(default_factory=list)
    _violations: list[Floats] = field(default_factory=list)

    def __contains__(self, gene: Gene) -> bool:
        return gene in self._seen

    def __len__(self) -> int:
        return len(self.genes)

    def add(self, genes: Sequence[Gene], outcomes: Outcomes) -> None:
        """Points that were not in it, with what they gave."""
        if len(outcomes.objectives) != len(genes):
            raise ValueError(f"evaluate: {len(genes)} points were asked for, {len(outcomes.objectives)} came")
        self.genes += genes
        self._seen |= set(genes)
        self._objectives.append(outcomes.objectives)
        if outcomes.violations is not None:
            self._violations.append(outcomes.violations)

    @property
    def outcomes(self) -> Outcomes:
        """Outcomes of all points."""
        violations = np.concatenate(self._violations) if self._violations else None
        return Outcomes(objectives=np.concatenate(self._objectives), violations=violations)

    def new(self, genes: Genes) -> list[Gene]:
        """Those of ``genes`` (N, D) that are not in it, each once."""
        return [gene for gene in dict.fromkeys(rows_of(genes)) if gene not in self._seen]

    def array(self) -> Genes:
        """All genes, (N, D)."""
        return array_of(self.genes, self.width)

    def promising(self) -> NDArray[np.int64]:
        """Rows whose neighbours are worth a look, the loneliest first: one of each place on the front.

        While nothing is feasible, the points that miss the constraints least.
        """
        outcomes = self.outcomes
        rows = np.flatnonzero(outcomes.front)
        if not len(rows):
            missed = outcomes.total_violations
            rows = np.argsort(missed, kind="stable")[:_LEAST_WRONG]
            return np.asarray(rows[missed[rows] < FAILED_VIOLATION])
        scaled = evenly(outcomes.objectives[rows])
        _, first = np.unique(scaled, axis=0, return_index=True)
        first.sort()
        lonely = crowding(scaled[first])
        return np.asarray(rows[first[np.argsort(-lonely, kind="stable")]])


_LEAST_WRONG = 8


def evenly(objectives: Floats) -> Floats:
    """Objectives by their logarithms, in the same order: equal steps are equal factors; 0 lies between the signs.

    Designs differ by factors; without this, most of a search goes to the large end of a front. NaN stays.
    """
    sizes = np.clip(np.abs(objectives), _SMALLEST, 1 / _SMALLEST)
    scaled: Floats = np.sign(objectives) * np.log(sizes / _SMALLEST)
    return scaled


_SMALLEST = 1e-150
"""Of an objective in its unit; what is nearer to 0 counts as this."""
