"""Tables, shifts and Booth digits compute exact products on random and extreme operands."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.arch.components.lookup import table_entries
from archsim.sim.datapaths.shifts import booth_digits, booth_dot, shift_add_dot
from archsim.sim.datapaths.tables import bit_plane_dot, pattern_index, sign_table, ternary_dot, trit_table

WIDE = st.integers(-(2**31), 2**31 - 1)


@given(data=st.data(), bits=st.integers(1, 8), group=st.integers(1, 5))
@settings(max_examples=50)
def test_bit_planes_pick_the_product_from_tables(data: st.DataObject, bits: int, group: int) -> None:
    odd = st.integers(0, 2**bits - 1).map(lambda code: 2 * code - (2**bits - 1))
    weights = np.array(data.draw(st.lists(odd, max_size=20)), np.int64)
    inputs = np.array(data.draw(st.lists(WIDE, min_size=weights.size, max_size=weights.size)), np.int64)
    expected = sum(w * x for w, x in zip(weights.tolist(), inputs.tolist(), strict=True))
    assert bit_plane_dot(weights, inputs, bits, group) == expected


@pytest.mark.parametrize("weight", [0, 2, 5])
def test_weights_that_no_bit_planes_have_are_refused(weight: int) -> None:
    with pytest.raises(ValueError, match="weights must be odd"):
        bit_plane_dot(np.array([weight]), np.array([1]), 2, 4)


@pytest.mark.parametrize("group", [1, 2, 3, 4])
def test_tables_hold_as_many_sums_as_the_engine_counts(group: int) -> None:
    activations = [3**n for n in range(group)]
    assert len(sign_table(activations)) == table_entries(group)
    assert len(trit_table(activations)) == table_entries(group, ternary=True)


def test_all_ternary_patterns_of_a_group_are_exact() -> None:
    inputs = np.array([2**31 - 1, -(2**31), 7], np.int64)
    for pattern in itertools.product((-1, 0, 1), repeat=3):
        expected = sum(w * x for w, x in zip(pattern, inputs.tolist(), strict=True))
        assert ternary_dot(np.array(pattern), inputs, 3) == expected


@given(weights=st.lists(st.integers(-1, 1), max_size=40), seed=st.integers(0, 2**32 - 1), group=st.integers(1, 5))
@settings(max_examples=50)
def test_ternary_looks_are_exact_where_groups_do_not_divide(weights: list[int], seed: int, group: int) -> None:
    w = np.array(weights, np.int64)
    x = np.random.default_rng(seed).integers(-(2**31), 2**31, w.size)
    assert ternary_dot(w, x, group) == int(w @ x)


def test_weights_beyond_ternary_are_refused() -> None:
    with pytest.raises(ValueError, match="must be -1, 0 or 1"):
        ternary_dot(np.array([0, 2]), np.array([1, 1]), 2)


def test_pattern_indices_are_all_different_and_below_3_to_the_g() -> None:
    indices = sorted(pattern_index(pattern) for pattern in itertools.product((-1, 0, 1), repeat=4))
    assert indices == list(range(81))


@given(terms=st.lists(st.tuples(st.integers(-1, 1), st.integers(0, 15), WIDE), max_size=40))
@settings(max_examples=50)
def test_shifts_are_products_with_powers_of_two(terms: list[tuple[int, int, int]]) -> None:
    signs, shifts, inputs = (np.array([term[i] for term in terms], np.int64) for i in range(3))
    expected = sum(sign * 2**shift * value for sign, shift, value in terms)
    assert shift_add_dot(signs, shifts, inputs) == expected


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 8])
def test_booth_digits_of_every_integer_are_its_value(bits: int) -> None:
    for weight in range(-(1 << (bits - 1)), 1 << (bits - 1)):
        digits = booth_digits(weight, bits + bits % 2)
        assert all(-2 <= digit <= 2 for digit in digits)
        assert sum(digit * 4**place for place, digit in enumerate(digits)) == weight


@given(pairs=st.lists(st.tuples(st.integers(-128, 127), WIDE), max_size=30))
@settings(max_examples=30)
def test_booth_steps_are_the_product_and_four_for_eight_bits(pairs: list[tuple[int, int]]) -> None:
    total, steps = booth_dot([w for w, _ in pairs], [x for _, x in pairs], 8)
    assert total == sum(w * x for w, x in pairs)
    assert steps == 4 * len(pairs)
