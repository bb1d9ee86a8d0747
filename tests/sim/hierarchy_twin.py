"""Plain-Python twin of a whole memory hierarchy: plays a loop nest step by step and moves sets of elements.

It knows loops, tiles, index expressions and which axes multicast or reduce, and nothing of the closed form. Every
instance of every level holds the set of elements its loops touch, and what it held before while the edge leaves it
nothing to do; sums carry how many products are in them, so that
partial ones are told from results by looking.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field

from archsim.sim.mapping import Loop
from archsim.workloads.op import OPERANDS, Op, OperandName
from tests.sim.traffic_twin import Range, slides, tile

Place = tuple[int, ...]
"""Indices of the spatial loops above a level, zeros for those below: which instance it is."""
Element = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What other conventions count otherwise; see sim/conventions.py."""

    refill_all: bool = False
    write_back_read: bool = True
    first_read: bool = False
    mac_holds: bool = False
    whole_halo: bool = False
    halo_multicast: str = "overlap"


@dataclass(slots=True)
class Hierarchy:
    """A nest on levels (outermost first); `counts[plane, level, operand]` fills as it plays."""

    op: Op
    loops: tuple[Loop, ...]
    tiles: tuple[Mapping[str, int], ...]
    together: Mapping[str, frozenset[str]]
    """Operand to the axes along which one access of the level above serves all units (outputs: sums are added)."""
    rules: Rules = Rules()
    counts: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    held: dict[tuple[int, str, Place], frozenset[Element]] = field(default_factory=dict)
    ranges: dict[tuple[int, str, Place], dict[str, Range]] = field(default_factory=dict)
    sums: dict[tuple[int, Place], dict[Element, int]] = field(default_factory=dict)

    def play(self) -> Counter[tuple[str, int, str]]:
        whole = {dim: (0, size) for dim, size in self.op.loops.items()}
        origin = (0,) * len(self.spatial)
        for operand in OPERANDS:
            self.held[0, operand, origin] = tile(self.op.operand(operand), whole)
        self.sums[0, origin] = {}
        for indices in itertools.product(*(range(1 if loop.axis else loop.factor) for loop in self.loops)):
            for operand in OPERANDS:
                self._step(operand, indices)
        for level in reversed(self._chain("outputs")[1:]):
            self._drain(level, {place: frozenset() for place in self._places(level, "outputs")})
        return self.counts

    @property
    def spatial(self) -> list[int]:
        return [i for i, loop in enumerate(self.loops) if loop.axis]

    def _chain(self, operand: OperandName) -> list[int]:
        return [i for i, tiles in enumerate(self.tiles) if operand in tiles]

    def _places(self, level: int, operand: OperandName) -> Iterator[Place]:
        position = self.tiles[level][operand] if level < len(self.tiles) else len(self.loops)
        factors = [self.loops[i].factor if i < position else 1 for i in self.spatial]
        return itertools.product(*(range(factor) for factor in factors))

    def _wanted(self, level: int, operand: OperandName, indices: Place) -> Iterator[tuple[Place, frozenset[Element]]]:
        """What the instances that have work need now."""
        for place in self._places(level, operand):
            ranges = self._ranges(level, operand, indices, place)
            if all(start < stop for start, stop in ranges.values()):
                yield place, tile(self.op.operand(operand), ranges)

    def _ranges(self, level: int, operand: OperandName, indices: Place, place: Place) -> dict[str, Range]:
        """What an instance works on now, cut at the edge; `level` past the last: what a PE multiplies."""
        position = self.tiles[level][operand] if level < len(self.tiles) else len(self.loops)
        at = list(indices)
        for i, index in zip(self.spatial, place, strict=True):
            at[i] = index
        ranges: dict[str, Range] = {}
        for dim in self.op.loops:
            width, start = 1, 0
            for i in range(len(self.loops) - 1, -1, -1):
                if self.loops[i].dim == dim:
                    start += at[i] * width if i < position else 0
                    width *= self.loops[i].factor
            inside = 1
            for loop in self.loops[position:]:
                inside *= loop.factor if loop.dim == dim else 1
            ranges[dim] = (start, min(start + inside, self.op.loops[dim]))
        return ranges

    def _home(self, level: int, operand: OperandName, place: Place) -> Place:
        """The instance of `level` above a unit at `place`."""
        position = self.tiles[level][operand]
        return tuple(index if i < position else 0 for i, index in zip(self.spatial, place, strict=True))

    def _group(self, parent: int, operand: OperandName, place: Place) -> Place:
        """Units with equal groups are served by one access."""
        position = self.tiles[parent][operand]
        return tuple(
            0 if i >= position and self.loops[i].axis in self.together[operand] else index
            for i, index in zip(self.spatial, place, strict=True)
        )

    def _served(
        self, parent: int, operand: OperandName, place: Place, now: Mapping[str, Range], elements: frozenset[Element]
    ) -> Hashable:
        """Units with equal keys are served by one access, which carries what they need together."""
        group = self._group(parent, operand, place)
        match self.rules.halo_multicast:
            case "overlap":
                return group
            case "equal":
                return group, elements
            case _:
                return group, *(now[dim] for dim in sorted(self.op.operand(operand).dims))

    def _step(self, operand: OperandName, indices: Place) -> None:
        chain = self._chain(operand)
        wanted = {level: dict(self._wanted(level, operand, indices)) for level in [*chain[1:], len(self.tiles)]}
        if operand == "outputs":
            for level in reversed(chain[1:]):
                self._drain(level, wanted[level])
            for level in chain[1:]:
                self._begin(level, wanted[level])
            self._accumulate(chain[-1], wanted[len(self.tiles)])
            return
        for parent, level in itertools.pairwise(chain):
            fetched: dict[Hashable, set[Element]] = {}
            for place, elements in wanted[level].items():
                key = (level, operand, place)
                now, before = self._ranges(level, operand, indices, place), self.ranges.get(key, {})
                held = self.held.get(key, frozenset())
                self.held[key], self.ranges[key] = elements, now
                if held == elements:
                    continue
                sliding = slides(self.op.operand(operand), before, now) and not self.rules.whole_halo
                new = elements - held if sliding else elements
                self.counts["fills", level, operand] += len(new)
                fetched.setdefault(self._served(parent, operand, place, now, elements), set()).update(new)
            self.counts["reads", parent, operand] += sum(len(elements) for elements in fetched.values())
        used: dict[Hashable, set[Element]] = {}
        for place, elements in wanted[len(self.tiles)].items():
            now = self._ranges(len(self.tiles), operand, indices, place)
            at = {dim: now[dim] for dim in self.op.operand(operand).dims}
            if self.rules.mac_holds and self.ranges.get((len(self.tiles), operand, place)) == at:
                continue
            self.ranges[len(self.tiles), operand, place] = at
            used.setdefault(self._served(chain[-1], operand, place, now, elements), set()).update(elements)
        self.counts["reads", chain[-1], operand] += sum(len(elements) for elements in used.values())

    def _drain(self, level: int, wanted: Mapping[Place, frozenset[Element]]) -> None:
        """Sums that must make room go up, added on the way where the axis reduces."""
        parent = [above for above in self._chain("outputs") if above < level][-1]
        arriving: dict[Place, Counter[Element]] = {}
        for place, elements in wanted.items():
            if self.held.get((level, "outputs", place), elements) == elements:
                continue
            for element, products in self.sums.pop((level, place)).items():
                if self.rules.write_back_read:
                    self._count("reads", level, products)
                arriving.setdefault(self._group(parent, "outputs", place), Counter())[element] += products
        for group, sums in arriving.items():
            above = self.sums[parent, self._home(parent, "outputs", group)]
            for element, products in sums.items():
                above[element] = above.get(element, 0) + products
                self._count("updates", parent, above[element])

    def _begin(self, level: int, wanted: Mapping[Place, frozenset[Element]]) -> None:
        """New tiles: sums begun earlier come back to one unit of each group, the others start at zero.

        With `refill_all` the others are written too: zeros. Units without a reducing axis between them share a sum by
        handing it on: the last to drain has it.
        """
        parent = [above for above in self._chain("outputs") if above < level][-1]
        read: set[tuple[Place, Element]] = set()
        for place, elements in wanted.items():
            if self.held.get((level, "outputs", place)) == elements:
                continue
            self.held[level, "outputs", place] = elements
            above = self.sums[parent, self._home(parent, "outputs", place)]
            mine = self.sums[level, place] = {}
            group = self._group(parent, "outputs", place)
            for element in elements:
                shared = self.rules.refill_all and (group, element) in read
                if element not in above and not shared and not self.rules.first_read:
                    continue
                mine[element] = above.pop(element, 0)
                if (group, element) not in read:
                    self._count("reads", parent, mine[element])
                    read.add((group, element))
                elif not self.rules.refill_all:
                    continue
                self._count("fills", level, mine[element])

    def _accumulate(self, level: int, wanted: Mapping[Place, frozenset[Element]]) -> None:
        arriving: dict[Place, Counter[Element]] = {}
        for place, elements in wanted.items():
            arriving.setdefault(self._group(level, "outputs", place), Counter()).update(elements)
        for group, products in arriving.items():
            here = self.sums[level, self._home(level, "outputs", group)]
            for element, number in products.items():
                if element in here or self.rules.first_read:
                    self._count("reads", level, here.get(element, 0))
                here[element] = here.get(element, 0) + number
                self._count("updates", level, here[element])

    def _count(self, plane: str, level: int, products: int) -> None:
        self.counts[plane, level, "outputs"] += 1
        if products < self.op.size(self.op.reduction):
            self.counts[f"partial {plane}", level, "outputs"] += 1
