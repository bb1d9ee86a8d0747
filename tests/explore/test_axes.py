"""Ranges of values with and without units."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from archsim.explore.axes import Axis, is_ordered, range_values


def test_a_step_includes_the_end_it_lands_on() -> None:
    assert range_values(1, 7, step=2) == (1, 3, 5, 7)
    assert range_values(1, 8, step=2) == (1, 3, 5, 7)


def test_decimal_steps_are_the_decimals_that_were_meant() -> None:
    assert range_values(0.1, 0.7, step=0.1) == (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)


def test_a_range_may_fall() -> None:
    assert range_values(8, 2, step=-3) == (8, 5, 2)
    assert range_values(8, 1, factor=0.5) == (8.0, 4.0, 2.0, 1.0)


def test_units_are_those_of_the_start() -> None:
    assert range_values("64 KiB", "1 MiB", factor=4) == ("64 KiB", "256 KiB", "1 MiB")
    assert range_values("0.5 GHz", "1 GHz", step="250 MHz") == ("0.5 GHz", "0.75 GHz", "1 GHz")
    assert range_values("16 GB/s", "48 GB/s", step="16 GB/s") == ("16 GB/s", "32 GB/s", "48 GB/s")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("1 KiB", "1 GHz", {"factor": 2}), "to must have the unit of from, 'KiB'"),
        ((1, "2 KiB", {"factor": 2}), "to has a unit, from has none"),
        ((1, 8, {"factor": 1}), "other than 1"),
        ((0, 8, {"factor": 2}), "above 0"),
        ((1, 8, {"step": 0}), "step must not be 0"),
        ((8, 1, {"step": 1}), "leads away"),
        ((True, 8, {"step": 1}), "from must be a number"),
        ((2, 1, {"factor": 0.9999999}), "more than 1000 values"),
        ((1, 2, {"factor": 1.0000001}), "more than 1000 values"),
        ((0, 10**9, {"step": 1}), "more than 100000 values"),
    ],
)
def test_ranges_that_make_no_sense_say_so(arguments: tuple[object, object, dict[str, object]], words: str) -> None:
    start, end, steps = arguments
    with pytest.raises(PydanticCustomError, match=words):
        range_values(start, end, **steps)


@given(st.integers(-1000, 1000), st.integers(0, 50), st.integers(1, 50))
def test_whole_numbers_stay_whole_and_evenly_spaced(start: int, count: int, step: int) -> None:
    values = range_values(start, start + count * step, step=step)
    assert values == tuple(range(start, start + count * step + 1, step))
    assert all(type(value) is int for value in values)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((1, 2, 8), True),
        ((8, 2, 1), True),
        ((1, 8, 2), False),
        (("64 KiB", "1 MiB"), True),
        (("1 GHz", "64 KiB"), False),
        (("int8", "int4"), False),
        ((True, False), False),
    ],
)
def test_axes_of_rising_or_falling_quantities_are_ordered(values: tuple[object, ...], expected: bool) -> None:
    assert is_ordered(Axis(key="x", values=values)) is expected
