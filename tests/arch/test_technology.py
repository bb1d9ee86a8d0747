"""Node scaling: the published table, and laws between and beyond its nodes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.arch.interpolation import log_log
from archsim.arch.technology import logic_scaling
from archsim.core.errors import InputError

nodes = st.floats(2.0, 200.0)


@pytest.mark.parametrize(
    ("node", "energy", "area"), [(130, 3.1675, 6.4), (65, 1.2535, 1.5), (32, 0.64099, 0.46), (7, 0.10239, 0.059)]
)
def test_published_factors_come_back_unchanged(node: float, energy: float, area: float) -> None:
    scaling = logic_scaling(45, node)
    assert (scaling.energy, scaling.area, scaling.estimate) == (energy, area, False)
    assert "Stillmaker" in scaling.source


def test_the_row_from_65_nm_agrees_with_the_one_from_45() -> None:
    assert logic_scaling(65, 22).energy == pytest.approx(0.24333, rel=1e-3)
    assert logic_scaling(65, 22).area == pytest.approx(0.16833, rel=0.02)


@pytest.mark.parametrize("node", [28, 12])
def test_nodes_between_lie_between_their_neighbours(node: float) -> None:
    below, above = {28: (22, 32), 12: (10, 14)}[int(node)]
    for quantity in ("energy", "area"):
        low, here, high = (getattr(logic_scaling(45, n), quantity) for n in (below, node, above))
        assert low < here < high
    assert not logic_scaling(45, node).estimate


def test_below_the_table_energy_goes_with_the_root_and_area_with_the_node() -> None:
    five = logic_scaling(7, 5)
    assert five.energy == pytest.approx((5 / 7) ** 0.5)
    assert five.area == pytest.approx(5 / 7)
    assert five.estimate
    assert five.source.startswith("estimate:")
    assert logic_scaling(45, 5).energy == pytest.approx(0.086537, rel=1e-4)
    assert logic_scaling(45, 5).area == pytest.approx(0.042143, rel=1e-4)


@given(a=nodes, b=nodes)
def test_a_smaller_node_is_never_dearer_or_larger(a: float, b: float) -> None:
    scaling = logic_scaling(max(a, b), min(a, b))
    assert scaling.energy <= 1
    assert scaling.area <= 1


@given(a=nodes, b=nodes, c=nodes)
def test_scaling_in_two_steps_is_scaling_in_one(a: float, b: float, c: float) -> None:
    assert logic_scaling(a, b).energy * logic_scaling(b, c).energy == pytest.approx(logic_scaling(a, c).energy)
    assert logic_scaling(a, b).area * logic_scaling(b, c).area == pytest.approx(logic_scaling(a, c).area)


@pytest.mark.parametrize("node", [0, -7, 0.5, 1000, float("nan"), float("inf")])
def test_a_node_out_of_reach_is_refused(node: float) -> None:
    with pytest.raises(InputError, match="node must be between 1 nm and 250 nm"):
        logic_scaling(45, node)


def test_an_unknown_supply_is_refused() -> None:
    with pytest.raises(InputError, match=r"supply must be one of 0.8, 0.9, 1.0 V \(got 0.75 V\)"):
        logic_scaling(45, 7, 0.75)


@given(x=st.floats(1.0, 100.0))
def test_interpolation_never_overshoots(x: float) -> None:
    xs, ys = (1.0, 3.0, 10.0, 100.0), (5.0, 2.0, 2.5, 70.0)
    index = max(i for i in range(3) if xs[i] <= x)
    low, high = sorted(ys[index : index + 2])
    assert low * (1 - 1e-12) <= log_log(x, xs, ys) <= high * (1 + 1e-12)


@pytest.mark.parametrize("x", [0.01, 0.5, 200.0, 1e5])
def test_interpolation_goes_on_as_a_power_law(x: float) -> None:
    assert log_log(x, (1.0, 10.0, 100.0), (2.0, 20.0, 200.0)) == pytest.approx(2 * x)
    edge = 1.0 if x < 1 else 100.0
    assert log_log(x, (1.0, 10.0, 100.0), (2.0, 20.0, 200.0), 0.5) == pytest.approx(2 * edge * (x / edge) ** 0.5)
