"""Datapaths with outliers compute the exact product of what their formats store."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from archsim.arch.formats import format
from archsim.sim.datapaths.outliers import (
    Outliers,
    centroid_dot,
    narrow_and_wide_dot,
    overwrite_dot,
    shifted,
    shifted_dot,
)

SEEDS = st.integers(0, 2**32 - 1)
FLINT = (0, 1, 2, 3, 4, 6, 8, 16)
LARGEST_OLIVE = 1 << 15


def heavy(seed: int, size: int) -> NDArray[np.float64]:
    """Normal values with a few large ones."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=size) * np.where(rng.random(size) < 0.05, 30.0, 1.0)


def exact(x: NDArray[np.float64]) -> list[Fraction]:
    return [Fraction(value) for value in x.tolist()]


def dot(a: list[Fraction], b: list[Fraction]) -> Fraction:
    return sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0))


@given(seed=SEEDS, size=st.integers(16, 96))
@settings(max_examples=20)
def test_sums_by_centroid_are_the_product_of_gobos_weights(seed: int, size: int) -> None:
    gobo = format("gobo3:s5")
    q = gobo.quantize(heavy(seed, size))
    inputs = exact(np.random.default_rng(seed + 1).normal(size=size))
    apart = Outliers(positions=q.extra["positions"].astype(np.int64), values=exact(q.extra["outliers"].astype(float)))
    centroids = exact(q.extra["codebooks"].astype(np.float64).ravel())
    assert centroid_dot(q.codes, centroids, apart, inputs) == dot(exact(gobo.dequantize(q)), inputs)


def test_weights_that_are_all_outliers_leave_the_sums_empty() -> None:
    apart = Outliers(positions=np.arange(3), values=[Fraction(1, 3), -(2**40), Fraction(1, 2**40)])
    inputs = [Fraction(2**60), Fraction(3), Fraction(-1, 7)]
    assert centroid_dot(np.zeros(3, np.int64), [Fraction(9)], apart, inputs) == dot(
        [Fraction(value) for value in apart.values], inputs
    )


@given(
    weights=st.lists(st.integers(-(2**15), 2**15 - 1), max_size=70),
    seed=SEEDS,
    lanes=st.integers(1, 17),
)
@settings(max_examples=50)
def test_narrow_and_wide_macs_make_the_product_and_wait_for_outliers(weights: list[int], seed: int, lanes: int) -> None:
    w = np.array(weights, np.int64)
    x = np.random.default_rng(seed).integers(-8, 8, w.size)
    total, cycles = narrow_and_wide_dot(w, x, 4, lanes)
    wide = [int(((w[i : i + lanes] < -8) | (w[i : i + lanes] > 7)).sum()) for i in range(0, w.size, lanes)]
    assert total == int(w @ x)
    assert cycles == sum(max(1, count) for count in wide)


def test_inputs_beyond_the_narrow_macs_are_refused() -> None:
    with pytest.raises(ValueError, match="inputs must fit 4 bits"):
        narrow_and_wide_dot(np.array([1]), np.array([8]), 4, 16)


def test_every_pair_of_flint_and_olive_operands_multiplies_exactly() -> None:
    values = sorted(
        {sign * int(v) for sign in (-1, 1) for v in (*FLINT, *format("olive4").grid, *format("flint4").grid)}
    )
    for a in values:
        for b in values:
            assert shifted_dot([shifted(a)], [shifted(b)]) == a * b


@given(seed=SEEDS)
@settings(max_examples=20)
def test_olive_pairs_are_the_product_of_what_they_stand_for(seed: int) -> None:
    olive = format("olive4")
    a, b = (olive.quantize(heavy(seed + offset, 64)) for offset in (0, 1))
    values = [np.rint(olive.dequantize(q) / q.scales[0]).astype(np.int64) for q in (a, b) if q.scales is not None]
    operands = [[shifted(value) for value in side.tolist()] for side in values]
    assert shifted_dot(operands[0], operands[1]) == int(values[0] @ values[1])


def test_an_accumulator_that_is_too_narrow_says_so() -> None:
    """Two operands at OliVe's largest abfloat product, 2^15 by 2^15, overflow 31 bits of magnitude when doubled."""
    largest = shifted(LARGEST_OLIVE)
    assert shifted_dot([largest], [largest]) == 2**30
    with pytest.raises(OverflowError, match="does not fit an accumulator of 32 bits"):
        shifted_dot([largest] * 2, [largest] * 2)


@given(seed=SEEDS, zeros=st.floats(0, 1), bits=st.sampled_from([2, 4, 8]))
@settings(max_examples=30)
def test_overq_slots_are_the_product_of_the_outliers_they_hold(seed: int, zeros: float, bits: int) -> None:
    rng = np.random.default_rng(seed)
    overq = format(f"overq{bits}:s10")
    q = overq.quantize(np.where(rng.random(80) < zeros, 0.0, np.abs(heavy(seed, 80))))
    weights = rng.integers(-128, 128, 80)
    assert q.scales is not None
    values = np.rint(overq.dequantize(q) / max(q.scales[0], 1e-300)).astype(np.int64)
    assert overwrite_dot(q.codes, q.extra["flags"].astype(np.int64), weights, bits) == int(values @ weights)


def test_an_outlier_in_the_last_slot_has_no_neighbour() -> None:
    with pytest.raises(ValueError, match="no neighbour"):
        overwrite_dot(np.array([1]), np.array([1]), np.array([1]), 4)
