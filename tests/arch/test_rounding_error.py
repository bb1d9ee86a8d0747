from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from archsim.arch.formats import format
from archsim.arch.formats.error import CHUNK, RoundingError, error_between, rounding_error

DB_PER_BIT = 20 * math.log10(2)

numbers = st.floats(-1e6, 1e6).map(lambda value: value if abs(value) > 1e-6 else 0.0)


def twin(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """SQNR, cosine and largest error, one element at a time."""
    xs, ys = [float(value) for value in x.ravel()], [float(value) for value in y.ravel()]
    signal = math.fsum(a * a for a in xs)
    noise = math.fsum((a - b) ** 2 for a, b in zip(xs, ys, strict=True))
    power = math.fsum(b * b for b in ys)
    product = math.fsum(a * b for a, b in zip(xs, ys, strict=True))
    sqnr_db = math.inf if noise == 0 else 10 * math.log10(signal / noise) if signal else math.nan
    cosine = product / math.sqrt(signal * power) if signal and power else math.nan
    return sqnr_db, cosine, max((abs(a - b) for a, b in zip(xs, ys, strict=True)), default=0.0)


@settings(max_examples=60)
@given(arrays.arrays(np.float64, arrays.array_shapes(max_dims=3, max_side=9), elements=numbers), st.integers(2, 8))
def test_the_sums_are_those_of_a_loop(x: np.ndarray, bits: int) -> None:
    y = format(f"int{bits}").round(x)
    found = error_between(x, y)
    expected = twin(x, y)
    assert (found.sqnr_db, found.cosine, found.max_abs_error) == pytest.approx(expected, rel=1e-9, nan_ok=True)


def uniform(count: int = 1 << 18) -> np.ndarray:
    return np.random.default_rng(7).uniform(-1, 1, count)


@pytest.mark.parametrize("bits", range(3, 13))
def test_uniform_data_in_integers_follows_the_rule_of_six_decibel_per_bit(bits: int) -> None:
    """Signal 1/3, noise step^2/12 with step 2 / (2^n - 2): 20 log10(2^n - 2), the symmetric integer's levels."""
    found = rounding_error(format(f"int{bits}"), uniform()).sqnr_db
    assert found == pytest.approx(20 * math.log10(2**bits - 2), abs=0.1)


def test_a_bit_more_is_six_decibel_more() -> None:
    sqnr_db = [rounding_error(format(f"int{bits}"), uniform()).sqnr_db for bits in range(6, 14)]
    assert np.diff(sqnr_db) == pytest.approx(DB_PER_BIT, abs=0.3)


@settings(max_examples=30)
@given(st.sampled_from(["", ":channel", ":g32", ":g32:asym"]), st.integers(0, 2**32 - 1))
def test_more_bits_are_never_worse_on_gaussian_data(granularity: str, seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal((16, 256))
    sqnr_db = [rounding_error(format(f"int{bits}{granularity}"), x).sqnr_db for bits in range(2, 11)]
    assert sqnr_db == sorted(sqnr_db)


def test_a_float_of_m_mantissa_bits_has_its_known_error() -> None:
    """Each mantissa bit is worth 6.02 dB in the range of normal numbers."""
    x = 2.0 ** np.random.default_rng(1).uniform(-3, 3, 1 << 17)
    found = [rounding_error(format(name), x).sqnr_db for name in ("fp8_e5m2", "fp8_e4m3", "bf16")]
    assert np.diff(found) == pytest.approx([DB_PER_BIT, 4 * DB_PER_BIT], abs=0.1)


@pytest.mark.parametrize("factor", [1e-300, 1e300, 2.0**-1000])
def test_extreme_magnitudes_neither_overflow_nor_vanish(factor: float) -> None:
    x = uniform(1000)
    y = format("int6").round(x)
    found, ordinary = error_between(x * factor, y * factor), error_between(x, y)
    assert found.sqnr_db == pytest.approx(ordinary.sqnr_db)
    assert found.cosine == pytest.approx(ordinary.cosine)
    assert found.max_abs_error == pytest.approx(ordinary.max_abs_error * factor)


def test_more_than_one_chunk_is_the_same_as_one() -> None:
    x = uniform(3 * CHUNK + 17)
    y = np.round(x, 1)
    assert error_between(x, y).sqnr_db == pytest.approx(twin(x, y)[0], rel=1e-12)
    assert error_between(x, y) == error_between(x.reshape(1, -1), y.reshape(1, -1))


def test_what_does_not_change_is_exact() -> None:
    found = rounding_error(format("fp16"), [[1.0, -2.0, 0.5]])
    assert (found.sqnr_db, found.cosine, found.max_abs_error, found.not_finite) == (math.inf, 1, 0, 0)


def test_zeros_are_exact_and_have_no_direction() -> None:
    found = rounding_error(format("int4"), np.zeros(5))
    assert (found.sqnr_db, found.max_abs_error) == (math.inf, 0)
    assert math.isnan(found.cosine)


def test_elements_that_leave_the_range_are_counted() -> None:
    found = rounding_error(format("fp8_e4m3"), [1.0, 1e4, -1e5])
    assert found == RoundingError(
        elements=3, sqnr_db=found.sqnr_db, cosine=found.cosine, max_abs_error=math.inf, not_finite=2
    )
    assert math.isnan(found.sqnr_db)
    assert math.isnan(found.cosine)
