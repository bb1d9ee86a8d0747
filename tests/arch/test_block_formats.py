"""Formats whose elements share scales: values against a twin in plain numpy, codes, special values, sizes."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from archsim.arch.formats import ArithmeticKind, format, format_families, format_names
from archsim.core.errors import InputError

GRIDS = Path(__file__).parents[2].parent / "shared" / "data" / "format_grids.json"

FAMILIES = {family.name: family.examples for family in format_families()}
MX = FAMILIES["microscaling"]
BFP = (*FAMILIES["block floating point"], "bfp:m1e8g3", "bfp:m23e8g5", "bfp:m3e4g16", "bfp:m2e2g7")
MICRO = FAMILIES["microexponent"]
TWO_LEVEL = FAMILIES["two-level"]
NORMAL = FAMILIES["normal float"]
SIGNS = (*FAMILIES["ternary and binary"], "ternary:g5", "binary:g3")
BIPOLAR = (*FAMILIES["bipolar"], "bipolar-int1", "bipolar-int8", "bipolar-int4:tensor")
EXPONENTIAL = (*FAMILIES["power of two"], "pot2", "pot3:g3", "pot7", "post2:g5", "post3", "post7:channel")
SINGLE_SCALE = (*SIGNS, *BIPOLAR, *EXPONENTIAL)
EXTERNAL = (*MX, *BFP, *MICRO, *TWO_LEVEL, *NORMAL, *SINGLE_SCALE)
INTEGERS = ("int1:g4", "int4", "int4:g3", "int8:channel", "uint4:g5", "int4:g16:asym", "int4:asym", "int16:g128")

finite = st.floats(-1e30, 1e30, allow_subnormal=False)
tensors = arrays(np.float64, array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=40), elements=finite)


def spread(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Values of many magnitudes, exact ties and zeros among them."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape) * np.exp2(rng.integers(-6, 7, shape))
    x[..., ::7] = rng.integers(-64, 65, x[..., ::7].shape) / 8
    x[..., ::11] = 0.0
    return x


@pytest.mark.parametrize("spec", [*EXTERNAL, *INTEGERS])
@pytest.mark.parametrize("shape", [(3, 128), (2, 3, 77), (5,), (1, 5000), (4, 1)])
def test_rounding_is_decoding_what_was_encoded(spec: str, shape: tuple[int, ...]) -> None:
    fmt = format(spec)
    for x in (spread(shape), spread(shape) * 1e-12, spread(shape) * 1e12, np.zeros(shape)):
        np.testing.assert_array_equal(fmt.round(x), fmt.dequantize(fmt.quantize(x)))


@pytest.mark.parametrize("spec", [*EXTERNAL, *INTEGERS, *FAMILIES["float"]])
def test_float32_gives_the_same_values(spec: str) -> None:
    x = spread((3, 100), 1).astype(np.float32)
    rounded = format(spec).round(x)
    assert rounded.dtype in (np.float32, np.float64)
    np.testing.assert_array_equal(rounded, format(spec).round(x.astype(np.float64)))


@pytest.mark.parametrize("spec", [*MX, *BFP, *MICRO])
@pytest.mark.parametrize("scale", [2.0**-149, 2.0**-140, 2.0**-126, 1.0, 2.0**120])
def test_float32_holds_all_values_of_power_of_two_scales(spec: str, scale: float) -> None:
    x = np.float32(scale) * np.random.default_rng(3).integers(1, 128, (4, 64)).astype(np.float32)
    rounded = format(spec).round(x)
    assert rounded.dtype == np.float32
    np.testing.assert_array_equal(rounded, format(spec).round(x.astype(np.float64)))


@given(spec=st.sampled_from([*MX, *BFP, *MICRO, *SINGLE_SCALE]), x=tensors)
@settings(max_examples=300)
def test_rounding_twice_changes_nothing(spec: str, x: np.ndarray) -> None:
    once = format(spec).round(x)
    np.testing.assert_array_equal(format(spec).round(once), once)


@given(spec=st.sampled_from([*MX, *BFP, *MICRO]), x=tensors)
@settings(max_examples=100)
def test_scaling_by_a_power_of_two_commutes_with_power_of_two_scales(spec: str, x: np.ndarray) -> None:
    x = np.where(np.abs(x) > 1e-3, np.clip(x, -1e3, 1e3), 0.0) if spec in (*MX, *MICRO, "msfp16", "msfp12") else x * 0
    np.testing.assert_array_equal(format(spec).round(x * 64), format(spec).round(x) * 64)


@pytest.mark.parametrize("spec", TWO_LEVEL)
def test_two_levels_rounded_twice_change_nothing_while_block_scales_are_normal(spec: str) -> None:
    x = np.random.default_rng(11).standard_normal((200, 400)) * np.exp2(np.random.default_rng(12).integers(-3, 4, 400))
    once = format(spec).round(x)
    np.testing.assert_array_equal(format(spec).round(once), once)


@given(x=arrays(np.float64, st.integers(1, 70), elements=finite), spec=st.sampled_from(TWO_LEVEL))
@settings(max_examples=150)
def test_two_levels_rounded_twice_move_by_at_most_the_widest_step(spec: str, x: np.ndarray) -> None:
    """A subnormal block scale may be rounded up so far that the largest element asks for a smaller one."""
    fmt = format(spec)
    q = fmt.quantize(x)
    once = fmt.dequantize(q)
    assert q.scales is not None
    step = np.repeat(q.scales, 16)[: len(x)] * float(q.extra["tensor_scale"])
    widest = 2 if spec == "nvfp4" else 1
    assert np.all(np.abs(fmt.round(once) - once) <= widest * step)


def reference_mx(x: np.ndarray, grid: np.ndarray, emax: int) -> np.ndarray:
    """OCP MX 1.0, section 6.3, one block at a time, by exhaustive search of the nearest element."""
    out = np.empty_like(x)
    for start in range(0, len(x), 32):
        block = x[start : start + 32]
        scale = 2.0 ** np.clip(np.floor(np.log2(np.abs(block).max())) - emax, -127, 127)
        distances = np.abs(block[:, None] / scale - grid)
        nearest = distances.min(axis=1)
        for i, row in enumerate(distances):
            ties = np.flatnonzero(row == nearest[i])
            zero = len(grid) // 2
            out[start + i] = grid[min(ties, key=lambda k: abs(k - zero) % 2)] * scale
    return out


@pytest.mark.parametrize(
    ("spec", "element", "emax"),
    [
        ("mxfp8", "fp8_e4m3", 8),
        ("mxfp8_e5m2", "fp8_e5m2", 15),
        ("mxfp6", "fp6_e3m2", 4),
        ("mxfp6_e2m3", "fp6_e2m3", 2),
        ("mxfp4", "fp4_e2m1", 2),
    ],
)
def test_mx_is_the_nearest_element_under_the_shared_scale(spec: str, element: str, emax: int) -> None:
    x = spread((1, 800), 5)[0]
    np.testing.assert_array_equal(format(spec).round(x), reference_mx(x, format(element).grid, emax))


def test_mxint8_by_hand() -> None:
    q = format("mxint8").quantize([1.0, -1.99, 0.5 / 64, 1.5 / 64])
    np.testing.assert_array_equal(q.codes, [64, -127, 0, 2])
    np.testing.assert_array_equal(q.scales, [1.0])
    assert format("mxint8").arithmetic.integer_bits == 8


def test_msfp12_by_hand() -> None:
    q = format("msfp12").quantize([4.0, -7.9, 0.4, 1.5, 0.5])
    np.testing.assert_array_equal(q.codes, [4, -7, 0, 2, 0])
    np.testing.assert_array_equal(q.scales, [4.0])
    np.testing.assert_array_equal(format("msfp12").dequantize(q), [4.0, -7.0, 0.0, 2.0, 0.0])


def test_mx4_by_hand() -> None:
    x = [4.0, 1.0, 3.9, 1.1, 6.1, 0.9, 0.5, 0.4]
    q = format("mx4").quantize(x)
    np.testing.assert_array_equal(q.scales, [4.0])
    np.testing.assert_array_equal(q.extra["microexponents"], [[0, 1, 0, 1, 1, 1, 1, 1]])
    np.testing.assert_array_equal(q.codes, [2, 0, 3, 1, 3, 0, 0, 0])
    np.testing.assert_array_equal(format("mx4").dequantize(q), [4.0, 0.0, 3.0, 1.0, 6.0, 0.0, 0.0, 0.0])


def test_nvfp4_by_hand() -> None:
    x = np.zeros(32)
    x[0], x[1], x[16] = 2688.0, -1300.0, 6.0
    q = format("nvfp4").quantize(x)
    assert float(q.extra["tensor_scale"]) == 1.0
    np.testing.assert_array_equal(q.scales, [448.0, 1.0])
    np.testing.assert_array_equal(q.codes[[0, 1, 16]], [7, 8 + 5, 7])
    np.testing.assert_array_equal(format("nvfp4").round(x)[[0, 1, 16]], [2688.0, -1344.0, 6.0])


def test_nf4_by_hand() -> None:
    q = format("nf4").quantize([2.0, -2.0, 0.0, 0.9])
    np.testing.assert_array_equal(q.codes, [15, 0, 7, 12])
    np.testing.assert_array_equal(q.scales, [2.0])


def test_double_quantized_scales_are_near_those_of_nf4() -> None:
    x = np.random.default_rng(2).standard_normal((64, 1024))
    q = format("nf4:dq").quantize(x)
    assert q.extra["outer_scales"].shape == (4,)
    error = np.abs(format("nf4:dq").round(x) - x).mean() / np.abs(format("nf4").round(x) - x).mean()
    assert 1.0 <= error < 1.02


@given(x=arrays(np.float64, (3, 130), elements=st.floats(-10, 10)))
@settings(max_examples=60)
def test_normal_float_rounded_twice(x: np.ndarray) -> None:
    """Exact: -1 and 1 are entries. With quantized scales each scale moves, by at most 1/16 of its distance to
    the mean."""
    once = format("nf4").round(x)
    np.testing.assert_array_equal(format("nf4").round(once), once)
    twice = format("nf4:dq").round(once)
    assert np.abs(format("nf4:dq").round(twice) - twice).max() <= 0.5 * np.abs(twice).max() + 1e-30


def test_ternary_is_bitnets_mean_scale_and_keeps_ternary_weights() -> None:
    x = np.array([1.0, -3.0, 0.5, 0.0])
    np.testing.assert_array_equal(format("ternary").round(x), [1.125, -1.125, 0.0, 0.0])
    np.testing.assert_array_equal(format("binary").round(x), [1.125, -1.125, 1.125, 1.125])
    np.testing.assert_array_equal(format("ternary").round([0.3125, 0, -0.3125]), [0.3125, 0, -0.3125])


def test_bipolar_values_are_odd() -> None:
    np.testing.assert_array_equal(format("bipolar-int2").round([3.0, 0.4, -1.1, 0.0]), [3.0, 1.0, -1.0, 1.0])
    assert format("bipolar-int2").quantize([3.0, 0.4, -1.1, 0.0]).codes.tolist() == [3, 2, 1, 2]


def test_powers_of_two_and_of_its_root() -> None:
    np.testing.assert_array_equal(format("pot4").round([64.0, 24.0, -5.0, 0.5, 48.0]), [64.0, 32.0, -4.0, 0.0, 32.0])
    np.testing.assert_allclose(format("post4").grid[8:], np.sqrt(2.0) ** np.arange(7), rtol=1e-15)
    assert format("pot4").arithmetic.kind is ArithmeticKind.POWER_OF_TWO
    assert format("post4").arithmetic.kind is ArithmeticKind.LOOKUP


@pytest.mark.parametrize("spec", EXTERNAL)
def test_zeros_constants_remainders_and_empty_arrays(spec: str) -> None:
    fmt = format(spec)
    np.testing.assert_array_equal(fmt.round(np.zeros((3, 50))), np.zeros((3, 50)))
    exact = spec not in TWO_LEVEL and "bipolar" not in spec
    np.testing.assert_allclose(fmt.round(np.full((3, 50), -2.0)), np.full((3, 50), -2.0), rtol=0 if exact else 2**-11)
    assert fmt.round(np.zeros((0, 5))).shape == fmt.quantize(np.zeros((0, 5))).codes.shape == (0, 5)
    assert fmt.round(np.zeros((2, 0))).shape == fmt.dequantize(fmt.quantize(np.zeros((2, 0)))).shape == (2, 0)
    assert fmt.round(1.0).shape == ()
    assert fmt.dequantize(fmt.quantize(1.0)).shape == ()


@pytest.mark.parametrize("spec", [*MX, *BFP, *MICRO, *NORMAL[:1]])
def test_a_short_last_block_is_rounded_by_itself(spec: str) -> None:
    block = format(spec).arithmetic.scale.group_size
    x = spread((2, 2 * block + 1), 9)
    rounded = format(spec).round(x)
    for part in (slice(0, block), slice(block, 2 * block), slice(2 * block, None)):
        np.testing.assert_array_equal(rounded[:, part], format(spec).round(x[:, part]))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -np.nan])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_special_values(value: float, kind: type) -> None:
    x = np.ones((2, 70), kind)
    x[1, 33] = value
    for spec in MX:
        rounded = format(spec).round(x)
        assert np.isnan(rounded[1, 32:64]).all()
        np.testing.assert_array_equal(np.delete(rounded[1], slice(32, 64)), np.ones(38))
        np.testing.assert_array_equal(format(spec).dequantize(format(spec).quantize(x)), rounded)
        np.testing.assert_array_equal(format(spec).round(rounded), rounded)
    for spec in (*BFP, *MICRO, *TWO_LEVEL, *NORMAL, *SINGLE_SCALE, *INTEGERS):
        for encode in (format(spec).round, format(spec).quantize):
            with pytest.raises(InputError, match="have no code in"):
                encode(x)


def test_values_beyond_the_shared_exponents_saturate_or_vanish() -> None:
    np.testing.assert_array_equal(format("mxfp4").round([1e300, -1e300, 1.0]), [6 * 2.0**127, -6 * 2.0**127, 0.0])
    np.testing.assert_array_equal(format("mxfp4").round([2.0**-129, 5e-324]), [0.0, 0.0])
    np.testing.assert_array_equal(format("mxfp4").round([2.0**-128]), [2.0**-128])
    np.testing.assert_array_equal(format("bfp:m3e2g4").round([100.0, 1.0]), [7.0, 1.0])


@pytest.mark.skipif(not GRIDS.is_file(), reason="reference grids are not beside this checkout")
@pytest.mark.parametrize(
    ("spec", "key"),
    [
        ("nf4", "nf4"),
        ("pot4", "pot4_signed"),
        ("ternary", "ternary"),
        ("bipolar-int2", "bipolar_int2"),
        ("bipolar-int4", "bipolar_int4"),
        ("nvfp4", "fp4_e2m1"),
        ("nvint4", "int4_sym"),
        ("mxfp8", "fp8_e4m3"),
        ("mxfp8_e5m2", "fp8_e5m2"),
        ("mxfp6", "fp6_e3m2"),
        ("mxfp6_e2m3", "fp6_e2m3"),
        ("mxfp4", "fp4_e2m1"),
    ],
)
def test_grids_equal_the_reference(spec: str, key: str) -> None:
    np.testing.assert_array_equal(format(spec).grid, json.loads(GRIDS.read_text())[key])


@pytest.mark.parametrize(
    ("spec", "shape", "bits"),
    [
        ("mxfp4", (3, 65), 3 * (65 * 4 + 3 * 8)),
        ("mxint8", (2, 3, 32), 6 * 33 * 8),
        ("msfp12", (1, 17), 17 * 4 + 16),
        ("bfp:m4e5g8", (2, 8), 2 * (8 * 5 + 5)),
        ("mx9", (1, 17), 17 * 8 + 2 * 16),
        ("mx4", (4, 16), 4 * 64),
        ("nvfp4", (1, 20), 80 + 16),
        ("nf4", (2, 65), 2 * (65 * 4 + 64)),
        ("nf4:dq", (1, 64 * 257), 64 * 257 * 4 + 257 * 8 + 64),
        ("ternary", (2, 6), 24),
        ("ternary:3t", (1, 7), 15),
        ("ternary:2b", (1, 7), 14),
        ("ternary:channel", (2, 5), 2 * (8 + 16)),
        ("binary", (3, 7), 21),
        ("bipolar-int3", (2, 8), 2 * (24 + 16)),
        ("pot4", (2, 8), 64),
    ],
)
def test_bits_of_a_shape_count_short_blocks_whole(spec: str, shape: tuple[int, ...], bits: int) -> None:
    assert format(spec).bits(shape) == bits


@pytest.mark.parametrize("spec", [spec for spec in EXTERNAL if "ternary" not in spec])
def test_bits_of_whole_blocks_are_bits_per_element(spec: str) -> None:
    fmt = format(spec)
    shape = (256, fmt.arithmetic.scale.group_size or 16)
    per_row = 0 if fmt.arithmetic.scale.group_size else Fraction(fmt.bits((1, 1)) - fmt.bits_per_element)
    assert fmt.bits(shape) == fmt.bits_per_element * 256 * shape[1] + 256 * per_row


@pytest.mark.parametrize("spec", EXTERNAL)
def test_codes_fit_their_bits(spec: str) -> None:
    fmt = format(spec)
    codes = fmt.quantize(spread((8, 256), 4)).codes
    width = 2 if "ternary" in spec else max(int(fmt.bits((1, 1)) - fmt.bits((1, 0))), 1)
    assert codes.min() >= -(2 ** (width - 1)) or spec == "binary"
    assert codes.max() < 2**width + (spec == "binary")


def test_engines_see_numbers_and_no_names() -> None:
    mxfp8, nvint4, mx6 = (format(spec).arithmetic for spec in ("mxfp8", "nvint4", "mx6"))
    assert (mxfp8.significand_bits, mxfp8.exponent_bits, mxfp8.scale.kind, mxfp8.scale.group_size) == (4, 4, "e8m0", 32)
    assert (nvint4.integer_bits, nvint4.scale.kind, nvint4.scale.group_size) == (4, "e4m3", 16)
    assert nvint4.scale.outer is not None
    assert nvint4.scale.outer.kind == "fp32"
    assert (mx6.integer_bits, mx6.scale.group_size, mx6.scale.micro_group_size, mx6.scale.micro_bits) == (5, 16, 2, 1)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("bfp:m4", "format 'bfp:m4': block floating point is spelled bfp:m<mantissa>e<exponent>g<group>"),
        ("bfp:m0e8g16", "format 'bfp:m0e8g16': the mantissa has 1 to 23 bits besides the sign (got 0)"),
        ("bfp:m4e9g0", "format 'bfp:m4e9g0': the exponent has 2 to 8 bits (got 9)\nformat 'bfp:m4e9g0': a group has"),
        ("nf4:x", "format 'nf4:x': NormalFloat is spelled nf4[:g<size>][:dq]"),
        ("pot9", "format 'pot9': powers of two have 2 to 7 bits (got 9)"),
        ("pot4:g", "format 'pot4:g': option 'g' is unknown\nhint: pot<bits>"),
        ("bipolar-int17", "format 'bipolar-int17': bipolar integers have 1 to 16 bits (got 17)"),
        ("binary:2b", "format 'binary:2b': option '2b' is unknown or out of place\nhint: binary[:tensor"),
        ("mxfp5", "unknown format 'mxfp5'\nhint: did you mean 'mxfp"),
    ],
)
def test_a_wrong_spelling_is_answered_with_what_is_allowed(spec: str, text: str) -> None:
    with pytest.raises(InputError) as caught:
        format(spec)
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("mxfp8_e4m3", "mxfp8"),
        ("MXFP6:e3m2", "mxfp6"),
        ("bfp:m7e8g16", "msfp16"),
        ("nf4:g64", "nf4"),
        ("bipolar_int4", "bipolar-int4"),
        ("bipolar-int4:channel", "bipolar-int4"),
        ("ternary:5t", "ternary"),
    ],
)
def test_other_spellings_mean_the_same_format(alias: str, name: str) -> None:
    assert format(alias).name == name


def test_every_family_says_what_it_is() -> None:
    assert tuple(name for family in format_families() for name in family.examples) == format_names()
    assert all(family.summary and family.source for family in format_families())


@pytest.mark.parametrize("spec", ["mxfp4", "int4:g128", "fp8_e4m3", "nvfp4", "int4@4.5"])
def test_rounding_into_an_array_that_is_there(spec: str) -> None:
    x = spread((4, 64)).astype(np.float32)
    expected = format(spec).round(x)
    out = np.empty(x.shape, expected.dtype)
    assert format(spec).round_into(x, out) is out
    np.testing.assert_array_equal(out, expected)
    with pytest.raises(InputError, match="`out` must be a C-contiguous"):
        format("mxfp4").round_into(x, np.empty((4, 63), np.float32))


def test_arrays_in_another_order_or_of_integers() -> None:
    x = spread((6, 40))
    np.testing.assert_array_equal(format("mxfp8").round(x.T), format("mxfp8").round(np.ascontiguousarray(x.T)))
    np.testing.assert_array_equal(format("mxint8").round([3, -2, 1]), [3.0, -2.0, 1.0])
