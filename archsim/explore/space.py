"""The design space: every combination of the axes' values, numbered."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from archsim.explore.axes import Axis, Value, condition_holds, same

LARGEST_TABLE = 1_000_000
"""Combinations of values that conditions depend on; their counts are kept."""


@dataclass(frozen=True, slots=True)
class Point:
    """One combination of values."""

    index: int
    """Its number in the run, from 0: the place in the grid, or in the order of sampling."""
    genes: tuple[int, ...]
    """Position of each free axis' value, in the order of `Space.free`; 0 for one whose condition does not hold."""
    values: tuple[tuple[str, Value], ...]
    """Dotted keys with their values, linked and conditional ones included; absent where a condition does not hold."""


@dataclass(frozen=True)
class Space:
    """All points over axes. The last axis changes fastest; conditional axes count only where their condition holds."""

    axes: tuple[Axis, ...]

    def __reduce__(self) -> tuple[type[Space], tuple[tuple[Axis, ...]]]:
        """Travels to other processes without what was worked out from the axes."""
        return Space, (self.axes,)

    @cached_property
    def free(self) -> tuple[Axis, ...]:
        """The axes that are chosen; linked ones follow them."""
        return tuple(axis for axis in self.axes if axis.link is None)

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(axis.key for axis in self.axes)

    @cached_property
    def cardinalities(self) -> tuple[int, ...]:
        """Values of each free axis."""
        return tuple(len(axis.values) for axis in self.free)

    @property
    def size(self) -> int:
        """Different points."""
        return self._blocks[0][-1]

    def point(self, genes: Sequence[int], index: int = 0) -> Point:
        """The point with these positions on the free axes."""
        if len(genes) != len(self.free):
            raise ValueError(f"a point has {len(self.free)} genes (got {len(genes)})")
        if not self._conditional:
            chosen = tuple([(key, values[genes[free]]) for key, values, free in self._columns])
            return Point(index, tuple(map(int, genes)), chosen)
        values: dict[str, Value] = {}
        for axis in self._ordered:
            if condition_holds(axis.when, values) and (axis.link is None or axis.link in values):
                values[axis.key] = axis.values[genes[self._free_place[axis.key]]]
        kept = tuple(int(gene) if axis.key in values else 0 for axis, gene in zip(self.free, genes, strict=True))
        return Point(index, kept, tuple((axis.key, values[axis.key]) for axis in self.axes if axis.key in values))

    def grid(self, index: int) -> Point:
        """The point at a place of the grid, from 0."""
        if not 0 <= index < self.size:
            raise IndexError(f"the space has {self.size} points (got {index})")
        ends, blocks = self._blocks
        block = bisect_right(ends, index)
        rest = index - (ends[block - 1] if block else 0)
        decided, counted = blocks[block]
        genes = list(decided)
        for position in counted:
            rest, genes[position] = divmod(rest, self.cardinalities[position])
        return self.point(genes, index)

    @cached_property
    def _conditional(self) -> bool:
        return any(axis.when for axis in self.axes)

    @cached_property
    def _free_place(self) -> dict[str, int]:
        """For each axis, the place of the free axis that decides it."""
        places = {axis.key: place for place, axis in enumerate(self.free)}
        return {axis.key: places[self._root(axis)] for axis in self.axes}

    @cached_property
    def _columns(self) -> tuple[tuple[str, tuple[Value, ...], int], ...]:
        """Key and values of each axis, and the place of the free axis that decides it."""
        return tuple((axis.key, axis.values, self._free_place[axis.key]) for axis in self.axes)

    @cached_property
    def _by_key(self) -> dict[str, Axis]:
        return {axis.key: axis for axis in self.axes}

    def _root(self, axis: Axis) -> str:
        """The free axis that a linked one follows in the end."""
        while axis.link is not None:
            axis = self._by_key[axis.link]
        return axis.key

    @cached_property
    def _ordered(self) -> tuple[Axis, ...]:
        """The axes, each after those that its link and its condition name."""
        ordered: dict[str, Axis] = {}
        pending = list(self.axes)
        while pending:
            ready = [axis for axis in pending if needs(axis) <= ordered.keys()]
            if not ready:
                raise ValueError(f"axes depend on one another: {', '.join(axis.key for axis in pending)}")
            ordered |= {axis.key: axis for axis in ready}
            pending = [axis for axis in pending if axis.key not in ordered]
        return tuple(ordered.values())

    @cached_property
    def _deciding(self) -> frozenset[str]:
        """Free axes that conditions depend on."""
        return frozenset(self._root(self._by_key[key]) for axis in self.axes for key, _ in axis.when)

    def _counted(self, genes: Sequence[int]) -> tuple[int, ...]:
        """Places of the free axes that exist and are not decided, under the decided ones; the last one first."""
        present = {key for key, _ in self.point(genes).values}
        places = [i for i, axis in enumerate(self.free) if axis.key in present and axis.key not in self._deciding]
        return tuple(reversed(places))

    @cached_property
    def _blocks(self) -> tuple[list[int], list[tuple[tuple[int, ...], tuple[int, ...]]]]:
        """Combinations of the deciding axes that differ: the place in the grid at which each one's points end, and its
        genes with the places of those that are still to be counted.
        """
        sizes = [len(axis.values) if axis.key in self._deciding else 1 for axis in self.free]
        if math.prod(sizes) > LARGEST_TABLE:
            raise ValueError(f"conditions depend on {math.prod(sizes)} combinations, more than {LARGEST_TABLE}")
        ends, blocks, total = [], [], 0
        for genes in itertools.product(*(range(size) for size in sizes)):
            if self.point(genes).genes != genes:
                continue  # a deciding axis that does not exist here: the same points as with its first value
            counted = self._counted(genes)
            total += math.prod(self.cardinalities[place] for place in counted)
            ends.append(total)
            blocks.append((genes, counted))
        return ends, blocks


def needs(axis: Axis) -> set[str]:
    """Keys of the axes that one depends on."""
    return {key for key, _ in axis.when} | ({axis.link} if axis.link is not None else set())


def position(axis: Axis, value: object) -> int | None:
    """Where a value stands on an axis; None when it is not there."""
    return next((i for i, item in enumerate(axis.values) if same(item, value)), None)
