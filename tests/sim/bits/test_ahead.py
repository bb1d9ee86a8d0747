"""Rows of PEs that may be a few groups ahead: the closed form between lock step and free rows, against played rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archsim.api.design import design_from_dict
from archsim.arch import order
from archsim.arch.engines.bit_serial import SerialEngine
from archsim.arch.engines.data import DenseData
from archsim.arch.engines.drawn_bits import DrawnBits
from archsim.arch.formats import format
from archsim.core.errors import InputError
from archsim.sim.bits.bitwave import BitWave
from archsim.sim.bits.engine import BitEngine
from archsim.sim.bits.play import Grid, expected_cycles, play
from archsim.sim.bits.pragmatic import Pragmatic
from archsim.sim.bits.step_kernels import together
from archsim.sim.bits.stripes import DynamicStripes
from tests.sim.bits.operands import weights

AHEAD = (0, 1, 2, 4, 8)
SHARES = {
    "bits": np.array([0.0, 0.02, 0.1, 0.25, 0.3, 0.2, 0.1, 0.03]),
    "two": np.array([0.0, 0.5, 0, 0, 0, 0, 0, 0.5]),
    "narrow": np.array([0.0, 0, 0, 0.1, 0.8, 0.1]),
    "tail": np.array([0.0, *(0.5**i for i in range(1, 10))]),
}
TOLERANCE = {"bits": 0.025, "two": 0.055, "narrow": 0.025, "tail": 0.1}


@pytest.mark.parametrize("rows", [2, 16, 64])
@pytest.mark.parametrize("name", SHARES)
def test_the_long_run_of_rows_is_that_of_played_ones(name: str, rows: int) -> None:
    shares = SHARES[name] / SHARES[name].sum()
    groups = 6000
    steps = np.random.default_rng(0).choice(len(shares), p=shares, size=(rows, groups)).astype(np.uint16)
    for ahead in AHEAD:
        cycles = np.zeros(1, dtype=np.int64)
        together(steps, rows, ahead, cycles)
        expected = order.expected_ahead(shares, rows, ahead)
        assert expected == pytest.approx(cycles[0] / groups, rel=TOLERANCE[name])


def test_more_ahead_is_never_slower_and_ends_at_the_mean() -> None:
    shares = SHARES["bits"] / SHARES["bits"].sum()
    found = [order.expected_ahead(shares, 16, ahead) for ahead in (*AHEAD, 10**6)]
    assert found == sorted(found, reverse=True)
    assert found[0] == order.expected_largest(shares, 16)
    assert found[-1] == pytest.approx(order.mean(shares), rel=1e-4)
    assert order.expected_ahead(shares, 1, 3) == pytest.approx(order.mean(shares))
    alike = np.array([0.0, 0.0, 1.0])
    assert order.expected_ahead(alike, 16, 3) == 2.0


@pytest.mark.parametrize("engine", [Pragmatic(), DynamicStripes(), BitWave()], ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("ahead", AHEAD[1:])
def test_drawn_tensors_take_what_is_expected_within_4_percent(engine: BitEngine, ahead: int) -> None:
    serial = weights(128, 768)
    grid = Grid(rows=32, lanes=8, ahead=ahead)
    drawn = DrawnBits(distribution="normal", channel=768)
    played = play(engine, serial, grid).cycles
    assert expected_cycles(engine, drawn, grid, *serial.shape) == pytest.approx(played, rel=0.04)


def engine_of(**keys: Any) -> SerialEngine:
    values = {"base": "pragmatic-28nm", "array": keys}
    found = design_from_dict({"hardware": values}, workload_required=False).accelerator.engine
    assert isinstance(found, SerialEngine)
    return found


def test_a_design_says_how_far_its_pes_run_ahead() -> None:
    data = DenseData(format=format("int8:channel"), reduction=768)
    rates = [
        engine_of(**keys).data_rate(data, data) for keys in ({}, {"run_ahead": 1}, {"run_ahead": 4}, {"sync": "pe"})
    ]
    speeds = [rate.macs_per_unit_cycle for rate in rates]
    assert speeds == sorted(speeds)
    assert len(set(speeds)) == 4
    assert rates[0].imbalance > rates[2].imbalance > rates[3].imbalance == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"run_ahead": 1, "sync": "pe"}, "contradicts sync 'pe'"),
        ({"run_ahead": 1, "serial": "both"}, "belongs to one serial operand"),
        ({"lookaside": 2}, "says nothing without lookahead"),
    ],
)
def test_keys_that_contradict_running_ahead_are_named(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        engine_of(**keys)
