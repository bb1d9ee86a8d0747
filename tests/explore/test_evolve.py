"""Evolutionary search: the front of a space for few evaluations, none twice, the same for the same seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from archsim.explore.archive import Outcomes, evenly
from archsim.explore.evolve import Evolution, SearchSpace, default_population, evolve
from archsim.explore.pareto import hypervolume, non_dominated
from tests.explore import analytic

pytest.importorskip("pymoo", exc_type=ImportError)

Genes = NDArray[np.int64]


def unconstrained(columns: list[int]) -> Callable[[Genes], Outcomes]:
    return lambda genes: Outcomes(objectives=analytic.costs(genes)[:, columns])


class Recorder:
    """An evaluation that remembers what it was asked."""

    def __init__(self, answer: Callable[[Genes], Outcomes]) -> None:
        self.answer = answer
        self.batches: list[Genes] = []

    def __call__(self, genes: Genes) -> Outcomes:
        self.batches.append(genes)
        return self.answer(genes)

    @property
    def asked(self) -> list[tuple[int, ...]]:
        return [tuple(row) for batch in self.batches for row in batch.tolist()]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("columns", [[0, 2], [0, 1], [0, 1, 2]])
@pytest.mark.parametrize("algorithm", ["nsga2", "nsga3"])
def test_a_tenth_of_the_evaluations_covers_99_percent_of_the_grids_volume(
    algorithm: str, columns: list[int], seed: int
) -> None:
    grid = analytic.costs(analytic.grid())[:, columns]
    front = grid[non_dominated(grid)]
    found = evolve(
        analytic.CARDINALITIES,
        unconstrained(columns),
        objectives=len(columns),
        budget=len(grid) // 10,
        seed=seed,
        algorithm=algorithm,
    )
    values = found.outcomes.objectives
    assert found.evaluated == 1000
    for reference in (np.nanmax(grid, axis=0), front.max(axis=0) * 1.1):
        assert hypervolume(values, reference) >= 0.99 * hypervolume(grid, reference)
    scales = evenly(np.vstack([values, front.max(axis=0) * 1.1])), evenly(np.vstack([grid, front.max(axis=0) * 1.1]))
    assert hypervolume(scales[0][:-1], scales[0][-1]) >= 0.98 * hypervolume(scales[1][:-1], scales[1][-1])


def search(seed: int = 0, **settings: object) -> tuple[Evolution, Recorder]:
    recorder = Recorder(unconstrained([0, 2]))
    found = evolve(analytic.CARDINALITIES, recorder, objectives=2, budget=200, seed=seed, **settings)
    return found, recorder


def test_no_point_is_evaluated_twice_and_batches_keep_to_the_population() -> None:
    found, recorder = search(population=30)
    assert len(set(recorder.asked)) == len(recorder.asked) == found.evaluated == 200
    assert max(len(batch) for batch in recorder.batches) == 30
    assert found.rounds == (0, *np.cumsum([len(batch) for batch in recorder.batches]))


def test_the_same_seed_asks_for_the_same_points_and_another_for_others() -> None:
    assert search()[1].asked == search()[1].asked
    assert search()[1].asked != search(seed=1)[1].asked


def test_a_search_starts_with_what_it_is_given() -> None:
    start = np.array([[5, 5, 4, 3, 0], [6, 5, 4, 3, 0]])
    assert search(start=start)[1].asked[:2] == [(5, 5, 4, 3, 0), (6, 5, 4, 3, 0)]


def test_what_is_known_costs_nothing_and_is_not_asked_for() -> None:
    genes = analytic.grid()[::7]
    known = (genes, unconstrained([0, 2])(genes))
    found, recorder = search(known=known)
    assert (found.known, found.evaluated) == (len(genes), 200)
    assert not {tuple(row) for row in genes.tolist()} & set(recorder.asked)
    assert found.genes[: len(genes)].tolist() == genes.tolist()


def test_a_budget_beyond_the_space_evaluates_all_of_it_once_and_ends() -> None:
    recorder = Recorder(lambda genes: Outcomes(objectives=genes[:, :2].astype(float)))
    found = evolve((5, 4, 3), recorder, objectives=2, budget=1000)
    assert len(recorder.asked) == len(set(recorder.asked)) == 60
    assert found.exhausted
    assert not search()[0].exhausted


def test_the_front_keeps_the_constraints() -> None:
    def evaluate(genes: Genes) -> Outcomes:
        costs = analytic.costs(genes)
        return Outcomes(objectives=costs[:, :2], violations=costs[:, 2:] / 0.5 - 1)

    grid = evaluate(analytic.grid())
    found = evolve(analytic.CARDINALITIES, evaluate, objectives=2, budget=1000)
    assert (analytic.costs(found.genes[found.front])[:, 2] <= 0.5).all()
    best = grid.objectives[grid.front]
    mine = found.outcomes.objectives[found.front]
    assert hypervolume(mine, best.max(axis=0) * 1.1) >= 0.99 * hypervolume(best, best.max(axis=0) * 1.1)


def test_a_space_with_hardly_a_feasible_point_is_searched_towards_it() -> None:
    def evaluate(genes: Genes) -> Outcomes:
        costs = analytic.costs(genes)
        return Outcomes(objectives=costs[:, :1], violations=np.stack([costs[:, 0] / 30e3, costs[:, 2] / 0.6], 1) - 1)

    grid = evaluate(analytic.grid())
    assert 0 < grid.feasible.sum() < 100
    found = evolve(analytic.CARDINALITIES, evaluate, objectives=1, budget=500)
    best = np.nanmin(np.where(grid.feasible, grid.objectives[:, 0], np.nan))
    assert found.outcomes.objectives[found.front].min() == best


def test_a_space_where_every_point_fails_is_searched_to_the_end() -> None:
    found = evolve((6, 6), lambda genes: Outcomes(objectives=np.full((len(genes), 2), np.nan)), objectives=2, budget=99)
    assert (len(found.genes), found.front.any()) == (36, False)


def test_maximised_objectives_are_searched_by_their_negatives() -> None:
    def evaluate(genes: Genes) -> Outcomes:
        return Outcomes(objectives=np.stack([-1.0 - genes.sum(axis=1), genes[:, 0] - 2.0], axis=1))

    found = evolve((9, 9, 9), evaluate, objectives=2, budget=100)
    assert {(-25.0, 6.0), (-17.0, -2.0)} <= {tuple(row) for row in found.outcomes.objectives.tolist()}


def test_genes_that_mean_the_same_point_are_evaluated_once() -> None:
    def canonical(genes: Genes) -> Genes:
        """The second axis exists only where the first is 0."""
        return np.stack([genes[:, 0], np.where(genes[:, 0] == 0, genes[:, 1], 0)], axis=1)

    recorder = Recorder(lambda genes: Outcomes(objectives=genes.astype(float)))
    space = SearchSpace(cardinalities=(6, 5), canonical=canonical)
    found = evolve(space, recorder, objectives=2, budget=99)
    assert sorted(recorder.asked) == sorted([*((0, j) for j in range(5)), *((i, 0) for i in range(1, 6))])
    assert found.exhausted


def test_values_without_an_order_are_all_neighbours() -> None:
    space = SearchSpace(cardinalities=(5, 4), ordered=(True, False))
    assert space.around((2, 1)) == [(1, 1), (3, 1), (2, 0), (2, 2), (2, 3)]


@pytest.mark.parametrize("wrong", [{"budget": 0}, {"population": 2}, {"objectives": 0}, {"start": np.array([[9, 9]])}])
def test_arguments_without_sense_are_refused(wrong: dict[str, object]) -> None:
    settings = {"budget": 10, "objectives": 1} | wrong
    with pytest.raises(ValueError, match="must be"):
        evolve((3, 3), lambda genes: Outcomes(objectives=genes[:, :1].astype(float)), **settings)


def test_an_evaluation_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="were asked for"):
        evolve((3, 3), lambda genes: Outcomes(objectives=genes[1:, :1].astype(float)), objectives=1, budget=5)


def test_populations_grow_with_the_budget() -> None:
    assert [default_population(budget) for budget in (1, 1000, 10**6)] == [16, 50, 200]


def test_even_scales_keep_the_order_of_values_and_turn_factors_into_steps() -> None:
    values = np.array([[-100.0], [-10.0], [-1e-3], [0.0], [1e-9], [1.0], [10.0]])
    scaled = evenly(values)[:, 0]
    assert (np.diff(scaled) > 0).all()
    assert scaled[6] - scaled[5] == pytest.approx(np.log(10))
    assert scaled[1] - scaled[0] == pytest.approx(np.log(10))
