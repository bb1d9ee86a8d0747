"""Totals over several workloads."""

from __future__ import annotations

import pytest

from archsim.explore.results import TOTALS, combined


def values(**stated: float | None) -> dict[str, float | None]:
    usual: dict[str, float | None] = dict.fromkeys(TOTALS)
    usual |= {"latency_s": 1.0, "energy_j": 2.0, "macs": 4.0, "utilization": 0.5, "throughput_per_s": 1.0}
    return usual | stated


def test_times_and_energies_are_weighted_sums() -> None:
    total = combined([("prefill", 1.0, values(latency_s=3.0)), ("decode", 10.0, values(latency_s=0.5, energy_j=1.0))])
    assert total["latency_s"] == 3.0 + 10 * 0.5
    assert total["energy_j"] == 2.0 + 10 * 1.0
    assert total["power_w"] == 12.0 / 8.0
    assert total["edp_js"] == 12.0 * 8.0


def test_each_workload_keeps_columns_of_its_own() -> None:
    total = combined([("a", 1.0, values(latency_s=3.0)), ("b", 2.0, values(latency_s=5.0))])
    assert (total["a.latency_s"], total["b.latency_s"]) == (3.0, 5.0)


def test_area_is_that_of_the_one_chip() -> None:
    parts = [("a", 1.0, {**values(area_mm2=3.0), "area_mm2.mac": 1.0}), ("b", 9.0, {**values(area_mm2=3.5)})]
    assert combined(parts)["area_mm2"] == 3.5
    assert combined(parts)["area_mm2.mac"] == 1.0


def test_what_one_workload_lacks_the_sum_lacks() -> None:
    assert combined([("a", 1.0, values()), ("b", 1.0, values(energy_j=None))])["energy_j"] is None


def test_a_component_that_one_workload_does_not_use_costs_it_nothing() -> None:
    parts = [("a", 2.0, {**values(), "energy_j.vector": 3.0}), ("b", 1.0, {**values(), "energy_j.vector": None})]
    assert combined(parts)["energy_j.vector"] == 6.0


def test_utilization_counts_the_cycles_of_each() -> None:
    parts = [("a", 1.0, values(macs=100.0, utilization=1.0)), ("b", 1.0, values(macs=100.0, utilization=0.25))]
    assert combined(parts)["utilization"] == pytest.approx(200 / (100 + 400))


def test_throughput_is_a_rate_over_the_whole_time() -> None:
    parts = [
        ("a", 1.0, values(latency_s=1.0, throughput_per_s=4.0)),
        ("b", 1.0, values(latency_s=3.0, throughput_per_s=0.0)),
    ]
    assert combined(parts)["throughput_per_s"] == 1.0


def test_time_per_token_is_that_of_the_workloads_that_have_it() -> None:
    parts = [("prefill", 1.0, values(ttft_s=2.0)), ("decode", 100.0, values(tpot_s=0.1))]
    assert combined(parts)["ttft_s"] == 2.0
    assert combined(parts)["tpot_s"] == pytest.approx(0.1)


def test_one_workload_of_weight_one_is_itself() -> None:
    alone = values(
        latency_s=0.3, energy_j=0.7, macs=11.0, utilization=0.37, throughput_per_s=2.0, area_mm2=1.0, cycles=3.0
    )
    total = combined([("only", 1.0, alone)])
    assert {name: total[name] for name in ("latency_s", "energy_j", "macs", "area_mm2", "cycles")} == {
        name: alone[name] for name in ("latency_s", "energy_j", "macs", "area_mm2", "cycles")
    }
    assert total["utilization"] == pytest.approx(0.37)
    assert total["throughput_per_s"] == pytest.approx(2.0)
