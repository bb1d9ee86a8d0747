"""Axes of a design space: a dotted key of a design with the values it takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from pydantic_core import PydanticCustomError

from archsim.core import units
from archsim.core.options import refusal
from archsim.core.spelling import spelled

Value = bool | int | float | str | list[Any] | dict[str, Any]
"""A value as TOML has it."""

LARGEST_AXIS = 100_000
"""Values that one axis may have."""
LARGEST_FACTORS = 1_000
"""Values of a range by a factor: exact products get long."""

_LARGER_SIZE = {"B": "KiB", "KiB": "MiB", "MiB": "GiB"}
SIZE_STEP = 1024
"""How many of one of these the next one is."""
_NUMBER = re.compile(r"\s*([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*(\S.*?)?\s*", re.ASCII)
_DIMENSIONS = tuple(item for item in vars(units).values() if isinstance(item, units.Dimension))


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A key of a design and its values.

    A `link` makes the axis follow another one, position by position: it has no freedom of its own, and as many values
    as that one. `when` names keys of other axes with the values for which this axis exists; where it does not, the
    design's own value stays.
    """

    key: str
    """The dotted key as it was written, as of ``--set``."""
    values: tuple[Value, ...]
    link: str | None = None
    when: tuple[tuple[str, tuple[Value, ...]], ...] = ()

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError(f"axis {self.key} has no values")


def range_values(start: object, end: object, *, step: object = None, factor: object = None) -> tuple[Value, ...]:
    """From `start` to `end`, `end` included where a step lands on it, by adding `step` or multiplying by `factor`.

    Numbers, or quantities of one kind: values come in the unit of `start`, sizes that are whole in a larger one in
    that. Raises a refusal that says what is wrong.

    >>> range_values(1, 8, factor=2), range_values("0.5 GHz", "1 GHz", step="250 MHz")
    ((1, 2, 4, 8), ('0.5 GHz', '0.75 GHz', '1 GHz'))
    >>> range_values("512 KiB", "2 MiB", factor=2)
    ('512 KiB', '1 MiB', '2 MiB')
    """
    first, unit = _amount(start, "from")
    last = _in_unit(end, unit, "to")
    if factor is not None:
        ratio = _amount(factor, "factor")
        if ratio[1] or ratio[0] <= 0 or ratio[0] == 1 or first <= 0 or last <= 0:
            raise refusal("a range by a factor goes from above 0 to above 0 by a number other than 1")
        numbers = _multiples(first, last, ratio[0])
    else:
        difference = _in_unit(step, unit, "step")
        if not difference:
            raise refusal("step must not be 0")
        count = max(0, (last - first) // difference + 1)
        numbers = [first + place * difference for place in range(min(count, LARGEST_AXIS + 1))]
    if len(numbers) > LARGEST_AXIS:
        raise refusal(f"has more than {LARGEST_AXIS} values")
    if not numbers:
        raise refusal("the range is empty: its first step leads away from `to`")
    whole = all(isinstance(item, int) for item in (start, end, step if factor is None else factor))
    return tuple(_spelled(number, unit, whole=whole) for number in numbers)


def _multiples(first: Fraction, last: Fraction, ratio: Fraction) -> list[Fraction]:
    """`first` times the powers of `ratio`, up or down to `last`."""
    numbers: list[Fraction] = []
    while (first <= last if ratio > 1 else first >= last) and len(numbers) <= LARGEST_FACTORS:
        numbers.append(first)
        first *= ratio
    if len(numbers) > LARGEST_FACTORS:
        raise refusal(f"has more than {LARGEST_FACTORS} values")
    return numbers


def _amount(value: object, name: str) -> tuple[Fraction, str]:
    """Number and unit of a range's end; the unit is empty for a plain number."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300:
        return Fraction(str(value)), ""
    match = _NUMBER.fullmatch(value) if isinstance(value, str) and len(value) < 64 else None
    if match is None:
        raise refusal(f"{name} must be a number, or a number with a unit (got {spelled(value)})")
    return Fraction(match[1]), match[2] or ""


def _in_unit(value: object, unit: str, name: str) -> Fraction:
    """A range's end or step in the unit of its start."""
    amount, own = _amount(value, name)
    if own == unit:
        return amount
    for dimension in _DIMENSIONS:
        scales = (dimension.factors.get(own.replace(" ", "")), dimension.factors.get(unit.replace(" ", "")))
        if scales[0] is not None and scales[1] is not None:
            return amount * Fraction(str(scales[0])) / Fraction(str(scales[1]))
    raise refusal(f"{name} must have the unit of from, {unit!r}" if unit else f"{name} has a unit, from has none")


def _spelled(number: Fraction, unit: str, *, whole: bool) -> Value:
    while unit in _LARGER_SIZE and number and not number % SIZE_STEP:
        number, unit = number / SIZE_STEP, _LARGER_SIZE[unit]
    plain = int(number) if number.denominator == 1 and (whole or unit) else float(number)
    return f"{plain} {unit}" if unit else plain


def same(one: object, other: object) -> bool:
    """Whether two values of TOML are the same: numbers by value, but true is not 1."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def condition_holds(when: tuple[tuple[str, tuple[Value, ...]], ...], values: Mapping[str, Value]) -> bool:
    """Whether each key of a condition has one of its values; a key that is not set has none."""
    return all(key in values and any(same(values[key], item) for item in allowed) for key, allowed in when)


def is_ordered(axis: Axis) -> bool:
    """Whether an axis' values rise or fall, as numbers or quantities of one kind: a step along it means something."""
    try:
        unit = _amount(axis.values[0], "from")[1]
        numbers = [_in_unit(value, unit, "to") for value in axis.values]
    except PydanticCustomError:
        return False
    rising = sorted(numbers)
    return numbers in (rising, rising[::-1])
