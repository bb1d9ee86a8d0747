"""Circuits at a node and clock, dot-product units, network, register files, the library."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.arch.components import gates
from archsim.arch.components.arithmetic import FP32, register_cost
from archsim.arch.components.dot import dot_product_cost
from archsim.arch.components.library import library
from archsim.arch.components.logic import circuit_cost, logic_constants, logic_table
from archsim.arch.components.network import router_cost, wire_cost
from archsim.arch.components.register_file import register_file_cost
from archsim.arch.formats import Arithmetic, ArithmeticKind, Granularity, Scale
from archsim.core.errors import InputError

nodes = st.sampled_from([65.0, 45.0, 28.0, 16.0, 7.0, 5.0, 3.0])


def integer(bits: int, scale: Scale | None = None, exponent: int = 0) -> Arithmetic:
    return Arithmetic(kind=ArithmeticKind.INTEGER, integer_bits=bits, exponent_bits=exponent, scale=scale or Scale())


def floating(significand: int, exponent: int, scale: Scale | None = None) -> Arithmetic:
    return Arithmetic(
        kind=ArithmeticKind.FLOAT, significand_bits=significand, exponent_bits=exponent, scale=scale or Scale()
    )


def group(kind: str, size: int) -> Scale:
    return Scale(granularity=Granularity.GROUP, group_size=size, kind=kind, bits=8)


MX = {
    "MXFP8": floating(4, 4, group("e8m0", 32)),
    "MXINT8": integer(8, group("e8m0", 32)),
    "NVFP4": floating(2, 2, group("e4m3", 16)),
    "NVINT4": integer(4, group("e4m3", 16)),
    "MX9": integer(8, group("e8m0", 16), exponent=1),
    "MX6": integer(5, group("e8m0", 16), exponent=1),
    "MX4": integer(3, group("e8m0", 16), exponent=1),
}


@given(node=nodes, width=st.integers(2, 32))
def test_a_smaller_node_costs_less(node: float, width: int) -> None:
    circuit = gates.multiplier(width, width) + gates.register(width)
    coarse, fine = circuit_cost(circuit, node), circuit_cost(circuit, node * 0.9)
    assert fine.energy_pj < coarse.energy_pj
    assert (fine.area_um2 or 0.0) < (coarse.area_um2 or 0.0)


def test_a_faster_clock_makes_larger_cells() -> None:
    slow, fast = (circuit_cost(gates.float_adder(24, 8), 28, clock) for clock in (0.2e9, 2e9))
    assert (fast.area_um2 or 0.0) > (slow.area_um2 or 0.0)
    assert fast.energy_pj > slow.energy_pj
    flip_flops = [circuit_cost(gates.register(8), 28, clock).area_um2 for clock in (0.2e9, 2e9)]
    assert flip_flops[0] == flip_flops[1]


def test_an_area_of_gates_is_the_node_s_constant() -> None:
    constants = logic_constants()
    for node, per_ge in zip(constants.area_nodes_nm, constants.um2_per_ge, strict=True):
        assert circuit_cost(gates.register(1), node).area_um2 == pytest.approx(gates.cells().flip_flop * per_ge)


def test_fitted_areas_are_close_to_the_libraries_nands() -> None:
    # NAND2: 0.798 um2 in Nangate's 45 nm library, 0.49 to 0.50 in 28 nm ones of nine tracks
    seven, twenty_eight, forty_five = logic_constants().um2_per_ge
    assert forty_five == pytest.approx(0.798, rel=0.2)
    assert twenty_eight == pytest.approx(0.504, rel=0.2)
    assert 0.04 < seven < 0.09


def test_a_node_beyond_the_fitted_ones_is_an_estimate() -> None:
    assert not any("by scaling" in text for text in circuit_cost(gates.adder(8), 28, 1e9).estimates)
    for node in (65, 7, 3):
        assert any(
            f"logic at {node} nm by scaling" in text for text in circuit_cost(gates.adder(8), node, 1e9).estimates
        )
    assert str(logic_table()["timing"]["cycle_source"]) in circuit_cost(gates.adder(8), 28).estimates


@pytest.mark.parametrize("lanes", [16, 32, 64])
@pytest.mark.parametrize("order", [("MXFP8", "MXINT8", "NVFP4", "NVINT4"), ("MX9", "MX6", "MX4")])
def test_block_formats_come_out_in_the_published_order(lanes: int, order: tuple[str, ...]) -> None:
    # Chen et al., arXiv 2510.25602, Table 5; Rouhani et al., ISCA 2023
    costs = [dot_product_cost(lanes, MX[name], MX[name], FP32, 7) for name in order]
    areas, energies = [cost.area_um2 or 0.0 for cost in costs], [cost.energy_pj for cost in costs]
    assert areas == sorted(areas, reverse=True)
    assert energies == sorted(energies, reverse=True)


def test_mx9_costs_about_what_fp8_does() -> None:
    # Rouhani et al., ISCA 2023: hardware efficiency of MX9 close to FP8's
    fp8 = floating(4, 4)
    ratio = (dot_product_cost(64, MX["MX9"], MX["MX9"], FP32, 7).area_um2 or 0.0) / (
        dot_product_cost(64, fp8, fp8, FP32, 7).area_um2 or 1.0
    )
    assert ratio == pytest.approx(1.0, abs=0.15)


def test_sharing_a_dot_product_unit_is_cheaper_than_single_lanes() -> None:
    one, many = (dot_product_cost(lanes, MX["MXINT8"], MX["MXINT8"], FP32, 28) for lanes in (1, 32))
    assert (many.area_um2 or 0.0) < 32 * (one.area_um2 or 0.0)
    assert many.energy_pj < 32 * one.energy_pj


@pytest.mark.parametrize("kind", ["e8m0", "e4m3", "fp16", "bf16", "fp32", "int8"])
def test_every_scale_has_a_cost_and_wider_ones_cost_more_than_powers_of_two(kind: str) -> None:
    power, scaled = (
        dot_product_cost(16, x, x, FP32, 28) for x in (integer(8, group("e8m0", 16)), integer(8, group(kind, 16)))
    )
    assert (scaled.area_um2 or 0.0) >= (power.area_um2 or 0.0)


def test_integer_sums_need_no_float_adder() -> None:
    total, fp = (dot_product_cost(16, integer(8), integer(8), kind, 28) for kind in (integer(32), FP32))
    assert (total.area_um2 or 0.0) < (fp.area_um2 or 0.0)


def test_a_unit_without_lanes_is_refused() -> None:
    with pytest.raises(InputError, match="at least 1 lane"):
        dot_product_cost(0, integer(8), integer(8), FP32, 28)


def test_wires_are_the_published_ones_and_grow_with_length() -> None:
    # Keckler et al., IEEE Micro 2011: 256 bits over 10 mm take 310 pJ at 40 nm
    assert wire_cost(10, 40).energy_pj * 256 == pytest.approx(310, rel=0.01)
    assert wire_cost(2, 28).energy_pj == pytest.approx(2 * wire_cost(1, 28).energy_pj)
    assert wire_cost(1, 28).estimates == ()
    assert wire_cost(1, 7).estimates
    with pytest.raises(InputError, match="at least 0 mm"):
        wire_cost(-1, 28)


def test_a_hop_costs_more_than_a_register_and_less_than_ten() -> None:
    assert 1 < router_cost(28).energy_pj / register_cost(1, 28).energy_pj < 10
    assert any("mesh router" in text for text in router_cost(28).estimates)


def test_register_files_grow_with_words_bits_and_ports() -> None:
    small, deep = register_file_cost(16, 16, 28), register_file_cost(64, 16, 28)
    assert small.read_pj_per_bit < deep.read_pj_per_bit
    assert small.area_mm2 < deep.area_mm2
    assert small.area_mm2 < register_file_cost(16, 16, 28, read_ports=2).area_mm2
    assert register_file_cost(16, 32, 28).area_mm2 > small.area_mm2
    with pytest.raises(InputError, match="at least 1 word"):
        register_file_cost(0, 16, 28)


def test_everything_in_the_library_has_a_cost_and_a_source() -> None:
    entries = library()
    assert {"adder", "multiplier", "shifter", "comparator", "lut", "register", "mac", "wire"} <= {
        e.name for e in entries
    }
    for entry in entries:
        assert entry.cost.energy_pj > 0
        assert entry.cost.source
        assert entry.cost.area_um2 is None or entry.cost.area_um2 > 0
