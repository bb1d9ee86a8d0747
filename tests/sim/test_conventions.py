"""Counting switches: each changes what it says and nothing else."""

from __future__ import annotations

import pytest

from archsim.core.errors import InputError
from archsim.mappers.search import MapperSettings, best_mapping
from archsim.sim.conventions import CONVENTIONS, SWITCHES, Counting, counting, switch_problems
from archsim.sim.records import OpCost
from archsim.workloads.op import Op
from tests.sim.builders import INT32, accelerator, dram, int8, sram, systolic

FULL, EDGE = {"m": 16, "n": 16, "k": 16}, {"m": 10, "n": 9, "k": 11}


def cost(dataflow: str, sizes: dict[str, int], **switches: object) -> OpCost:
    machine = accelerator(systolic(8, 8, (dataflow,)), dram(), sram())
    switches = {"tiling": "whole-layer", "memory_stalls": False} | switches
    best = best_mapping(int8(Op.gemm("x", **sizes)), machine, MapperSettings(), counting("archsim", switches), INT32)
    assert best is not None
    return best


def traffic(result: OpCost, operand: str) -> tuple[float, float]:
    row = next(row for row in result.traffic if (row.level, row.operand) == ("sram", operand))
    return row.reads, row.updates


@pytest.mark.parametrize("dataflow", ["os", "ws", "is"])
def test_full_arrays_do_not_notice_edge_folds(dataflow: str) -> None:
    assert cost(dataflow, FULL, edge_folds="full").cycles == cost(dataflow, FULL).cycles
    assert cost(dataflow, EDGE, edge_folds="full").cycles > cost(dataflow, EDGE).cycles


def test_the_drain_of_output_stationary_passes_takes_the_rows() -> None:
    assert cost("os", FULL).cycles - cost("os", FULL, os_drain=False).cycles == 4 * 8
    assert cost("ws", FULL).cycles == cost("ws", FULL, os_drain=False).cycles


def test_the_index_of_the_last_cycle_is_one_less() -> None:
    assert cost("ws", FULL).cycles - cost("ws", FULL, last_cycle="index").cycles == 1


def test_partial_sums_are_read_back_once_per_further_row_fold() -> None:
    (reads, updates), (without, same) = (
        traffic(cost("ws", FULL), "outputs"),
        traffic(cost("ws", FULL, psum_rereads=False), "outputs"),
    )
    assert (updates, same) == (2 * 256, 2 * 256)
    assert reads - without == 256
    assert traffic(cost("ws", FULL, first_partial_read=True), "outputs")[0] - reads >= 256


def test_stray_writes_are_rows_and_columns_per_output_stationary_pass() -> None:
    assert traffic(cost("os", FULL, os_stray_writes=True), "outputs")[1] - traffic(cost("os", FULL), "outputs")[1] == 64
    assert traffic(cost("ws", FULL, os_stray_writes=True), "outputs") == traffic(cost("ws", FULL), "outputs")


def test_utilization_may_be_divided_by_the_other_tools_period() -> None:
    plain, other = cost("ws", FULL), cost("ws", FULL, utilization_period="scale-sim")
    assert plain.cycles == other.cycles
    assert other.compute_utilization == pytest.approx(16**3 / 64 / (plain.cycles + 4 * 7))


def test_bundles_hold_what_they_say_and_take_single_switches() -> None:
    assert CONVENTIONS["archsim"] == Counting() == counting()
    assert counting("scale-sim", {"os_drain": True}) == counting("scale-sim", {}).__class__(
        **{name: getattr(CONVENTIONS["scale-sim"], name) for name in SWITCHES} | {"os_drain": True}
    )


def test_unknown_names_and_values_are_refused() -> None:
    with pytest.raises(InputError, match="scale-sim"):
        counting("scalesim")
    assert [problem.key for problem in switch_problems("os_drian", True)] == ["simulation.counting.os_drian"]
    assert "must be one of" in switch_problems("overlap", "always")[0].message
    assert not switch_problems("overlap", "never")
