"""Groups, rows and tiles: played as a plain loop would, and as the closed form expects."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from archsim.arch.engines.bit_words import Words
from archsim.arch.engines.drawn_bits import DrawnBits
from archsim.arch.engines.skips import BitStatistics
from archsim.arch.formats import format
from archsim.core.errors import InputError
from archsim.sim.bits.bitlet import Bitlet
from archsim.sim.bits.bitwave import BitWave
from archsim.sim.bits.engine import BitEngine
from archsim.sim.bits.play import Grid, expected_cycles, lock_step_cycles, play
from archsim.sim.bits.pragmatic import Pragmatic
from archsim.sim.bits.stripes import DynamicStripes, Stripes
from archsim.workloads.statistics.records import FormatStatistics
from archsim.workloads.statistics.tensor import format_statistics
from tests.sim.bits.operands import weights


def rows_that_wait(steps: NDArray[np.uint16], ahead: int) -> int:
    """One tile, cycle by cycle: a row begins a group when no other is more than `ahead` groups behind it."""
    rows, groups = steps.shape
    done, left, cycle = [0] * rows, [0] * rows, 0
    while min(done) < groups:
        slowest = min(done)
        for row in range(rows):
            if left[row] == 0 and done[row] < groups and done[row] - slowest <= ahead:
                left[row] = int(steps[row, done[row]])
        for row in range(rows):
            if left[row]:
                left[row] -= 1
                done[row] += left[row] == 0
        cycle += 1
    return cycle


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 30)),
    rows=st.integers(1, 6),
    lanes=st.integers(1, 5),
    ahead=st.sampled_from([0, 1, 2, 5, None]),
    seed=st.integers(0, 1000),
)
def test_rows_wait_as_a_plain_loop_has_them_wait(
    shape: tuple[int, int], rows: int, lanes: int, ahead: int | None, seed: int
) -> None:
    serial = np.random.default_rng(seed).integers(-128, 128, size=shape).astype(np.int8)
    engine, grid = Pragmatic(), Grid(rows=rows, lanes=lanes, ahead=ahead)
    steps = engine.steps(serial, lanes)
    tiles = [steps[start : start + rows] for start in range(0, shape[0], rows)]
    played = play(engine, serial, grid)
    assert played.cycles == sum(rows_that_wait(tile, shape[1] if ahead is None else ahead) for tile in tiles)
    assert played.steps == int(steps.sum())
    assert played.groups == steps.size


def test_running_ahead_never_takes_longer_and_lock_step_is_the_slowest() -> None:
    serial = weights(64, 96)
    cycles = [play(Pragmatic(), serial, Grid(rows=16, lanes=8, ahead=ahead)).cycles for ahead in (0, 1, 4, None)]
    assert cycles == sorted(cycles, reverse=True)
    assert cycles[0] > cycles[-1]


def test_stretches_of_the_reduction_have_groups_of_their_own() -> None:
    serial = weights(4, 30)
    apart = np.concatenate([Pragmatic().steps(serial[:, i : i + 10], 8) for i in (0, 10, 20)], axis=1)
    assert Pragmatic().steps(serial, 8, run=10).tolist() == apart.tolist()


@pytest.mark.parametrize("words", [Words.MAGNITUDE, Words.STORED])
def test_the_pass_for_billions_of_weights_counts_what_play_counts(words: Words) -> None:
    serial = np.concatenate([weights(70, 100), np.full((3, 100), -128, dtype=np.int8)])
    grid = Grid(rows=32, lanes=8)
    assert lock_step_cycles(serial, grid, words=words) == play(Pragmatic(words=words), serial, grid).cycles


ENGINES = [
    (Stripes(), 16), (DynamicStripes(), 16), (DynamicStripes(trim_low=True), 16), (Pragmatic(), 16),
    (Pragmatic(words=Words.BOOTH), 16), (BitWave(), 16), (Bitlet(words=Words.MAGNITUDE), 32),
]  # fmt: skip


class Counted:
    """The statistics of a tensor, as an engine asks for them."""

    def __init__(self, found: FormatStatistics, *, groups: bool) -> None:
        self.found, self.groups, self.width, self.signed = found, groups, found.width, found.signed

    def histogram(self, statistic: str, lanes: int) -> NDArray[np.int64] | None:
        return self.found.histogram(statistic, lanes) if self.groups else None

    @property
    def codes(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        counts = self.found.codes
        assert counts is not None
        return self.found.lowest + np.arange(counts.size), counts / counts.sum()


@pytest.fixture(scope="module")
def tensor() -> tuple[NDArray[np.int8], FormatStatistics]:
    values = np.random.default_rng(3).standard_t(5, size=(512, 768)).astype(np.float32)
    fmt = format("int8:channel")
    found = format_statistics(values, fmt, (16, 32), float(np.abs(values).max()))
    return fmt.quantize(values).codes.astype(np.int8), found


@pytest.mark.parametrize(("engine", "lanes"), ENGINES, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("groups", [True, False], ids=["groups counted", "operands counted"])
def test_order_statistics_of_histograms_are_what_is_played(
    engine: BitEngine, lanes: int, groups: bool, tensor: tuple[NDArray[np.int8], FormatStatistics]
) -> None:
    """In lock step within 1 %: rows have scales of their own, which histograms of all rows mix.

    Rows that run freely within 6 %: here those scales add up along a row, where the closed form has independent groups.
    """
    serial, found = tensor
    known: BitStatistics = Counted(found, groups=groups)
    for ahead, tolerance in ((0, 0.01), (None, 0.06)):
        grid = Grid(rows=32, lanes=lanes, ahead=ahead)
        played = play(engine, serial, grid).cycles
        assert expected_cycles(engine, known, grid, *serial.shape) == pytest.approx(played, rel=tolerance)


@pytest.mark.parametrize("reach", [0, 1, 2])
def test_drawn_operands_expect_what_drawn_tensors_take(reach: int) -> None:
    serial = weights(256, 768)
    grid = Grid(rows=32, lanes=8)
    drawn = DrawnBits(distribution="normal", channel=768)
    for engine in (Pragmatic(shifter_bits=reach), Pragmatic(words=Words.STORED), Bitlet()):
        played = play(engine, serial, grid).cycles
        assert expected_cycles(engine, drawn, grid, *serial.shape) == pytest.approx(played, rel=0.015)


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 12)),
    rows=st.integers(1, 6),
    lanes=st.sampled_from([1, 2, 8, 16]),
    words=st.sampled_from([Words.MAGNITUDE, Words.STORED]),
    seed=st.integers(0, 1000),
)
def test_many_bytes_at_once_are_counted_as_one_by_one(
    shape: tuple[int, int], rows: int, lanes: int, words: Words, seed: int
) -> None:
    serial = np.random.default_rng(seed).integers(-128, 128, size=(shape[0], shape[1] * lanes)).astype(np.int8)
    engine, grid = Pragmatic(words=words), Grid(rows=rows, lanes=lanes)
    at_once, one_by_one = play(engine, serial, grid), play(engine, serial.astype(np.int16), grid)
    assert at_once == one_by_one


def test_operands_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="do not fit 4 bits"):
        Pragmatic(width=4).steps(np.array([[9]], dtype=np.int64), 1)
    with pytest.raises(InputError, match="integers"):
        Pragmatic().steps(np.array([[0.5]]), 1)
