"""The keys of `[hardware.array]`: those of every kind, and those that single kinds add (`archsim.arch.kinds`)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from archsim.arch.array_keys import CommonKeys, default_names
from archsim.arch.kinds import KINDS, Kind
from archsim.arch.kinds.base import OperationKeys
from archsim.arch.kinds.bit_composable import ComposableKeys
from archsim.arch.kinds.bit_serial import SerialKeys
from archsim.arch.kinds.lookup import LookupKeys
from archsim.arch.kinds.outlier import OutlierKeys, OutlierLaneKeys
from archsim.arch.kinds.shift_add import ShiftAddKeys
from archsim.arch.kinds.sparse import SparseKeys
from archsim.arch.kinds.systolic import SystolicKeys
from archsim.arch.plain import tables
from archsim.core.errors import Problem
from archsim.core.options import Options
from archsim.core.toml import KeyPath

PhaseText = Literal["prefill", "decode", "forward", "training"]


class ArrayKeys(
    CommonKeys,
    SystolicKeys,
    SerialKeys,
    ComposableKeys,
    LookupKeys,
    SparseKeys,
    ShiftAddKeys,
    OperationKeys,
    OutlierLaneKeys,
    OutlierKeys,
):
    """Keys of `[hardware.array]`, also allowed in its overrides by phase."""


class ArrayOptions(ArrayKeys):
    """`[hardware.array]`: the compute array of one core."""

    phase: dict[PhaseText, ArrayKeys] = Field(default_factory=dict)
    """Keys that hold in one phase of the workload only."""

    @property
    def axis_names(self) -> tuple[str, ...]:
        """Names of the axes, defaults filled in."""
        return default_names([axis.name for axis in self.axes])

    @property
    def output_width(self) -> int:
        """Results that leave one array side by side: its columns, or its PEs along axes that do not sum outputs."""
        if not self.axes:
            return self.cols or 1
        return math.prod(axis.size for axis in self.axes if "outputs" not in axis.reduce)


def foreign_names(kind: Kind) -> tuple[str, ...]:
    """Keys that belong to other kinds of engine only."""
    groups: tuple[type[Options], ...] = (CommonKeys, *kind.keys)
    known = {name for keys in groups for name in keys.model_fields}
    return tuple(name for name in ArrayKeys.model_fields if name not in known)


def foreign_keys(array: ArrayOptions, kind: Kind) -> Iterator[str]:
    """A warning for each stated key that belongs to other kinds of engine."""
    for name in sorted(foreign_names(kind)):
        if name in array.model_fields_set and _says_something(array, name):
            why = "" if kind.passes or name not in SystolicKeys.model_fields else ", which has no passes"
            yield f"hardware.array.{name} says nothing for kind '{kind.name}'{why}"


def _says_something(array: ArrayOptions, name: str) -> bool:
    return bool(getattr(array, name) != ArrayKeys.model_fields[name].default)


def axis_names(array: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the axes of an array's plain values, defaults filled in."""
    return default_names([axis.get("name") for axis in tables(array.get("axes"))])


def array_conflicts(kind: object, array: Mapping[str, Any], path: KeyPath) -> Iterator[tuple[KeyPath, Problem]]:
    if array.get("dataflow") is not None and array.get("dataflows") is not None:
        yield (*path, "dataflow"), Problem(message="is short for one entry of dataflows: give one of the two")
    if array.get("dataflows") == []:
        yield (*path, "dataflows"), Problem(message="permits no dataflow: list at least one of os, ws, is, any")
    if isinstance(kind, str) and kind in KINDS:
        yield from KINDS[kind].conflicts(kind, array, path)
    names = axis_names(array)
    for index, name in enumerate(names):
        if name in names[:index]:
            yield (*path, "axes", index), Problem(message=f"axis '{name}' is named twice")
        elif name in ("chip", "core", "array", "pe"):
            yield (*path, "axes", index), Problem(message=f"an axis cannot be named '{name}'")


def phase_conflicts(
    kind: object, array: Mapping[str, Any], keys: Mapping[str, Any], path: KeyPath
) -> Iterator[tuple[KeyPath, Problem]]:
    """Conflicts that a phase's override adds to the array's own."""
    base = {key: value for key, value in array.items() if key not in ("dataflow", "dataflows", "phase")}
    own = {problem.message for _, problem in array_conflicts(kind, base, path)}
    for place, problem in array_conflicts(kind, {**base, **keys}, path):
        if problem.message not in own:
            yield place, problem
