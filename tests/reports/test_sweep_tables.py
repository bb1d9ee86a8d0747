"""What `archsim sweep` prints at its end."""

from __future__ import annotations

from typing import Any

import pytest

from archsim.reports.sweep_tables import sweep_tables
from archsim.reports.tables import plain_table


def document(**values: Any) -> dict[str, Any]:
    rows = [
        {"index": 0, "hardware.array.rows": 8, "hardware.node": "7 nm", "latency_s": 0.5},
        {"index": 3, "hardware.array.rows": 16, "hardware.node": "7 nm", "latency_s": 0.25},
    ]
    base = {"name": "a", "run": "runs/a", "points": 4, "evaluated": 4, "rate_per_s": None, "failed": {}}
    lists = {"constraints": [], "axes": ["hardware.array.rows", "hardware.node"], "pareto": rows}
    counts = {"feasible": 4, "met": {}, "known": {"latency_s": 4}}
    return base | lists | counts | {"objectives": {"latency_s": "min"}} | values


def test_axes_with_one_value_on_the_front_are_told_with_it() -> None:
    assert sweep_tables(document())[-1] == "the same in all of them: node 7 nm"


def test_a_front_of_one_design_shows_every_axis_once() -> None:
    tables = sweep_tables(document(pareto=document()["pareto"][:1]))
    assert type(tables[-1]) is type(plain_table("", [("a", "left")], []))


@pytest.mark.parametrize(("run", "told"), [("runs/a", True), (None, False)])
def test_where_no_point_meets_the_constraints_it_says_who_tells_which_bind(run: str | None, told: bool) -> None:
    values = document(run=run, feasible=0, constraints=["latency_s <= 0.1"], pareto=[])
    assert ("archsim pareto runs/a --minimize TOTAL" in str(sweep_tables(values)[-1])) is told


def test_without_a_front_it_says_what_points_lack() -> None:
    counts = {"known": {"latency_s": 4, "tpot_s": 0}, "met": {"area_mm2 <= 1": 1, "power_w <= 9": 4}}
    text = str(sweep_tables(document(run=None, feasible=0, pareto=[], **counts))[-1])
    assert text.splitlines()[1:] == ["tpot_s: no point has it", "area_mm2 <= 1: 1 of 4 meet it"]
