"""Histograms equal a count in plain Python, for every kind of format, and for tensors meant to be awkward."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.arch.formats import format, format_names
from archsim.core.errors import InputError
from archsim.workloads.statistics.operands import operands
from archsim.workloads.statistics.records import FormatStatistics, expected_maximum, mean_of
from archsim.workloads.statistics.tensor import tensor_statistics, value_statistics
from tests.workloads.statistics.brute_force import group_histograms

LANES = (2, 8, 16, 64)


def statistics(tensor: np.ndarray, fmt: str, lanes: tuple[int, ...] = LANES) -> FormatStatistics:
    return tensor_statistics(tensor, [format(fmt)], layer="layer", source="test", lanes=lanes).formats[0]


def counter(histogram: np.ndarray) -> Counter[object]:
    """A histogram as a Counter, with (position, value) as keys where it has a row per position."""
    indices = np.argwhere(histogram > 0)
    keys = [int(index[0]) if histogram.ndim == 1 else tuple(map(int, index)) for index in indices]
    return Counter(dict(zip(keys, histogram[histogram > 0].tolist(), strict=True)))


def check(found: FormatStatistics, rows: list[list[int]], lanes: tuple[int, ...] = LANES) -> None:
    for size in (1, *lanes):
        expected = group_histograms(rows, size, found.width, found.signed)
        assert set(found.groups[size]) == set(expected)
        for name, counts in expected.items():
            assert counter(found.histogram(name, size)) == counts, (name, size)


def tensors() -> dict[str, np.ndarray]:
    random = np.random.default_rng(7)
    return {
        "normal": random.standard_normal((3, 150)),
        "heavy tails": random.standard_t(2, size=(2, 129)).astype(np.float32),
        "sparse": random.laplace(size=(2, 64)) * (random.random((2, 64)) < 0.1),
        "zeros": np.zeros((2, 40)),
        "one": np.array([[-3.5]]),
        "one outlier": np.concatenate([np.full(70, 1e-3), [1e6]])[None],
        "positive": random.random((2, 33)),
        "negative": -random.random((1, 17)) - 1,
        "ramp": np.linspace(-1, 1, 300)[None],
        "alternating": np.tile([1.0, -1.0], 40)[None],
        "three axes": random.standard_normal((2, 3, 20)),
        "denormal": np.full((1, 9), 5e-324),
    }


@pytest.mark.parametrize("name", tensors())
@pytest.mark.parametrize(
    "fmt",
    ["int8", "int4:g128", "int3:g16", "int2:channel", "int1", "uint8", "int4:g32:asym", "int8:asym", "int12", "int16"],
)
def test_integer_histograms_equal_a_count_in_plain_python(name: str, fmt: str) -> None:
    tensor = tensors()[name]
    codes = format(fmt).quantize(tensor).codes.reshape(-1, tensor.shape[-1])
    found = statistics(tensor, fmt)
    check(found, codes.tolist())
    if found.codes is not None:
        by_value = Counter(codes.reshape(-1).tolist())
        assert counter(found.codes) == Counter({v - found.lowest: n for v, n in by_value.items()})


@pytest.mark.parametrize("fmt", [*format_names(), "int4@4.0625"])
def test_histograms_of_every_format_equal_a_count_of_its_operands(fmt: str) -> None:
    tensor = np.random.default_rng(3).laplace(size=(2, 96))
    found = statistics(tensor, fmt, (8, 16))
    expected = operands(format(fmt), tensor)
    assert (found.width, found.signed, found.view) == (expected.width, expected.signed, expected.view)
    check(found, expected.integers.tolist(), (8, 16))


@pytest.mark.parametrize(
    "fmt", ["fp8_e4m3", "fp6_e3m2", "fp4_e2m1", "bf16", "mxfp4", "nvfp4", "bitmod-fp4:g128", "ant4"]
)
def test_operands_are_the_values_up_to_powers_of_two_and_scales(fmt: str) -> None:
    tensor = np.random.default_rng(3).standard_normal((1, 16)) * 4
    found = operands(format(fmt), tensor)
    values = format(fmt).round(tensor)
    ratio = values[found.integers != 0] / found.integers[found.integers != 0]
    assert np.array_equal(found.integers == 0, values == 0)
    assert (ratio > 0).all()
    if found.view == "fixed-point":
        assert np.allclose(ratio, ratio[0])
    else:
        steps = np.log2(ratio / ratio[0])
        assert np.allclose(steps, np.rint(steps))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(-128, 127), min_size=1, max_size=140),
    st.integers(1, 3),
    st.sampled_from([np.int8, np.int16, np.uint8]),
)
def test_stored_integers_are_counted_as_they_are(values: list[int], rows: int, kind: type[np.integer]) -> None:
    tensor = np.array([values] * rows).astype(kind)
    found = tensor_statistics(tensor, [], layer="layer", source="test", lanes=LANES)
    assert found.values is None
    check(found.formats[0], tensor.tolist())


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-(2**11), 2**11 - 1), min_size=1, max_size=70))
def test_wide_and_byte_kernels_agree(values: list[int]) -> None:
    narrow = np.array([values]) // 16
    byte = tensor_statistics(narrow.astype(np.int8), [], layer="a", source="test", lanes=LANES).formats[0]
    wide = tensor_statistics(narrow.astype(np.int16), [], layer="a", source="test", lanes=LANES).formats[0]
    for size in (1, *LANES):
        for name in ("essential_bits", "signed_digits", "precision", "span", "columns", "twos_precision", "peak_ones"):
            assert counter(byte.histogram(name, size)) == counter(wide.histogram(name, size))


def test_the_result_does_not_depend_on_how_rows_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    tensor = np.random.default_rng(1).standard_normal((64, 48))
    whole = statistics(tensor, "int8:g16")
    monkeypatch.setattr("archsim.workloads.statistics.tally.CHUNK", 100)
    parts = statistics(tensor, "int8:g16")
    for size in whole.groups:
        for name in whole.groups[size]:
            assert np.array_equal(whole.histogram(name, size), parts.histogram(name, size))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=60),
    st.integers(1, 3),
)
def test_value_statistics_equal_a_count_in_plain_python(values: list[float], rows: int) -> None:
    tensor = np.array([values] * rows, dtype=np.float32)
    found = value_statistics(tensor)
    flat = tensor.astype(np.float64).reshape(-1).tolist()
    mean = math.fsum(flat) / len(flat)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in flat) / len(flat))
    assert found.mean == pytest.approx(mean, rel=1e-9, abs=1e-9 * (1 + found.largest))
    assert found.deviation == pytest.approx(deviation, rel=1e-6, abs=1e-6 * (1 + found.largest))
    assert found.zeros == flat.count(0.0)
    assert found.largest == max(map(abs, flat))
    assert found.sigmas.sum() == len(flat)
    assert found.larger.sum() == found.smaller.sum() == rows * (len(values) // 2)


def test_outliers_and_victim_pairs_are_counted_by_deviations() -> None:
    tensor = np.zeros((1, 201))
    tensor[0, [0, 1, 4, 7, 200]] = [10.0, -10.0, 10.0, -10.0, 10.0]
    found = value_statistics(tensor)
    deviation = math.sqrt(float(np.mean((tensor - tensor.mean()) ** 2)))
    at_least_three = int((np.abs(tensor - tensor.mean()) / deviation >= 3).sum())
    assert found.beyond(3) == at_least_three / 201 == 5 / 201
    assert found.pairs(3) == (97, 2, 1)
    assert found.pairs(60) == (100, 0, 0)


def test_a_mean_far_from_zero_costs_no_precision() -> None:
    tensor = 1e6 + np.random.default_rng(0).standard_normal((10, 1000))
    found = value_statistics(tensor)
    assert found.mean == pytest.approx(tensor.mean(), rel=1e-12)
    assert found.deviation == pytest.approx(tensor.std(), rel=1e-9)


@pytest.mark.parametrize("kind", [np.float16, "bfloat16"])
def test_half_precision_is_counted_as_float32(kind: object) -> None:
    import ml_dtypes

    dtype = ml_dtypes.bfloat16 if kind == "bfloat16" else kind
    tensor = np.random.default_rng(0).standard_normal((4, 50)).astype(dtype)
    single = statistics(tensor.astype(np.float32), "int8")
    assert np.array_equal(statistics(tensor, "int8").codes, single.codes)


def test_entropy_is_shannons() -> None:
    tensor = np.array([[0, 0, 1, 2]], dtype=np.int8)
    assert statistics(tensor, "int8").entropy_bits == 1.5
    assert statistics(np.zeros((1, 9), dtype=np.int8), "int8").entropy_bits == 0.0


def test_the_zero_point_counts_as_a_zero_value() -> None:
    tensor = np.array([[0.0, 0.0, 0.0, -1.0, 2.0]])
    found = statistics(tensor, "int4:asym")
    assert found.zero_values == 3
    assert int(found.histogram("nonzeros")[0]) == 1


def test_expected_maximum_is_that_of_independent_draws() -> None:
    counts = np.array([1, 1])
    assert expected_maximum(counts, 1) == mean_of(counts) == 0.5
    assert expected_maximum(counts, 3) == 1 - 0.5**3
    random = np.random.default_rng(0)
    counts = np.array([5, 9, 3, 1, 0, 2])
    draws = random.choice(6, p=counts / counts.sum(), size=(20_000, 8)).max(axis=1)
    assert expected_maximum(counts, 8) == pytest.approx(draws.mean(), abs=0.03)


def test_density_and_zero_columns_leave_the_sign_out() -> None:
    tensor = np.array([[1, 0, -1, 0]], dtype=np.int8)
    found = tensor_statistics(tensor, [], layer="a", source="test", lanes=(2,)).formats[0]
    assert found.density == 0.5
    assert found.zero_columns(2) == 6 / 7
    assert found.zero_columns(2, twos=True) == (7 / 8 + 0 / 8) / 2


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(bad: float) -> None:
    tensor = np.ones((2, 10), dtype=np.float32)
    tensor[1, 3] = bad
    with pytest.raises(InputError, match="NaN or infinite"):
        statistics(tensor, "int8")


def test_empty_and_complex_tensors_are_refused() -> None:
    with pytest.raises(InputError, match="no elements"):
        statistics(np.zeros((0, 4)), "int8")
    with pytest.raises(InputError, match="complex128"):
        statistics(np.zeros((2, 4), dtype=complex), "int8")


@pytest.mark.parametrize("lanes", [(), (1,), (3,), (256,), (8, 12)])
def test_group_sizes_are_powers_of_two_that_a_byte_counts(lanes: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="powers of two from 2 to 128"):
        statistics(np.ones((1, 4)), "int8", lanes)


def test_the_largest_group_holds_every_count() -> None:
    tensor = np.full((1, 256), -1, dtype=np.int8)
    found = tensor_statistics(tensor, [], layer="a", source="test", lanes=(128,)).formats[0]
    assert found.histogram("nonzeros", 128)[128] == 2
    assert found.histogram("twos_column_ones", 128)[:, 128].tolist() == [2] * 8
