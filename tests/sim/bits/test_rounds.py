"""Lanes with shifters of few bits: the closed form against every group there is, and against groups as played."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from archsim.api.design import design_from_dict
from archsim.arch.engines.bit_serial import SerialEngine
from archsim.arch.engines.bit_words import Words
from archsim.arch.engines.data import DenseData
from archsim.arch.engines.drawn_bits import drawn
from archsim.arch.engines.rounds import of_rounds
from archsim.arch.engines.skips import Skip, SkipRule
from archsim.arch.formats import format
from archsim.arch.order import mean
from archsim.core.errors import InputError
from archsim.sim.bits.pragmatic import Pragmatic


def rounds_of(group: tuple[int, ...], reach: int) -> int:
    """As the rule says it, a set of open places for each lane."""
    left, taken = [{place for place in range(8) if word >> place & 1} for word in group], 0
    while any(left):
        offset = min(min(lane) for lane in left if lane)
        for lane in left:
            if lane and min(lane) <= offset + reach:
                lane.remove(min(lane))
        taken += 1
    return taken


@pytest.mark.parametrize("reach", [0, 1, 2, 3])
def test_every_group_of_three_lanes_is_counted(reach: int) -> None:
    shares = np.random.default_rng(reach).dirichlet(np.ones(16))
    words = np.arange(16)
    expected = np.zeros(5)
    for group in itertools.product(range(16), repeat=3):
        expected[rounds_of(group, reach)] += shares[list(group)].prod()
    np.testing.assert_allclose(of_rounds(words, shares, 3, reach, 4), expected, atol=1e-12)


@pytest.mark.parametrize("words", [Words.MAGNITUDE, Words.BOOTH])
def test_shifters_that_reach_every_place_cost_nothing(words: Words) -> None:
    skip = Skip.BOOTH if words is Words.BOOTH else Skip.ESSENTIAL
    known = drawn(8, signed=True, channel=1024)
    far, free = (SkipRule(skip=skip, words=words, shifter_bits=bits).group_shares(known, 8) for bits in (3, None))
    assert mean(far) == pytest.approx(mean(free), rel=1e-9)


@pytest.mark.parametrize(("width", "bits"), [(8, 0), (8, 1), (8, 2), (4, 1), (12, 1), (16, 2)])
def test_groups_take_the_rounds_that_are_played(width: int, bits: int) -> None:
    engine = Pragmatic(width=width, shifter_bits=bits)
    known = drawn(width, signed=True, channel=1024)
    values, shares = known.codes
    played = engine.steps(np.random.default_rng(7).choice(values, size=(20000, 8), p=shares), 8)
    assert mean(engine.group_shares(known, 8)) == pytest.approx(played.mean(), rel=0.005)


def engine_of(**keys: Any) -> SerialEngine:
    values = {"kind": "bit-serial", "clock": "1 GHz", "node": "28 nm"}
    array = {"rows": 32, "cols": 16, "lanes": 8, "terms": "bits", "skip": "essential", **keys}
    memory = [{"name": "dram", "technology": "ddr4", "bandwidth": "unlimited"}]
    hardware = {**values, "array": array, "memory": memory}
    found = design_from_dict({"hardware": hardware}, workload_required=False).accelerator.engine
    assert isinstance(found, SerialEngine)
    return found


def test_a_design_states_how_far_shifters_reach_and_pays_for_less() -> None:
    data = DenseData(format=format("int8:channel"), reduction=1024)
    engines = [engine_of(shifter_bits=bits) for bits in (0, 1, 2)] + [engine_of()]
    rates = [engine.data_rate(data, data).macs_per_unit_cycle for engine in engines]
    assert rates[0] < rates[1] < rates[2] < rates[3] < 1.005 * rates[2]
    sums = format("int32").arithmetic
    areas = [engine.unit_cost(data.arithmetic, data.arithmetic, sums).area_um2 for engine in engines]
    assert areas == sorted(areas, key=lambda area: area or 0.0)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"skip": "column"}, "belongs to skip 'essential' or 'booth'"),
        ({"words": "stored"}, "a sign is no place that a shifter reaches"),
        ({"serial": "both"}, "belongs to one serial operand"),
    ],
)
def test_keys_that_contradict_shifters_are_named(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        engine_of(shifter_bits=2, **keys)
