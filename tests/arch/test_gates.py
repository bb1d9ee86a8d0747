"""Circuits: their cells, laws of size, and composition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.arch.components import gates
from archsim.arch.components.gates import Circuit, cells

widths = st.integers(1, 64)


def test_cells_are_the_library_s_areas_over_its_nand() -> None:
    # Nangate 45 nm Open Cell Library: FA_X1 4.256, DFF_X1 4.522, AND2_X1 1.064, NAND2_X1 0.798 um2
    assert cells().full_adder == pytest.approx(4.256 / 0.798, rel=1e-4)
    assert cells().flip_flop == pytest.approx(4.522 / 0.798, rel=1e-4)
    assert cells().and2 == pytest.approx(1.064 / 0.798, rel=1e-4)


def test_an_adder_is_a_full_adder_a_bit() -> None:
    assert gates.adder(16).logic_ge == pytest.approx(16 * cells().full_adder)


def test_a_small_multiplier_is_an_array_of_ands_and_adders() -> None:
    expected = 16 * cells().and2 + 4 * (2 * cells().full_adder + cells().half_adder) + 8 * cells().buffer
    assert gates.multiplier(4, 4).logic_ge == pytest.approx(expected)


def test_a_large_multiplier_recodes_and_is_smaller_than_its_array() -> None:
    array = 32 * 32 * cells().and2 + 32 * (30 * cells().full_adder + cells().half_adder)
    assert gates.multiplier(32, 32).logic_ge < array


def test_a_one_bit_multiplier_is_a_row_of_gates() -> None:
    assert gates.multiplier(1, 9) == gates.gates(9)


def test_side_by_side_and_in_turn_have_the_same_cells_and_other_paths() -> None:
    one, other = gates.adder(8), gates.shifter(8, 8)
    beside, after = one + other, one >> other
    assert beside.logic_ge == after.logic_ge == one.logic_ge + other.logic_ge
    assert beside.levels == max(one.levels, other.levels)
    assert after.levels == one.levels + other.levels
    assert (one * 3).levels == one.levels


def test_a_gated_register_has_a_multiplexer_a_bit() -> None:
    plain, gated = gates.register(8), gates.register(8, enable=True, reset=True)
    assert gated.flip_flops == plain.flip_flops == 8
    assert gated.logic_ge == pytest.approx(8 * (cells().mux2 + cells().and2))


@given(a=widths, b=widths)
def test_multipliers_are_symmetric_and_grow_with_either_operand(a: int, b: int) -> None:
    assert gates.multiplier(a, b) == gates.multiplier(b, a)
    assert gates.multiplier(a + 1, b).logic_ge > gates.multiplier(a, b).logic_ge


@given(width=widths, inputs=st.integers(2, 64))
def test_a_carry_save_tree_is_smaller_than_a_chain_of_adders(width: int, inputs: int) -> None:
    chain = gates.adder(width + 6).logic_ge * (inputs - 1)
    assert 0 < gates.carry_save(inputs, width).logic_ge <= chain


@given(width=widths)
def test_every_part_of_more_bits_is_larger(width: int) -> None:
    for part in (gates.adder, gates.incrementer, gates.negater, gates.comparator, gates.leading_zeros, gates.gates):
        assert part(width + 1).logic_ge > part(width).logic_ge
        assert part(width + 1).levels >= part(width).levels


def test_float_units_grow_with_significand_and_exponent_and_by_subnormals() -> None:
    small, large = gates.float_multiplier(4, 4, 4), gates.float_multiplier(4, 4, 5)
    assert small.logic_ge < large.logic_ge < gates.float_multiplier(5, 5, 5).logic_ge
    assert gates.float_multiplier(11, 11, 5, subnormals=True).logic_ge > gates.float_multiplier(11, 11, 5).logic_ge
    assert gates.float_adder(11, 5).logic_ge < gates.float_adder(24, 5).logic_ge < gates.float_adder(24, 8).logic_ge


def test_nothing_costs_nothing() -> None:
    assert Circuit() + Circuit() == Circuit() * 5 == gates.carry_save(1, 8) == Circuit()
