"""Off-chip memories: sourced energies and bandwidths."""

from __future__ import annotations

import pytest

from archsim.arch.components.dram import dram_cost, dram_technologies, memory_technologies
from archsim.core.errors import InputError


def test_the_families_are_there() -> None:
    expected = {"ddr3", "ddr4", "ddr5", "lpddr4", "lpddr5", "lpddr5x", "gddr6", "hbm2", "hbm2e", "hbm3"}
    assert set(dram_technologies()) == expected
    assert set(memory_technologies()) == expected | {"sram", "register"}


@pytest.mark.parametrize(
    ("name", "gigabytes_per_s"),
    [
        ("ddr3", 12.8),
        ("ddr4", 25.6),
        ("ddr5", 38.4),
        ("lpddr4", 34.128),
        ("lpddr5", 51.2),
        ("lpddr5x", 68.264),
        ("gddr6", 64.0),
        ("hbm2", 307.2),
        ("hbm2e", 460.8),
        ("hbm3", 819.2),
    ],
)
def test_bandwidth_is_data_rate_times_width(name: str, gigabytes_per_s: float) -> None:
    assert dram_cost(name).bandwidth_bytes_per_s == pytest.approx(gigabytes_per_s * 1e9)


@pytest.mark.parametrize(
    ("name", "pj_per_bit"), [("ddr3", 70.0), ("ddr4", 1300 / 64), ("lpddr4", 8.0), ("hbm2", 6.25), ("hbm3", 4.05)]
)
def test_published_energies_come_back_unchanged(name: str, pj_per_bit: float) -> None:
    cost = dram_cost(name)
    assert cost.read_pj_per_bit == cost.write_pj_per_bit == pj_per_bit
    assert cost.estimates == ()


@pytest.mark.parametrize("name", dram_technologies())
def test_every_family_says_its_unit_and_sources(name: str) -> None:
    cost = dram_cost(name)
    assert cost.unit
    assert cost.source
    assert cost.capacity_bytes >= 2**31
    assert bool(cost.estimates) == ("estimate:" in cost.source)


@pytest.mark.parametrize(
    "pair", [("ddr3", "ddr4"), ("ddr4", "ddr5"), ("lpddr4", "lpddr5"), ("hbm2", "hbm2e"), ("hbm2e", "hbm3")]
)
def test_a_later_generation_is_faster_and_costs_less_per_bit(pair: tuple[str, str]) -> None:
    earlier, later = (dram_cost(name) for name in pair)
    assert later.bandwidth_bytes_per_s > earlier.bandwidth_bytes_per_s
    assert later.read_pj_per_bit < earlier.read_pj_per_bit


def test_an_unknown_family_gets_the_nearest_name() -> None:
    with pytest.raises(InputError, match="unknown memory technology 'lpdr5'\nhint: did you mean 'lpddr5'"):
        dram_cost("lpdr5")
