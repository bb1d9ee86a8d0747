"""Inverse questions and their evidence."""

from __future__ import annotations

import json

import numpy as np
import pytest

from archsim.core.errors import InputError
from archsim.explore.find import find_design
from archsim.explore.scales import parse_condition
from archsim.explore.study import Constraint, Objective
from tests.explore.builders import AREA, LATENCY, evaluator, run_of

FAST = Constraint(name="latency_s", relation="<=", bound=0.02)
STRONG = Constraint(name="tops", relation=">=", bound=2.0)


def test_the_answer_is_the_best_of_the_points_that_keep_all_conditions() -> None:
    table = run_of()
    found = find_design(table, AREA, [FAST, STRONG])
    keeps = table.ok & (table.column("latency_s") <= 0.02) & (table.column("tops") >= 2.0)
    assert found.answer is not None
    assert found.answer.values["area_mm2"] == np.nanmin(np.where(keeps, table.column("area_mm2"), np.nan))
    assert (found.feasible, found.tried, found.failed, found.proven) == (keeps.sum(), 36, 3, True)
    areas = [one.values["area_mm2"] or 0.0 for one in (found.answer, *found.runners_up)]
    assert areas == sorted(areas)


def test_a_condition_binds_when_dropping_it_gives_a_better_answer() -> None:
    table = run_of()
    found = find_design(table, AREA, [FAST, STRONG])
    for place, one in enumerate(found.conditions):
        other = find_design(table, AREA, [[STRONG], [FAST]][place])
        assert other.answer is not None
        assert found.answer is not None
        better = (other.answer.values["area_mm2"] or 0) < (found.answer.values["area_mm2"] or 0)
        assert one.binds == better
        assert (one.without == other.answer) == better
    assert any(one.binds for one in found.conditions)


def test_near_misses_would_be_better_and_say_what_they_miss() -> None:
    found = find_design(run_of(), AREA, [FAST])
    assert found.nearest
    assert found.answer is not None
    for one in found.nearest:
        assert (one.design.values["area_mm2"] or 9e9) < (found.answer.values["area_mm2"] or 0)
        assert one.missed == {str(FAST): pytest.approx((one.design.values["latency_s"] or 0) / 0.02 - 1)}


def test_a_question_without_an_answer_names_the_nearest_designs_and_what_is_missing() -> None:
    impossible = Constraint(name="latency_s", relation="<=", bound=1e-6)
    found = find_design(run_of(), AREA, [impossible, STRONG])
    assert found.answer is None
    assert [one.binds for one in found.conditions] == [True, False]
    assert found.conditions[0].best == np.nanmin(run_of().column("latency_s"))
    missed = [max(one.missed.values()) for one in found.nearest]
    assert missed == sorted(missed)


def test_equally_good_designs_are_ranked_by_the_other_objectives() -> None:
    strong = find_design(run_of(), Objective(name="tops", sense="max"), [])
    assert strong.answer is not None
    table = run_of()
    best = table.column("tops") == np.nanmax(table.column("tops"))
    assert strong.answer.values["latency_s"] == np.nanmin(np.where(best, table.column("latency_s"), np.nan))


def test_a_search_evaluates_further_points_and_finds_the_best_of_the_space() -> None:
    pytest.importorskip("pymoo", exc_type=ImportError)
    whole = find_design(run_of(), AREA, [FAST])
    found = find_design(run_of([0, 20]), AREA, [FAST], evaluate=evaluator(), budget=20)
    assert found.evaluated == 20
    assert found.tried == 22
    assert found.answer is not None
    assert whole.answer is not None
    assert found.answer.values["area_mm2"] == whole.answer.values["area_mm2"]
    again = find_design(run_of([0, 20]), AREA, [FAST], evaluate=evaluator(), budget=20)
    assert again == found


def test_the_runs_own_constraints_hold_for_answers() -> None:
    table = run_of(constraints=[STRONG])
    found = find_design(table, AREA, [FAST])
    assert [one.condition for one in found.conditions] == [str(STRONG), str(FAST)]
    assert found == find_design(run_of(), AREA, [STRONG, FAST])


def test_unknown_totals_are_refused() -> None:
    with pytest.raises(InputError, match="--find"):
        find_design(run_of(), AREA, [Constraint(name="tpot_s", relation="<=", bound=1.0)])
    with pytest.raises(InputError, match="--minimize"):
        find_design(run_of(), Objective(name="aera_mm2", sense="min"), [FAST])


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("tpot_s <= 50 ms", "tpot_s <= 0.05"),
        ("area_mm2<10", "area_mm2 < 10"),
        ("energy_j.dram >= 3 uJ", "energy_j.dram >= 3e-06"),
        ("peak_memory_bytes <= 8 KiB", "peak_memory_bytes <= 8192"),
        ("throughput_per_s > 1e3", "throughput_per_s > 1000"),
        ("area_mm2 <= 5e5 um2", "area_mm2 <= 0.5"),
    ],
)
def test_bounds_take_the_units_of_their_totals(text: str, condition: str) -> None:
    assert str(parse_condition(text)) == condition


@pytest.mark.parametrize("text", ["", "tpot_s", "tpot_s <= ", "<= 5", "tpot_s = 5", "tpot_s <= 5 J", "tops > 5 s"])
def test_texts_that_are_no_condition_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="--find"):
        parse_condition(text, "--find")


def test_the_answer_is_plain_json() -> None:
    assert json.dumps(find_design(run_of(), AREA, [FAST, STRONG]).to_dict(), allow_nan=False)
    assert find_design(run_of(), LATENCY, [FAST]).to_dict()["minimize"] == "latency_s"
