from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.reports.values import binary_bytes, engineering, json_text, known_sum, plain, printable, ratio

PREFIX = {"f": -15, "p": -12, "n": -9, "µ": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0 s"),
        (1.0, "1.00 s"),
        (999.6, "1.00 ks"),
        (0.9996e-3, "1.00 ms"),
        (1.234e-3, "1.23 ms"),
        (-45.6e-9, "-45.6 ns"),
        (123456.0, "123 ks"),
        (1e-18, "0.00100 fs"),
        (None, "-"),
        (math.inf, "-"),
        (math.nan, "-"),
    ],
)
def test_engineering_has_three_digits_and_a_prefix(value: float | None, text: str) -> None:
    assert engineering(value, "s") == text


@given(st.floats(min_value=1e-14, max_value=1e20))
def test_engineering_stays_within_half_a_unit_of_its_last_digit(value: float) -> None:
    number, _, unit = engineering(value, "s").partition(" ")
    read = float(number) * 10.0 ** PREFIX[unit.removesuffix("s")]
    assert read == pytest.approx(value, rel=0.00501)
    assert 1 <= float(number) < 1000


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.00 KiB"), (1.5 * 2**30, "1.50 GiB"), (2.0**62, "4096 PiB"), (None, "-")],
)
def test_bytes_have_a_binary_prefix(value: float | None, text: str) -> None:
    assert binary_bytes(value) == text


def test_plain_values_are_json_without_nan_or_infinity() -> None:
    document = plain(
        {"a": math.nan, "b": math.inf, "c": np.float64(2.5), "d": np.int64(3), "e": (1, {"x"}), 5: np.bool_(True)}
    )
    assert document == {"a": None, "b": None, "c": 2.5, "d": 3, "e": [1, ["x"]], "5": True}
    assert json.loads(json_text(document)) == document


def test_json_text_refuses_infinity() -> None:
    with pytest.raises(ValueError, match="JSON"):
        json_text({"a": math.inf})


def test_a_ratio_that_does_not_exist_is_none() -> None:
    assert ratio(1.0, 0.0) is None
    assert ratio(None, 1.0) is None
    assert ratio(1.0, None) is None
    assert ratio(1e300, 1e-300) is None
    assert ratio(1.0, 4.0) == 0.25


def test_the_sum_of_components_leaves_out_missing_ones() -> None:
    assert known_sum({"a": 1.0, "b": None, "c": 2.0}) == 3.0
    assert known_sum({"a": None}) is None
    assert known_sum({}) is None


def test_control_characters_are_spelled_out() -> None:
    assert printable("a\x1b[31m\nb") == "a\\x1b[31m\\nb"
    assert printable("conv µ ×") == "conv µ ×"
