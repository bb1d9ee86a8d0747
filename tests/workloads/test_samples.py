from __future__ import annotations

import numpy as np
import pytest

from archsim.core.errors import InputError
from archsim.workloads.samples import DISTRIBUTIONS, MAX_ELEMENTS, VECTOR_LENGTH, sample

MANY = 1 << 20


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_the_same_seed_gives_the_same_values(name: str) -> None:
    assert np.array_equal(sample(name, 5000, seed=3), sample(name, 5000, seed=3))
    assert not np.array_equal(sample(name, 5000, seed=3), sample(name, 5000, seed=4))


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize(
    ("elements", "shape"),
    [(1, (1, 1)), (1000, (1, 1000)), (1024, (1, 1024)), (1025, (2, 1024)), (5000, (5, 1024))],
)
def test_whole_vectors_are_drawn(name: str, elements: int, shape: tuple[int, int]) -> None:
    values = sample(name, elements)
    assert values.shape == shape
    assert np.isfinite(values).all()


@pytest.mark.parametrize(
    ("name", "mean_square", "mean_fourth"),
    [
        ("gaussian", 1.0, 3.0),
        ("laplace", 2.0, 24.0),
        ("uniform", 1 / 3, 1 / 5),
        ("variance", 1.0, 9.0),  # a product of two independent normal numbers
    ],
)
def test_moments_are_those_of_the_distribution(name: str, mean_square: float, mean_fourth: float) -> None:
    values = sample(name, MANY)
    assert abs(values.mean()) < 0.01
    assert (values**2).mean() == pytest.approx(mean_square, rel=0.1)
    assert (values**4).mean() == pytest.approx(mean_fourth, rel=0.25)


def test_vectors_of_variable_variance_have_a_deviation_each() -> None:
    deviations = sample("variance", MANY).std(axis=1)
    assert (deviations**2).mean() == pytest.approx(1, rel=0.1)
    assert deviations.min() < 0.01 < 2 < deviations.max()


def test_student_t_has_outliers_in_the_same_positions_of_all_vectors() -> None:
    size = np.abs(sample("student-t", MANY)).mean(axis=0)
    outliers = np.flatnonzero(size > 10 * np.median(size))
    assert outliers.size == round(0.001 * VECTOR_LENGTH)


@pytest.mark.parametrize(
    ("name", "elements", "seed", "message"),
    [
        ("gausian", 1, 0, "did you mean 'gaussian'"),
        ("gaussian", 0, 0, "must be 1 to"),
        ("gaussian", MAX_ELEMENTS + 1, 0, "must be 1 to"),
        ("gaussian", 1, -1, "must be at least 0"),
    ],
)
def test_what_cannot_be_drawn(name: str, elements: int, seed: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        sample(name, elements, seed)
