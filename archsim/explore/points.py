"""Points of a sweep as states of the parts of one design."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from archsim.api.overrides import Override
from archsim.api.places import PYTHON, Origin
from archsim.core.errors import ArchsimError
from archsim.core.toml import TomlDocument, parse_key
from archsim.explore.design_parts import (
    ARRAY,
    CHIP,
    MEMORY,
    TABLES,
    VECTOR,
    ArrayState,
    ChipState,
    Frame,
    MapperState,
    Part,
    QuantizationState,
    Resolved,
    SimulationState,
    State,
    UnreadableError,
    part_of,
)
from archsim.explore.lru import Recent

if TYPE_CHECKING:
    from archsim.explore.axes import Value

MOST_FRAMES = 16
Values = Sequence[tuple[str, "Value"]]
"""Dotted keys with the values of one point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """Where the values of points with certain keys belong: places among them by part."""

    keys: tuple[tuple[str, ...], ...]
    fixed: tuple[int, ...]
    parts: tuple[tuple[Part, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Framed:
    """A frame with the states of its parts that no key of a plan sets, and where those of the others come from."""

    frame: Frame
    parts: tuple[tuple[Part, tuple[int, ...]], ...]
    states: dict[Part, State]


class PointReader:
    """Reads points of one design."""

    def __init__(
        self,
        document: TomlDocument,
        path: Path | None,
        overrides: Sequence[Override],
        digest: Callable[[object], tuple[tuple[str, str], ...]],
    ) -> None:
        self._document, self._path, self._overrides, self._digest = document, path, list(overrides), digest
        self._plans: dict[tuple[str, ...], _Plan] = {}
        self._frames: Recent[Frame | None] = Recent(MOST_FRAMES)
        self._framed: Recent[_Framed] = Recent(MOST_FRAMES)

    def read(self, values: Values) -> Resolved:
        """One point. Raises UnreadableError where only the plain way can say what it is, or what is wrong with it."""
        names = tuple([key for key, _ in values])
        plan = self._plans.get(names) or self._planned(names)
        pairs: list[tuple[str, Hashable]] = [
            (key, cast(Hashable, value) if value.__class__ is str else frozen(value)) for key, value in values
        ]
        fixed = tuple([pairs[i] for i in plan.fixed])
        try:
            framed = self._framed.get((names, fixed), lambda: self._frame(plan, fixed, values))
        except ArchsimError:
            raise UnreadableError from None
        states = dict(framed.states)
        for part, places in framed.parts:
            setting = tuple([pairs[i] for i in places])
            states[part] = framed.frame.state(part, setting, partial(overrides_of, values, plan.keys, places))
        return Resolved(
            frame=framed.frame,
            chip=cast(ChipState, states[CHIP]),
            array=cast(ArrayState, states[ARRAY]),
            memories=tuple([states[MEMORY, i] for i in range(framed.frame.memories)]),
            vector=states[VECTOR],
            workload=states["workload"],
            quantization=cast(QuantizationState, states["quantization"]),
            sparsity=states["sparsity"],
            mapper=cast(MapperState, states["mapper"]),
            simulation=cast(SimulationState, states["simulation"]),
        )

    def overrides(self, values: Values) -> list[Override]:
        """The settings of the tables that make the trace."""
        plan = self._plans[tuple([key for key, _ in values])]
        places = [i for part, own in plan.parts if part in TABLES for i in own]
        return overrides_of(values, plan.keys, places)

    def _planned(self, names: tuple[str, ...]) -> _Plan:
        keys = tuple(parse_key(name) or (name,) for name in names)
        parts: dict[Part, list[int]] = {}
        fixed = []
        for i, key in enumerate(keys):
            part = part_of(key)
            if part is None:
                fixed.append(i)
            else:
                parts.setdefault(part, []).append(i)
        plan = _Plan(keys=keys, fixed=tuple(fixed), parts=tuple((part, tuple(own)) for part, own in parts.items()))
        self._plans[names] = plan
        return plan

    def _frame(self, plan: _Plan, fixed: Hashable, values: Values) -> _Framed:
        frame = self._frames.get((plan.keys, fixed), lambda: self._built(plan, values))
        if frame is None:
            raise UnreadableError
        placed: dict[Part, tuple[int, ...]] = {}
        for part, own in plan.parts:
            there = frame.place(part)
            placed[there] = tuple(sorted((*placed.get(there, ()), *own)))
        parts = tuple(placed.items())
        every: tuple[Part, ...] = (CHIP, ARRAY, VECTOR, *((MEMORY, i) for i in range(frame.memories)), *TABLES)
        stated = {part for part, _ in parts}
        states: dict[Part, State] = {part: frame.state(part, (), list) for part in every if part not in stated}
        return _Framed(frame=frame, parts=parts, states=states)

    def _built(self, plan: _Plan, values: Values) -> Frame | None:
        """The frame; None where its kind cannot be read in parts. Raises what is wrong with the first point."""
        fixed = [*self._overrides, *overrides_of(values, plan.keys, plan.fixed)]
        first = overrides_of(values, plan.keys, [i for i in range(len(plan.keys)) if i not in plan.fixed])
        try:
            return Frame(self._document, self._path, fixed, first, self._digest)
        except UnreadableError:
            return None


def overrides_of(values: Values, keys: Sequence[tuple[str, ...]], places: Sequence[int]) -> list[Override]:
    """Some of a point's values as overrides; files that they name are relative to the design's folder."""
    sweep = Origin(PYTHON, ())
    return [Override(keys[i], deepcopy(values[i][1]), f"{values[i][0]}={values[i][1]}", sweep) for i in places]


def as_overrides(values: Values) -> list[Override]:
    """All of a point's values as overrides."""
    keys = [parse_key(key) or (key,) for key, _ in values]
    return overrides_of(values, keys, range(len(keys)))


def frozen(value: object) -> Hashable:
    """A value to remember by: 1, 1.0 and true differ."""
    return (type(value).__name__, repr(value))
