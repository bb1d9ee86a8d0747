"""Fronts, volumes, knees and crowding of point sets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from archsim.explore.pareto import bulges, crowding, hypervolume, knee_points, non_dominated, ranks
from tests.explore import brute_force

SPECIAL = (np.inf, -np.inf, np.nan)


@st.composite
def point_sets(draw: st.DrawFn, special: tuple[float, ...] = SPECIAL) -> NDArray[np.float64]:
    """Few distinct values, so that ties and equal points are common."""
    width = draw(st.integers(1, 6))
    value = st.integers(0, 4).map(float)
    if special:
        value = st.one_of(value, value, value, st.sampled_from(special))
    rows = draw(st.lists(st.tuples(*[value] * width), max_size=40))
    return np.array(rows, float).reshape(-1, width)


@settings(max_examples=150, deadline=None)
@given(point_sets())
def test_the_front_is_what_comparing_every_pair_gives(values: NDArray[np.float64]) -> None:
    assert non_dominated(values).tolist() == brute_force.front(values)


@settings(max_examples=100, deadline=None)
@given(point_sets())
def test_ranks_are_fronts_taken_away_one_by_one(values: NDArray[np.float64]) -> None:
    assert ranks(values).tolist() == brute_force.ranks(values)


@pytest.mark.parametrize("width", [2, 3, 4, 7])
def test_the_front_of_a_thousand_points_is_exact(width: int) -> None:
    rng = np.random.default_rng(width)
    values = rng.random((1000, width)).round(2)
    assert non_dominated(values).tolist() == brute_force.front(values)


@pytest.mark.parametrize("width", [2, 3, 5])
def test_a_front_of_a_hundred_thousand_points_dominates_all_others_and_nothing_of_itself(width: int) -> None:
    values = np.random.default_rng(0).random((100_000, width))
    front = non_dominated(values)
    best = values[front]
    others = values[~front][:2000]
    assert (best[None] <= others[:, None]).all(axis=2).any(axis=1).all()
    assert brute_force.front(best[:300]) == [True] * len(best[:300])
    assert (ranks(values) == 0).tolist() == front.tolist()


def test_an_empty_set_has_an_empty_front() -> None:
    assert non_dominated(np.empty((0, 3))).tolist() == []
    assert hypervolume(np.empty((0, 3)), [1, 1, 1]) == 0.0


def test_values_must_be_points_by_objectives() -> None:
    with pytest.raises(ValueError, match="points by objectives"):
        non_dominated([1.0, 2.0])


@settings(max_examples=60, deadline=None)
@given(point_sets(special=(np.inf, np.nan)).filter(lambda values: values.shape[1] <= 4))
def test_the_volume_is_the_sum_of_the_cells_below_the_points(values: NDArray[np.float64]) -> None:
    reference = np.full(values.shape[1], 3.5)
    known = values[np.isfinite(values).all(axis=1)][:12]
    assert hypervolume(known, reference) == pytest.approx(brute_force.volume(known, reference), rel=1e-12)


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("kind", ["uniform", "sphere", "ties"])
def test_the_volume_is_pymoos(width: int, kind: str) -> None:
    pymoo: Any = pytest.importorskip("pymoo.indicators.hv", exc_type=ImportError)
    rng = np.random.default_rng(width)
    values = rng.random((150, width))
    if kind == "sphere":
        values = 1 - values / np.linalg.norm(values, axis=1)[:, None]
    if kind == "ties":
        values = values.round(1)
    reference = np.full(width, 0.95)
    assert hypervolume(values, reference) == pytest.approx(float(pymoo.HV(ref_point=reference)(values)), rel=1e-12)


def test_points_that_are_not_below_the_reference_cover_nothing() -> None:
    assert hypervolume([[0.0, 2.0], [3.0, -5.0], [np.nan, 0.0], [np.inf, 0.0]], [2.0, 2.0]) == 0.0
    assert hypervolume([[-np.inf, 0.0]], [2.0, 2.0]) == np.inf


def test_a_reference_must_be_finite_and_have_every_objective() -> None:
    with pytest.raises(ValueError, match="2 finite numbers"):
        hypervolume([[0.0, 0.0]], [1.0])
    with pytest.raises(ValueError, match="2 finite numbers"):
        hypervolume([[0.0, 0.0]], [1.0, np.inf])


def test_crowding_is_pymoos_on_points_without_ties() -> None:
    metrics: Any = pytest.importorskip("pymoo.operators.survival.rank_and_crowding.metrics", exc_type=ImportError)
    values = np.random.default_rng(1).random((50, 3))
    theirs = metrics.calc_crowding_distance(values) * values.shape[1]  # theirs is the mean over the objectives
    np.testing.assert_allclose(crowding(values), theirs)


def test_crowding_of_points_without_values_or_without_an_end_is_told_apart() -> None:
    found = crowding([[0, 4], [1, 2], [1, 2], [1, 2], [4, 0], [np.nan, 1]])
    assert found[[0, 4]].tolist() == [np.inf, np.inf]
    assert found[2] == 0.0
    assert np.isnan(found[5])
    assert crowding([[0, 4], [1, 2], [2, 1], [np.inf, 0]]).tolist() == [np.inf, 1.0 + 0.75, np.inf, np.inf]


def test_the_knee_of_a_bent_front_is_its_bend_whatever_the_units() -> None:
    front = np.array([[1.0, 10.0], [1.5, 4.0], [2.0, 2.0], [6.0, 1.5], [10.0, 1.0]])
    assert knee_points(front).tolist() == [2]
    assert knee_points(front * [1e-9, 1e6]).tolist() == [2]


def test_straight_and_hollow_fronts_have_no_knee() -> None:
    assert knee_points([[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]).tolist() == []
    assert knee_points([[0.0, 1.0], [0.7, 0.7], [1.0, 0.0]]).tolist() == []
    assert knee_points(np.empty((0, 2))).tolist() == []


def test_further_knees_are_other_bends() -> None:
    front = [[0.0, 1.0], [0.1, 0.5], [0.11, 0.49], [0.5, 0.1], [1.0, 0.0]]
    assert knee_points(front, 5).tolist() == [1, 3]


def test_a_design_that_is_best_in_everything_is_the_knee() -> None:
    assert knee_points([[1.0, 2.0, 3.0]]).tolist() == [0]
    assert bulges([[0.0, 0.0], [1.0, 1.0]]).tolist() == pytest.approx([2**-0.5, -(2**-0.5)])
