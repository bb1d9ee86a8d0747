"""Integer formats: grids, codes, scales, sizes."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from archsim.arch.formats import Granularity, format
from archsim.core.errors import InputError

GRIDS = Path(__file__).parents[2].parent / "shared" / "data" / "format_grids.json"

finite = st.floats(-1e30, 1e30, allow_subnormal=False)
tensors = arrays(np.float64, array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=9), elements=finite)
symmetric_specs = st.builds(
    "{}int{}{}".format,
    st.sampled_from(["", "u"]),
    st.integers(1, 16) | st.just(32),
    st.sampled_from(["", ":channel", ":token", ":head", ":g1", ":g3", ":g4", ":g128"]),
)
asymmetric_specs = st.builds(
    "int{}{}:asym{}".format,
    st.integers(2, 8),
    st.sampled_from(["", ":channel", ":g3", ":g4"]),
    st.sampled_from(["", ":zp12"]),
)


@given(spec=symmetric_specs | asymmetric_specs)
def test_the_name_parses_to_an_equal_format(spec: str) -> None:
    fmt = format(spec)
    assert format(fmt.name) == fmt
    assert format(fmt) is fmt


@given(spec=symmetric_specs, x=tensors)
@settings(max_examples=300)
def test_rounding_twice_changes_nothing(spec: str, x: np.ndarray) -> None:
    fmt = format(spec)
    once = fmt.round(x)
    np.testing.assert_array_equal(fmt.round(once), once)


@given(spec=asymmetric_specs, x=tensors)
@settings(max_examples=200)
def test_rounding_twice_with_a_zero_point_moves_by_at_most_one_and_a_half_steps(spec: str, x: np.ndarray) -> None:
    fmt = format(spec)
    q = fmt.quantize(x)
    once = fmt.dequantize(q)
    step = 0.0 if q.scales is None or q.scales.size == 0 else q.scales.max()
    assert np.all(np.abs(fmt.round(once) - once) <= 1.5 * step * (1 + 2**-10))


@given(spec=symmetric_specs | asymmetric_specs, x=tensors)
def test_shapes_and_code_ranges_hold(spec: str, x: np.ndarray) -> None:
    fmt = format(spec)
    q = fmt.quantize(x)
    assert q.shape == q.codes.shape == fmt.dequantize(q).shape == x.shape
    if x.size:
        assert q.codes.min() >= (0 if not fmt.arithmetic.signed else -(2 ** (fmt.arithmetic.integer_bits - 1)))
        assert q.codes.max() < 2**fmt.arithmetic.integer_bits


@given(spec=symmetric_specs, x=arrays(np.float64, (3, 8), elements=st.floats(-1000, 1000, allow_subnormal=False)))
def test_the_error_is_half_a_step_and_what_the_stored_scale_clips(spec: str, x: np.ndarray) -> None:
    fmt = format(spec)
    if not fmt.arithmetic.signed:
        x = np.abs(x)
    bits, signed = fmt.arithmetic.integer_bits, fmt.arithmetic.signed
    highest = max(2 ** (bits - signed) - 1, 1)
    step = np.abs(x).max() / highest
    off = max(step * 2**-10, 2**-24)  # how far the stored scale may lie from the wanted one
    rounding = step + off if bits == 1 and signed else (step + off) / 2
    assert np.abs(fmt.round(x) - x).max() <= rounding + highest * off


def test_codes_are_those_written_by_hand() -> None:
    q = format("int4:g4").quantize([[7.0, -7.0, 2.5, 3.5, 14.0, 1.0]])
    np.testing.assert_array_equal(q.codes, [[7, -7, 2, 4, 7, 0]])  # 2.5 and 3.5 go to even; 1 / 2 is a tie too
    assert q.scales is not None
    np.testing.assert_array_equal(q.scales, [[1.0, 2.0]])


def test_asymmetric_codes_are_those_written_by_hand() -> None:
    fmt = format("int4:g4:asym")
    q = fmt.quantize([-5.0, 10.0, 0.0, 1.4])
    np.testing.assert_array_equal(q.codes, [0, 15, 5, 6])
    assert q.zero_points is not None
    np.testing.assert_array_equal(q.zero_points, [5])
    np.testing.assert_array_equal(fmt.dequantize(q), [-5.0, 10.0, 0.0, 1.0])


def test_group_scales_are_fp16() -> None:
    x = np.random.default_rng(0).standard_normal((4, 64))
    scales = format("int4:g16").quantize(x).scales
    assert scales is not None
    assert scales.shape == (4, 4)
    np.testing.assert_array_equal(scales, (np.abs(x).reshape(4, 4, 16).max(-1) / 7).astype(np.float16))


@pytest.mark.parametrize("spec", ["int8:channel", "int8:token", "int8:head"])
def test_row_granularities_scale_each_row(spec: str) -> None:
    x = np.random.default_rng(1).standard_normal((2, 3, 5))
    fmt = format(spec)
    scales = fmt.quantize(x).scales
    assert scales is not None
    assert scales.shape == (2, 3, 1)
    for index in np.ndindex(2, 3):
        np.testing.assert_array_equal(fmt.round(x)[index], fmt.round(x[index]))


def test_a_bare_integer_has_one_scale_for_the_tensor() -> None:
    fmt = format("int8")
    assert fmt == format("int8:tensor")
    assert fmt.arithmetic.scale.granularity is Granularity.TENSOR
    x = np.random.default_rng(2).standard_normal((6, 7))
    np.testing.assert_allclose(fmt.round(x), np.rint(x / np.abs(x).max() * 127) * np.abs(x).max() / 127, rtol=1e-6)


def test_one_bit_has_the_codes_minus_one_and_one() -> None:
    np.testing.assert_array_equal(format("int1").grid, [-1.0, 1.0])
    np.testing.assert_array_equal(format("int1:g2").round([-3.0, 0.5, 0.0, 0.0]), [-3.0, 3.0, 0.0, 0.0])


def test_unsigned_makes_negatives_zero() -> None:
    np.testing.assert_array_equal(format("uint8").round([-4.0, 255.0, 7.4]), [0.0, 255.0, 7.0])


@pytest.mark.parametrize("spec", ["int4", "int4:g2", "int8:channel", "int4:g2:asym", "uint4", "int1"])
def test_constant_blocks_zeros_and_empty_arrays(spec: str) -> None:
    fmt = format(spec)
    np.testing.assert_array_equal(fmt.round(np.zeros((3, 5))), np.zeros((3, 5)))
    np.testing.assert_allclose(fmt.round(np.full((3, 5), 2.75)), np.full((3, 5), 2.75), rtol=2**-11)
    assert fmt.round(np.zeros((0, 5))).shape == (0, 5)
    assert fmt.round(np.zeros((2, 0))).shape == (2, 0)
    assert fmt.round(1.5).shape == ()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("spec", ["int8", "int4:g2", "int4:g2:asym"])
def test_values_without_a_code_are_refused(spec: str, value: float) -> None:
    with pytest.raises(InputError, match="have no code in int"):
        format(spec).round([[1.0, value, 2.0]])


def test_scales_neither_overflow_nor_vanish() -> None:
    fmt = format("int8:g2")
    np.testing.assert_array_equal(fmt.round([1e-30, 0.0]), [0.0, 0.0])
    np.testing.assert_array_equal(fmt.round([2.0**-24, -1.0 * 2**-23]), [2.0**-24, -(2.0**-23)])
    np.testing.assert_array_equal(fmt.round([1e9, 0.0]), [127 * 65504.0, 0.0])


@pytest.mark.parametrize(
    ("spec", "bits"),
    [
        ("int8", "8"),
        ("int4:g128", "33/8"),
        ("int4:g64", "17/4"),
        ("int4:g128:asym:zp4", "133/32"),
        ("int4:g128:asym", "67/16"),
        ("int3:g128:asym", "51/16"),
        ("int8:channel", "8"),
        ("uint8", "8"),
    ],
)
def test_bits_per_element(spec: str, bits: str) -> None:
    assert format(spec).bits_per_element == Fraction(bits)


def test_bits_of_a_shape_count_scales_but_not_those_per_tensor() -> None:
    assert format("int8").bits((6, 100)) == 4800
    assert format("int8:channel").bits((6, 100)) == 4800 + 6 * 16
    assert format("int8:head").bits((2, 3, 100)) == 4800 + 6 * 16
    assert format("int4:g64").bits((6, 100)) == 2400 + 6 * 2 * 16  # the second group of a row has 36 elements
    assert format("int4:g64:asym").bits((6, 100)) == 2400 + 6 * 2 * 24
    assert format("int4:g64").bits((6, 0)) == 0
    assert format("int4:g128").bits((4, 256)) == format("int4:g128").bits_per_element * 1024


@given(spec=symmetric_specs | asymmetric_specs, rows=st.integers(1, 4), length=st.integers(1, 40))
def test_bits_of_a_shape_are_never_below_bits_per_element(spec: str, rows: int, length: int) -> None:
    fmt = format(spec)
    assert fmt.bits((rows, length)) >= fmt.bits_per_element * rows * length or fmt.bits_per_element > 16
    assert fmt.bits((rows, length)) >= fmt.arithmetic.integer_bits * rows * length


@pytest.mark.skipif(not GRIDS.is_file(), reason="reference grids are not beside this checkout")
@pytest.mark.parametrize(("spec", "key"), [("int4", "int4_sym"), ("int3", "int3_sym"), ("int4:g128", "int4_sym")])
def test_grids_equal_the_reference(spec: str, key: str) -> None:
    np.testing.assert_array_equal(format(spec).grid, json.loads(GRIDS.read_text())[key])


def test_a_grid_too_large_to_list_is_refused() -> None:
    with pytest.raises(InputError, match=r"int32 has 2\^32 values: too many to list"):
        _ = format("int32").grid


@pytest.mark.parametrize(
    "spec", ["int8", "uint8", "int4:channel", "int3:g3", "int16", "int17", "int4:g16", "int4:g2000"]
)
def test_arrays_with_many_ties_round_as_they_are_encoded(spec: str) -> None:
    """Products with an inverse scale must not decide what lies next to a tie."""
    rng = np.random.default_rng(3)
    fmt = format(spec)
    highest = fmt.quantize(rng.standard_normal(100)).codes.max()
    x = rng.integers(-2 * highest, 2 * highest + 1, (3, 5000)) / 2 * 0.0123046875
    for array in (x, x * (1 + 1e-15), x * (1 - 1e-15)):
        np.testing.assert_array_equal(fmt.round(array), fmt.dequantize(fmt.quantize(array)))


def test_importing_formats_and_naming_one_does_not_load_numba() -> None:
    code = "import sys, archsim.arch.formats as f; f.format('mxfp4').bits((4, 4)); sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0
