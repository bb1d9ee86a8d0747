"""Sparse engines on real operands: the product is exact, and the closed form expects what the machine takes."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.arch.chance import binomial
from archsim.arch.engines.cartesian import Cartesian, Gather, Side
from archsim.arch.engines.skipping import Skipping, Structured, Work
from archsim.arch.formats import format
from archsim.sim.sparse import play_outer, play_structured, play_windows
from archsim.workloads.drawn_masks import drawn_mask
from archsim.workloads.op import Op
from archsim.workloads.operand_data import OpData, operand_data
from archsim.workloads.sparsity import parse_sparsity

INT8 = format("int8")
BOTH = frozenset({"weights", "inputs"})


def masked(rows: int, length: int, density: float, seed: int) -> np.ndarray[Any, Any]:
    random = np.random.default_rng(seed)
    values = random.integers(1, 100, (rows, length)) * random.choice([-1, 1], (rows, length))
    return values * (random.random((rows, length)) < density)


def structured(rows: int, length: int, keep: int, group: int, seed: int) -> np.ndarray[Any, Any]:
    random = np.random.default_rng(seed)
    kept = np.argsort(random.random((rows, length // group, group)), axis=2) < keep
    return random.integers(1, 100, (rows, length)) * kept.reshape(rows, length)


def data(operand: Any, pattern: str | None, length: int) -> OpData:
    return OpData(format=INT8, operand=operand, reduction=length, pattern=pattern)


def drawn(mask: np.ndarray[Any, Any]) -> str:
    """The pattern with the density that was drawn."""
    return f"random:{(mask != 0).mean():.12f}"


def expected(policy: Any, weights: str | None, inputs: str | None, length: int) -> Work:
    work: Work = policy.work(data("weights", weights, length), data("inputs", inputs, length))
    return work


sizes = st.integers(1, 12)


@settings(max_examples=30, deadline=None)
@given(sizes, sizes, st.integers(1, 40), st.floats(0, 1), st.floats(0, 1), st.integers(1, 9), st.integers(1, 5))
def test_every_machine_makes_the_exact_product(
    m: int, n: int, k: int, weight_density: float, input_density: float, window: int, lanes: int
) -> None:
    weights, inputs = masked(n, k, weight_density, 0), masked(m, k, input_density, 1)
    exact = inputs @ weights.T
    pairs = int(((weights != 0).astype(int) @ (inputs != 0).astype(int).T).sum())
    for shared in ("", "weights", "inputs"):
        for operands in (BOTH, frozenset({"weights"}), frozenset[str]()):
            played = play_windows(weights, inputs, operands=operands, window=window, lanes=lanes, shared=shared)  # type: ignore[arg-type]
            assert (played.outputs == exact).all()
            assert played.executed == pairs
            assert (played.gated == 0) or operands != BOTH
    outer = play_outer(
        weights, inputs, weight_lanes=2, weight_gathered=4, input_lanes=lanes, input_gathered=2 * lanes, banks=window
    )
    assert (outer.outputs == exact).all()
    assert outer.executed == pairs


@pytest.mark.parametrize(("keep", "group"), [(2, 4), (2, 6), (2, 8), (1, 4)])
def test_selectors_make_the_exact_product_in_n_of_m_of_the_time(keep: int, group: int) -> None:
    length, lanes = 24 * group, 8
    weights, inputs = structured(16, length, keep, group, 0), masked(8, length, 1.0, 1)
    played = play_structured(weights, inputs, keep=keep, group=group, lanes=lanes)
    assert (played.outputs == inputs @ weights.T).all()
    dense = 16 * 8 * length / lanes
    work = expected(Structured(ratios=((keep, group),)), f"{keep}:{group}", None, length)
    assert dense / played.cycles == work.speed == group / keep
    assert played.executed == work.executed * 16 * 8 * length


def test_weights_that_do_not_fit_the_selectors_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 2 of 4"):
        play_structured(np.ones((1, 4), np.int64), np.ones((1, 4), np.int64), keep=2, group=4, lanes=1)


DENSITIES = [(0.1, 0.1), (0.3, 0.6), (0.5, 0.5), (0.8, 0.4)]


@pytest.mark.parametrize(("weight_density", "input_density"), DENSITIES)
@pytest.mark.parametrize("shared", ["", "inputs", "weights"])
@pytest.mark.parametrize("window", [16, 64])
def test_lanes_that_meet_take_the_expected_largest(
    weight_density: float, input_density: float, shared: Any, window: int
) -> None:
    length, lanes = 256, 8
    weights, inputs = masked(64, length, weight_density, 2), masked(64, length, input_density, 3)
    played = play_windows(weights, inputs, window=window, lanes=lanes, shared=shared)
    policy = Skipping(operands=BOTH, window=window, lanes=lanes, shared=shared)
    work = expected(policy, drawn(weights), drawn(inputs), length)
    dense = 64 * 64 * length / lanes
    assert played.cycles == pytest.approx(dense / work.speed, rel=0.02)
    idle = played.waiting / (played.cycles * lanes)
    assert idle == pytest.approx(work.imbalance, abs=0.02)


@pytest.mark.parametrize("input_density", [0.3, 0.7])
def test_weights_of_a_ratio_even_lanes_out_that_share_inputs(input_density: float) -> None:
    weights, inputs = structured(64, 256, 2, 4, 10), masked(64, 256, input_density, 11)
    played = play_windows(weights, inputs, window=64, lanes=8, shared="inputs")
    policy = Skipping(operands=BOTH, window=64, lanes=8, shared="inputs")
    work = expected(policy, "2:4", drawn(inputs), 256)
    assert played.cycles == pytest.approx(64 * 64 * 256 / 8 / work.speed, rel=0.02)


def pairs(weights: np.ndarray[Any, Any], inputs: np.ndarray[Any, Any]) -> int:
    """Products of all rows that have no zero."""
    return int(np.count_nonzero(weights, axis=0) @ np.count_nonzero(inputs, axis=0))


@pytest.mark.parametrize("density", [0.01, 0.1, 0.4, 0.8])
def test_expected_occupancy_is_that_of_real_masks(density: float) -> None:
    """The share of pairs without a zero, and of non-zeros in a window: as many rows as chance needs to even out."""
    length, rows, played_rows = 1024, 2048, 64
    weights, inputs = masked(rows, length, density, 4), masked(rows, length, density, 5)
    few = weights[:played_rows], inputs[:played_rows]
    assert play_windows(*few, window=length).executed == pairs(*few)
    work = expected(Skipping(operands=BOTH), drawn(weights), drawn(inputs), length)
    assert pairs(weights, inputs) == pytest.approx(work.executed * rows * rows * length, rel=0.01)
    shares = data("weights", drawn(weights), length).nonzeros(32)
    found = np.bincount((weights != 0).reshape(-1, 32).sum(axis=1), minlength=33)
    mean_found, mean_expected = (
        sum(i * share for i, share in enumerate(counts)) for counts in (found / found.sum(), shares)
    )
    assert mean_expected == pytest.approx(mean_found, rel=0.01)


@pytest.mark.parametrize(("weight_density", "input_density"), [*DENSITIES, (1.0, 1.0), (1.0, 0.4)])
def test_packed_outer_products_take_the_expected_steps(weight_density: float, input_density: float) -> None:
    side = Gather(weights=Side(lanes=8, gathered=32), inputs=Side(lanes=16, gathered=32))
    weights, inputs = masked(128, 1024, weight_density, 6), masked(128, 1024, input_density, 7)
    played = play_outer(weights, inputs, weight_lanes=8, weight_gathered=32, input_lanes=16, input_gathered=32)
    work = expected(Cartesian(gathers=(side,)), drawn(weights), drawn(inputs), 1024)
    assert played.cycles == pytest.approx(128 * 128 * 1024 / (8 * 16) / work.speed, rel=0.02)


@pytest.mark.parametrize(("lanes", "gathered"), [((16, 16), (64, 32)), ((4, 4), (72, 36))], ids=["dual-side", "scnn"])
def test_few_non_zeros_are_expected_without_bias(lanes: tuple[int, int], gathered: tuple[int, int]) -> None:
    """At 1 % single vectors vary by 7 %; the mean of 40 runs is within 3 of its own deviations, some 3 %."""
    sides = [Side(lanes=lane, gathered=count) for lane, count in zip(lanes, gathered, strict=True)]
    one_percent = partial(binomial, share=0.01)
    runs = []
    for seed in range(40):
        weights, inputs = (masked(count, 1024, 0.01, 2 * seed + i) for i, count in enumerate(gathered))
        played = play_outer(
            weights, inputs,
            weight_lanes=lanes[0], weight_gathered=gathered[0], input_lanes=lanes[1], input_gathered=gathered[1],
        )  # fmt: skip
        runs.append(played.cycles / 1024)
    expected = sides[0].cycles(one_percent) * sides[1].cycles(one_percent)
    assert abs(np.mean(runs) - expected) < 3 * np.std(runs) / 40**0.5
    assert np.std(runs) / np.mean(runs) > 0.05


@pytest.mark.parametrize(("channels", "tokens"), [(100, 40), (64, 1), (12, 49)])
@pytest.mark.parametrize("density", [0.1, 0.5])
def test_vectors_of_small_layers_take_the_time_of_their_neighbours(channels: int, tokens: int, density: float) -> None:
    """Vectors share a layer's neighbours evenly; a token's zero takes no step at all."""
    gather = Gather(weights=Side(lanes=16, gathered=64), inputs=Side(lanes=8, gathered=32))
    weights, inputs = masked(channels, 2048, density, 1), masked(tokens, 2048, density, 2)
    vectors = -(-channels // 64), -(-tokens // 32)
    played = play_outer(
        weights, inputs,
        weight_lanes=16, weight_gathered=-(-channels // vectors[0]),
        input_lanes=8, input_gathered=-(-tokens // vectors[1]),
    )  # fmt: skip
    known = [
        OpData(format=INT8, operand="weights", reduction=2048, across=channels, pattern=f"random:{density}"),
        OpData(format=INT8, operand="inputs", reduction=2048, across=tokens, pattern=f"random:{density}"),
    ]
    assert gather.cycles(*known) * math.prod(vectors) * 2048 == pytest.approx(played.cycles, rel=0.06)


def test_vectors_are_as_even_as_they_go() -> None:
    side = Side(lanes=16, gathered=64, beside=2)
    for across in (1, 2, 3, 64, 65, 128, 129, 1000):
        sizes = side.sizes(across)
        assert sum(share for _, share in sizes) == pytest.approx(1.0)
        assert max(size for size, _ in sizes) <= 64
        vectors = across / side.filled(across)
        assert vectors == pytest.approx(round(vectors))
        assert vectors % 2 == 0 or vectors == across
    assert side.sizes(0) == ((64, 1.0),)


def test_products_without_queues_wait_for_the_fullest_bank() -> None:
    side = Gather(weights=Side(lanes=4, gathered=64), inputs=Side(lanes=4, gathered=64))
    weights, inputs = masked(64, 512, 0.35, 8), masked(64, 512, 0.4, 9)
    played = play_outer(weights, inputs, weight_lanes=4, weight_gathered=64, input_lanes=4, input_gathered=64, banks=31)
    policy = Cartesian(gathers=(side,), banks=31, queues=False)
    work = expected(policy, drawn(weights), drawn(inputs), 512)
    assert played.cycles == pytest.approx(64 * 64 * 512 / 16 / work.speed, rel=0.15)


def test_a_strided_window_makes_pairs_that_no_output_needs() -> None:
    side = Gather(weights=Side(lanes=4, gathered=4), inputs=Side(lanes=4, gathered=4))

    def work(window: int, stride: int) -> Work:
        op = Op.conv("c", k=8, c=8, p=8, q=8, r=window, s=window, stride_h=stride, stride_w=stride)
        op = op.with_formats(inputs=INT8, weights=INT8, outputs=INT8)
        return Cartesian(gathers=(side,)).work(operand_data(op, "weights"), operand_data(op, "inputs"))

    assert work(3, 1).speed == work(1, 2).speed == 1.0
    assert work(3, 2).speed == 1 / 4


BLOCKS = parse_sparsity("block16x16:0.5")


def blocked(rows: int, length: int, seed: int) -> np.ndarray[Any, Any]:
    return drawn_mask(BLOCKS, rows, length, np.random.default_rng(seed)).astype(np.int64)


@pytest.mark.parametrize(("input_density", "lanes"), [(1.0, 16), (0.4, 16), (1.0, 64)])
def test_lanes_in_the_rows_of_one_block_wait_for_other_blocks_alone(input_density: float, lanes: int) -> None:
    weights, inputs = blocked(256, 4096, 0), (masked(4, 4096, input_density, 1) != 0).astype(np.int64)
    policy = Skipping(operands=BOTH, window=128, lanes=lanes, shared="inputs")
    work = expected(policy, "block16x16:0.5", None if input_density == 1 else f"random:{input_density}", 4096)
    played = play_windows(weights, inputs, window=128, lanes=lanes, shared="inputs")
    assert weights.size * inputs.shape[0] / (lanes * played.cycles) == pytest.approx(work.speed, rel=0.03)


def test_vectors_across_blocks_are_whole_or_empty() -> None:
    policy = Cartesian(gathers=(Gather(weights=Side(lanes=16, gathered=64), inputs=Side(lanes=16, gathered=16)),))
    work = expected(policy, "block16x16:0.5", None, 1024)
    assert work.speed == pytest.approx(2.0)
    assert expected(policy, "random:0.5", None, 1024).speed < 1.8
