"""Evolutionary search of a design space: few evaluations for (nearly) the whole front.

Every round asks for a batch of points that were never evaluated: one part are the offspring of NSGA-II or NSGA-III, the
other the neighbours of the front so far, the loneliest point's first. The genetic part finds where the front is, the
local part completes it: a design space is smooth along most of its axes, and a front is connected by small steps.
Sources: Deb et al., "NSGA-II", 2002; Deb, Jain, "NSGA-III", 2014; Paquete, Chiarandini, Stuetzle, "Pareto local optimum
sets in the biobjective traveling salesman problem", 2004 (the local part).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archsim.explore.archive import Archive, Outcomes
from archsim.explore.genetic import Algorithm, Canonical, Genetic
from archsim.explore.neighbours import Gene, Genes, array_of, neighbours
from archsim.explore.pareto import Flags

Evaluate = Callable[[Genes], Outcomes]

ROUNDS = 20
"""Rounds that a budget is meant for: fewer learn too little from one another, more keep too few workers busy."""
SMALLEST_POPULATION, LARGEST_POPULATION = 16, 200
LOCAL_FRACTION = 0.5
"""Of a batch, for the neighbours of the front. Source: estimate: on the spaces tried, 0.3 to 0.8 do as well."""
LISTED_SPACE = 2_000_000
"""Spaces of up to so many points can be searched to the last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evolution:
    """All points of a search, in the order of evaluation; those that were known before come first."""

    genes: Genes
    """(N, D)."""
    outcomes: Outcomes
    known: int
    """Points that were known before."""
    rounds: tuple[int, ...]
    """Points after each round, the known ones included."""
    exhausted: bool
    """Whether the search ended because no point was left."""

    @property
    def evaluated(self) -> int:
        """Points that the search asked for."""
        return len(self.genes) - self.known

    @property
    def front(self) -> Flags:
        """Which points are feasible and dominated by no feasible one, (N,)."""
        return self.outcomes.front


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSpace:
    """Integer genes, how many values each has, and what they mean to a search."""

    cardinalities: tuple[int, ...]
    ordered: tuple[bool, ...] | None = None
    """Whether an axis' values have an order, so that a step means something; None: all have."""
    canonical: Canonical | None = None
    """Genes (N, D) with one spelling for each point, where some axes matter only for some values of others."""

    def __post_init__(self) -> None:
        if not self.cardinalities or min(self.cardinalities) < 1:
            raise ValueError(f"cardinalities: must be at least 1 each (got {self.cardinalities})")

    def spelled(self, genes: Genes) -> Genes:
        """Genes in their one spelling."""
        return genes if self.canonical is None or not len(genes) else self.canonical(genes)

    def around(self, gene: Gene) -> list[Gene]:
        """What one step of one axis leads to, in its one spelling."""
        found = list(neighbours(gene, self.cardinalities, self.ordered))
        if self.canonical is not None and found:
            found = [tuple(row) for row in self.canonical(array_of(found, len(gene))).tolist()]
        return [other for other in dict.fromkeys(found) if other != gene]

    @property
    def size(self) -> int:
        """Combinations of genes; different points may be fewer."""
        return math.prod(self.cardinalities)


def default_population(budget: int) -> int:
    """Points of a batch for a budget of evaluations.

    >>> default_population(1000), default_population(100)
    (50, 16)
    """
    return min(max(budget // ROUNDS, SMALLEST_POPULATION), LARGEST_POPULATION)


def evolve(
    space: SearchSpace | Sequence[int],
    evaluate: Evaluate,
    *,
    objectives: int,
    budget: int,
    population: int | None = None,
    seed: int = 0,
    algorithm: Algorithm = "nsga2",
    start: Genes | None = None,
    known: tuple[Genes, Outcomes] | None = None,
    progress: Callable[[int, Outcomes], None] | None = None,
) -> Evolution:
    """Search ``space`` (or its cardinalities) with up to ``budget`` evaluations.

    ``evaluate`` gets genes (n, D), n up to ``population``, none of which it got before, and returns their outcomes in
    that order. ``start``: genes to begin with. ``known``: points with their outcomes that cost nothing. The same
    arguments and outcomes give the same search; so one that stopped is resumed by running it again with an ``evaluate``
    that remembers. ``progress`` is told the points evaluated so far and the outcomes of all, after every round.

    Raises:
        InputError: pymoo is not installed.
        ValueError: an argument makes no sense.
    """
    chosen = space if isinstance(space, SearchSpace) else SearchSpace(cardinalities=tuple(space))
    size = default_population(budget) if population is None else population
    if budget < 1 or size < 4 or objectives < 1:
        message = (
            f"budget and objectives must be at least 1, population at least 4 (got {budget}, {objectives}, {size})"
        )
        raise ValueError(message)
    search = _Search(chosen, size, seed)
    if known is not None:
        search.learn(*known)
    rounds = [len(search.archive)]
    genetic: Genetic | None = None
    asked = search.first(start, budget)
    while asked:
        outcomes = evaluate(array_of(asked, search.width))
        search.archive.add(asked, outcomes)
        rounds.append(len(search.archive))
        spent = len(search.archive) - search.known
        if progress is not None:
            progress(spent, search.archive.outcomes)
        if genetic is None:
            genetic = search.genetic(objectives, algorithm)
        else:
            genetic.tell(array_of(asked, search.width), outcomes)
        asked = search.batch(genetic, min(size, budget - spent)) if spent < budget else []
    spent = len(search.archive) - search.known
    return Evolution(
        genes=search.archive.array(),
        outcomes=search.archive.outcomes if len(search.archive) else Outcomes(objectives=np.empty((0, objectives))),
        known=search.known,
        rounds=tuple(rounds),
        exhausted=spent < budget,
    )


class _Search:
    """Which points come next."""

    def __init__(self, space: SearchSpace, population: int, seed: int) -> None:
        self.space = space
        self.width = len(space.cardinalities)
        self.population = population
        self.seed = seed
        self.archive = Archive(width=self.width)
        self.known = 0
        self._random = np.random.default_rng((seed, 1))
        self._rest: Iterator[Gene] | None = None

    def learn(self, genes: Genes, outcomes: Outcomes) -> None:
        """Enter points that are known."""
        found = self.archive.new(self.space.spelled(genes))
        if len(found) != len(genes) or len(genes) != len(outcomes.objectives):
            raise ValueError("known: every point once, with one outcome each")
        if found:
            self.archive.add(found, outcomes)
        self.known = len(found)

    def first(self, start: Genes | None, budget: int) -> list[Gene]:
        """The first batch: what to start with, both corners of the space, and a Latin hypercube.

        Source: McKay, Beckman, Conover, "A comparison of three methods for selecting values of input variables", 1979.
        """
        sizes = np.array(self.space.cardinalities)
        count = min(self.population, budget)
        random = np.random.default_rng((self.seed, 0))
        strata = random.permuted(np.tile(np.arange(count)[:, None], self.width), axis=0)
        spread = np.minimum(((strata + random.random(strata.shape)) / count * sizes).astype(np.int64), sizes - 1)
        given = np.empty((0, self.width), np.int64) if start is None else np.asarray(start, np.int64)
        if given.ndim != 2 or given.shape[1] != self.width or (given < 0).any() or (given >= sizes).any():
            raise ValueError(f"start: must be genes (n, {self.width}) within the cardinalities")
        genes = np.concatenate([given, np.zeros_like(sizes)[None], (sizes - 1)[None], spread])
        chosen = self.archive.new(self.space.spelled(genes))[: max(count, min(len(given), budget))]
        return self._filled(chosen, count)

    def genetic(self, objectives: int, algorithm: Algorithm) -> Genetic:
        """The genetic algorithm, begun with the best of what is known so far."""
        outcomes, genes = self.archive.outcomes, self.archive.array()
        rows = self._fittest(outcomes)
        return Genetic(
            self.space.cardinalities,
            (genes[rows], outcomes.rows(rows)),
            objectives=objectives,
            offspring=max(2, self.population - round(self.population * LOCAL_FRACTION)),
            seed=self.seed,
            algorithm=algorithm,
            archive=self.archive,
            canonical=self.space.spelled,
        )

    def _fittest(self, outcomes: Outcomes) -> NDArray[np.int64]:
        """Rows for a first population: by front, then the loneliest; infeasible ones last, by what they miss."""
        from archsim.explore.archive import evenly
        from archsim.explore.pareto import FAILED, crowding, ranks

        fronts = ranks(np.where(outcomes.feasible[:, None], outcomes.objectives, np.nan))
        lonely = np.zeros(len(fronts))
        for front in range(fronts.max() + 1):
            lonely[fronts == front] = crowding(evenly(outcomes.objectives[fronts == front]))
        fronts[fronts == FAILED] = np.iinfo(np.int64).max
        order = np.lexsort((-lonely, outcomes.total_violations, fronts))
        return np.asarray(np.sort(order[: self.population]))

    def batch(self, genetic: Genetic, count: int) -> list[Gene]:
        """The next points, up to ``count``: offspring, neighbours of the front, and others where these run out."""
        chosen = self.archive.new(genetic.ask())[:count]
        taken = set(chosen)
        for gene in self._local():
            if len(chosen) >= count:
                return chosen
            if gene not in taken:
                taken.add(gene)
                chosen.append(gene)
        return self._filled(chosen, count)

    def _local(self) -> Iterator[Gene]:
        """Unknown neighbours of the front: one of each point in turn, so that none has all."""
        genes = self.archive.genes
        waiting = []
        for row in self.archive.promising():
            around = [gene for gene in self.space.around(genes[row]) if gene not in self.archive]
            self._random.shuffle(around)
            waiting.append(around)
        while waiting:
            yield from (around.pop() for around in waiting if around)
            waiting = [around for around in waiting if around]

    def _filled(self, chosen: list[Gene], count: int) -> list[Gene]:
        """With points at random until there are ``count``, or none is left."""
        taken, strays = set(chosen), self._strays()
        while len(chosen) < count:
            gene = next(strays, None)
            if gene is None:
                break
            if gene not in taken and gene not in self.archive:
                taken.add(gene)
                chosen.append(gene)
        return chosen

    def _strays(self) -> Iterator[Gene]:
        """Points at random; at last, where the space can be listed, all of it."""
        sizes = np.array(self.space.cardinalities)
        for _ in range(_DRAWS):
            drawn = self._random.integers(0, sizes, (self.population, self.width))
            yield from (tuple(row) for row in self.space.spelled(drawn).tolist())
        if self._rest is None:
            self._rest = self._listed()
        yield from self._rest

    def _listed(self) -> Iterator[Gene]:
        if self.space.size > LISTED_SPACE:
            return
        for first in range(0, self.space.size, _LISTED_AT_ONCE):
            places = np.arange(first, min(first + _LISTED_AT_ONCE, self.space.size))
            genes = np.stack(np.unravel_index(places, self.space.cardinalities), axis=1)
            yield from (tuple(row) for row in self.space.spelled(genes).tolist())


_DRAWS = 20
_LISTED_AT_ONCE = 10_000
