"""Published simulators' numbers come out again under their conventions."""

from __future__ import annotations

import math

import pytest

from tests.validation import measure, published

pytestmark = pytest.mark.skipif(not measure.DATA.is_dir(), reason="the reference data are not beside this checkout")


def near(pairs: published.Pairs, relative: float, absolute: float = 0.0) -> list[tuple[float, float]]:
    """Pairs that are not within either bound."""
    return [(a, b) for a, b in pairs if abs(a - b) > max(relative * abs(b), absolute)]


def test_bitmods_published_cycles_are_equal() -> None:
    cycles, _ = published.bitmod_published()
    assert len(cycles) >= 40
    assert [ours for ours, _ in cycles] == [theirs for _, theirs in cycles]


def test_bitmods_published_energies_are_met_to_the_microjoule() -> None:
    _, energies = published.bitmod_published()
    assert len(energies) >= 80
    assert near(energies, 1e-5, 1.0) == []


@pytest.mark.parametrize("revision", ["nov2024", "jul2025"])
def test_the_sweep_over_precision_context_and_batch_is_equal(revision: str) -> None:
    cycles, energies = published.bitmod_sweep(revision)
    assert len(cycles) >= 20
    assert [ours for ours, _ in cycles] == [theirs for _, theirs in cycles]
    assert near(energies, 1e-5, 1.0) == []


def test_ants_compute_cycles_are_equal_in_every_layer() -> None:
    pairs = published.ant_compute_cycles()
    assert len(pairs) >= 300
    assert [ours for ours, _ in pairs] == [theirs for _, theirs in pairs]


def test_totals_of_networks_are_those_of_ants_simulator() -> None:
    totals = published.ant_networks().values()
    assert len(totals) >= 20
    assert near([(ours, theirs) for ours, theirs, _, _ in totals], 1e-9) == []
    assert near([(ours, theirs) for _, _, ours, theirs in totals], 1e-6) == []


def test_ants_published_times_are_met_to_their_two_decimals() -> None:
    pairs = published.ant_speedups()
    assert len(pairs) >= 15
    assert near(pairs, 0.0, 0.0051) == []


def test_ant_over_bitfusion_is_what_the_paper_says() -> None:
    speed, energy = published.ant_over_bitfusion()
    assert math.isclose(speed, 2.83, rel_tol=0.05)
    assert math.isclose(energy, 2.49, rel_tol=0.05)
