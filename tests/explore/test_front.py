"""The front of a run, for any objectives and constraints."""

from __future__ import annotations

import json

import numpy as np
import pytest

from archsim.core.errors import InputError
from archsim.explore.archive import evenly
from archsim.explore.front import front_of, parse_objectives
from archsim.explore.pareto import hypervolume
from archsim.explore.run_table import RunTable
from archsim.explore.study import Constraint, Objective
from archsim.reports.run_folder import csv_text
from tests.explore import brute_force
from tests.explore.builders import AREA, LATENCY, run_of

TOPS = Objective(name="tops", sense="max")


def front_indices(table: RunTable, objectives: list[Objective]) -> set[int]:
    """By comparing every pair."""
    values = table.minimised(objectives)
    return {int(table.indices[row]) for row in np.flatnonzero(brute_force.front(values))}


@pytest.mark.parametrize("objectives", [[LATENCY, AREA], [LATENCY, AREA, TOPS], [AREA], [TOPS, AREA]])
def test_the_front_of_a_run_is_what_comparing_every_pair_gives(objectives: list[Objective]) -> None:
    table = run_of()
    found = front_of(table, objectives)
    assert {item.design.index for item in found.designs} == front_indices(table, objectives)
    first = [item.design.values[objectives[0].name] for item in found.designs]
    assert first == sorted(first, reverse=objectives[0].sense == "max")


def test_failed_points_are_counted_by_reason_and_on_no_front() -> None:
    found = front_of(run_of())
    assert found.failed == {"does not fit …": 3}
    assert (found.points, found.feasible, found.further) == (36, 33, 0)


def test_constraints_of_the_run_and_of_the_question_both_count() -> None:
    of_run = run_of(constraints=[Constraint(name="area_mm2", relation="<=", bound=2.0)])
    found = front_of(of_run, constraints=[Constraint(name="latency_s", relation="<", bound=0.05)])
    assert found.constraints == ("area_mm2 <= 2", "latency_s < 0.05")
    assert found.designs
    assert all((item.design.values["area_mm2"] or 9) <= 2.0 for item in found.designs)
    assert all((item.design.values["latency_s"] or 9) < 0.05 for item in found.designs)
    table = run_of()
    both = (table.column("area_mm2") <= 2.0) & (table.column("latency_s") < 0.05)
    assert found.feasible == both.sum()


def test_a_front_without_a_feasible_design_is_empty() -> None:
    found = front_of(run_of(), constraints=[Constraint(name="area_mm2", relation="<", bound=0.0)])
    assert (found.designs, found.knees, found.hypervolume, found.covered_fraction) == ((), (), None, None)
    assert json.dumps(found.to_dict())


def test_the_covered_volume_is_measured_from_the_worst_feasible_values_or_a_stated_corner() -> None:
    table = run_of()
    values = table.minimised([LATENCY, AREA])[table.ok]
    found = front_of(table)
    assert found.hypervolume == pytest.approx(hypervolume(values, values.max(axis=0)))
    stated = front_of(table, reference={"area_mm2": 100.0})
    assert stated.hypervolume == pytest.approx(hypervolume(values, [values[:, 0].max(), 100.0]))
    assert stated.reference["area_mm2"] == 100.0
    assert 0 < (found.covered_fraction or 0) < 1


def test_the_knee_is_taken_on_the_scale_that_the_front_states() -> None:
    found = front_of(run_of())
    assert [one.log for one in found.objectives] == [True, True]
    linear = front_of(run_of(), log=[])
    assert [one.log for one in linear.objectives] == [False, False]
    scaled = evenly(run_of().minimised([LATENCY, AREA]))
    knee = found.knees[0].design.index
    assert knee is not None
    rows = [item.design.index for item in found.designs]
    spread = scaled[rows]
    sums = ((spread - spread.min(axis=0)) / np.ptp(spread, axis=0)).sum(axis=1)
    assert knee == rows[int(np.argmin(sums))]


def test_what_a_run_does_not_have_is_refused_with_the_nearest_name() -> None:
    table = run_of()
    with pytest.raises(InputError, match="did you mean 'latency_s'"):
        front_of(table, [Objective(name="latncy_s", sense="min")])
    with pytest.raises(InputError, match="no point of this run has a value of ttft_s"):
        front_of(table, [Objective(name="ttft_s", sense="min")])
    with pytest.raises(InputError, match="unknown axis"):
        front_of(table, colour="array.row")
    with pytest.raises(InputError, match="unknown objective"):
        front_of(table, log=["tops"])


def test_objectives_are_read_with_their_usual_sense() -> None:
    assert parse_objectives("latency_s, throughput_per_s,tops:min") == (
        LATENCY,
        Objective(name="throughput_per_s", sense="max"),
        Objective(name="tops", sense="min"),
    )
    for wrong in ("latency_s:best", "latency_s,latency_s"):
        with pytest.raises(InputError):
            parse_objectives(wrong)


def test_the_colours_of_a_plot_are_the_values_of_an_axis() -> None:
    found = front_of(run_of(), colour="array.cols")
    assert found.cloud.order == ("4", "8", "16", "32")
    assert len(found.cloud.colours) == found.feasible


def test_the_table_of_a_front_has_axes_and_all_values() -> None:
    text = csv_text(front_of(run_of()).rows(), front_of(run_of()).columns())
    header = text.splitlines()[0].split(",")
    assert header[:6] == ["index", "point_id", "array.rows", "array.cols", "glb.capacity", "weights"]
    assert {"knee", "bulge", "crowding", "latency_s", "area_mm2", "tops"} <= set(header)
    assert len(text.splitlines()) == 1 + len(front_of(run_of()).designs)
