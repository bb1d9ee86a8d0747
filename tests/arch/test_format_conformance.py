"""What every number format keeps to: one suite, run on the examples of all families."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from archsim.api.formats import SizedByData
from archsim.arch.formats import ArithmeticKind, Format, Granularity, format, format_family, format_names
from archsim.core.errors import InputError

NAMES = format_names()
SHAPES = [(), (1,), (130,), (3, 33), (2, 3, 20), (4, 1)]
EMPTY = [(3, 0), (0, 5)]
GRID_BITS = 16

every = pytest.mark.parametrize("fmt", [format(name) for name in NAMES], ids=NAMES)


def sample(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def code_bits(fmt: Format) -> int:
    """Widest code that the arithmetic needs."""
    arithmetic = fmt.arithmetic
    match arithmetic.kind:
        case ArithmeticKind.FLOAT:
            return arithmetic.significand_bits + arithmetic.exponent_bits
        case ArithmeticKind.LOOKUP:
            return max(math.ceil(math.log2(max(arithmetic.lookup_entries, 2))), arithmetic.integer_bits)
        case _:
            return max(arithmetic.integer_bits, arithmetic.exponent_bits + 1)


def is_scaled(fmt: Format) -> bool:
    return fmt.arithmetic.scale.granularity is not Granularity.NONE


def in_domain(fmt: Format, x: np.ndarray) -> np.ndarray:
    """`x`, as magnitudes for a type of positive numbers alone, which has no code for the rest."""
    return np.abs(x) if is_positive(fmt) else x


def is_positive(fmt: Format) -> bool:
    return code_bits(fmt) <= GRID_BITS and bool(fmt.grid[0] > 0)


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and np.array_equal(a, b, equal_nan=True)


@every
def test_its_name_gives_the_format_back(fmt: Format) -> None:
    assert format(fmt.name) == fmt
    assert format(fmt.name).name == fmt.name == str(fmt)
    assert hash(format(fmt.name.upper())) == hash(fmt)


@every
def test_the_grid_ascends_without_duplicates(fmt: Format) -> None:
    if code_bits(fmt) > GRID_BITS:
        pytest.skip("its values are too many to list")
    grid = fmt.grid
    assert grid.dtype == np.float64
    assert np.isfinite(grid).all()
    assert (np.diff(grid) > 0).all()
    assert grid[-1] > 0


@every
def test_bits_of_a_shape_are_no_fewer_than_its_elements_take(fmt: Format) -> None:
    assert isinstance(fmt.bits_per_element, Fraction)
    assert fmt.bits_per_element > 0
    for shape in SHAPES + EMPTY:
        bits = fmt.bits(shape)
        assert isinstance(bits, Fraction)
        assert bits >= fmt.bits_per_element * math.prod(shape), shape


@every
def test_in_a_large_array_an_element_takes_its_bits(fmt: Format) -> None:
    """Metadata of rows, tensors and codebooks vanish."""
    shape = (1 << 20, 1 << 22)
    assert fmt.bits(shape) / math.prod(shape) == pytest.approx(float(fmt.bits_per_element), rel=1e-3)


@every
@pytest.mark.parametrize("shape", SHAPES + EMPTY, ids=str)
def test_shapes_are_kept(fmt: Format, shape: tuple[int, ...]) -> None:
    x = sample(shape)
    quantized = fmt.quantize(x)
    assert quantized.shape == shape
    assert quantized.codes.shape == shape
    assert quantized.codes.dtype == np.int64
    rounded = fmt.round(x)
    assert isinstance(rounded, np.ndarray)
    assert rounded.shape == shape
    assert rounded.dtype == np.float64
    assert same(fmt.dequantize(quantized), rounded)


@every
def test_codes_fit_their_bits(fmt: Format) -> None:
    quantized = fmt.quantize(np.concatenate([sample((5, 256)) * 3, np.zeros((1, 256)), sample((1, 256), 1) * 100]))
    codes = quantized.codes
    stored = Fraction(fmt.stored_bits(quantized), codes.size) if isinstance(fmt, SizedByData) else 0
    bits = math.ceil(max(code_bits(fmt), fmt.bits_per_element, stored))
    assert codes.min() >= -(2 ** (bits - 1))
    assert codes.max() < 2**bits


@every
@settings(max_examples=8)
@given(
    arrays.arrays(
        np.float64,
        arrays.array_shapes(max_dims=2, max_side=40),
        elements=st.floats(-1e3, 1e3).map(lambda value: value if abs(value) > 1e-6 else 0.0),
    )
)
def test_decoding_the_code_is_rounding(fmt: Format, x: np.ndarray) -> None:
    before = x.copy()
    assert same(fmt.dequantize(fmt.quantize(x)), fmt.round(x))
    assert same(x, before)


@every
def test_zeros_stay_zero(fmt: Format) -> None:
    if is_positive(fmt):
        pytest.skip("it has no zero")
    rounded = fmt.round(np.zeros((3, 140)))
    assert not rounded.any()
    assert not fmt.dequantize(fmt.quantize(np.zeros((3, 140)))).any()


@every
@pytest.mark.parametrize("value", [1.0, 0.3, 5.7])
def test_a_constant_block_stays_constant_and_near(fmt: Format, value: float) -> None:
    rounded = fmt.round(np.full((2, 128), value))
    assert np.ptp(rounded) <= value / 1000  # outliers that are stored apart are more exact than the rest
    gap = np.diff(fmt.grid).max() if code_bits(fmt) <= GRID_BITS and not is_scaled(fmt) else 0.0
    assert abs(rounded[0, 0] - value) <= max(value / 4, gap / 2)


@every
def test_elements_of_a_short_last_block_are_rounded_as_well(fmt: Format) -> None:
    size = fmt.arithmetic.scale.group_size or 32
    x = sample((6, 3 * size + 5)) + 2
    error = np.abs(fmt.round(x) - x)[:, 3 * size :]
    assert (error <= np.abs(x).max() / 2).all()
    assert fmt.round(x)[:, 3 * size :].any()


@every
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_an_error_or_a_value(fmt: Format, value: float) -> None:
    x = np.array([[1.0, value, -0.5, 0.25]])
    rounded = rounded_or_none(fmt, x)
    if rounded is None:
        with pytest.raises(InputError, match="NaN and infinities have no code"):
            fmt.quantize(x)
    else:
        assert same(fmt.dequantize(fmt.quantize(x)), rounded)
        assert rounded.shape == x.shape


def rounded_or_none(fmt: Format, x: np.ndarray) -> np.ndarray | None:
    try:
        return fmt.round(x)
    except InputError:
        return None


@every
def test_rounding_twice_moves_nothing_beyond_the_stated_bound(fmt: Format) -> None:
    for seed in range(5):
        x = in_domain(fmt, sample((8, 300), seed) * np.exp2(np.arange(-4, 4))[:, None])
        once = fmt.round(x)
        moved = np.abs(fmt.round(once) - once).max()
        assert moved <= fmt.rerounding_fraction * np.abs(x).max()


@every
def test_no_error_exceeds_the_largest_magnitude(fmt: Format) -> None:
    x = in_domain(fmt, sample((8, 300)) * 3)
    assert np.abs(fmt.round(x) - x).max() <= np.abs(x).max()


@every
def test_extreme_magnitudes_do_not_crash(fmt: Format) -> None:
    for factor in (1e-30, 1e30, 2.0**-140, 2.0**120):
        x = sample((2, 40)) * factor
        assert same(fmt.dequantize(fmt.quantize(x)), fmt.round(x))


@every
def test_values_count_and_not_how_they_are_laid_out(fmt: Format) -> None:
    x = sample((6, 48)).astype(np.float32).astype(np.float64)
    expected = fmt.round(x)
    spread = np.zeros((12, 96))
    spread[::2, ::2] = x
    for dressed in (x.astype(np.float32), np.asfortranarray(x), spread[::2, ::2], x.tolist(), x.astype(">f8")):
        assert same(fmt.round(dressed), expected)
        assert same(fmt.dequantize(fmt.quantize(dressed)), expected)


@every
def test_integers_are_taken(fmt: Format) -> None:
    x = np.arange(-20, 20).reshape(2, 20)
    assert same(fmt.round(x), fmt.round(x.astype(np.float64)))
    assert same(fmt.round(x.astype(np.int8)), fmt.round(x.astype(np.float64)))


@every
def test_the_same_input_gives_the_same_output(fmt: Format) -> None:
    x = sample((4, 200))
    assert same(fmt.round(x), fmt.round(x.copy()))
    assert same(fmt.round(x), format(fmt.name).round(x))


def element_types() -> list[Format]:
    found = [format(name) for name in NAMES]
    return [
        fmt for fmt in found
        if not is_scaled(fmt) and code_bits(fmt) <= GRID_BITS
        and fmt.arithmetic.kind is ArithmeticKind.FLOAT
    ]  # fmt: skip


@pytest.mark.parametrize("fmt", element_types(), ids=str)
def test_an_element_type_takes_the_nearest_value_of_its_grid(fmt: Format) -> None:
    top = min(float(fmt.grid[-1]), 1e6)
    x = np.clip(np.concatenate([sample((2000,)) * top / 4, sample((2000,), 1)]), -top, top)
    x = x.astype(np.float32).astype(np.float64)
    grid = fmt.grid
    above = np.clip(np.searchsorted(grid, x), 1, len(grid) - 1)
    nearest = np.minimum(np.abs(grid[above] - x), np.abs(grid[above - 1] - x))
    rounded = fmt.round(x)
    assert np.isin(rounded, grid).all()
    assert np.array_equal(np.abs(rounded - x), nearest)


@pytest.mark.parametrize("fmt", element_types(), ids=str)
def test_an_element_type_keeps_order(fmt: Format) -> None:
    x = np.sort(np.clip(sample((4000,)) * 4, -float(fmt.grid[-1]), float(fmt.grid[-1])))
    assert (np.diff(fmt.round(x)) >= 0).all()


UNORDERED = {
    "microexponent": "pairs have steps of their own",
    "outlier-victim pairs": "an outlier makes its neighbour zero",
}
"""Families of which larger elements may become smaller values than smaller ones, and why."""


def ordered() -> list[Format]:
    return [fmt for fmt in map(format, NAMES) if format_family(fmt).name not in UNORDERED]


@pytest.mark.parametrize("fmt", ordered(), ids=str)
def test_order_is_kept_where_a_scale_is_shared(fmt: Format) -> None:
    """One row of 16 ascending elements: within a block of every block format."""
    for x in np.sort(in_domain(fmt, sample((40, 16))), axis=-1):
        assert (np.diff(fmt.round(x)) >= 0).all()


@pytest.mark.parametrize("family", UNORDERED)
def test_a_family_said_to_be_unordered_is(family: str) -> None:
    formats = [fmt for fmt in map(format, NAMES) if format_family(fmt).name == family]
    rounded = [fmt.round(x) for fmt in formats for x in np.sort(sample((40, 16)) ** 3, axis=-1)]
    assert any((np.diff(values) < 0).any() for values in rounded)
