"""SRAM costs: the CACTI grid, laws between its points, and what lies outside."""

from __future__ import annotations

import csv
import statistics
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archsim.arch.components.sram as module
from archsim.arch.components.arithmetic import register_cost
from archsim.arch.components.sram import sram_cost
from archsim.arch.interpolation import log_log
from archsim.core.errors import InputError

KIB = 8 * 1024
MIB = 1024 * KIB
TABLE = Path(module.__file__).parent / "data" / "sram_cacti.csv"


def rows() -> list[dict[str, float]]:
    with TABLE.open(newline="") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def test_every_point_of_the_grid_comes_back_unchanged() -> None:
    for row in rows():
        cost = sram_cost(row["capacity_bytes"] * 8, row["width_bits"], row["node_nm"])
        assert cost.read_pj_per_bit == pytest.approx(row["read_pj"] / row["width_bits"], rel=1e-12)
        assert cost.write_pj_per_bit == pytest.approx(row["write_pj"] / row["width_bits"], rel=1e-12)
        assert cost.area_mm2 == pytest.approx(row["area_mm2"], rel=1e-12)
        assert cost.leakage_w == pytest.approx(row["leakage_mw"] * 1e-3, rel=1e-12)
        assert bool(cost.estimates) == (row["node_nm"] < 22)


@given(
    capacity=st.floats(16 * 8, 64 * MIB),
    factor=st.floats(1.0, 16.0),
    width=st.sampled_from([8, 32, 48, 64, 200, 512]),
    node=st.sampled_from([65.0, 45.0, 28.0, 22.0, 12.0, 7.0, 5.0]),
)
def test_a_larger_memory_costs_no_less(capacity: float, factor: float, width: int, node: float) -> None:
    width = min(width, int(capacity))
    small, large = sram_cost(capacity, width, node), sram_cost(capacity * factor, width, node)
    slack = 1 + 1e-9
    assert small.read_pj_per_bit <= large.read_pj_per_bit * slack
    assert small.write_pj_per_bit <= large.write_pj_per_bit * slack
    assert small.area_mm2 <= large.area_mm2 * slack
    assert small.leakage_w <= large.leakage_w * slack


@given(
    capacity=st.floats(64 * 8, 32 * MIB),
    width=st.sampled_from([16, 32, 64, 100, 256, 512, 1024]),
    nodes=st.tuples(st.floats(3.0, 130.0), st.floats(3.0, 130.0)),
)
def test_a_smaller_node_costs_less_energy_and_area(capacity: float, width: int, nodes: tuple[float, float]) -> None:
    width = min(width, int(capacity))
    fine, coarse = (sram_cost(capacity, width, node) for node in sorted(nodes))
    assert fine.read_pj_per_bit <= coarse.read_pj_per_bit * (1 + 1e-9)
    assert fine.write_pj_per_bit <= coarse.write_pj_per_bit * (1 + 1e-9)
    assert fine.area_mm2 <= coarse.area_mm2 * (1 + 1e-9)


def test_capacities_left_out_are_met_within_a_tenth_at_the_median() -> None:
    errors: dict[str, list[float]] = {quantity: [] for quantity in module.QUANTITIES}
    curves: dict[tuple[str, float, float], list[tuple[float, float]]] = {}
    for row in rows():
        for quantity in module.QUANTITIES:
            key = (quantity, row["node_nm"], row["width_bits"])
            curves.setdefault(key, []).append((row["capacity_bytes"], row[quantity]))
    for (quantity, _, _), points in curves.items():
        points.sort()
        for before, left_out, after in zip(points, points[1:], points[2:], strict=False):
            guess = log_log(left_out[0], (before[0], after[0]), (before[1], after[1]))
            errors[quantity].append(abs(guess / left_out[1] - 1))
    for quantity, values in errors.items():
        assert statistics.median(values) < 0.1, quantity
        assert max(values) < 0.5, quantity


def test_horowitz_figures_in_45_nm_are_met_within_a_fifth() -> None:
    # Horowitz, ISSCC 2014: 64-bit reads, 32 KiB: 20 pJ, 1 MiB: 100 pJ
    assert sram_cost(32 * KIB, 64, 45).read_pj_per_bit * 64 == pytest.approx(20, rel=0.2)
    assert sram_cost(1024 * KIB, 64, 45).read_pj_per_bit * 64 == pytest.approx(100, rel=0.2)


def test_a_large_7_nm_memory_is_met_within_a_fifth() -> None:
    # the 128 MiB memory of TPUv4i as modelled by AccelForge: 1.88 pJ/bit
    assert sram_cost(128 * MIB, 512, 7).read_pj_per_bit == pytest.approx(1.88, rel=0.2)


def test_narrow_accesses_cost_more_per_bit() -> None:
    bits = [sram_cost(64 * KIB, width, 28).read_pj_per_bit for width in (4, 8, 16, 32)]
    assert bits == sorted(bits, reverse=True)
    assert bits[2] * 16 == pytest.approx(bits[3] * 32 * (0.3 + 0.7 / 2))


def test_wide_ports_are_banks_side_by_side() -> None:
    wide, bank = sram_cost(128 * KIB, 2048, 28), sram_cost(32 * KIB, 512, 28)
    assert wide.read_pj_per_bit == pytest.approx(bank.read_pj_per_bit)
    assert wide.area_mm2 == pytest.approx(4 * bank.area_mm2)
    assert wide.leakage_w == pytest.approx(4 * bank.leakage_w)


def test_the_smallest_memories_are_never_below_a_flip_flop() -> None:
    assert sram_cost(64, 16, 28).read_pj_per_bit == register_cost(1, 28).energy_pj
    assert sram_cost(KIB, 32, 28).read_pj_per_bit > register_cost(1, 28).energy_pj


@pytest.mark.parametrize(
    ("capacity", "width", "node", "text"),
    [
        (KIB, 32, 45, "below 2 KiB"),
        (16 * MIB, 64, 45, "above 8 MiB"),
        (64 * KIB, 16, 45, "narrower than 32 bits"),
        (64 * KIB, 1024, 45, "wider than 512 bits"),
        (64 * KIB, 64, 16, "below 22 nm"),
        (64 * KIB, 64, 65, "above 45 nm"),
    ],
)
def test_what_lies_outside_the_grid_is_listed(capacity: int, width: int, node: float, text: str) -> None:
    (estimate,) = sram_cost(capacity, width, node).estimates
    assert estimate.startswith("estimate:")
    assert text in estimate


def test_inside_the_grid_nothing_is_estimated() -> None:
    assert sram_cost(100 * KIB, 72, 28).estimates == ()


@pytest.mark.parametrize(("capacity", "width"), [(64, 128), (0, 1), (-5, 1), (64, 0), (float("nan"), 8)])
def test_what_is_no_memory_is_refused(capacity: float, width: float) -> None:
    with pytest.raises(InputError, match="an SRAM's port has from 1 bit to its capacity"):
        sram_cost(capacity, width, 28)


def test_a_node_out_of_reach_is_refused() -> None:
    with pytest.raises(InputError, match="node must be between"):
        sram_cost(KIB, 32, 0.1)
