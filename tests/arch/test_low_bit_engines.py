"""Bit-serial and bit-composable engines: terms, lanes, group scales, composition, decoders, energy and area."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.arch.build import build_accelerator
from archsim.arch.engines.base import Engine
from archsim.arch.engines.bit_composable import ComposableEngine
from archsim.arch.engines.bit_serial import SerialEngine
from archsim.arch.engines.edge import Decoder, GroupScaling
from archsim.arch.engines.serial import Terms, operand_bits, terms
from archsim.arch.formats import Arithmetic, ArithmeticKind, format
from archsim.arch.options import HardwareOptions

FP16, FP32 = format("fp16").arithmetic, format("fp32").arithmetic


def engine(kind: str, in_phase: str = "prefill", **keys: Any) -> Engine:
    table = {"kind": kind, "clock": "1 GHz", "node": "28 nm", "array": {"rows": 8, "cols": 4} | keys}
    table["memory"] = [{"name": "m", "technology": "sram"}]
    return build_accelerator(HardwareOptions.model_validate(table).for_phase(in_phase), name="x").engine


def integer(bits: int) -> Arithmetic:
    return Arithmetic(kind=ArithmeticKind.INTEGER, integer_bits=bits, serial_terms=bits)


@pytest.mark.parametrize(
    ("name", "bits", "booth", "own"),
    [
        ("int8", 8, 4, 8),
        ("int5", 5, 3, 5),
        ("bitmod-int6:g128", 6, 3, 3),
        ("bitmod-fp4:g128", 2, 2, 2),
        ("bitmod-fp3:g128", 2, 2, 2),
        ("fp16", 11, 6, 11),
    ],
)
def test_terms_of_an_element(name: str, bits: int, booth: int, own: int) -> None:
    arithmetic = format(name).arithmetic
    assert (terms(arithmetic, Terms.BITS), terms(arithmetic, Terms.BOOTH), terms(arithmetic, Terms.FORMAT)) == (
        bits,
        booth,
        own,
    )


def test_a_power_of_two_is_one_term() -> None:
    power = Arithmetic(kind=ArithmeticKind.POWER_OF_TWO, exponent_bits=4)
    assert [terms(power, how) for how in Terms] == [1, 1, 1]


def test_equal_arithmetics_take_equally_long_whatever_their_formats_are_called() -> None:
    array = engine("bit-serial", lanes=4)
    named = [format(name).arithmetic for name in ("int6", "int6:channel", "int6:g64")]
    assert len({array.macs_per_unit_cycle(arithmetic, FP16) for arithmetic in named}) == 1


@given(bits=st.integers(1, 16), lanes=st.integers(1, 16), at_once=st.integers(1, 8))
def test_a_serial_pe_makes_its_lanes_in_as_many_cycles_as_there_are_terms(bits: int, lanes: int, at_once: int) -> None:
    array = engine("bit-serial", lanes=lanes, terms="bits", terms_per_cycle=at_once)
    assert array.macs_per_unit_cycle(integer(bits), FP16) == lanes / -(-bits // at_once)


def test_with_both_operands_serial_their_steps_multiply() -> None:
    array = engine("bit-serial", serial="both", terms="bits")
    assert array.macs_per_unit_cycle(integer(3), integer(5)) == 1 / 15


def test_a_unit_without_precision_skipping_takes_its_widest_terms() -> None:
    array = engine("bit-serial", terms="bits", widest_terms=16)
    assert array.macs_per_unit_cycle(integer(4), FP16) == array.macs_per_unit_cycle(integer(8), FP16) == 1 / 16


@pytest.mark.parametrize(("group", "steps"), [(128, 2.0), (16, 2.0), (8, 4.0), (4, 8.0)])
def test_short_groups_wait_for_the_scale_of_the_one_before(group: int, steps: float) -> None:
    """8 bits of scale at one a cycle are hidden under 16 elements in 4 lanes of 2 terms, and not under 8."""
    scaling = GroupScaling(bits_per_cycle=1)
    assert scaling.steps(format(f"bitmod-fp4:g{group}").arithmetic, 4, 2) == steps


def test_operands_without_group_scales_never_wait() -> None:
    assert GroupScaling(bits_per_cycle=1).steps(integer(2), 4, 1) == 1.0


@pytest.mark.parametrize(
    ("weights", "inputs", "rate", "axes"),
    [
        (8, 8, 1, (8, 4)),
        (4, 4, 4, (16, 8)),
        (4, 8, 2, (8, 8)),
        (8, 4, 2, (16, 4)),
        (2, 2, 4, (16, 8)),
        (6, 6, 1, (8, 4)),
    ],
)
def test_narrow_operands_make_a_composable_array_longer_and_wider(
    weights: int, inputs: int, rate: float, axes: tuple[int, int]
) -> None:
    array = engine("bit-composable", brick_bits=4, dataflow="os")
    w, x = integer(weights), integer(inputs)
    assert array.macs_per_unit_cycle(w, x) == rate
    fitted = array.fitted(array.dataflows[0], w, x)
    assert tuple(axis.size for axis in fitted.axes) == axes


def test_weight_stationary_units_gain_along_the_reduction_by_the_inputs() -> None:
    array = engine("bit-composable", brick_bits=2, dataflow="ws")
    fitted = array.fitted(array.dataflows[0], integer(8), integer(2))
    assert tuple(axis.size for axis in fitted.axes) == (32, 4)


def test_operands_wider_than_a_unit_take_turns() -> None:
    array = engine("bit-composable")
    assert array.macs_per_unit_cycle(integer(16), integer(16)) == 1 / 4


def test_floats_are_composed_by_their_significands() -> None:
    assert operand_bits(FP16) == 11


@given(weights=st.integers(1, 8), inputs=st.integers(1, 8))
def test_a_unit_takes_the_same_energy_a_cycle_however_it_is_composed(weights: int, inputs: int) -> None:
    array = engine("bit-composable", mac_energy="1 pJ")
    w, x = integer(weights), integer(inputs)
    cost = array.unit_cost(w, x, integer(32))
    assert cost.energy_pj * array.macs_per_unit_cycle(w, x) == pytest.approx(1.0)


@given(bits=st.integers(1, 16))
def test_a_serial_pe_takes_its_energy_for_every_cycle_at_work(bits: int) -> None:
    array = engine("bit-serial", lanes=4, terms="bits", step_energy="0.5 pJ/cycle", energy_factor=1.5)
    cost = array.unit_cost(integer(bits), FP16, FP32)
    assert cost.energy_pj * array.macs_per_unit_cycle(integer(bits), FP16) == pytest.approx(0.75)


def test_without_figures_a_serial_pe_is_made_of_multipliers_of_one_term() -> None:
    narrow, wide = (engine("bit-serial", terms_per_cycle=n).unit_cost(integer(8), FP16, FP32) for n in (1, 8))
    assert narrow.area_um2 is not None
    assert wide.area_um2 is not None
    assert 0 < narrow.area_um2 < wide.area_um2


@pytest.mark.parametrize(
    ("place", "serves", "count"),
    [("rows", 0, 8), ("columns", 0, 4), ("pe", 0, 32), ("rows", 2, 16), ("columns", 3, 12)],
)
def test_decoders_of_an_array(place: Any, serves: int, count: int) -> None:
    assert Decoder(operand="weights", place=place, serves=serves).count(8, 4) == count


@pytest.mark.parametrize("kind", ["bit-serial", "bit-composable", "systolic", "spatial"])
def test_every_kind_charges_its_decoders(kind: str) -> None:
    decoder = {"operand": "weights", "place": "rows", "area": "10 um^2", "energy": "0.5 pJ/cycle"}
    array = engine(kind, decoders=[decoder])
    cost = array.unit_cost(integer(8), integer(8), integer(32))
    assert cost.decoder_area_um2 == 80
    peak = array.units * array.macs_per_unit_cycle(integer(8), integer(8))
    assert cost.decode_pj * peak == pytest.approx(8 * 0.5)


def test_the_array_takes_another_shape_in_a_phase() -> None:
    keys = {"lanes": 4, "phase": {"decode": {"rows": 16, "cols": 2}}}
    prefill, decode = (engine("bit-serial", phase, **keys) for phase in ("prefill", "decode"))
    assert isinstance(prefill, SerialEngine)
    assert isinstance(decode, SerialEngine)
    assert (prefill.rows, prefill.columns) == (8, 4)
    assert (decode.rows, decode.columns, decode.unit.lanes) == (16, 2, 4)


def test_bricks_cannot_be_wider_than_units() -> None:
    with pytest.raises(ValueError, match="brick_bits must be from 1 to unit_bits 4"):
        ComposableEngine(array=engine("systolic"), unit_bits=4, brick_bits=8)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bits", "group", "adders", "rate"),
    [(2, 4, 4, 2.0), (4, 4, 4, 1.0), (1, 4, 8, 4.0), (1, 4, 2, 1.0)],
)
def test_lookups_take_a_cycle_a_bit_and_wait_for_their_tables(bits: int, group: int, adders: int, rate: float) -> None:
    array = engine("lookup", table_group=group, table_adders=adders)
    assert array.macs_per_unit_cycle(integer(bits), FP16) == rate


def test_a_table_is_shared_by_the_rows() -> None:
    few, many = (engine("lookup", rows=rows).unit_cost(integer(2), FP16, FP32) for rows in (4, 16))
    assert few.decode_pj == pytest.approx(4 * many.decode_pj)
    assert few.decoder_area_um2 == many.decoder_area_um2 > 0


def test_lookups_take_less_energy_a_mac_with_fewer_bits() -> None:
    array = engine("lookup")
    narrow, wide = (array.unit_cost(integer(bits), FP16, FP32).energy_pj for bits in (2, 4))
    assert narrow == pytest.approx(wide / 2)


def test_lookups_of_floats_take_a_place_for_each_power_of_two_they_span() -> None:
    """All multiples of the least value up to the largest one, and the sign."""
    array = engine("lookup", table_adders=64)
    for name in ("fp4_e2m1", "fp6_e2m3", "fp8_e4m3"):
        fmt = format(name)
        least = min(value for value in fmt.grid if value > 0)
        assert array.macs_per_unit_cycle(fmt.arithmetic, FP16) >= 4 / (int(max(fmt.grid) / least).bit_length() + 1)
        assert 4 / array.macs_per_unit_cycle(fmt.arithmetic, FP16) <= int(max(fmt.grid) / least).bit_length() + 2
    cost = array.unit_cost(format("nf4").arithmetic, FP16, FP32)
    assert any("rounded to 8 bits" in estimate for estimate in cost.estimates)
