"""Pruning makes columns alike: what it leaves, what it may change, and that the product of the rest is exact."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.arch.engines.bit_words import ones
from archsim.sim.bits.bitvert import BitVert, Pruned, averaged, shifted
from archsim.sim.bits.bitwave import BitWave, flipped, stored_bits
from tests.sim.bits.operands import adversarial, drawn

GROUPS = np.concatenate([adversarial(16), drawn(40, 16, 5)])


@given(columns=st.integers(1, 8), seed=st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_flipping_leaves_no_more_columns_and_changes_by_less_than_the_lowest(columns: int, seed: int) -> None:
    values = np.concatenate([adversarial(8), drawn(20, 8, seed)])
    found = flipped(values, columns)
    left = ones(np.bitwise_or.reduce(np.abs(found), axis=1))
    lowest = 1 << max(8 - columns, 0)
    assert int(left.max()) <= columns
    assert int(np.abs(found - values).max()) < lowest
    assert flipped(found, columns).tolist() == found.tolist()
    assert BitWave(width=9, columns=None).steps(found, 8)[:, 0].tolist() == np.maximum(left, 1).tolist()


def test_stored_columns_are_signs_an_index_and_columns_with_a_one() -> None:
    values = np.array([[0, 0, 0, 0], [4, -4, 0, 1]])
    assert stored_bits(values) == (0 + 4 + 7) + (2 * 4 + 4 + 7)


@pytest.mark.parametrize("prune", [averaged, shifted])
@pytest.mark.parametrize("columns", [0, 1, 2, 4, 6])
def test_pruned_groups_make_the_exact_product_of_what_they_stand_for(prune: object, columns: int) -> None:
    pruned: Pruned = prune(GROUPS, columns)  # type: ignore[operator]
    parallel = drawn(len(GROUPS), 16, 6)
    made = BitVert().pruned_dots(pruned, parallel)
    assert made.products.tolist() == (pruned.values * parallel).sum(axis=1).tolist()
    assert made.steps.tolist() == [8 - columns] * len(GROUPS)


@pytest.mark.parametrize("prune", [averaged, shifted])
def test_nothing_pruned_changes_nothing(prune: object) -> None:
    assert prune(GROUPS, 0).values.tolist() == GROUPS.tolist()  # type: ignore[operator]


def test_shifting_costs_no_more_than_rounding_in_place() -> None:
    plain = np.clip(np.floor_divide(GROUPS + 8, 16) * 16, -128, 112)
    error = ((shifted(GROUPS, 4).values - GROUPS) ** 2).sum(axis=1)
    assert (error <= ((plain - GROUPS) ** 2).sum(axis=1)).all()


def test_averaging_keeps_the_mean_of_the_low_columns() -> None:
    found = averaged(GROUPS, 2)
    assert np.abs(found.values.mean(axis=1) - GROUPS.mean(axis=1)).max() <= 0.5
