"""Inputs that a tile fetches over a whole nest, by sets of elements: every kind of step of the nest's odometer once.

A step advances one loop and returns all inside it to their start, so its change of the tile is the same wherever it
happens: what a step of each loop fetches, times how often that loop advances, is the whole count. Factors must divide.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

from archsim.sim.mapping import Loop
from archsim.workloads.op import Op

Offsets = dict[str, int]


def tile_fetches(op: Op, loops: Sequence[Loop], position: int) -> int:
    """Elements that one unit's tile of inputs below `position` fetches: what a window sliding one way does not hold."""
    time = [i for i in range(position) if loops[i].axis is None]
    inner = extents(op, loops[position:])
    total = len(elements(op, dict.fromkeys(op.loops, 0), inner))
    for moving in range(len(time)):
        change = dict.fromkeys(op.loops, 0)
        change[loops[time[moving]].dim] += stride(op, loops, time[moving])
        for i in time[moving + 1 :]:
            change[loops[i].dim] -= stride(op, loops, i) * (loops[i].factor - 1)
        times = math.prod(loops[i].factor for i in time[:moving]) * (loops[time[moving]].factor - 1)
        total += times * new_elements(op, change, inner)
    return total


def distinct_tiles(op: Op, loops: Sequence[Loop], above: int, position: int) -> int:
    """Units between two levels whose tiles of inputs differ."""
    side = [i for i in range(above, position) if loops[i].axis is not None]
    inner = extents(op, loops[position:])
    found = set()
    for indices in itertools.product(*(range(loops[i].factor) for i in side)):
        at = dict.fromkeys(op.loops, 0)
        for i, index in zip(side, indices, strict=True):
            at[loops[i].dim] += index * stride(op, loops, i)
        found.add(frozenset(elements(op, at, inner)))
    return len(found)


def new_elements(op: Op, change: Offsets, inner: Mapping[str, int]) -> int:
    """What the tile lacks after a change of its place; one that moved forward along one dimension keeps the rest."""
    before = elements(op, dict.fromkeys(op.loops, 0), inner)
    now = elements(op, change, inner)
    moved = [offset for dim, offset in change.items() if offset and dim in op.inputs.dims]
    if now == before:
        return 0
    return len(now - before) if len(moved) == 1 and moved[0] > 0 else len(now)


def elements(op: Op, at: Mapping[str, int], inner: Mapping[str, int]) -> set[tuple[int, ...]]:
    """The inputs that a tile touches at a place."""
    axes = []
    for axis in op.inputs.axes:
        values = {0}
        for term in axis:
            steps = [term.coefficient * (at[term.dim] + i) for i in range(inner[term.dim])]
            values = {value + step for value in values for step in steps}
        axes.append(values)
    return set(itertools.product(*axes))


def extents(op: Op, loops: Sequence[Loop]) -> dict[str, int]:
    sizes = dict.fromkeys(op.loops, 1)
    for loop in loops:
        sizes[loop.dim] *= loop.factor
    return sizes


def stride(op: Op, loops: Sequence[Loop], i: int) -> int:
    return extents(op, loops[i + 1 :])[loops[i].dim]
