"""Plain-Python twin of the traffic counts: walks the loop nest and looks at which tile each level holds.

It knows loops, tiles and operands' index expressions, and nothing of the closed form: a level's tile is the set of
elements its loops below touch, fetched anew whenever it differs from the one held; one that slides on keeps its halo.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

from archsim.sim.mapping import Loop
from archsim.workloads.op import Op, Operand

Range = tuple[int, int]


def iterations(
    sizes: Mapping[str, int], loops: tuple[Loop, ...], inner: Mapping[str, int]
) -> Iterator[dict[str, Range]]:
    """Index ranges [start, stop) of every non-empty iteration of `loops`, in order; `inner` sizes lie below them."""
    spans = []
    span = dict(inner)
    for loop in reversed(loops):
        spans.append(span[loop.dim])
        span[loop.dim] *= loop.factor
    spans.reverse()
    for indices in itertools.product(*(range(loop.factor) for loop in loops)):
        start = dict.fromkeys(sizes, 0)
        stop = dict(sizes)
        for loop, index, width in zip(loops, indices, spans, strict=True):
            start[loop.dim] += index * width
            stop[loop.dim] = min(stop[loop.dim], start[loop.dim] + width)
        if all(start[dim] < stop[dim] for dim in sizes):
            yield {dim: (start[dim], stop[dim]) for dim in sizes}


def tile(operand: Operand, ranges: Mapping[str, Range]) -> frozenset[tuple[int, ...]]:
    """The distinct elements of an operand that the index ranges touch."""
    axes = []
    for axis in operand.axes:
        values = {0}
        for term in axis:
            steps = range(*ranges[term.dim])
            values = {value + term.coefficient * step for value in values for step in steps}
        axes.append(sorted(values))
    return frozenset(itertools.product(*axes))


def slides(operand: Operand, before: Mapping[str, Range], now: Mapping[str, Range]) -> bool:
    """Whether a tile moved forward along one dimension only, so that what it still covers may stay."""
    moved = [now[dim][0] - before[dim][0] for dim in operand.dims if before and now[dim] != before[dim]]
    return len(moved) == 1 and moved[0] > 0


def inner_sizes(op: Op, loops: tuple[Loop, ...], below: tuple[Loop, ...], base: Mapping[str, int]) -> dict[str, int]:
    sizes = {dim: base.get(dim, 1) for dim in op.loops}
    for loop in below:
        sizes[loop.dim] *= loop.factor
    return sizes


def fetches(
    op: Op, operand: Operand, loops: tuple[Loop, ...], position: int, base: Mapping[str, int]
) -> tuple[int, int]:
    """(elements fetched, tiles fetched) for a tile below `position` temporal loops, refetching whenever it changes."""
    held: frozenset[tuple[int, ...]] = frozenset()
    before: Mapping[str, Range] = {}
    elements = tiles = 0
    inner = inner_sizes(op, loops, loops[position:], base)
    for ranges in iterations(op.loops, loops[:position], inner):
        wanted = tile(operand, ranges)
        if wanted != held:
            elements += len(wanted - held if slides(operand, before, ranges) else wanted)
            tiles += 1
            held = wanted
        before = ranges
    return elements, tiles
