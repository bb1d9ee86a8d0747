"""The base design and every value of every axis tried, before a sweep starts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archsim.api.design import Design, design_from_document
from archsim.api.overrides import Override, parse_overrides
from archsim.api.places import Merged, Origin
from archsim.core.errors import InputError, Problem
from archsim.core.toml import KeyPath, parse_key
from archsim.explore.axes import Axis, Value
from archsim.explore.evaluate_points import file_digest, texts
from archsim.explore.space import Point, Space, position

if TYPE_CHECKING:
    from archsim.explore.study import EvaluatorSpec, WeightedWorkload

TRIED = 100
"""Values of one axis that are tried: of a longer one, these evenly, both ends included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What trying designs has shown."""

    memories: tuple[str, ...]
    """Names of memories, in the order met."""
    phases: Mapping[str, frozenset[str]]
    """Phases of each workload's operations, by its name."""
    rests_on: str
    """SHA-256 over the resolved designs and the files that they name."""


def check_designs(spec: EvaluatorSpec, space: Space, merged: Merged, places: Mapping[str, KeyPath]) -> Checked:
    """Try each axis' values; note those that no design accepts, and what is wrong with all designs.

    A value that only some combinations refuse is no mistake: their points fail, with the reason in their rows.
    """
    tries = _Tries(spec, space, merged, places)
    for axis in space.axes:
        for index in _tried(axis):
            merged.problems += tries.problems_of(axis, index)
    if not tries.loaded and not merged.problems:
        merged.problems += tries.first_problems
    return tries.checked()


def _tried(axis: Axis) -> Iterator[int]:
    count = len(axis.values)
    if count <= TRIED:
        yield from range(count)
    else:
        yield from sorted({round(i * (count - 1) / (TRIED - 1)) for i in range(TRIED)})


class _Tries:
    """Points tried so far."""

    def __init__(self, spec: EvaluatorSpec, space: Space, merged: Merged, places: Mapping[str, KeyPath]) -> None:
        self.spec, self.space, self.merged, self.places = spec, space, merged, places
        self.base = parse_overrides(spec.overrides)
        self.loaded = 0
        """Points with a design."""
        self.first_problems: tuple[Problem, ...] = ()
        self.memories: dict[str, None] = {}
        self.phases: dict[str, frozenset[str]] = {}
        self._known: dict[tuple[int, ...], tuple[Problem, ...]] = {}
        self._rests_on: list[dict[str, Any]] = []

    def problems_of(self, axis: Axis, index: int) -> list[Problem]:
        """What is wrong with one value whatever the other axes have; none when a design takes it."""
        found: list[Problem] = []
        for genes in self._surroundings(axis, index):
            own = [problem for problem in self._trial(genes) if self._concerns(problem, axis, index)]
            if not own:
                return []
            found = found or own
        return found

    def _surroundings(self, axis: Axis, index: int) -> Iterator[tuple[int, ...]]:
        """Points with this value: the others at their first, at their last, at their middle one."""
        for share in (0.0, 1.0, 0.5):
            genes = {item.key: round(share * (len(item.values) - 1)) for item in self.space.free}
            yield tuple(self._present(axis, index, genes).values())

    def _present(self, axis: Axis, index: int | None, genes: dict[str, int]) -> dict[str, int]:
        """Genes changed so that the axis exists, with this value."""
        for key, allowed in axis.when:
            other = next(item for item in self.space.axes if item.key == key)
            wanted = next(found for value in allowed if (found := position(other, value)) is not None)
            genes = self._present(other, wanted, genes)
        if axis.link is None:
            return genes | ({axis.key: index} if index is not None else {})
        return self._present(next(item for item in self.space.axes if item.key == axis.link), index, genes)

    def _concerns(self, problem: Problem, axis: Axis, index: int) -> bool:
        """Whether a problem stands at the axis or at one of its values in the sweep file."""
        document = self.merged.origins[()].document
        place = self._origin(axis.key, index).placed(Problem(message=""))
        if document.name:
            return (problem.file, problem.line) == (place.file, place.line)
        return problem.key is not None and parse_key(problem.key) == parse_key(axis.key)

    def _origin(self, key: str, index: int) -> Origin:
        path = self.places[key]
        stated: Any = self.merged.values
        for part in path:
            stated = stated[part]
        below: KeyPath = (index,) if isinstance(stated, list) else ()
        if isinstance(stated, Mapping) and "values" in stated:
            below = ("values", index)
        return self.merged.origins[()].below(*path, *below)

    def _trial(self, genes: Sequence[int]) -> tuple[Problem, ...]:
        """What is wrong with a point's designs, if anything."""
        point = self.space.point(genes)
        if point.genes not in self._known:
            self._known[point.genes] = self._tried(point)
        return self._known[point.genes]

    def _tried(self, point: Point) -> tuple[Problem, ...]:
        problems: list[Problem] = []
        for number, workload in enumerate(self.spec.workloads):
            try:
                design = self._design(point, workload, number)
            except InputError as error:
                problems += error.problems
                continue
            found = {op.phase for op in design.trace.ops}
            self.phases[workload.name] = self.phases.get(workload.name, frozenset()) | found
            self.memories |= dict.fromkeys(level.name for level in design.accelerator.memories)
            self._rests_on.append({key: value for key, value in design.resolved.items() if key != "design"})
        self.loaded += not problems
        self.first_problems = self.first_problems or tuple(problems)
        return tuple(problems)

    def _design(self, point: Point, workload: WeightedWorkload, number: int) -> Design:
        """The design of a point, whose problems stand where the sweep file sets the keys."""
        root = self.merged.origins[()]
        overrides = list(self.base)
        for key, value in workload.overrides:
            overrides.append(_override(key, value, root.below("workloads", number)))
        genes = dict(zip((axis.key for axis in self.space.free), point.genes, strict=True))
        for key, value in point.values:
            axis = next(item for item in self.space.axes if item.key == key)
            index = genes.get(key, position(axis, value))
            overrides.append(_override(key, value, self._origin(key, index or 0)))
        return design_from_document(self.spec.design, overrides, self.spec.path)

    def checked(self) -> Checked:
        """What the tries have shown."""
        files = {text: digest for text in texts(self._rests_on) if (digest := file_digest(text, self.spec.path))}
        text = json.dumps([self._rests_on, sorted(files.items())], sort_keys=True, separators=(",", ":"))
        rests_on = hashlib.sha256(text.encode()).hexdigest()
        return Checked(memories=tuple(self.memories), phases=self.phases, rests_on=rests_on)


def _override(key: str, value: Value, origin: Origin) -> Override:
    return Override(parse_key(key) or (key,), deepcopy(value), f"{key}={value}", origin)
