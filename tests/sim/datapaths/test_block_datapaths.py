"""Units of block formats compute the exact product of what the formats store, and cut off no more than they say."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.arch.formats import format
from archsim.sim.datapaths.blocks import Block, accumulated, block_dot, truncated_block_dot

SEEDS = st.integers(0, 2**32 - 1)
SPREAD = 8
TREE_BITS = 25


def block_of(name: str, seed: int) -> tuple[Block, list[Fraction]]:
    """One block of wildly spread values in a format, as integers with private exponents, and its exact values."""
    fmt = format(name)
    rng = np.random.default_rng(seed)
    size = fmt.arithmetic.scale.group_size
    x = rng.normal(size=size) * 2.0 ** rng.integers(-SPREAD, SPREAD, size) * (rng.random(size) < 0.9)
    q = fmt.quantize(x)
    values = [Fraction(value) for value in fmt.dequantize(q).tolist()]
    assert q.scales is not None
    scale = Fraction(float(q.scales.ravel()[0])) or Fraction(1)
    elements = [value / scale for value in values]
    exponents = [-_places(element) for element in elements]
    significands = [
        int(element / Fraction(2) ** exponent) for element, exponent in zip(elements, exponents, strict=True)
    ]
    return Block(significands=np.array(significands), exponents=np.array(exponents), scale=scale), values


def _places(element: Fraction) -> int:
    """Binary places behind the point."""
    return element.denominator.bit_length() - 1


@pytest.mark.parametrize(
    "name", ["mxfp8", "mxfp8_e5m2", "mxfp6", "mxfp4", "mxint8", "mx9", "mx6", "mx4", "nvfp4", "nvint4"]
)
@given(seed=SEEDS)
@settings(max_examples=10)
def test_blocks_multiply_exactly(name: str, seed: int) -> None:
    (weights, w), (inputs, x) = block_of(name, seed), block_of(name, seed + 1)
    assert weights.values() == w
    assert block_dot(weights, inputs) == sum(a * b for a, b in zip(w, x, strict=True))


@given(seed=SEEDS, bits=st.integers(8, 40))
@settings(max_examples=40)
def test_a_narrow_tree_errs_by_less_than_a_last_place_for_each_product(seed: int, bits: int) -> None:
    (weights, w), (inputs, x) = block_of("mxfp8", seed), block_of("mxfp8", seed + 1)
    products = [a * b for a, b in zip(w, x, strict=True)]
    largest = max(abs(product) for product in products)
    exact, cut = sum(products, Fraction(0)), truncated_block_dot(weights, inputs, bits)
    assert abs(exact - cut) <= len(products) * largest * Fraction(2) ** (2 - bits)


def test_the_usual_tree_is_exact_for_microexponents() -> None:
    """Products of MX9 reach two places: 25 bits hold them all."""
    for seed in range(20):
        weights, inputs = block_of("mx9", seed)[0], block_of("mx9", seed + 1)[0]
        assert truncated_block_dot(weights, inputs, TREE_BITS) == block_dot(weights, inputs)


def test_blocks_that_cancel_leave_what_the_others_add() -> None:
    big = Block(significands=np.array([127, -127]), exponents=np.array([0, 0]), scale=Fraction(2) ** 100)
    one = Block(significands=np.array([1, 1]), exponents=np.array([0, 0]), scale=Fraction(2) ** -100)
    assert block_dot(big, one) == 0
    assert accumulated([block_dot(big, one), Fraction(1, 3)]) == float(np.float32(1 / 3))


@given(st.lists(st.fractions(-1000, 1000, max_denominator=997), max_size=20))
@settings(max_examples=30)
def test_the_accumulator_rounds_each_sum_once(blocks: list[Fraction]) -> None:
    total = accumulated(blocks)
    largest = max([abs(sum(blocks[: i + 1], Fraction(0))) for i in range(len(blocks))], default=Fraction(0))
    assert abs(Fraction(total) - sum(blocks, Fraction(0))) <= len(blocks) * (largest + 1) * Fraction(2) ** -23
