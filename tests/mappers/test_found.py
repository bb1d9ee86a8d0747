"""The gap of what a search found."""

from __future__ import annotations

import math

import pytest

from archsim.mappers.found import Found
from archsim.sim.records import OpCost

COST = OpCost(
    cycles=1, compute_cycles=1, stall_cycles=0, latency_s=1.0, energy_j={}, macs=1, utilization=None,
    compute_utilization=None, mapping_utilization=None, bound="compute", dram_bytes=0.0,
)  # fmt: skip


def found(value: float, bound: float, *, optimal: bool = False) -> Found:
    return Found(
        record=lambda: COST, score=lambda cost: value, objective="edp", least=bound, optimal=optimal, evaluated=1,
        pruned=0, space=1.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "bound", "optimal", "gap"),
    [(3.0, 2.0, False, 0.5), (3.0, 3.0, False, 0.0), (2.0, 2.1, False, 0.0), (3.0, 2.0, True, 0.0)],
)
def test_the_gap_is_how_far_the_value_may_lie_above_the_optimum(
    value: float, bound: float, optimal: bool, gap: float
) -> None:
    assert found(value, bound, optimal=optimal).gap == gap


def test_without_a_bound_nothing_is_proven() -> None:
    assert math.isinf(found(3.0, 0.0).gap)
