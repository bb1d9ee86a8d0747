"""Costs of multiply-accumulate units, registers and vector lanes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.arch.components.arithmetic import mac_cost, register_cost, vector_cost
from archsim.arch.components.cost import ComponentCost
from archsim.arch.formats import Arithmetic, ArithmeticKind, format
from archsim.core.errors import InputError

nodes = st.sampled_from([90.0, 65.0, 45.0, 28.0, 12.0, 7.0, 3.0])
WIDTH_ORDER = [f"int{bits}" for bits in range(1, 33)]
FLOAT_ORDER = ["fp4_e2m1", "fp8_e5m2", "fp8_e4m3", "bf16", "fp16", "fp32"]


def mac(weights: str, inputs: str, accumulator: str, node_nm: float) -> ComponentCost:
    return mac_cost(*(format(spec).arithmetic for spec in (weights, inputs, accumulator)), node_nm)


@pytest.mark.parametrize(
    ("weights", "inputs", "accumulator", "register_bits", "published_pj"),
    [("fp16", "fp16", "fp16", 96, 0.77), ("int8", "fp16", "fp16", 40, 0.613)],
)
def test_synthesised_pes_in_28_nm_are_met_within_twice(
    weights: str, inputs: str, accumulator: str, register_bits: int, published_pj: float
) -> None:
    # BitMoD, HPCA 2025: FP16 MAC and FP16 x INT8 MAC, Synopsys, TSMC 28 nm
    ours = mac(weights, inputs, accumulator, 28).energy_pj + register_cost(register_bits, 28).energy_pj
    assert 0.5 < ours / published_pj < 2


@pytest.mark.parametrize("spec", ["nf4", "post4"])
def test_looked_up_values_are_multiplied_in_their_own_width_not_in_that_of_their_codes(spec: str) -> None:
    found = mac(spec, "int8", "int32", 28)
    assert found.energy_pj > mac("int8", "int8", "int32", 28).energy_pj
    assert any("rounded to 8 bits" in text for text in found.estimates)


@pytest.mark.parametrize(("spec", "published_pj"), [("int8", 0.2 + 0.03), ("int32", 3.1 + 0.1), ("fp16", 1.1 + 0.4)])
def test_horowitz_figures_at_45_nm_are_of_the_same_size(spec: str, published_pj: float) -> None:
    # Horowitz, ISSCC 2014, 45 nm: multiplication plus addition; above the synthesised units that were fitted
    assert 0.2 < mac(spec, spec, spec, 45).energy_pj / published_pj < 1.5


@given(node_nm=nodes, index=st.integers(0, 30), other=st.sampled_from(["int4", "int8", "fp16"]))
def test_more_integer_bits_cost_more(node_nm: float, index: int, other: str) -> None:
    narrow, wide = (mac(spec, other, "int32", node_nm) for spec in WIDTH_ORDER[index : index + 2])
    assert narrow.energy_pj <= wide.energy_pj
    assert narrow.area_um2 is not None
    assert wide.area_um2 is not None
    assert narrow.area_um2 <= wide.area_um2
    if other != "fp16" or index > 0:
        assert narrow.energy_pj < wide.energy_pj


@given(node_nm=nodes, index=st.integers(0, 4), accumulator=st.sampled_from(["fp16", "fp32", "int32"]))
def test_more_significand_bits_cost_more(node_nm: float, index: int, accumulator: str) -> None:
    narrow, wide = (mac(spec, spec, accumulator, node_nm) for spec in FLOAT_ORDER[index : index + 2])
    assert narrow.energy_pj < wide.energy_pj


@given(
    specs=st.tuples(*[st.sampled_from(["int4", "uint8", "int16", "bf16", "fp8"])] * 2),
    accumulator=st.sampled_from(["int24", "int32", "fp16", "fp32"]),
    node_nm=nodes,
)
def test_operands_may_be_exchanged_and_smaller_nodes_cost_less(
    specs: tuple[str, str], accumulator: str, node_nm: float
) -> None:
    weights, inputs = specs
    cost = mac(weights, inputs, accumulator, node_nm)
    assert cost.energy_pj == mac(inputs, weights, accumulator, node_nm).energy_pj
    finer = mac(weights, inputs, accumulator, node_nm * 0.9)
    assert finer.energy_pj < cost.energy_pj
    assert finer.leakage_w < cost.leakage_w
    assert all(text.startswith("estimate:") for text in cost.estimates)


def test_a_node_beyond_the_table_is_listed() -> None:
    assert any("logic at 3 nm by scaling" in text for text in mac("int8", "int8", "int32", 3).estimates)
    assert any("logic at 3 nm by scaling" in text for text in register_cost(8, 3).estimates)


@pytest.mark.parametrize(
    "arithmetic",
    [
        Arithmetic(kind=ArithmeticKind.POWER_OF_TWO, exponent_bits=4),
        Arithmetic(kind=ArithmeticKind.LOOKUP, integer_bits=8, lookup_entries=16),
        Arithmetic(kind=ArithmeticKind.LOOKUP, significand_bits=11, exponent_bits=5, lookup_entries=16),
    ],
)
def test_other_kinds_of_operands_have_a_cost_with_its_assumption(arithmetic: Arithmetic) -> None:
    fp16, fp32 = format("fp16").arithmetic, format("fp32").arithmetic
    cost = mac_cost(arithmetic, fp16, fp32, 28)
    assert 0 < cost.energy_pj <= 1.25 * mac_cost(fp16, fp16, fp32, 28).energy_pj  # the table comes on top
    assert any(arithmetic.kind.value.split("-")[0][:4] in text for text in cost.estimates)


def test_registers_are_proportional_to_their_bits_and_shrink_with_the_node() -> None:
    one, sixteen = register_cost(1, 28), register_cost(16, 28)
    assert sixteen.energy_pj == pytest.approx(16 * one.energy_pj)
    assert sixteen.area_um2 == pytest.approx(16 * (one.area_um2 or 0.0))
    assert not one.estimates
    assert register_cost(1, 45).energy_pj > register_cost(1, 40).energy_pj > register_cost(1, 28).energy_pj


def test_a_published_register_bit_is_met_within_two_and_a_half() -> None:
    # Aladdin's 40 nm table: 0.009 pJ and 5.98 um2 a bit
    cost = register_cost(1, 40)
    assert 0.4 < cost.energy_pj / 0.009 < 2.5
    assert 0.5 < (cost.area_um2 or 0.0) / 5.98 < 2


def test_a_register_without_bits_is_refused() -> None:
    with pytest.raises(InputError, match="a register has more than 0 bits"):
        register_cost(0, 40)


def test_a_vector_operation_is_half_of_a_multiplication_and_an_addition() -> None:
    fp32 = format("fp32").arithmetic
    cost, both = vector_cost(45), mac_cost(fp32, fp32, fp32, 45)
    assert cost.energy_pj == pytest.approx(both.energy_pj / 2)
    assert cost.area_um2 == both.area_um2
    assert vector_cost(45, format("fp16").arithmetic).energy_pj < cost.energy_pj
    assert any("mean of a multiplication and an addition" in text for text in cost.estimates)
