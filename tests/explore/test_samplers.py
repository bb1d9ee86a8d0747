"""Samples of a space: the same for the same seed, and never a point twice."""

from __future__ import annotations

import pytest

from archsim.explore.axes import Axis
from archsim.explore.options import SearchOptions
from archsim.explore.samplers import Sample, sample
from archsim.explore.space import Space
from tests.explore.test_space import CONDITIONAL

SPACE = Space(tuple(Axis(key=f"k{i}", values=tuple(range(7))) for i in range(4)))


def drawn(space: Space, **search: object) -> Sample:
    return sample(space, SearchOptions.model_validate(search))


def genes(found: Sample, size: int = 16) -> list[tuple[int, ...]]:
    return [row for chunk in found.chunks(size) for row in chunk.genes or ()]


@pytest.mark.parametrize("method", ["random", "sobol"])
@pytest.mark.parametrize("points", [1, 100, 900])
def test_a_sample_has_as_many_different_points_as_asked(method: str, points: int) -> None:
    found = genes(drawn(SPACE, method=method, points=points))
    assert len(set(found)) == len(found) == points


@pytest.mark.parametrize("method", ["random", "sobol"])
def test_a_sample_depends_on_its_seed_alone(method: str) -> None:
    one = genes(drawn(SPACE, method=method, points=50, seed=1))
    assert one == genes(drawn(SPACE, method=method, points=50, seed=1), size=7)
    assert one != genes(drawn(SPACE, method=method, points=50, seed=2))


@pytest.mark.parametrize("method", ["random", "sobol"])
def test_a_sample_of_everything_is_the_grid(method: str) -> None:
    found = genes(drawn(CONDITIONAL, method=method, points=CONDITIONAL.size))
    assert set(found) == {CONDITIONAL.grid(index).genes for index in range(CONDITIONAL.size)}


def test_sobol_points_fill_each_axis_evenly() -> None:
    space = Space(tuple(Axis(key=f"k{i}", values=tuple(range(8))) for i in range(4)))
    found = genes(drawn(space, method="sobol", points=512))
    for axis in range(4):
        counts = [sum(row[axis] == value for row in found) for value in range(8)]
        assert max(counts) - min(counts) <= 8


def test_spaces_too_large_to_number_can_be_sampled() -> None:
    space = Space(tuple(Axis(key=f"k{i}", values=tuple(range(10))) for i in range(30)))
    assert len(set(genes(drawn(space, method="random", points=40)))) == 40


def test_the_grid_is_cut_into_chunks_in_order() -> None:
    chunks = list(drawn(CONDITIONAL).chunks(5))
    assert [(chunk.first, chunk.count) for chunk in chunks] == [(0, 5), (5, 5), (10, 2)]
    points = [point for chunk in chunks for point in chunk.points(CONDITIONAL)]
    assert points == [CONDITIONAL.grid(index) for index in range(CONDITIONAL.size)]
