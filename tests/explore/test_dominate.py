"""What would dominate a design."""

from __future__ import annotations

import json

import numpy as np
import pytest

from archsim.core.errors import InputError
from archsim.explore.dominate import dominators_of, row_named
from archsim.explore.front import front_of
from archsim.explore.study import Constraint
from tests.explore import brute_force
from tests.explore.builders import AREA, LATENCY, evaluator, run_of


def test_exactly_the_dominating_points_are_named_the_smallest_change_first() -> None:
    table = run_of()
    values = table.minimised([LATENCY, AREA])
    for row in range(len(table)):
        if not table.ok[row]:
            continue
        found = dominators_of(table, row)
        expected = {other for other in range(len(table)) if brute_force.dominates(values[other], values[row])}
        assert {one.design.index for one in found.dominating} == {int(table.indices[other]) for other in expected}
        changed = [(len(one.changes), one.steps) for one in found.dominating]
        assert changed == sorted(changed)


def test_a_dominating_design_says_by_how_much_and_what_it_changes() -> None:
    table = run_of()
    row = row_named(table, "20")  # 16 x 16, 8 KiB, int8
    best = dominators_of(table, row).dominating[0]
    assert [(one.key, one.before, one.after) for one in best.changes] == [("weights", "int8", "int4")]
    mine, theirs = table.column("area_mm2")[row], best.design.values["area_mm2"]
    assert theirs is not None
    assert best.ratios["area_mm2"] == pytest.approx(theirs / mine)
    assert best.differences["area_mm2"] == pytest.approx(theirs - mine)


def test_what_all_dominating_designs_share_is_told() -> None:
    found = dominators_of(run_of(), row_named(run_of(), "18"))  # 16 x 16, 8 KiB, fp16
    others = [{change.key: change.after for change in one.changes} for one in found.dominating]
    for change in found.always:
        assert all(other.get(change.key) == change.after for other in others)
    assert all(not set(found.kept) & set(other) for other in others)
    assert found.dominating


def test_nothing_dominates_a_design_of_the_front_and_the_nearest_loses_something() -> None:
    table = run_of()
    knee = front_of(table).knees[0].design.index
    found = dominators_of(table, row_named(table, str(knee)))
    assert not found.dominating
    assert found.to_dict()["dominated"] is False
    assert found.neighbours_known == found.neighbours
    for one in found.nearest:
        ratios = [ratio for ratio in one.ratios.values() if ratio is not None]
        assert max(ratios) > 1 > min(ratios)


def test_neighbours_are_evaluated_until_one_dominates() -> None:
    table = run_of([20])
    found = dominators_of(table, 0, evaluate=evaluator(), budget=30)
    assert 0 < found.evaluated <= 5
    assert found.dominating[0].design.index is None
    assert found.dominating[0].steps == 1


def test_a_search_for_dominating_neighbours_keeps_to_its_budget() -> None:
    full = run_of()
    index = front_of(full).knees[0].design.index
    assert index is not None
    found = dominators_of(run_of([index]), 0, evaluate=evaluator(), budget=4)
    assert (found.evaluated, found.dominating) == (4, ())
    everything = dominators_of(run_of([index]), 0, evaluate=evaluator(), budget=1000)
    assert (everything.evaluated, everything.compared, everything.dominating) == (35, 32, ())


def test_designs_that_miss_a_constraint_do_not_count() -> None:
    table = run_of()
    row = row_named(table, "20")
    bound = Constraint(name="tops", relation=">", bound=float(table.column("tops")[row]))
    found = dominators_of(table, row, constraints=[bound])
    assert not found.feasible
    assert all((one.design.values["tops"] or 0) > bound.bound for one in found.dominating)


def test_points_are_named_by_number_or_by_the_start_of_their_id() -> None:
    table = run_of()
    assert row_named(table, "7") == 7
    assert row_named(table, table.ids[7][:6]) == 7
    for wrong in ("999", "zz", table.ids[7][:2], ""):
        with pytest.raises(InputError, match="--dominate"):
            row_named(table, wrong)
    with pytest.raises(InputError, match="several points"):
        row_named(table, "0000")


def test_a_failed_point_cannot_be_compared() -> None:
    table = run_of()
    failed = int(np.flatnonzero(~table.ok)[0])
    with pytest.raises(InputError, match="does not fit 8 KiB"):
        dominators_of(table, failed)


def test_the_answer_is_plain_json() -> None:
    assert json.dumps(dominators_of(run_of(), 18).to_dict(), allow_nan=False)
