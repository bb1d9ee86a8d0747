"""Outlier, centroid, OverQ, shift-add and dot-product engines, ternary tables: their rates, energy and area."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.arch.build import build_accelerator
from archsim.arch.chance import binomial
from archsim.arch.components.operations import Operation, operation_cost, operation_of, product_cost
from archsim.arch.engines.base import Engine
from archsim.arch.engines.centroid import CentroidEngine
from archsim.arch.engines.data import DenseData
from archsim.arch.engines.outliers import OutlierLane
from archsim.arch.engines.overq import OverqEngine, coverage
from archsim.arch.formats import Arithmetic, ArithmeticKind, format
from archsim.arch.options import HardwareOptions
from archsim.core.errors import InputError

FP16, FP32, INT32 = (format(name).arithmetic for name in ("fp16", "fp32", "int32"))


def engine(kind: str, **keys: Any) -> Engine:
    table = {"kind": kind, "clock": "1 GHz", "node": "28 nm", "array": {"rows": 8, "cols": 4} | keys}
    table["memory"] = [{"name": "m", "technology": "sram"}]
    return build_accelerator(HardwareOptions.model_validate(table), name="x").engine


def data(name: str, reduction: int = 1024) -> DenseData:
    return DenseData(format=format(name), reduction=reduction)


def rate(found: Engine, weights: str, inputs: str = "int4", reduction: int = 1024) -> float:
    return found.data_rate(data(weights, reduction), data(inputs, reduction)).macs_per_unit_cycle


class TestOutlierLanes:
    @given(lanes=st.integers(1, 32), share=st.floats(0, 1))
    @settings(max_examples=30)
    def test_shares_of_all_counts_add_up(self, lanes: int, share: float) -> None:
        found = binomial(lanes, share)
        assert math.isclose(sum(found), 1.0)
        assert math.isclose(sum(n * p for n, p in enumerate(found)), lanes * share, abs_tol=1e-9)

    @given(lanes=st.integers(1, 24), share=st.floats(0, 0.5), macs=st.integers(1, 4), rows=st.integers(1, 16))
    @settings(max_examples=30)
    def test_who_waits_for_more_is_never_faster(self, lanes: int, share: float, macs: int, rows: int) -> None:
        stream, step, array = (
            OutlierLane(macs=macs, scope=scope).slowdown(lanes, share, rows)  # type: ignore[arg-type]
            for scope in ("stream", "step", "array")
        )
        assert 1.0 - 1e-9 <= stream <= step + 1e-9
        assert step <= array + 1e-9

    def test_a_step_waits_for_its_second_outlier(self) -> None:
        """Two lanes at one outlier in two: none, one (twice) or two outliers, a cycle each but two for two."""
        assert OutlierLane().slowdown(2, 0.5) == pytest.approx(1.25)

    @pytest.mark.parametrize(("scope", "rows"), [("step", 1), ("array", 8), ("stream", 1)])
    def test_waiting_is_that_of_drawn_outliers(self, scope: str, rows: int) -> None:
        """50,000 steps of 16 lanes with two wide MACs at 10 % outliers, counted."""
        drawn = np.random.default_rng(0).binomial(16, 0.1, (50_000, rows))
        steps = np.maximum(1, -(-drawn // 2)).max(axis=1).mean()
        counted = max(1.0, drawn.mean() / 2) if scope == "stream" else float(steps)
        lane = OutlierLane(macs=2, scope=scope)  # type: ignore[arg-type]
        assert lane.slowdown(16, 0.1, rows) == pytest.approx(counted, rel=0.01)

    def test_olaccels_groups_of_16_at_3_percent(self) -> None:
        """The mean of max(1, n) is that of n and the probability of none: 0.48 + 0.614."""
        assert rate(engine("outlier", lanes=16, outlier_fraction=0.03), "int4") == pytest.approx(
            16 / (16 * 0.03 + 0.97**16)
        )

    def test_the_format_states_the_outliers_where_the_design_does_not(self) -> None:
        assert format("spqr3:s10").outlier_share == Fraction(1, 10)
        stream = engine("outlier", lanes=32, outlier_scope="stream")
        assert rate(stream, "spqr3:s10") == pytest.approx(32 / 3.2)

    def test_a_product_is_wide_where_either_operand_is_an_outlier(self) -> None:
        lane = OutlierLane(fraction=0.1, input_fraction=0.5)
        assert lane.share(data("int4"), data("int4")) == pytest.approx(1 - 0.9 * 0.5)
        assert OutlierLane().share(data("spqr3:s10"), data("overq4:s10")) == pytest.approx(0.19)
        assert OutlierLane().share(data("int4"), data("int4")) == 0.0

    def test_a_stated_share_is_an_estimate(self) -> None:
        found = engine("outlier", lanes=16, outlier_fraction=0.03).data_rate(data("int4"), data("int4"))
        assert found.estimates == ("estimate: 3 % of the weights are outliers, as the design states",)

    def test_operands_wider_than_the_narrow_macs_take_turns(self) -> None:
        found = engine("outlier", lanes=16)
        assert (rate(found, "int4"), rate(found, "int8"), rate(found, "int8", "int8")) == (16, 8, 4)

    def test_outliers_take_energy_besides(self) -> None:
        few, many = (engine("outlier", lanes=16, outlier_fraction=share) for share in (0.0, 0.1))
        cost = [found.data_cost(data("int4"), data("int4"), INT32).energy_pj for found in (few, many)]
        assert cost[0] < cost[1] < 1.5 * cost[0]


class TestCentroids:
    def test_a_long_reduction_adds_and_a_short_one_waits_for_its_products(self) -> None:
        found = engine("centroid", lanes=8)
        assert rate(found, "gobo3:s0.1", "fp32", 4096) == pytest.approx(8.0, rel=0.01)
        assert rate(found, "gobo3:s0.1", "fp32", 16) == pytest.approx(16 / (8 + 0.016))

    def test_more_outliers_than_multipliers_take_decide(self) -> None:
        assert rate(engine("centroid", lanes=8, outlier_fraction=0.5), "gobo3", "fp32", 4096) == pytest.approx(
            2.0, rel=0.05
        )

    def test_products_without_a_codebook_take_the_multipliers(self) -> None:
        assert rate(engine("centroid", lanes=8, outlier_macs=2), "fp16", "fp16") == 2

    def test_a_result_pays_for_its_products(self) -> None:
        found = engine("centroid", lanes=4)
        assert isinstance(found, CentroidEngine)
        short, long = (found.data_cost(data("gobo3", k), data("fp32", k), FP32).energy_pj for k in (8, 8192))
        plain = found.unit_cost(format("gobo3").arithmetic, FP32, FP32).energy_pj
        assert plain < long < 1.1 * plain < short


class TestOverq:
    def test_the_array_is_as_fast_as_a_plain_one_and_a_little_larger(self) -> None:
        four = format("overq4:s1").arithmetic
        weights = format("int4").arithmetic
        plain, ours = engine("systolic"), engine("overq")
        assert ours.macs_per_unit_cycle(weights, four) == plain.macs_per_unit_cycle(weights, four)
        areas = [found.unit_cost(weights, four, INT32).area_um2 or 0.0 for found in (plain, ours)]
        assert areas[0] < areas[1] < 1.25 * areas[0]

    def test_it_says_how_many_outliers_find_a_zero(self) -> None:
        class Half(DenseData):
            def nonzeros(self, n: int) -> tuple[float, ...]:
                return (0.5, 0.5)

        inputs = Half(format=format("overq4:s1"))
        found = engine("overq")
        assert isinstance(found, OverqEngine)
        assert coverage(inputs) == 0.5
        assert "50 % of overq4:s1 outliers" in found.data_rate(data("int4"), inputs).estimates[0]
        assert found.data_rate(data("int4"), data("int4")).estimates == ()


class TestShiftAdd:
    @pytest.mark.parametrize(
        ("weights", "inputs", "steps"),
        [("pot4", "int8", 1), ("binary", "fp16", 1), ("int8", "ternary", 1), ("int8", "int8", 4)],
    )
    def test_what_needs_a_multiplier_takes_its_booth_digits(self, weights: str, inputs: str, steps: int) -> None:
        assert rate(engine("shift-add"), weights, inputs) == 1 / steps
        assert rate(engine("shift-add", multiplier=True), weights, inputs) == 1

    def test_signs_cost_less_than_shifts_and_shifts_less_than_products(self) -> None:
        int8 = format("int8").arithmetic
        found = engine("shift-add", multiplier=True)
        costs = [found.unit_cost(format(name).arithmetic, int8, INT32).energy_pj for name in ("binary", "pot4", "int8")]
        assert costs == sorted(costs)
        without = engine("shift-add").unit_cost(format("pot4").arithmetic, int8, INT32)
        beside = found.unit_cost(format("pot4").arithmetic, int8, INT32)
        assert (without.area_um2 or 0.0) < (beside.area_um2 or 0.0)

    def test_a_table_prices_single_operations(self) -> None:
        """Horowitz 2014: 3.7 and 0.9 pJ for FP32, 0.1 pJ for an INT32 addition; 0.13 pJ for a 32-bit shift."""
        pot = format("pot5").arithmetic
        table = "horowitz-45nm"
        assert product_cost(table, FP32, FP32, FP32, 45).energy_pj == pytest.approx(4.6)
        assert product_cost(table, pot, INT32, INT32, 45).energy_pj == pytest.approx(0.23)
        assert product_cost(table, format("binary").arithmetic, FP32, FP32, 45).energy_pj == pytest.approx(0.9)
        assert operation_of(pot, FP32) is Operation.SHIFT

    def test_widths_below_the_tables_are_charged_as_the_narrowest(self) -> None:
        cost = operation_cost("horowitz-45nm", Operation.MULTIPLY, "integer", 4, 45)
        assert (cost.energy_pj, len(cost.estimates)) == (0.2, 1)

    def test_widths_between_the_tables_lie_between_their_neighbours(self) -> None:
        """Sixteen bits are the geometric mean of 8 and 32: (0.2 x 3.1)^0.5 pJ, nearly four times 8 bits."""
        cost = operation_cost("horowitz-45nm", Operation.MULTIPLY, "integer", 16, 45)
        assert cost.energy_pj == pytest.approx((0.2 * 3.1) ** 0.5)
        assert cost.area_um2 == pytest.approx((282 * 3495) ** 0.5)
        (note,) = cost.estimates
        assert note.startswith("estimate: multiply of 16 bits on the power law")

    def test_widths_beyond_the_table_are_refused(self) -> None:
        with pytest.raises(InputError, match="no multiply of float operands of 64 bits"):
            operation_cost("horowitz-45nm", Operation.MULTIPLY, "float", 64, 45)

    def test_other_arrays_take_the_table_too(self) -> None:
        eight = format("int8").arithmetic
        cost = engine("systolic", operations="horowitz-45nm", mac_energy=None).unit_cost(eight, eight, INT32)
        assert cost.source.startswith("Horowitz")


class TestDotProducts:
    def test_units_make_their_lanes_and_rates_add_to_them(self) -> None:
        found = engine("dot-product", lanes=32, rates={"fp4": 2})
        assert (rate(found, "mxfp8", "mxfp8"), rate(found, "nvfp4", "nvfp4")) == (32, 64)

    def test_narrower_elements_make_smaller_units(self) -> None:
        found = engine("dot-product", lanes=32)
        costs = [
            found.unit_cost(format(name).arithmetic, format(name).arithmetic, FP32)
            for name in ("mxfp8", "mxint8", "nvfp4", "nvint4")
        ]
        areas, energies = [cost.area_um2 or 0.0 for cost in costs], [cost.energy_pj for cost in costs]
        assert areas == sorted(areas, reverse=True)
        assert energies == sorted(energies, reverse=True)

    def test_several_blocks_in_a_unit_cost_their_alignment(self) -> None:
        found = engine("dot-product", lanes=32)
        mx, nv = (format(name).arithmetic for name in ("mxfp4", "nvfp4"))
        assert (found.unit_cost(nv, nv, FP32).area_um2 or 0.0) > (found.unit_cost(mx, mx, FP32).area_um2 or 0.0)


class TestTernaryTables:
    def test_a_look_takes_a_group_of_ternary_weights(self) -> None:
        found = engine("lookup", table_digits="ternary", table_group=3, table_adders=13)
        assert rate(found, "ternary", "int8") == 3

    def test_few_adders_make_the_units_wait_for_the_larger_table(self) -> None:
        """13 sums by 4 adders take 4 cycles, in which one look is made."""
        found = engine("lookup", table_digits="ternary", table_group=3, table_adders=4)
        assert rate(found, "ternary", "int8") == 3 / 4

    def test_other_weights_take_a_look_for_each_bit(self) -> None:
        found = engine("lookup", table_digits="ternary", table_group=3, table_adders=13)
        assert rate(found, "int4", "int8") == 3 / 4

    def test_quantized_tables_are_smaller_for_wide_activations(self) -> None:
        weights = Arithmetic(kind=ArithmeticKind.INTEGER, integer_bits=2, serial_terms=2)
        wide, narrow = (engine("lookup", **keys).unit_cost(weights, FP16, FP32) for keys in ({}, {"table_bits": 8}))
        assert (narrow.area_um2 or 0.0) < (wide.area_um2 or 0.0)
        assert narrow.decoder_area_um2 < wide.decoder_area_um2
