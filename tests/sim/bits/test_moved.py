"""Weights in the places of zeros: the Markov model against schedules of drawn weights, and against itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from archsim.arch import order
from archsim.arch.engines.moved import Reach, moved
from archsim.arch.engines.moved_kernels import move_weights
from archsim.sim.bits.pragmatic import Pragmatic
from archsim.sim.bits.stripes import DynamicStripes
from archsim.sim.bits.tactical import Tactical, TacticalGrid

ROWS = 600
T_SHAPE = Reach(lookahead=2, lookaside=5)


def scheduled(marks: NDArray[np.bool_], filters: int, lanes: int, reach: Reach) -> float:
    """Steps of a schedule over rows of the reduction."""
    tactical = Tactical(lookahead=reach.lookahead, lookaside=reach.lookaside)
    steps = tactical.value_steps(marks.astype(np.int8), filters, lanes)
    return steps / (marks.shape[1] / lanes * (marks.shape[0] / filters))


@pytest.mark.parametrize("density", [0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97])
@pytest.mark.parametrize(("filters", "lanes"), [(16, 16), (1, 16), (16, 8), (64, 16)])
def test_steps_are_those_of_schedules_within_3_percent(density: float, filters: int, lanes: int) -> None:
    marks = np.random.default_rng(0).random((max(filters, 4), lanes * ROWS)) < density
    found = moved(density, filters, lanes, T_SHAPE).steps_per_row
    assert found == pytest.approx(scheduled(marks, filters, lanes, T_SHAPE), rel=0.03, abs=0.005)


@pytest.mark.parametrize("rows", [9, 18, 36])
@pytest.mark.parametrize("density", [0.2, 0.5, 0.8])
def test_short_reductions_take_their_head_and_tail(rows: int, density: float) -> None:
    """Within 5 %; without what a tile loses once they would be 10 % too fast at 9 rows."""
    tiles = 60
    marks = np.random.default_rng(6).random((16 * tiles, 16 * rows)) < density
    steps = Tactical().value_steps(marks.astype(np.int8), 16, 16) / tiles
    found = moved(density, 16, 16, T_SHAPE)
    assert found.steps(rows) == pytest.approx(steps, rel=0.05)
    assert found.steps_per_row * rows < steps


@pytest.mark.parametrize(("lookahead", "lookaside"), [(1, 3), (2, 0), (4, 5), (1, 0)])
@pytest.mark.parametrize("density", [0.1, 0.3, 0.6])
def test_other_reaches_are_met_within_5_percent(lookahead: int, lookaside: int, density: float) -> None:
    reach = Reach(lookahead=lookahead, lookaside=lookaside)
    marks = np.random.default_rng(1).random((16, 16 * ROWS)) < density
    assert moved(density, 16, 16, reach).steps_per_row == pytest.approx(scheduled(marks, 16, 16, reach), rel=0.05)


@pytest.mark.parametrize(("keep", "group"), [(2, 4), (1, 4), (4, 8)])
def test_weights_of_n_to_m_are_met_within_6_percent(keep: int, group: int) -> None:
    """Their zeros do not fall apart from each other, as the model has it: rows are fuller alike."""
    order_of = np.random.default_rng(2).random((32, 16 * ROWS // group, group)).argsort(axis=2)
    marks = (order_of.argsort(axis=2) < keep).reshape(32, -1)
    found = moved(keep / group, 16, 16, T_SHAPE).steps_per_row
    assert found == pytest.approx(scheduled(marks, 16, 16, T_SHAPE), rel=0.06)


@settings(max_examples=30, deadline=None)
@given(
    st.floats(0.001, 1.0), st.sampled_from([1, 4, 16]), st.sampled_from([4, 16]), st.integers(1, 3), st.integers(0, 3)
)
def test_steps_lie_between_what_lanes_reach_and_the_dense_ones(
    density: float, filters: int, lanes: int, ahead: int, aside: int
) -> None:
    found = moved(density, filters, lanes, Reach(lookahead=ahead, lookaside=aside))
    assert found.ages.sum() == pytest.approx(1.0)
    assert found.steps_per_row <= 1.0 + 1e-9
    assert found.steps_per_row >= min(density, 1.0) * 0.97  # each lane takes one weight a step
    shares = found.ages @ found.taken.reshape(len(found.ages), -1)
    assert shares.sum() / found.steps_per_row**-1 == pytest.approx(density * lanes, rel=0.03)  # each weight once


def test_nothing_is_moved_without_zeros_and_everything_without_weights() -> None:
    dense, none = (moved(density, 16, 16, T_SHAPE) for density in (1.0, 0.0))
    assert (dense.steps_per_row, dense.steps(40)) == (1.0, 40.0)
    assert (none.steps_per_row, none.steps(40)) == (0.0, 1.0)


def test_a_step_keeps_every_chance_and_empties_the_row() -> None:
    states = np.random.default_rng(3).random((5, 8, 8))
    states /= states.sum(axis=2, keepdims=True)
    taken = np.zeros((5, 3, 8))
    before = [(states * ((np.arange(8) >> row) & 1)).sum() for row in range(3)]
    move_weights(states, 5, taken)
    assert states.sum(axis=2) == pytest.approx(np.ones((5, 8)))
    assert (states[..., 1::2] == 0).all()
    for row in range(1, 3):
        left = (states * ((np.arange(8) >> row) & 1)).sum()
        assert before[row] - left == pytest.approx(taken[:, row].sum())
    assert before[0] == pytest.approx(taken[:, 0].sum())


@pytest.mark.parametrize("bits", [None, Pragmatic(), DynamicStripes()], ids=["whole", "essential", "precision"])
@pytest.mark.parametrize(("rows", "columns", "lanes"), [(16, 16, 16), (4, 4, 8), (16, 1, 16)])
def test_tiles_take_the_cycles_of_the_model_within_3_percent(
    bits: Pragmatic | DynamicStripes | None, rows: int, columns: int, lanes: int
) -> None:
    generator = np.random.default_rng(4)
    weights = (generator.random((32, 4096)) < 0.4).astype(np.int8)
    values = np.rint(np.abs(generator.normal(size=(16, 4096))) * 30).clip(0, 127) * (generator.random((16, 4096)) < 0.6)
    inputs = values.astype(np.int8)
    played = Tactical(inputs=bits).play(weights, inputs, TacticalGrid(rows=rows, columns=columns, lanes=lanes))
    terms = np.array([0.0, 1.0]) if bits is None else order.shares_of(np.bincount(bits.steps(inputs, 1).reshape(-1)))
    found = moved(0.4, rows, lanes, T_SHAPE)
    expected = found.steps(4096 / lanes) * found.cycles_per_step(terms, rows, columns) * 32 / rows * 16 / columns
    assert expected == pytest.approx(played, rel=0.03)


def test_played_tiles_are_the_cycles_of_their_datapath() -> None:
    generator = np.random.default_rng(5)
    weights = generator.integers(-128, 128, size=(8, 96)) * (generator.random((8, 96)) < 0.5)
    inputs = generator.integers(-128, 128, size=(1, 96))
    engine = Tactical(inputs=Pragmatic())
    grid = TacticalGrid(rows=4, columns=1, lanes=8)
    made = [engine.dots(weights[start : start + 4], inputs[0], 8).steps[0] for start in (0, 4)]
    assert engine.play(weights, inputs, grid) == sum(made)
