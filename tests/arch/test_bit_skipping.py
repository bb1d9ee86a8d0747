"""Bit-serial engines answer for their data: rate, energy, storage, and what they assume of bits nobody counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from archsim.api.design import design_from_dict
from archsim.arch import order
from archsim.arch.engines.bit_serial import SerialEngine
from archsim.arch.engines.data import DenseData
from archsim.arch.engines.drawn_bits import DrawnBits
from archsim.arch.engines.serial_lanes import SerialLanesEngine
from archsim.arch.engines.skips import Skip, SkipRule
from archsim.arch.formats import format
from archsim.core.errors import InputError

INT8 = DenseData(format=format("int8:channel"), reduction=768)
PLAIN: dict[str, Any] = {"rows": 16, "cols": 16, "lanes": 16, "terms": "bits", "step_energy": "1 pJ/cycle"}


class Counted(DenseData):
    """An operand of whose groups some histogram was counted, whatever is asked for."""

    def histogram(self, statistic: str, lanes: int = 1) -> NDArray[np.int64] | None:
        return np.array([0, 0, 1, 0, 1])


def engine_of(**keys: Any) -> SerialEngine:
    array = {key: value for key, value in (PLAIN | keys).items() if value is not None}
    hardware = {"kind": "bit-serial", "clock": "1 GHz", "node": "28 nm", "array": array}
    memory = [{"name": "dram", "technology": "ddr4", "bandwidth": "16 B/cycle"}]
    design = design_from_dict({"hardware": {**hardware, "memory": memory}}, workload_required=False)
    engine = design.accelerator.engine
    assert isinstance(engine, SerialEngine)
    return engine


def test_the_largest_of_draws_is_one_less_a_power_of_the_shares_below() -> None:
    shares = order.shares_of([3, 1, 4, 1, 5])
    for draws in (1, 2, 16, 256):
        below = [(seen / 14) ** draws for seen in (3, 4, 8, 9)]
        assert order.expected_largest(shares, draws) == pytest.approx(sum(1 - one for one in below))
    assert order.expected_largest_sum(shares, 9, 1) == pytest.approx(9 * order.mean(shares))


def test_the_or_of_draws_is_that_of_a_plain_count() -> None:
    shares, masks = np.array([0.5, 0.25, 0.25]), np.array([0, 1, 6])
    expected = np.zeros(8)
    for a in range(3):
        for b in range(3):
            expected[masks[a] | masks[b]] += shares[a] * shares[b]
    assert order.of_or(masks, shares, 2, 3) == pytest.approx(expected)


def test_drawn_operands_are_what_numpy_draws() -> None:
    values = np.random.default_rng(0).normal(size=(2000, 512))
    codes = np.rint(values * 127 / np.abs(values).max(axis=1, keepdims=True)).astype(int)
    drawn, shares = DrawnBits(distribution="normal", channel=512).codes
    counted = np.bincount(codes.reshape(-1) + 127, minlength=255) / codes.size
    assert shares.sum() == pytest.approx(1.0)
    assert np.abs(np.cumsum(shares) - np.cumsum(counted)).max() < 1e-3
    assert (drawn[0], drawn[-1]) == (-127, 127)


def test_rectified_operands_are_zero_half_of_the_time() -> None:
    values, shares = DrawnBits(distribution="rectified normal", signed=False).codes
    assert shares[values == 0] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("skip", ["precision", "span", "essential", "booth", "column", "interleaved"])
def test_skipping_is_never_slower_in_step_and_faster_without_waiting(skip: str) -> None:
    dense = engine_of().data_rate(INT8, INT8).macs_per_unit_cycle
    together = engine_of(skip=skip).data_rate(INT8, INT8)
    alone = engine_of(skip=skip, sync="pe").data_rate(INT8, INT8)
    if skip != "interleaved":  # whose PEs have a multiplier for each bit place instead of one for each lane
        assert together.macs_per_unit_cycle >= dense * (1 - 1e-9)
    assert alone.macs_per_unit_cycle >= together.macs_per_unit_cycle
    assert alone.imbalance == pytest.approx(0.0)
    assert together.exploited == {"weights"}


def test_a_rate_rests_on_what_was_counted_else_on_a_stated_draw() -> None:
    engine = engine_of(skip="essential", sync="pe")
    counted = engine.data_rate(Counted(format=INT8.format, reduction=768), INT8)
    assert counted.macs_per_unit_cycle == pytest.approx(16 / 3)
    assert counted.estimates == ()
    (estimate,) = engine.data_rate(INT8, INT8).estimates
    assert estimate.startswith("estimate:")
    assert "normal" in estimate


def test_the_rows_that_wait_are_drawn_together() -> None:
    found = Counted(format=INT8.format, reduction=768)
    rate = engine_of(skip="essential", rows=3).data_rate(found, INT8)
    assert rate.macs_per_unit_cycle == pytest.approx(16 / (4 - 2 / 8))
    assert rate.imbalance == pytest.approx(1 - 3 / 3.75)
    inputs = engine_of(skip="essential", serial="inputs", rows=3, cols=1).data_rate(INT8, found)
    assert inputs.macs_per_unit_cycle == pytest.approx(16 / 3)
    assert inputs.exploited == {"inputs"}


def test_both_operands_step_through_the_product_of_their_terms() -> None:
    found = Counted(format=INT8.format, reduction=768)  # 2 or 4 terms
    widths = engine_of(skip="precision", serial="both", sync="pe").data_rate(found, found)
    assert widths.macs_per_unit_cycle == pytest.approx(16 / 9)
    halves = engine_of(skip="precision", serial="both", sync="pe", terms_per_cycle=2).data_rate(found, found)
    assert halves.macs_per_unit_cycle == pytest.approx(16 / (1.5 * 3))
    lanes = engine_of(skip="booth", serial="both", sync="pe", lanes=1).data_rate(found, found)
    assert lanes.macs_per_unit_cycle == pytest.approx(1 / 9)
    waiting = engine_of(skip="booth", serial="both").data_rate(found, found)
    assert waiting.macs_per_unit_cycle == pytest.approx(16 / 16)
    assert waiting.exploited == {"weights", "inputs"}


def test_energy_goes_with_the_cycles_of_a_pe() -> None:
    engine, found = engine_of(skip="essential", sync="pe"), Counted(format=INT8.format, reduction=768)
    cost = engine.data_cost(found, INT8, format("int32").arithmetic)
    assert cost.energy_pj == pytest.approx(3 * 1.0 / 16)


def test_operands_without_bits_to_skip_take_all_their_terms() -> None:
    floats = DenseData(format=format("fp16"), reduction=768)
    engine = engine_of(skip="essential")
    assert engine.data_rate(floats, INT8) == engine_of().data_rate(floats, INT8)


@pytest.mark.parametrize("spec", ["fp16", "pot4", "int1"])
def test_interleaved_lanes_without_zeros_to_skip_take_an_element_a_cycle(spec: str) -> None:
    engine = engine_of(skip="interleaved")
    assert engine.data_rate(DenseData(format=format(spec), reduction=768), INT8).macs_per_unit_cycle == 1
    assert engine.data_rate(INT8, INT8).macs_per_unit_cycle > 1


def test_pruned_columns_set_the_rate_and_are_not_stored() -> None:
    engine = engine_of(skip="bidirectional", kept_columns=4, dense_channels=0.25)
    steps = 0.25 * 8 + 0.75 * 4
    assert engine.data_rate(INT8, INT8).macs_per_unit_cycle == pytest.approx(16 / steps)
    assert engine.stored_bits("weights", INT8) == pytest.approx(steps + 0.75 * 8 / 16)
    assert engine.stored_bits("inputs", INT8) == 8
    columns = engine_of(skip="column", kept_columns=5)
    assert columns.stored_bits("weights", INT8) == pytest.approx(5 + 1 + 7 / 16, abs=0.01)


@pytest.mark.parametrize("width", [2, 4])
def test_operands_with_no_more_columns_than_are_kept_are_not_pruned(width: int) -> None:
    narrow = DenseData(format=format(f"int{width}:channel"), reduction=768)
    engine = engine_of(skip="bidirectional", kept_columns=4, dense_channels=0.25)
    assert engine.data_rate(narrow, INT8).macs_per_unit_cycle == pytest.approx(16 / width)
    assert engine.stored_bits("weights", narrow) == width


def columns_of(kept: int, weights: str, base: str = "bitwave-28nm", **phase: Any) -> Any:
    values = {
        "hardware": {"base": base, "array": {"kept_columns": kept, **phase}},
        "workload": {"model": "resnet-20"},
        "quantization": {"weights": weights, "inputs": "int8"},
    }
    return design_from_dict(values)


def test_kept_columns_beyond_an_operands_word_are_refused() -> None:
    for kept, weights, word in ((9, "int8", 8), (9, "int4", 8)):
        message = (
            f"kept_columns: must be at most {word}, the bits of a word that holds weights of {weights}.*got {kept}"
        )
        with pytest.raises(InputError, match=message):
            columns_of(kept, weights)
    with pytest.raises(InputError, match="kept_columns: must be at most 16"):
        columns_of(17, "int12")
    with pytest.raises(InputError, match=r"phase\.forward\.kept_columns: must be at most 8"):
        columns_of(8, "int8", phase={"forward": {"kept_columns": 9}})
    assert columns_of(9, "int12").warnings == ()


def test_kept_columns_that_narrow_operands_do_not_have_are_told() -> None:
    assert columns_of(8, "int8").warnings == ()
    (warning,) = columns_of(6, "int4").warnings
    assert warning == "hardware.array.kept_columns = 6 takes nothing from weights of int4: all their 4 columns are kept"


def test_lanes_along_an_axis_are_as_fast_as_pes_with_lanes() -> None:
    plain, along = engine_of(skip="essential"), engine_of(skip="essential", windows="row")
    assert isinstance(along, SerialLanesEngine)
    assert along.units == 16 * plain.units
    assert along.pes == plain.pes == plain.units
    whole = plain.units * plain.data_rate(INT8, INT8).macs_per_unit_cycle
    assert along.units * along.data_rate(INT8, INT8).macs_per_unit_cycle == pytest.approx(whole)
    accumulator = format("int32").arithmetic
    costs = [engine.unit_cost(INT8.arithmetic, INT8.arithmetic, accumulator) for engine in (plain, along)]
    assert costs[0].energy_pj == pytest.approx(costs[1].energy_pj)
    assert costs[0].area_um2 == pytest.approx((costs[1].area_um2 or 0.0) * 16)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"sync": "pe"}, "says nothing without skip"),
        ({"skip": "essential", "kept_columns": 4}, "belongs to skip 'column' or 'bidirectional'"),
        ({"skip": "column", "serial": "both"}, "of both operands"),
        ({"skip": "column", "dense_channels": 0.1}, "says nothing without kept_columns"),
        ({"skip": "essential", "words": "twos"}, "belongs to skip 'interleaved'"),
        ({"skip": "essential", "widest_terms": 8}, "contradicts skip 'essential'"),
        ({"skip": "essential", "terms_per_cycle": 2}, "belongs to serial 'both' beside skip"),
        ({"shapes": [{"rows": 1, "cols": 1, "lanes": 1}]}, "needs windows = 'row'"),
        ({"windows": "row", "shapes": [{"rows": 99, "cols": 99, "lanes": 99}]}, "has 970299 lanes, the array 4096"),
    ],
)
def test_keys_that_contradict_each_other_are_named(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        engine_of(**keys)


def test_pruned_columns_belong_to_rules_of_columns() -> None:
    with pytest.raises(ValueError, match="columns belong to skip"):
        SkipRule(skip=Skip.ESSENTIAL, columns=3)


def test_a_resolved_design_is_a_design() -> None:
    hardware = {"base": "stripes-28nm"}
    design = design_from_dict({"hardware": hardware}, workload_required=False)
    again = design_from_dict({"hardware": design.resolved["hardware"]}, workload_required=False)
    assert again.accelerator == design.accelerator


@pytest.mark.parametrize(
    ("skip", "lanes", "published_um2"),
    [("essential", 8, 923.1), ("interleaved", 32, 1665.6), ("column", 8, 702.4), ("bidirectional", 16, 739.6)],
)
def test_what_skips_bits_takes_the_area_that_synthesised_pes_take_more(
    skip: str, lanes: int, published_um2: float
) -> None:
    # Chen et al., BBS, MICRO 2024, table V: PEs of eight one-bit products in 28 nm; Stripes' has 532.8 um2
    def area_of(**keys: Any) -> float:
        found = engine_of(step_energy=None, **keys)
        area = found.unit_cost(INT8.arithmetic, INT8.arithmetic, format("int32").arithmetic).area_um2
        assert area is not None
        return area

    ours = area_of(skip=skip, lanes=lanes) / area_of(lanes=8)
    assert ours == pytest.approx(published_um2 / 532.8, rel=0.35)


def test_stated_figures_hold_whatever_is_skipped() -> None:
    figures = {"pe_area": "500 um^2", "step_energy": "1 pJ/cycle"}
    arithmetics = INT8.arithmetic, INT8.arithmetic, format("int32").arithmetic
    plain, skipping = (engine_of(**figures, **keys).unit_cost(*arithmetics) for keys in ({}, {"skip": "essential"}))
    assert (plain.area_um2, plain.energy_pj) == (skipping.area_um2, skipping.energy_pj) == (500.0, 0.5)
    assert plain.estimates == skipping.estimates
