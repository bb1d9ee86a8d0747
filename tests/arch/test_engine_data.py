"""What engines answer about data, and what lanes that wait for each other take."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.arch.engines.base import SpatialAxis
from archsim.arch.engines.data import DataRate, DenseData
from archsim.arch.engines.spatial import SpatialEngine
from archsim.arch.engines.units import UnitModel
from archsim.arch.formats import format
from archsim.arch.order import expected_largest, mean, shares_of

INT8 = DenseData(format=format("int8"))
ENGINE = SpatialEngine(
    axes=(SpatialAxis(name="row", size=4, gemm_dims=("n",), conv_dims=("k",)),), unit=UnitModel(node_nm=28.0)
)


def test_an_engine_that_knows_nothing_of_data_makes_every_mac() -> None:
    rate = ENGINE.data_rate(INT8, INT8)
    assert (rate.macs_per_unit_cycle, rate.executed, rate.exploited) == (1.0, 1.0, frozenset())
    int32 = format("int32").arithmetic
    assert ENGINE.data_cost(INT8, INT8, int32) == ENGINE.unit_cost(INT8.arithmetic, INT8.arithmetic, int32)
    assert ENGINE.stored_bits("weights", INT8) == 8.0


def test_a_gated_mac_takes_what_an_idle_unit_does_and_a_skipped_one_nothing() -> None:
    rate = DataRate(macs_per_unit_cycle=1.0, executed=0.3, gated=0.5)
    assert rate.energy_share(0.1) == pytest.approx(0.35)


@pytest.mark.parametrize("wrong", [{"macs_per_unit_cycle": 0.0}, {"macs_per_unit_cycle": 1.0, "gated": 0.2}])
def test_shares_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="got"):
        DataRate(**wrong)  # type: ignore[arg-type]


@given(st.lists(st.floats(0.0, 1.0), min_size=2, max_size=9).filter(lambda shares: sum(shares) > 0.1))
def test_one_draw_has_the_mean_and_more_draws_wait_longer(shares: list[float]) -> None:
    found = shares_of(shares)
    assert expected_largest(found, 1) == pytest.approx(mean(found))
    waits = [expected_largest(found, draws) for draws in (1, 2, 8, 64)]
    assert all(more >= fewer - 1e-12 for fewer, more in pairwise(waits))
    assert waits[-1] <= len(shares) - 1


def test_the_expected_maximum_is_that_of_draws() -> None:
    shares = (0.1, 0.2, 0.4, 0.2, 0.1)
    drawn = np.random.default_rng(0).choice(5, size=(40_000, 8), p=shares).max(axis=1).mean()
    assert expected_largest(shares_of(shares), 8) == pytest.approx(drawn, rel=5e-3)
