"""Values of axes as numbers, and bounds with units as the numbers of a total."""

from __future__ import annotations

import re
from collections.abc import Sequence

from archsim.core import units
from archsim.core.errors import InputError, Problem, unknown_name
from archsim.core.spelling import spelled
from archsim.core.units import Dimension
from archsim.explore.axes import Value
from archsim.explore.results import TOTALS
from archsim.explore.study import Constraint, Relation

_QUANTITY = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*", re.ASCII)
_CONDITION = re.compile(r"\s*([\w.\-]+)\s*(<=|>=|==|<|>)\s*(\S.*?)\s*", re.ASCII)
_DIMENSIONS = tuple(item for item in vars(units).values() if isinstance(item, Dimension))
_OF_SUFFIX: tuple[tuple[str, Dimension, float], ...] = (
    ("_per_s", units.CLOCK, 1.0),
    ("_s", units.TIME, 1.0),
    ("_mm2", units.AREA_UM2, 1e-6),
    ("_w", units.POWER, 1.0),
    ("_bytes", units.CAPACITY, 1 / 8),
    ("_j", units.ENERGY, 1e-12),
)
"""The unit of a total, by how its name ends, as a multiple of the dimension's."""
_TABLES = ("energy_j", "area_mm2")


def axis_numbers(values: Sequence[Value]) -> tuple[float, ...] | None:
    """Values of an axis as numbers in one unit; None where they are names, lists, or of different kinds.

    >>> axis_numbers(["8 KiB", "1 MiB"]), axis_numbers([1, 2.5]), axis_numbers(["int4", "int8"])
    ((65536.0, 8388608.0), (1.0, 2.5), None)
    """
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return tuple(float(value) for value in values if isinstance(value, int | float))
    if not all(isinstance(value, str) for value in values):
        return None
    for dimension in _DIMENSIONS:
        numbers = [_in_dimension(str(value), dimension) for value in values]
        known = tuple(number for number in numbers if number is not None)
        if len(known) == len(values):
            return known
    return None


def _in_dimension(text: str, dimension: Dimension) -> float | None:
    match = _QUANTITY.fullmatch(text)
    factor = None if match is None else dimension.factors.get(match[2].replace(" ", ""))
    return None if match is None or factor is None else float(match[1]) * factor


def parse_condition(text: str, key: str = "--where") -> Constraint:
    """The bound that a text such as ``tpot_s <= 50 ms`` puts on a total; numbers without a unit are in the total's.

    Raises InputError, naming `key`, for anything else.

    >>> str(parse_condition("tpot_s <= 50 ms")), str(parse_condition("utilization>0.5"))
    ('tpot_s <= 0.05', 'utilization > 0.5')
    """
    match = _CONDITION.fullmatch(text)
    quantity = None if match is None else _QUANTITY.fullmatch(match[3])
    if match is None or quantity is None:
        message = f"must be a condition such as 'tpot_s <= 0.05' (got {spelled(text)})"
        raise InputError(Problem(key=key, message=message))
    relations: dict[str, Relation] = {"<=": "<=", ">=": ">=", "<": "<", ">": ">", "==": "=="}
    return Constraint(name=match[1], relation=relations[match[2]], bound=_bound(match[1], quantity, key))


def parse_bound(name: str, text: str, key: str | None = None) -> float | None:
    """A number, or a quantity with a unit, in the unit of the total `name`; None where the text is neither.

    Raises InputError, naming `key`, for a unit that the total does not have.

    >>> parse_bound("latency_s", "50 ms"), parse_bound("utilization", "0.5"), parse_bound("area_mm2", "small")
    (0.05, 0.5, None)
    """
    quantity = _QUANTITY.fullmatch(text)
    return None if quantity is None else _bound(name, quantity, key)


def _bound(name: str, quantity: re.Match[str], key: str | None) -> float:
    number, unit = float(quantity[1]), quantity[2].replace(" ", "")
    if not unit:
        return number
    of_table = next((table for table in _TABLES if name.startswith(f"{table}.")), name)
    for suffix, dimension, scale in _OF_SUFFIX:
        if of_table.endswith(suffix):
            factor = dimension.factors.get(unit)
            if factor is None:
                example = f"such as '{dimension.example}'" if suffix != "_per_s" else "such as '100'"
                message = f"'{unit}' is no unit of {name}: write {dimension.what} {example}, or a number"
                raise InputError(Problem(key=key, message=message))
            return number * factor * scale
    if name in TOTALS or of_table != name or "." in name:
        raise InputError(Problem(key=key, message=f"{name} has no unit (got '{unit}')", hint="write a plain number"))
    raise InputError(unknown_name("total", name, TOTALS, key=key))
