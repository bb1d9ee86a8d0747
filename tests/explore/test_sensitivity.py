"""Sensitivities: one axis at a time, and Sobol indices against functions whose indices are known."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from archsim.core.errors import InputError
from archsim.explore import sobol
from archsim.explore.axes import Axis, Value
from archsim.explore.dominate import row_named
from archsim.explore.sensitivity import sensitivity_of
from archsim.explore.space import Space
from tests.explore.builders import AREA, LATENCY, evaluator, run_of

Floats = NDArray[np.float64]
SIZES = (8, 6, 5)
GRID = np.array(list(itertools.product(*map(range, SIZES))))
COEFFICIENTS = (1.0, 0.5, 3.0)


def additive(genes: NDArray[np.int64]) -> Floats:
    """No interaction: an axis' index is its own variance over the sum of all."""
    return genes.astype(float) @ np.array(COEFFICIENTS)


ADDITIVE = np.array([c**2 * (n**2 - 1) / 12 for c, n in zip(COEFFICIENTS, SIZES, strict=True)])
ADDITIVE /= ADDITIVE.sum()


def product(genes: NDArray[np.int64]) -> Floats:
    """Sobol's g-function in the discrete: a product of (1 + c (x - mean)), whose variance is that of its factors."""
    centred = genes - (np.array(SIZES) - 1) / 2
    return np.prod(1 + np.array([0.1, 0.3, 0.2]) * centred, axis=1)


def product_indices() -> tuple[Floats, Floats]:
    own = np.array([0.1, 0.3, 0.2]) ** 2 * (np.array(SIZES) ** 2 - 1) / 12
    variance = np.prod(1 + own) - 1
    total = np.array([own[i] * np.prod(1 + np.delete(own, i)) for i in range(3)])
    return own / variance, total / variance


def test_indices_of_a_whole_grid_are_exact() -> None:
    for axis in range(3):
        found = sobol.of_grid(GRID, additive(GRID), axis)
        assert (found.first, found.total) == (pytest.approx(ADDITIVE[axis]), pytest.approx(ADDITIVE[axis]))
        found = sobol.of_grid(GRID, product(GRID), axis)
        first, total = product_indices()
        assert (found.first, found.total) == (pytest.approx(first[axis]), pytest.approx(total[axis]))
        assert (found.first_interval, found.total_interval) == (0.0, 0.0)


def test_an_axis_that_does_nothing_and_a_constant_have_no_share() -> None:
    y = additive(GRID * [1, 0, 1])
    assert sobol.of_grid(GRID, y, 1).total == pytest.approx(0.0, abs=1e-12)
    assert sobol.of_grid(GRID, np.full(len(GRID), 0.1), 0).total == 0.0


@pytest.mark.parametrize("function", [additive, product])
def test_saltellis_design_finds_the_indices_within_its_intervals(function: object) -> None:
    assert callable(function)
    a, b = sobol.saltelli_genes(SIZES, 1024, seed=1)
    assert a.shape == b.shape == (1024, 3)
    first, total = product_indices() if function is product else (ADDITIVE, ADDITIVE)
    for axis in range(3):
        mixed = a.copy()
        mixed[:, axis] = b[:, axis]
        found = sobol.of_pairs(function(a), function(b), function(mixed), np.random.default_rng(0))
        for value, interval, truth in (
            (found.first, found.first_interval, first[axis]),
            (found.total, found.total_interval, total[axis]),
        ):
            assert value is not None
            assert interval is not None
            assert abs(value - truth) <= 1.5 * interval
            assert interval < 0.2


@pytest.mark.parametrize("function", [additive, product])
def test_a_random_sample_estimates_the_indices_within_its_intervals(function: object) -> None:
    assert callable(function)
    random = np.random.default_rng(3)
    genes = GRID[random.choice(len(GRID), 150, replace=False)]
    first, total = product_indices() if function is product else (ADDITIVE, ADDITIVE)
    for axis, size in enumerate(SIZES):
        found = sobol.of_sample(genes, function(genes), axis, size, True, np.random.default_rng(0))
        for value, interval, truth in (
            (found.first, found.first_interval, first[axis]),
            (found.total, found.total_interval, total[axis]),
        ):
            assert value is not None
            assert interval is not None
            assert abs(value - truth) <= 1.5 * interval + 0.02


def test_chance_alone_gives_no_first_order_share() -> None:
    """The plain correlation ratio of eight groups of noise would be about a tenth."""
    random = np.random.default_rng(0)
    genes = random.integers(0, SIZES, (80, 3))
    shares = [
        sobol.of_sample(genes, random.random(80), 0, 8, True, np.random.default_rng(0)).first or 0.0 for _ in range(50)
    ]
    assert abs(float(np.mean(shares))) < 0.03


def test_few_points_join_neighbouring_values_and_leave_unordered_axes_open() -> None:
    random = np.random.default_rng(0)
    genes = random.integers(0, 400, (60, 2))
    y = genes @ [1.0, 0.1]
    ordered = sobol.of_sample(genes, y, 0, 400, True, np.random.default_rng(0))
    assert (ordered.first or 0) > 0.8
    assert ordered.total is None  # hardly a pair of points differs in one axis alone
    assert sobol.of_sample(genes, y, 0, 400, False, np.random.default_rng(0)).first is None


def test_one_axis_at_a_time_shows_the_points_that_differ_in_that_axis_alone() -> None:
    table = run_of()
    row = row_named(table, "22")  # 16 x 16, 32 KiB, int4
    found = sensitivity_of(table, row)
    own = table.point_values(row)
    assert [one.key for one in found.responses] == ["array.rows", "glb.capacity", "weights"]
    for response in found.responses:
        for step in response.steps:
            genes = [
                axis.values.index(step.value if axis.key == response.key else own[axis.key])
                for axis in table.space.free
            ]
            other = table.row(tuple(genes))
            assert other is not None
            assert step.values["area_mm2"] == table.column("area_mm2")[other]
        known = [step.values["latency_s"] for step in response.steps if step.status == "ok"]
        smallest, largest = min(x for x in known if x), max(x for x in known if x)
        assert response.factors["latency_s"] == pytest.approx(largest / smallest)


def test_elasticities_are_slopes_of_logarithms() -> None:
    def powers(values: Mapping[str, Value]) -> Mapping[str, float | None]:
        rows = float(str(values["array.rows"]))
        return {"latency_s": 3.0 * rows**-2, "area_mm2": 0.5 * rows**1.5}

    table = run_of(model=powers)
    by_axis = {one.key: one for one in sensitivity_of(table, 0).responses}
    assert by_axis["array.rows"].elasticities == {"latency_s": pytest.approx(-2.0), "area_mm2": pytest.approx(1.5)}
    assert by_axis["weights"].elasticities == {"latency_s": None, "area_mm2": None}


def test_failed_and_missing_steps_say_so() -> None:
    table = run_of([i for i in range(36) if i != 35])
    found = sensitivity_of(table, row_named(table, "32"))  # 29 and 35 differ from it in the buffer
    by_axis = {one.key: one for one in found.responses}
    assert {step.status for step in by_axis["glb.capacity"].steps} == {"failed", "ok", "not evaluated"}


def test_missing_points_are_evaluated_first_and_indices_follow() -> None:
    table = run_of([22])
    found = sensitivity_of(table, 0, evaluate=evaluator(), budget=7)
    assert found.evaluated == 7
    assert all(step.status != "not evaluated" for one in found.responses for step in one.steps)
    more = sensitivity_of(run_of([22]), 0, evaluate=evaluator(), budget=30)
    assert (more.sobol.method, more.evaluated <= 30) == ("evaluated", True)
    grid = sensitivity_of(run_of(), 22)
    assert (grid.sobol.method, grid.sobol.failed) == ("grid", 3)
    assert grid.sobol.note is not None
    for key, index in grid.sobol.indices["area_mm2"].items():
        estimate = more.sobol.indices["area_mm2"][key]
        assert estimate.total_interval is not None
        assert abs((estimate.total or 0) - (index.total or 0)) < 2 * estimate.total_interval


def test_a_budget_for_the_whole_space_gives_exact_indices() -> None:
    whole = sensitivity_of(run_of([22]), 0, evaluate=evaluator(), budget=35)
    grid = sensitivity_of(run_of(), 22)
    assert whole.evaluated == 35
    assert whole.objectives == grid.objectives
    for name, axes in grid.sobol.indices.items():
        for key, index in axes.items():
            assert whole.sobol.indices[name][key].total == pytest.approx(index.total)


def test_conditional_axes_that_do_not_exist_at_the_centre_are_left_out() -> None:
    space = Space(
        (
            Axis(key="kind", values=("plain", "deep")),
            Axis(key="depth", values=(1, 2, 3), when=(("kind", ("deep",)),)),
        )
    )

    def model(values: Mapping[str, Value]) -> Mapping[str, float | None]:
        return {"latency_s": 1.0 / float(str(values.get("depth", 1))), "area_mm2": 1.0}

    table = run_of(space=space, model=model, objectives=[LATENCY, AREA])
    assert len(table) == 4
    assert [one.key for one in sensitivity_of(table, 0).responses] == ["kind"]
    assert [one.key for one in sensitivity_of(table, 2).responses] == ["kind", "depth"]


def test_a_failed_centre_is_refused() -> None:
    table = run_of()
    with pytest.raises(InputError, match="this design failed"):
        sensitivity_of(table, int(np.flatnonzero(~table.ok)[0]))


def test_the_same_question_has_the_same_answer_and_it_is_plain_json() -> None:
    table = run_of(list(range(0, 36, 2)))
    one = sensitivity_of(table, 5, evaluate=evaluator(), budget=12, seed=4)
    assert one == sensitivity_of(table, 5, evaluate=evaluator(), budget=12, seed=4)
    assert json.dumps(one.to_dict(), allow_nan=False)
    assert math.isfinite(one.sobol.samples)
