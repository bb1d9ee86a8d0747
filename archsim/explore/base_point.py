"""The base design of a sweep as a point of its space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archsim.core.errors import InputError, Problem
from archsim.core.spelling import spelled
from archsim.core.toml import parse_key
from archsim.explore.axes import Axis, Value, same
from archsim.explore.neighbours import Gene
from archsim.explore.scales import axis_numbers
from archsim.explore.study import Sweep


def base_genes(sweep: Sweep) -> Gene:
    """Positions of the base design's own values on the free axes.

    Raises:
        InputError: it has a value that an axis does not have.
    """
    from archsim.explore.evaluate_points import PointEvaluator
    from archsim.explore.space import Point

    design = PointEvaluator(sweep.spec).design(Point(0, (), ()), sweep.spec.workloads[0])
    problems: list[Problem] = []
    genes = []
    for axis in sweep.space.free:
        value = value_at(design.resolved, axis.key)
        if value is None:  # spelled another way in the resolved design, as bandwidths are
            value = value_at(sweep.spec.design.values, axis.key)
        found = position_of(axis, value)
        if found is None:
            message = f"the base design's {axis.key} is {spelled(value)}, which the axis does not have"
            problems.append(Problem(key="--around", message=message, hint="best, knee, or a point"))
        genes.append(found or 0)
    if problems:
        raise InputError(problems)
    return sweep.space.point(genes).genes


def value_at(values: Any, key: str) -> Any:
    """What a dotted key names in a design; entries of lists go by name. None where there is nothing."""
    for part in parse_key(key) or (key,):
        if isinstance(values, Mapping):
            values = values.get(part)
        elif isinstance(values, list | tuple):
            values = next((item for item in values if isinstance(item, Mapping) and item.get("name") == part), None)
        else:
            return None
    return values


def position_of(axis: Axis, value: Value | None) -> int | None:
    """Where a value stands on an axis, quantities compared by size; None when it is not there."""
    if value is None:
        return None
    for place, item in enumerate(axis.values):
        numbers = axis_numbers([item, value])
        if same(item, value) or (numbers is not None and numbers[0] == numbers[1]):
            return place
    return None
