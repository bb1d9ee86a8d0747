"""Floating-point element types against ml_dtypes and numpy, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.arch.formats import format
from archsim.core.errors import InputError

GRIDS = Path(__file__).parents[2].parent / "shared" / "data" / "format_grids.json"

REFERENCES = {
    "fp32": np.float32,
    "fp16": np.float16,
    "bf16": ml_dtypes.bfloat16,
    "fp8_e4m3": ml_dtypes.float8_e4m3fn,
    "fp8_e5m2": ml_dtypes.float8_e5m2,
    "fp8_e3m4": ml_dtypes.float8_e3m4,
    "fp8_e4m3ieee": ml_dtypes.float8_e4m3,
    "fp8_e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
    "fp8_e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
    "fp8_e4m3b11fnuz": ml_dtypes.float8_e4m3b11fnuz,
    "e8m0": ml_dtypes.float8_e8m0fnu,
    "fp6_e3m2": ml_dtypes.float6_e3m2fn,
    "fp6_e2m3": ml_dtypes.float6_e2m3fn,
    "fp4_e2m1": ml_dtypes.float4_e2m1fn,
}
SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan, 1e308, -1e308, 1e-320, 5e-324, 2.0**-149, 3.4028235677973366e38]


def width(spec: str) -> int:
    return int(format(spec).bits_per_element)


def codes_of(array: np.ndarray, spec: str) -> np.ndarray:
    stored = {8: np.uint8, 16: np.uint16, 32: np.uint32}[max(8, width(spec))]
    return array.view(stored).astype(np.int64)


def assert_same(actual: np.ndarray, expected: np.ndarray) -> None:
    """Equal to the bit, zeros' signs included; NaN by position."""
    np.testing.assert_array_equal(actual, expected)
    numbers = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(actual[numbers]), np.signbit(expected[numbers]))


def samples(spec: str, kind: type) -> np.ndarray:
    """Special values, ties, their neighbours and values of every magnitude, as `kind`."""
    rng = np.random.default_rng(7)
    spread = rng.standard_normal(20000) * np.exp2(rng.integers(-150, 129, 20000))
    near = rng.standard_normal(100000) * np.exp2(rng.integers(-20, 18, 100000))
    parts = [np.array(SPECIAL), spread, near]
    if width(spec) <= 16:
        ties = (format(spec).grid[1:] + format(spec).grid[:-1]) / 2
        parts += [ties, np.nextafter(ties, np.inf), np.nextafter(ties, -np.inf)]
    with np.errstate(over="ignore"):
        return np.concatenate(parts).astype(kind)


@pytest.mark.parametrize("spec", [spec for spec in REFERENCES if spec != "fp32"])
def test_every_code_decodes_as_in_ml_dtypes(spec: str) -> None:
    codes = np.arange(2 ** width(spec))
    stored = codes.astype(np.uint8 if width(spec) <= 8 else np.uint16).view(REFERENCES[spec])
    with np.errstate(invalid="ignore"):
        expected = stored.astype(np.float64)
    fmt = format(spec)
    q = fmt.quantize(np.ones(codes.shape))
    actual = fmt.dequantize(type(q)(codes=codes, shape=codes.shape))
    assert_same(actual, expected)


@pytest.mark.parametrize("spec", list(REFERENCES))
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_rounding_and_codes_are_those_of_ml_dtypes(spec: str, kind: type) -> None:
    x = samples(spec, kind)
    with np.errstate(all="ignore"):
        expected = x.astype(REFERENCES[spec])
    fmt = format(spec)
    assert_same(fmt.round(x), expected.astype(np.float64))
    np.testing.assert_array_equal(fmt.quantize(x).codes, codes_of(expected, spec))


@pytest.mark.parametrize("spec", list(REFERENCES))
def test_a_million_random_values_are_those_of_ml_dtypes(spec: str) -> None:
    """Half of them of all magnitudes, as random bits; half where the type has its numbers."""
    rng = np.random.default_rng(8)
    anything = rng.integers(0, 2**32, 500_000, dtype=np.uint64).astype(np.uint32).view(np.float32)
    near = rng.standard_normal(500_000, dtype=np.float32) * np.float32(
        format(spec).grid[-1] / 4 if width(spec) < 9 else 1
    )
    x = np.concatenate([anything, near])
    with np.errstate(all="ignore"):
        expected = x.astype(REFERENCES[spec])
        rounded = expected.astype(np.float32)
    assert_same(format(spec).round(x), rounded)
    codes = format(spec).quantize(x).codes
    numbers = ~np.isnan(rounded)
    np.testing.assert_array_equal(codes[numbers], codes_of(expected, spec)[numbers])


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("sign", ["", "u"])
def test_integers_have_the_values_of_ml_dtypes(bits: int, sign: str) -> None:
    """Two's complement is the same; our symmetric integers leave out the lowest code, and of one bit make it -1, +1."""
    grid = format(f"{sign}int{bits}").grid
    if sign or bits > 1:
        values = grid[np.random.default_rng(9).integers(0, len(grid), 1_000_000)]
        stored = values.astype(getattr(ml_dtypes, f"{sign}int{bits}"))
        np.testing.assert_array_equal(stored.astype(np.float64), values)
        np.testing.assert_array_equal(format(f"{sign}int{bits}").quantize(values).codes, stored.astype(np.int64))


@given(x=st.floats(width=32), spec=st.sampled_from(list(REFERENCES)))
def test_any_single_value_is_that_of_ml_dtypes(x: float, spec: str) -> None:
    with np.errstate(all="ignore"):
        expected = np.array([x]).astype(REFERENCES[spec]).astype(np.float64)
    assert_same(format(spec).round(np.array([x])), expected)


@given(
    x=st.floats(allow_nan=False),
    exponent_bits=st.integers(1, 5),
    mantissa_bits=st.integers(0, 5),
)
def test_any_small_float_rounds_to_the_nearest_of_its_grid_and_stays(
    x: float, exponent_bits: int, mantissa_bits: int
) -> None:
    bits = 1 + exponent_bits + mantissa_bits
    if bits >= 8:
        return
    fmt = format(f"fp{bits}_e{exponent_bits}m{mantissa_bits}")
    once = fmt.round(x)
    near = float(np.clip(np.float32(np.clip(x, -3e38, 3e38)), fmt.grid[0], fmt.grid[-1]))
    assert abs(once - near) == np.abs(fmt.grid - near).min()
    assert fmt.round(once) == once


@pytest.mark.parametrize("spec", ["fp4_e3m0", "fp3_e1m1", "fp5_e2m2", "fp7_e3m3", "fp9_e4m4", "tf32"])
def test_ties_go_to_the_even_code(spec: str) -> None:
    fmt = format(spec)
    grid = fmt.grid[fmt.grid >= 0]
    ties = (grid[1:] + grid[:-1]) / 2
    codes = fmt.quantize(ties).codes
    assert np.all(codes % 2 == 0)
    assert np.all(np.abs(codes - np.arange(len(ties)) - 0.5) == 0.5)


@pytest.mark.skipif(not GRIDS.is_file(), reason="reference grids are not beside this checkout")
@pytest.mark.parametrize("spec", ["fp8_e4m3", "fp8_e5m2", "fp6_e3m2", "fp6_e2m3", "fp4_e2m1"])
def test_grids_equal_the_reference(spec: str) -> None:
    np.testing.assert_array_equal(format(spec).grid, json.loads(GRIDS.read_text())[spec])


@pytest.mark.parametrize(
    ("spec", "values", "largest"),
    [("fp16", 63487, 65504.0), ("bf16", 65279, 3.3895313892515355e38), ("fp8_e4m3", 253, 448.0), ("fp4", 15, 6.0)],
)
def test_grids_are_ascending_symmetric_and_of_the_known_size(spec: str, values: int, largest: float) -> None:
    grid = format(spec).grid
    assert len(grid) == values
    assert grid[-1] == largest
    assert np.all(np.diff(grid) > 0)
    np.testing.assert_array_equal(grid, -grid[::-1])


def test_out_of_range_goes_to_infinity_nan_or_the_largest_value() -> None:
    assert format("fp8_e5m2").round(1e6) == np.inf
    assert np.isnan(format("fp8_e4m3").round(1e6))
    assert format("fp4_e2m1").round(-1e6) == -6.0


def test_arithmetic_is_significand_and_exponent() -> None:
    seen = {s: (format(s).arithmetic.significand_bits, format(s).arithmetic.exponent_bits) for s in REFERENCES}
    assert seen["fp32"] == (24, 8)
    assert seen["bf16"] == (8, 8)
    assert seen["fp8_e4m3"] == (4, 4)


def test_bits_are_width_times_elements() -> None:
    assert format("tf32").bits_per_element == 19
    assert format("fp6_e3m2").bits((3, 7)) == 126


def test_a_grid_too_large_to_list_is_refused() -> None:
    with pytest.raises(InputError, match=r"fp32 has 2\^32 values: too many to list"):
        _ = format("fp32").grid
