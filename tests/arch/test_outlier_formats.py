"""What every search-based, outlier, codebook and compressed format keeps to, and what each of them does."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from archsim.arch.formats import (
    Format,
    ant,
    bitmod,
    corrected,
    dfloat11,
    dictionary,
    format,
    nested,
    olive,
    overq,
    qmoe,
    razer,
    spqr,
    vectors,
)
from archsim.arch.formats.search import SearchFormat
from archsim.core.errors import InputError

FAMILIES = (ant, olive, bitmod, razer, qmoe, dictionary, spqr, overq, corrected, vectors, nested)
EXAMPLES = tuple(name for family in FAMILIES for name in family.EXAMPLES)
SHORT_GROUPS = (
    "ant4:g8",
    "ant5:g3:clip",
    "olive4:g8",
    "bitmod-fp4:g8",
    "bitmod-fp3:g5",
    "bitmod-int6:g8",
    "razer-fp4:g8",
)
ODD = (*SHORT_GROUPS, "kmeans2:g8", "spqr2:g4:s5", "overq4:g8:s10", "ocs-int4:g8:s20", "lr1-int4:g8", "nested6:r2:g3")
ALL = tuple(name for name in (*EXAMPLES, *ODD) if name != "vq8x12:c2")

shapes = array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=11)
tensors = arrays(np.float64, shapes, elements=st.floats(-1e30, 1e30, allow_subnormal=False))
moderate = arrays(
    np.float64, array_shapes(min_dims=1, max_dims=2, min_side=1, max_side=40), elements=st.floats(-1e3, 1e3, width=16)
)


def heavy_tailed(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(7).standard_t(4, size=shape)


@pytest.mark.parametrize("name", ALL)
@given(x=tensors)
@settings(max_examples=12, deadline=None)
def test_encoding_keeps_the_shape_and_rounding_is_decoding(name: str, x: np.ndarray) -> None:
    fmt = format(name)
    q = fmt.quantize(x)
    values = fmt.dequantize(q)
    assert q.codes.shape == x.shape == values.shape == q.shape
    assert q.codes.dtype == np.int64
    assert np.isfinite(values).all()
    np.testing.assert_array_equal(fmt.round(x), values)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0), (0, 3), (2, 3, 5), (3, 17)])
def test_zeros_are_kept_and_constants_nearly(name: str, shape: tuple[int, ...]) -> None:
    fmt = format(name)
    assert not fmt.round(np.zeros(shape)).any()
    assert fmt.bits(shape) >= 0
    constant = np.full(shape, 1.5)
    tolerance = 0.17 if name.startswith("nested") else 0.08
    if "r3" not in name and "r2" not in name:
        np.testing.assert_allclose(fmt.round(constant), constant, rtol=tolerance)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(name: str, bad: float) -> None:
    with pytest.raises(InputError, match="NaN and infinities have no code"):
        format(name).quantize([1.0, bad, 2.0])


@pytest.mark.parametrize("name", ALL)
def test_subnormals_and_huge_values_stay_finite(name: str) -> None:
    for value in (5e-324, 1e-310, 1e300):
        assert np.isfinite(format(name).round(np.array([[value, -value, 0.0, value]]))).all()


@pytest.mark.parametrize("name", ALL)
def test_the_name_is_canonical(name: str) -> None:
    assert format(name.upper()) == format(format(name).name)


@pytest.mark.parametrize("name", [name for name in ALL if hasattr(format(name), "stored_bits")])
def test_stored_bits_are_near_the_nominal_ones(name: str) -> None:
    fmt = format(name)
    x = heavy_tailed((32, 1000))
    if name.startswith("qmoe"):
        x = np.sign(x) * (np.abs(x) > np.quantile(np.abs(x), 0.885))
    stored = fmt.stored_bits(fmt.quantize(x))  # type: ignore[attr-defined]
    nominal = fmt.bits(x.shape)
    if name.startswith("nested"):
        assert stored == format(name).bits(x.shape) + x.size * fmt.dropped  # type: ignore[attr-defined]
    else:
        assert stored == pytest.approx(float(nominal), rel=0.02)


@pytest.mark.parametrize("name", [*SHORT_GROUPS, "razer-fp4:g8:e4m3", "ant4", "flint4:g8", "bitmod-fp4"])
@given(x=moderate)
@settings(max_examples=40, deadline=None)
def test_rounding_twice_moves_a_value_by_a_step_or_half_the_largest(name: str, x: np.ndarray) -> None:
    fmt = format(name)
    q = fmt.quantize(x)
    once = fmt.dequantize(q)
    largest = np.abs(once).max(initial=0.0)
    step = 0.0
    if isinstance(fmt, SearchFormat) and q.scales is not None:
        step = fmt.tables.widest_gap * q.scales.max(initial=0.0)
    assert np.all(np.abs(fmt.round(once) - once) <= max(step, largest / 2))


@pytest.mark.parametrize(
    "name", [name for name in ALL if not name.startswith(("nested", "lr", "vq", "overq", "uflint"))]
)
def test_rounding_twice_loses_less_than_rounding_once(name: str) -> None:
    fmt = format(name)
    x = np.random.default_rng(3).standard_normal((16, 512))
    once = fmt.round(x)
    first, second = np.linalg.norm(once - x), np.linalg.norm(fmt.round(once) - once)
    assert second <= (1.0 if name.startswith("ocs") else 0.5) * first


@pytest.mark.parametrize("name", ["flint4", "flint5:channel", "uflint4:g8"])
@given(x=moderate)
@settings(max_examples=40, deadline=None)
def test_rounding_to_flint_twice_changes_nothing(name: str, x: np.ndarray) -> None:
    fmt = format(name)
    once = fmt.round(np.where(np.abs(x) < 1e-2, 0.0, x))
    np.testing.assert_allclose(fmt.round(once), once, rtol=2**-9)


def plain_search(fmt: SearchFormat, row: np.ndarray, scales: np.ndarray) -> tuple[int, list[float]]:
    """One set as the papers describe it: every candidate, every value, the least squared error."""
    best, picked, values = np.inf, 0, [0.0] * len(row)
    for number, (candidate, scale) in enumerate(zip(fmt.candidates, scales, strict=True)):
        near = [min(candidate.grid * scale, key=lambda value, x=x: abs(value - x)) for x in row]
        error = sum((value - x) ** 2 for value, x in zip(near, row, strict=True))
        if error < best * (1 - 1e-9):
            best, picked, values = error, number, near
    return picked, values


@pytest.mark.parametrize(
    "name", ["ant4:channel", "bitmod-fp3:g32", "bitmod-fp4:g32", "razer-fp4:g32", "bitmod-int5:g32"]
)
def test_the_search_is_the_plain_one(name: str) -> None:
    fmt = format(name)
    assert isinstance(fmt, SearchFormat)
    x = heavy_tailed((24, 32))
    scales = fmt.scales_for(np.abs(x).max(axis=1), x.shape).values
    q = fmt.quantize(x)
    for i, row in enumerate(x):
        picked, values = plain_search(fmt, row, scales[i])
        assert q.extra["choice"][i] == picked
        np.testing.assert_allclose(fmt.dequantize(q)[i], values, rtol=1e-12)


def test_ant_takes_the_type_that_fits() -> None:
    fmt = format("ant4:channel")
    powers = np.array([1.0, 2, 4, 8, 16, 32, 64, -64])
    integers = np.array([1.0, 2, 3, 4, 5, 6, 7, -7])
    flints = np.array([1.0, 2, 3, 4, 6, 8, 16, -16])
    q = fmt.quantize(np.stack([integers, powers, flints]))
    assert list(q.extra["choice"]) == [0, 1, 2]


def test_clipping_never_makes_the_error_larger() -> None:
    x = heavy_tailed((8, 256))
    plain, clip = format("ant4:channel").round(x), format("ant4:channel:clip").round(x)
    assert np.all(np.square(clip - x).sum(axis=1) <= np.square(plain - x).sum(axis=1))


def test_bitmod_codes_and_scales_decode_by_hand() -> None:
    fmt = format("bitmod-fp4:g4")
    x = np.array([[8.0, 6.0, -6.0, 0.5], [5.0, 6.0, -3.0, 1.0]])
    q = fmt.quantize(x.reshape(1, 8))
    effective = q.extra["scale_codes"].astype(float) * q.extra["row_scales"].astype(float)
    np.testing.assert_array_equal(effective, q.scales)
    assert [fmt.special_values[i] for i in q.extra["choice"]] == [8.0, 5.0]  # type: ignore[attr-defined]
    assert list(q.codes[0] == 0b1000) == [True, False, False, False, True, False, False, False]


def test_an_outlier_takes_its_neighbours_place() -> None:
    fmt = format("olive4")
    x = np.array([1.0, -1.0, 0.9, 20.0, 0.5, -0.7, 0.8, -0.6] * 8 + [1.0, -1.0, 1.0, 1.0] * 16)
    q = fmt.quantize(x)
    values = fmt.dequantize(q)
    assert q.codes[2] == 0b1000
    assert values[2] == 0.0
    assert values[3] == pytest.approx(20.0, rel=0.25)


def test_of_two_outliers_in_a_pair_the_larger_lives() -> None:
    fmt = format("olive4")
    x = np.concatenate([[12.0, -20.0, 20.0, 12.0], np.tile([1.0, -0.8], 200)])
    values = fmt.round(x)
    assert list(values[[0, 3]]) == [0.0, 0.0]
    np.testing.assert_allclose(values[[1, 2]], [-20.0, 20.0], rtol=0.25)


def test_overq_spends_a_zeros_bits_on_its_neighbour() -> None:
    fmt = format("overq4:s10")
    x = np.array([40.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 15.0, 14.0, 13.0])
    q = fmt.quantize(x)
    np.testing.assert_array_equal(fmt.dequantize(q), x)
    assert list(np.flatnonzero(q.extra["flags"])) == [0]
    blocked = fmt.round(np.array([40.0, 1.0, *x[2:]]))
    assert list(blocked[:2]) == [15.0, 1.0]


def test_split_channels_halve_the_step() -> None:
    x = np.random.default_rng(5).uniform(-1, 1, size=(64, 100))
    x[:, 13] *= 8
    plain, split = format("int4:channel").round(x), format("ocs-int4:channel:s1").round(x)
    assert np.linalg.norm(split - x) < 0.6 * np.linalg.norm(plain - x)
    assert list(format("ocs-int4:channel:s1").quantize(x).extra["columns"]) == [13]


def test_a_correction_of_full_rank_leaves_only_the_rounding_of_its_factors() -> None:
    x = heavy_tailed((12, 40))
    assert np.abs(format("lr12-int2:g8").round(x) - x).max() < 0.01 * np.abs(x).max()
    assert format("lr4-int4:g8").bits((12, 40)) == format("int4:g8").bits((12, 40)) + 16 * 4 * (12 + 40)


def test_nested_codes_agree_with_the_stored_ones() -> None:
    x = heavy_tailed((4, 64))
    whole = format("nested8")
    assert isinstance(whole, nested.NestedFormat)
    np.testing.assert_array_equal(whole.round(x), format("int8:channel:asym").round(x))
    q = whole.quantize(x)
    errors = [float(np.linalg.norm(whole.at(bits).dequantize(q) - x)) for bits in range(1, 9)]
    assert errors == sorted(errors, reverse=True)
    assert whole.at(3).bits_per_element == 3
    assert whole.at(3).stored_bits_per_element == 8


def test_a_codebook_of_as_many_entries_as_values_is_exact() -> None:
    x = np.random.default_rng(2).choice([-3.0, -0.5, 0.25, 7.0], size=(5, 33))
    np.testing.assert_array_equal(format("kmeans2").round(x), x)
    np.testing.assert_array_equal(format("gobo2:s0").round(x), x)
    np.testing.assert_array_equal(format("vq1x2").round(np.sign(x)), np.sign(x))


def test_outliers_are_kept_exactly() -> None:
    x = heavy_tailed((16, 1000)).astype(np.float16).astype(float)
    largest = np.argsort(-np.abs(x).ravel())[:16]
    for name in ("squeezellm3:s0.1", "gobo3:s0.1", "spqr3:s0.1"):
        np.testing.assert_array_equal(format(name).round(x).ravel()[largest], x.ravel()[largest])


def test_qmoe_words_decode_to_the_ternary_values() -> None:
    rng = np.random.default_rng(4)
    x = np.where(rng.random((16, 2049)) < 0.885, 0.0, rng.choice([-0.5, 0.25], size=(16, 2049)))
    fmt = format("qmoe")
    q = fmt.quantize(x)
    np.testing.assert_array_equal(fmt.dequantize(q), x)
    assert q.extra["words"].max() < 1 << 16


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("ant9", "format 'ant9': ANT types have 3 to 6 (got 9)"),
        ("ant4:g0", "format 'ant4:g0': a group has at least 1 element (got 'g0')"),
        ("ant4:clop", "format 'ant4:clop': option 'clop' is unknown or out of place\nhint: ant<bits>"),
        ("olive4:g3", "format 'olive4:g3': groups hold whole pairs (got 3 elements)"),
        ("olive8:flint", "format 'olive8:flint': option 'flint' is unknown"),
        ("bitmod-fp4:channel", "format 'bitmod-fp4:channel': option 'channel' is unknown"),
        ("squeezellm3:s100", "format 'squeezellm3:s100': a share of outliers is below 100 percent (got 100)"),
        ("qmoe:z10", "format 'qmoe:z10': the share of zeros lies between a third and all of them (got 10 percent)"),
        ("lr0-int4", "format 'lr0-int4': a correction has a rank of 1 to 4096 (got 0)"),
        ("lr4-int4:asim", "format 'int4:asim': option 'asim' is unknown"),
        ("ocs-int4:asym", "format 'ocs-int4:asym': split channels are signed, symmetric and of 2 to 16 bits"),
        ("nested8:r9", "format 'nested8:r9': of them are read 1 to 8 (got 9)"),
        ("vq0x8", "format 'vq0x8': vectors have a length of 1 to 64 (got 0)"),
        ("bitmod", "unknown format 'bitmod'\nhint: did you mean 'bitmod-"),
    ],
)
def test_a_wrong_spelling_is_answered_with_what_is_allowed(spec: str, text: str) -> None:
    with pytest.raises(InputError) as caught:
        format(spec)
    assert str(caught.value).startswith(text)


def test_shares_of_outliers_are_exact_decimals() -> None:
    assert format("gobo3:s0.1").bits_per_element == 3 + Fraction(64, 1000)
    assert format("squeezellm3").name == "squeezellm3:s0.45"


@pytest.mark.parametrize("name", [*EXAMPLES, *dfloat11.EXAMPLES])
def test_engines_can_price_the_arithmetic(name: str) -> None:
    arithmetic = format(name).arithmetic
    assert arithmetic.integer_bits or arithmetic.significand_bits
    assert arithmetic.serial_terms >= 1


def test_importing_the_formats_does_not_import_numba() -> None:
    command = "import sys, archsim.arch.formats; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", command], check=False).returncode == 0


def test_formats_are_values() -> None:
    assert isinstance(format("ant4"), Format)
    assert len({format("olive4"), format("olive4:tensor")}) == 1
