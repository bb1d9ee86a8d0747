"""Engines with both operands serial, composed multipliers, and weights that move: exact products, counted steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.arch import order
from archsim.arch.engines import pairs
from archsim.arch.engines.bit_words import Words
from archsim.sim.bits.bitfusion import BitFusion
from archsim.sim.bits.pairs import Laconic, Loom, PairEngine, PairGrid, play_pairs
from archsim.sim.bits.pragmatic import Pragmatic
from archsim.sim.bits.stripes import DynamicStripes
from archsim.sim.bits.tactical import Tactical
from tests.sim.bits.operands import adversarial, drawn, weights

GROUPS = np.concatenate([adversarial(16), drawn(40, 16, 1)])
OTHERS = np.concatenate([drawn(40, 16, 2), adversarial(16)])
ENGINES = [Loom(), Loom(per_step=2), Laconic(), Laconic(words=Words.MAGNITUDE)]


@pytest.mark.parametrize("engine", ENGINES, ids=str)
def test_both_operands_taken_apart_make_the_exact_product(engine: Loom | Laconic) -> None:
    made = engine.dots(GROUPS, OTHERS)
    assert made.products.tolist() == (GROUPS * OTHERS).sum(axis=1).tolist()
    single = PairGrid(rows=1, columns=1, lanes=16)
    for group in range(len(GROUPS)):
        a, w = GROUPS[group : group + 1], OTHERS[group : group + 1]
        assert play_pairs(engine, a, w, single) == made.steps[group]


@pytest.mark.parametrize("engine", ENGINES, ids=str)
def test_unsigned_inputs_are_products_too(engine: Loom | Laconic) -> None:
    inputs = np.concatenate([adversarial(16, signed=False), drawn(40, 16, 3, signed=False)])
    made = engine.dots(inputs, OTHERS[: len(inputs)], signed=False)
    assert made.products.tolist() == (inputs * OTHERS[: len(inputs)]).sum(axis=1).tolist()


def plain_cycles(engine: PairEngine, a: np.ndarray, w: np.ndarray, grid: PairGrid) -> int:
    """Each pair of tiles, group by group: the most that a lane takes, or the widest input times the widest weight."""
    of_inputs = -(-engine.terms(a, signed=True).astype(int) // engine.per_step)
    of_weights = engine.terms(w, signed=True).astype(int)
    total = 0
    for i in range(0, len(a), grid.columns):
        for j in range(0, len(w), grid.rows):
            for start in range(0, a.shape[1], grid.lanes):
                x = of_inputs[i : i + grid.columns, start : start + grid.lanes]
                y = of_weights[j : j + grid.rows, start : start + grid.lanes]
                total += max(1, (x[:, None] * y[None]).max() if engine.by_lane else x.max() * y.max())
    return total


@pytest.mark.parametrize("engine", ENGINES, ids=str)
def test_tiles_wait_for_their_slowest_pair(engine: Loom | Laconic) -> None:
    a, w = drawn(11, 45, 4), drawn(9, 45, 5)
    grid = PairGrid(rows=4, columns=3, lanes=8)
    assert play_pairs(engine, a, w, grid) == plain_cycles(engine, a, w, grid)


@pytest.mark.parametrize("engine", ENGINES, ids=str)
def test_pairs_in_closed_form_are_what_is_played(engine: Loom | Laconic) -> None:
    """Within 2 %: rows have scales of their own."""
    a, w = weights(128, 256, 1), weights(128, 256, 2)
    grid = PairGrid(rows=16, columns=8, lanes=16)
    shares = [order.shares_of(np.bincount(engine.terms(x, signed=True).reshape(-1))) for x in (a, w)]
    if engine.by_lane:
        steps = pairs.expected_by_lane(*shares, columns=8, rows=16, lanes=16, per_step=engine.per_step)
    else:
        groups = [order.largest(share, 16) for share in shares]
        steps = pairs.expected_by_group(*groups, columns=8, rows=16, per_step=engine.per_step)
    assert steps * 16 * 16 * 8 == pytest.approx(play_pairs(engine, a, w, grid), rel=0.02)


@pytest.mark.parametrize(
    ("input_bits", "weight_bits", "macs"), [(8, 8, 1), (4, 8, 2), (2, 2, 16), (16, 16, 0.25), (3, 5, 2)]
)
def test_bricks_make_the_exact_product_and_as_many_as_fit(input_bits: int, weight_bits: int, macs: float) -> None:
    a = np.concatenate([adversarial(16, input_bits), drawn(20, 16, 6, input_bits)])
    w = drawn(len(a), 16, 7, weight_bits)
    unit = BitFusion()
    made = unit.dots(a, w, input_bits, weight_bits)
    assert made.products.tolist() == (a * w).sum(axis=1).tolist()
    assert unit.macs_per_cycle(input_bits, weight_bits) == macs
    assert set(made.steps.tolist()) == {int(16 / macs)}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0.0, 0.2, 0.6, 1.0]), st.integers(0, 3), st.integers(0, 5))
def test_moved_weights_are_taken_once_from_where_lanes_reach(seed: int, density: float, ahead: int, aside: int) -> None:
    generator = np.random.default_rng(seed)
    w = generator.integers(-128, 128, size=(3, 37)) * (generator.random((3, 37)) < density)
    inputs = generator.integers(-128, 128, size=37)
    engine = Tactical(lookahead=ahead, lookaside=aside)
    slots, lanes = engine.schedule(w, 8), 8
    for f in range(3):
        taken = slots[:, f][slots[:, f] >= 0]
        assert sorted(taken.tolist()) == np.flatnonzero(w[f]).tolist()
        lane, source = np.nonzero(slots[:, f] >= 0)[1], taken % lanes
        assert ((lane - source) % lanes <= aside).all()
    for bits in (None, Pragmatic(), DynamicStripes()):
        made = Tactical(inputs=bits, lookahead=ahead, lookaside=aside).dots(w, inputs, lanes)
        assert made.products.tolist() == (w @ inputs).tolist()
        assert made.steps[0] >= len(slots)


def test_looking_further_never_takes_longer_than_half_the_dense_steps_allow() -> None:
    generator = np.random.default_rng(1)
    w = generator.integers(1, 100, size=(16, 512)) * (generator.random((16, 512)) < 0.3)
    dense, none = 512 // 16, Tactical(lookahead=0).value_steps(w, 16, 16)
    found = Tactical().value_steps(w, 16, 16)
    alone = Tactical().value_steps(w, 1, 16) / 16
    assert none == dense
    assert dense / 3 <= found < dense
    assert alone <= found
