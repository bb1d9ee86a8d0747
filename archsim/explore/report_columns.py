"""The table of a run as the columns of a page: axes where their quantities lie, totals, components."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from archsim.core import units
from archsim.explore.axes import Axis
from archsim.explore.results import TOTALS
from archsim.explore.study import Objective
from archsim.explore.table import cell, column_type
from archsim.reports.page.quantities import Quantity, axis_labels, total
from archsim.reports.page.record import Column, FloatArray, Goal, Role

if TYPE_CHECKING:
    import pyarrow as pa

_QUANTITY = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(\S+(?: \S+)*)\s*", re.ASCII)
_DIMENSIONS = (
    (units.CAPACITY, Quantity(label="", unit="B", style="bytes"), 1 / 8),
    (units.BANDWIDTH_TIME, Quantity(label="", unit="B/s", style="si"), 1 / 8),
    (units.BANDWIDTH_CYCLE, Quantity(label="", unit="B/cycle"), 1 / 8),
    (units.CLOCK, Quantity(label="", unit="Hz", style="si"), 1.0),
    (units.LENGTH, Quantity(label="", unit="nm"), 1.0),
    (units.TIME, Quantity(label="", unit="s", style="si"), 1.0),
    (units.POWER, Quantity(label="", unit="W", style="si"), 1.0),
    (units.ENERGY, Quantity(label="", unit="pJ"), 1.0),
)
"""Kinds of quantities that axes have, how they are written, and what a page's unit is in the dimension's."""


def page_columns(table: pa.Table, axes: Sequence[Axis], objectives: Sequence[Objective]) -> tuple[Column, ...]:
    """Axes, objectives, other totals, components: those that any point has, each once."""
    labels = axis_labels(tuple(axis.key for axis in axes))
    goals: dict[str, Goal] = {objective.name: objective.sense for objective in objectives}
    known = [name for name in _totals(table) if table[name].null_count < table.num_rows]
    shown = [*goals, *(name for name in known if name not in goals)]
    return (
        *(axis_column(axis, table[axis.key].to_pylist(), labels[axis.key]) for axis in axes),
        *(
            Column(
                key=name,
                quantity=total(name),
                role=_role(name, goals),
                values=numbers(table, name),
                goal=goals.get(name),
            )
            for name in shown
        ),
    )


def numbers(table: pa.Table, name: str) -> FloatArray:
    """A column of numbers; NaN where there is none."""
    return np.asarray(table[name].to_numpy(zero_copy_only=False), np.float64)


def _totals(table: pa.Table) -> Iterator[str]:
    """Totals first, then components, then what single workloads take."""
    names = [name for name in table.column_names if name in TOTALS]
    dotted = [name for name in table.column_names if name.partition(".")[0] in ("energy_j", "area_mm2", "resources")]
    of_workloads = [name for name in table.column_names if name.rpartition(".")[2] in TOTALS and "." in name]
    yield from dict.fromkeys([*names, *dotted, *of_workloads])


def _role(name: str, goals: Mapping[str, Goal]) -> Role:
    if name in goals:
        return "objective"
    table = name.partition(".")[0]
    return (
        "energy" if table == "energy_j" and "." in name else "area" if table == "area_mm2" and "." in name else "total"
    )


def axis_column(axis: Axis, given: Sequence[object], label: str) -> Column:
    """An axis by its values: numbers, quantities with a unit, or names in the order of the axis."""
    kind = column_type(axis)
    if kind in ("int64", "float64"):
        values = np.array([np.nan if value is None else value for value in given], np.float64)
        return Column(key=axis.key, quantity=Quantity(label=label), role="axis", values=values)
    texts = list(dict.fromkeys(_text(cell(value, kind)) for value in axis.values))
    places = {text: float(place) for place, text in enumerate(texts)}
    values = np.array([np.nan if value is None else places[_text(value)] for value in given], np.float64)
    found = quantities(texts)
    return Column(
        key=axis.key,
        quantity=Quantity(label=label)
        if found is None
        else Quantity(label=label, unit=found[0].unit, style=found[0].style),
        role="axis",
        values=values,
        categories=tuple(texts),
        positions=None if found is None else found[1],
    )


def _text(value: object) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def quantities(texts: Sequence[str]) -> tuple[Quantity, tuple[float, ...]] | None:
    """Numbers of texts that are quantities of one kind, with how these are written; None when they are not.

    >>> quantities(["512 KiB", "1 MiB"])[1], quantities(["int4", "int8"])
    ((524288.0, 1048576.0), None)
    """
    matches = [_QUANTITY.fullmatch(text) for text in texts]
    read = [(float(match[1]), match[2].replace(" ", "")) for match in matches if match is not None]
    if len(read) < len(texts) or not read:
        return None
    for dimension, quantity, scale in _DIMENSIONS:
        if all(unit in dimension.factors for _, unit in read):
            return quantity, tuple(number * dimension.factors[unit] * scale for number, unit in read)
    same = {unit for _, unit in read}
    return (Quantity(label="", unit=same.pop()), tuple(number for number, _ in read)) if len(same) == 1 else None
