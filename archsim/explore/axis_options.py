"""`[axes]` of a sweep file, read into axes: quoted keys and bare dotted ones, with every mistake noted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from archsim.api.places import Merged
from archsim.core.errors import Problem, nearest
from archsim.core.options import Options, validation_problems
from archsim.core.spelling import listed, spelled
from archsim.core.toml import KeyPath, parse_key
from archsim.explore.axes import LARGEST_AXIS, Axis, Value, range_values, same
from archsim.explore.options import LinkOptions, RangeOptions, ValuesOptions
from archsim.explore.space import needs

_MARKS = frozenset({"values", "from", "to", "link"})
"""A table with one of these is an axis; another one is the beginning of a bare dotted key."""


def axis_tables(values: Mapping[str, Any], path: KeyPath = ("axes",)) -> Iterator[tuple[str, Any, KeyPath]]:
    """Each axis as (dotted key, what is stated, its place in the file)."""
    for key, stated in values.items():
        below = (*path, key)
        if isinstance(stated, Mapping) and stated and not _MARKS & stated.keys():
            yield from axis_tables(stated, below)
        else:
            first, *parts = map(str, below[1:])
            yield ".".join([first, *(_part(part) for part in parts)]), stated, below


def _part(key: str) -> str:
    """A key of a nested table as a part of a dotted one."""
    plain = key.replace("-", "").replace("_", "").isalnum()
    return key if plain else json.dumps(key)


def axes_of(merged: Merged) -> tuple[list[Axis], dict[str, KeyPath]]:
    """The axes with their places in the file; none when anything about them is wrong, which is noted in `merged`."""
    before = len(merged.problems)
    stated = merged.values.get("axes")
    if not isinstance(stated, Mapping):
        return [], {}
    tables: dict[str, tuple[Any, KeyPath]] = {}
    keys: dict[tuple[str, ...], str] = {}
    for key, table, path in axis_tables(stated):
        parts = parse_key(key)
        if parts is None:
            hint = 'such as "hardware.array.rows"'
            merged.report(path, Problem(message=f"is not a dotted key of a design (got {spelled(key)})", hint=hint))
        elif parts in keys:
            merged.report(path, Problem(message=f"is the same key as {keys[parts]}"))
        else:
            keys[parts] = key
            tables[key] = (table, path)
    if not tables and len(merged.problems) == before:
        merged.report(("axes",), Problem(message="has no axes", hint='such as "hardware.array.rows" = [16, 32]'))
    read = {key: _read(key, table, path, merged) for key, (table, path) in tables.items()}
    places = {key: path for key, (_, path) in tables.items()}
    axes = {key: axis for key, axis in read.items() if axis is not None}
    if len(axes) == len(tables):
        _check_references(axes, places, merged)
    if len(merged.problems) == before:
        axes = {key: _linked(axis, axes, places, merged) for key, axis in axes.items()}
    return ([], {}) if len(merged.problems) > before else (list(axes.values()), places)


def _read(key: str, stated: Any, path: KeyPath, merged: Merged) -> Axis | None:
    """One axis; a link's values are still to come. None when it is wrong, which is noted."""
    try:
        if isinstance(stated, str):
            return Axis(key=key, values=("",), link=stated)
        if isinstance(stated, list):
            if not stated:
                merged.report(path, Problem(message="has no values"))
                return None
            stated = {"values": stated}
        if not isinstance(stated, Mapping):
            message = f"must be a list of values, a range, or the key of another axis (got {spelled(stated)})"
            merged.report(path, Problem(message=message))
            return None
        axis = _of_table(key, _validated(_model(stated), stated, path, merged))
    except PydanticCustomError as error:
        merged.report(path, Problem(message=str(error.context["message"] if error.context else error)))
        return None
    if axis is not None and len(axis.values) > LARGEST_AXIS:
        merged.report(path, Problem(message=f"has more than {LARGEST_AXIS} values"))
        return None
    return axis if axis is None or _distinct(axis, path, merged) else None


def _model(stated: Mapping[str, Any]) -> type[Options]:
    if "values" in stated:
        return ValuesOptions
    return RangeOptions if {"from", "to"} & stated.keys() else LinkOptions


def _validated(model: type[Options], stated: Mapping[str, Any], path: KeyPath, merged: Merged) -> Options | None:
    try:
        return model.model_validate(dict(stated))
    except ValidationError as error:
        for below, problem in validation_problems(error, model, stated):
            merged.report((*path, *below), problem)
        return None


def _of_table(key: str, options: Options | None) -> Axis | None:
    match options:
        case ValuesOptions():
            return Axis(key=key, values=options.values, link=options.link, when=_when(options.when))
        case LinkOptions():
            return Axis(key=key, values=("",), link=options.link, when=_when(options.when))
        case RangeOptions():
            if (options.step is None) == (options.factor is None):
                raise _one_of_both()
            values = range_values(options.start, options.to, step=options.step, factor=options.factor)
            return Axis(key=key, values=values, when=_when(options.when))
    return None


def _one_of_both() -> PydanticCustomError:
    return PydanticCustomError("archsim", "{message}", {"message": "a range needs one of step and factor"})


def _when(stated: Mapping[str, Any]) -> tuple[tuple[str, tuple[Value, ...]], ...]:
    return tuple((key, tuple(value) if isinstance(value, list) else (value,)) for key, value in stated.items())


def _distinct(axis: Axis, path: KeyPath, merged: Merged) -> bool:
    """Whether no value stands there twice; a link may repeat its own."""
    seen: set[str] = set()
    for index, value in enumerate(axis.values if axis.link is None else ()):
        text = repr(value)
        if text in seen:
            merged.report((*path, index), Problem(message=f"has {spelled(value)} twice"))
            return False
        seen.add(text)
    return True


def _check_references(axes: Mapping[str, Axis], places: Mapping[str, KeyPath], merged: Merged) -> None:
    """Links and conditions name axes and their values, and do not go in circles."""
    before = len(merged.problems)
    for key, axis in axes.items():
        for other in needs(axis):
            if other not in axes or other == key:
                near = nearest(other, set(axes) - {key})
                hint = f"did you mean '{near}'?" if near else f"axes: {listed(axes)}"
                merged.report(places[key], Problem(message=f"no other axis has the key '{other}'", hint=hint))
    if len(merged.problems) == before:
        _check_circles(axes, places, merged)
    if len(merged.problems) == before:
        _check_conditions(axes, places, merged)


def _check_circles(axes: Mapping[str, Axis], places: Mapping[str, KeyPath], merged: Merged) -> None:
    known: set[str] = set()
    pending = set(axes)
    while ready := {key for key in pending if needs(axes[key]) <= known}:
        known |= ready
        pending -= ready
    for key in sorted(pending):
        merged.report(places[key], Problem(message=f"depends on itself, over {listed(needs(axes[key]) & pending)}"))


def _check_conditions(axes: Mapping[str, Axis], places: Mapping[str, KeyPath], merged: Merged) -> None:
    for key, axis in axes.items():
        for other, allowed in axis.when:
            values = axes[_root(axes, other)].values if axes[other].values == ("",) else axes[other].values
            for value in allowed:
                if not any(same(value, item) for item in values):
                    shown = listed(values) if len(values) < 20 else f"{len(values)} others"
                    problem = Problem(message=f"when: {other} never is {spelled(value)}", hint=f"it has {shown}")
                    merged.report(places[key], problem)


def _root(axes: Mapping[str, Axis], key: str) -> str:
    """The free axis that one follows in the end, over links without values of their own."""
    link = axes[key].link
    return key if link is None else _root(axes, link)


def _linked(axis: Axis, axes: Mapping[str, Axis], places: Mapping[str, KeyPath], merged: Merged) -> Axis:
    """A link with as many values as what it follows; with that one's where it states none."""
    if axis.link is None:
        return axis
    followed = axes[axis.link]
    root = axes[_root(axes, axis.link)]
    if axis.values == ("",):
        while followed.values == ("",) and followed.link is not None:
            followed = axes[followed.link]
        return Axis(key=axis.key, values=followed.values, link=axis.link, when=axis.when)
    if len(axis.values) != len(root.values):
        message = f"has {len(axis.values)} values, {root.key}, which it follows, {len(root.values)}"
        merged.report(places[axis.key], Problem(message=message))
    return axis
