"""Kernels of dominance: ranks through a tree over the points, and the volume that a front covers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.core.kernels import kernel

LEAF = 8
"""Points of a leaf of the tree, at most: below that, looking at each costs less than descending."""
_STACK = 128
"""Nodes that wait to be looked at: at most one for each level of the tree, of which memory bounds the number."""


@kernel
def tree_order(keys: NDArray[np.int64], leaf: int) -> NDArray[np.int64]:
    """Rows of ``keys`` (N, D) in the order of a k-d tree's leaves: ranges are halved at the median of their widest key.

    Source: Bentley, "Multidimensional binary search trees used for associative searching", 1975.
    """
    count, width = keys.shape
    order = np.arange(count)
    first = np.empty(_STACK, np.int64)
    last = np.empty(_STACK, np.int64)
    first[0], last[0], waiting = 0, count, 1
    while waiting:
        waiting -= 1
        low, high = first[waiting], last[waiting]
        if high - low <= leaf:
            continue
        widest, spread = 0, -1
        for key in range(width):
            smallest = largest = keys[order[low], key]
            for place in range(low + 1, high):
                value = keys[order[place], key]
                smallest, largest = min(smallest, value), max(largest, value)
            if largest - smallest > spread:
                widest, spread = key, largest - smallest
        part = order[low:high].copy()
        order[low:high] = part[np.argsort(keys[part, widest], kind="mergesort")]
        middle = (low + high) // 2
        first[waiting], last[waiting] = low, middle
        first[waiting + 1], last[waiting + 1] = middle, high
        waiting += 2
    return order


@kernel
def _node_count(count: int, leaf: int) -> int:
    nodes, widest = 1, count
    while widest > leaf:
        nodes, widest = 2 * nodes + 1, (widest + 1) // 2
    return nodes


@kernel
def _worst_dominator(
    keys: NDArray[np.int64],
    row: int,
    order: NDArray[np.int64],
    leaf: int,
    ranks: NDArray[np.int64],
    boxes: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    stack: NDArray[np.int64],
    any_will_do: bool,
) -> int:
    """The largest rank among the rows so far that are nowhere larger than ``row``; -1 when there is none.

    Nodes know the box and the largest rank of their points so far, so most are passed over or taken whole.
    """
    lower, upper, highest = boxes
    best = -1
    stack[0, 0], stack[0, 1], stack[0, 2], waiting = 0, 0, keys.shape[0], 1
    while waiting and not (any_will_do and best >= 0):
        waiting -= 1
        node, low, high = stack[waiting, 0], stack[waiting, 1], stack[waiting, 2]
        if highest[node] <= best:
            continue
        reaches, whole = True, True
        for key in range(keys.shape[1]):
            if lower[node, key] > keys[row, key]:
                reaches = False
                break
            if upper[node, key] > keys[row, key]:
                whole = False
        if not reaches:
            continue
        if whole:
            best = int(highest[node])
        elif high - low <= leaf:
            for place in range(low, high):
                other = order[place]
                if ranks[other] > best and _nowhere_larger(keys, other, row):
                    best = int(ranks[other])
        else:
            middle = (low + high) // 2
            stack[waiting, 0], stack[waiting, 1], stack[waiting, 2] = 2 * node + 2, middle, high
            stack[waiting + 1, 0], stack[waiting + 1, 1], stack[waiting + 1, 2] = 2 * node + 1, low, middle
            waiting += 2
    return best


@kernel
def _nowhere_larger(keys: NDArray[np.int64], one: int, other: int) -> bool:
    for key in range(keys.shape[1]):  # noqa: SIM110  # numba has no all() of a generator
        if keys[one, key] > keys[other, key]:
            return False
    return True


@kernel
def _enter(
    keys: NDArray[np.int64],
    row: int,
    place: int,
    leaf: int,
    rank: int,
    boxes: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
) -> None:
    """Tell the nodes above a row, which lies at ``place`` of the tree's order, of its keys and rank."""
    lower, upper, highest = boxes
    node, low, high = 0, 0, keys.shape[0]
    while True:
        highest[node] = max(highest[node], rank)
        for key in range(keys.shape[1]):
            lower[node, key] = min(lower[node, key], keys[row, key])
            upper[node, key] = max(upper[node, key], keys[row, key])
        if high - low <= leaf:
            return
        middle = (low + high) // 2
        if place < middle:
            node, high = 2 * node + 1, middle
        else:
            node, low = 2 * node + 2, middle


@kernel
def dominance_ranks(
    keys: NDArray[np.int64], order: NDArray[np.int64], leaf: int, front_only: bool
) -> NDArray[np.int64]:
    """The rank of every row of ``keys`` (N, D): 0 for what no row dominates, else one more than its worst dominator.

    Rows are the objectives after the first, smaller is better, of distinct points in lexicographic order of all
    objectives: a point's dominators all come before it, and an earlier row that is nowhere larger dominates.
    ``order`` is `tree_order` of the same keys. ``front_only``: 1 stands for every rank but 0.
    """
    count, width = keys.shape
    nodes = _node_count(count, leaf)
    lower = np.full((nodes, width), np.iinfo(np.int64).max)
    upper = np.full((nodes, width), -1)
    highest = np.full(nodes, -1)
    boxes = (lower, upper, highest)
    stack = np.empty((_STACK, 3), np.int64)
    place_of = np.empty(count, np.int64)
    for place in range(count):
        place_of[order[place]] = place
    ranks = np.full(count, -1)
    for row in range(count):
        rank = 1 + _worst_dominator(keys, row, order, leaf, ranks, boxes, stack, front_only)
        if not front_only or rank == 0:
            ranks[row] = rank
            _enter(keys, row, place_of[row], leaf, rank, boxes)
    for row in range(count):
        if ranks[row] < 0:
            ranks[row] = 1
    return ranks


@kernel
def _area(points: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """Area between points (N, 2) and the reference: a sweep by the first objective."""
    order = np.argsort(points[:, 0], kind="mergesort")
    total, ceiling = 0.0, reference[1]
    for place in order:
        if points[place, 1] < ceiling:
            total += (reference[0] - points[place, 0]) * (ceiling - points[place, 1])
            ceiling = points[place, 1]
    return total


@kernel
def _volume(points: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """Volume between points (N, 3) and the reference: a sweep by the third objective over a staircase of the others.

    Source: Beume, Fonseca, Lopez-Ibanez, Paquete, Vahrenhold, "On the complexity of computing the hypervolume
    indicator", 2009 (the sweep; the staircase here is an array, not a balanced tree).
    """
    count = points.shape[0]
    order = np.argsort(points[:, 2], kind="mergesort")
    across = np.empty(count + 1)
    up = np.empty(count + 1)
    steps, area, total = 0, 0.0, 0.0
    for turn in range(count):
        x, y, z = points[order[turn], 0], points[order[turn], 1], points[order[turn], 2]
        start = np.searchsorted(across[:steps], x, side="right")
        if start == 0 or up[start - 1] > y:
            if start > 0 and across[start - 1] == x:
                start -= 1
            end = start
            height = reference[1] if start == 0 else up[start - 1]
            left = x
            while end < steps and up[end] >= y:
                area += (across[end] - left) * (height - y)
                left, height = across[end], up[end]
                end += 1
            right = across[end] if end < steps else reference[0]
            area += (right - left) * (height - y)
            shift = end - start - 1
            if shift < 0:
                for place in range(steps, start, -1):
                    across[place], up[place] = across[place - 1], up[place - 1]
            elif shift > 0:
                for place in range(end, steps):
                    across[place - shift], up[place - shift] = across[place], up[place]
            steps -= shift
            across[start], up[start] = x, y
        next_z = points[order[turn + 1], 2] if turn + 1 < count else reference[2]
        total += area * (next_z - z)
    return total


@kernel
def _kept(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The points that none of the others dominates or equals."""
    count, width = points.shape
    keep = np.ones(count, np.bool_)
    for row in range(count):
        for other in range(count):
            if other == row or not keep[other]:
                continue
            covers = True
            for key in range(width):
                if points[other, key] > points[row, key]:
                    covers = False
                    break
            if covers:
                keep[row] = False
                break
    return points[keep]


@kernel
def covered_volume(points: NDArray[np.float64], reference: NDArray[np.float64]) -> Any:
    """Volume between ``points`` (N, M), all below ``reference`` (M,) everywhere, and the reference.

    From four objectives on: the sum over the points of what each covers beyond those after it. With the points ordered
    from the worst last objective to the best, that is a slab in the last objective over what is left of its base after
    the later points, cut to it, have taken theirs: a volume in one objective less.
    Source: While, Bradstreet, Barone, "A fast way of calculating exact hypervolumes", 2012.
    """
    count, width = points.shape
    if count == 0:
        return 0.0
    if width == 1:
        return reference[0] - points[:, 0].min()
    if width == 2:
        return _area(points, reference)
    if width == 3:
        return _volume(points, reference)
    ordered = points[np.argsort(-points[:, width - 1], kind="mergesort")]
    total = 0.0
    for row in range(count):
        base = 1.0
        for key in range(width - 1):
            base *= reference[key] - ordered[row, key]
        cut = np.maximum(ordered[row + 1 :, : width - 1], ordered[row, : width - 1])
        if width > 4:
            cut = _kept(cut)
        left = base - covered_volume(np.ascontiguousarray(cut), reference[: width - 1])
        total += left * (reference[width - 1] - ordered[row, width - 1])
    return total
