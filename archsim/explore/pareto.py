"""Fronts of points in any number of objectives, exact: dominance, ranks, covered volume, knees, crowding.

All functions take ``values`` (N, M), one row a point, one column an objective, smaller is better (negate what should be
large). A row dominates another when it is nowhere larger and somewhere smaller; equal rows do not dominate each other.
Infinities compare as they do elsewhere. A row with a NaN is a point without values (it failed): it dominates nothing
and is on no front.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]

FAILED = -1
"""The rank of a point without values."""


def non_dominated(values: ArrayLike) -> Flags:
    """Which points no other dominates, (N,). Equal points stay together.

    >>> non_dominated([[1, 2], [2, 1], [2, 2], [1, 2], [float("nan"), 0]]).tolist()
    [True, True, False, True, False]
    """
    return np.equal(_ranks(_matrix(values), front_only=True), 0)


def ranks(values: ArrayLike) -> Counts:
    """The front each point is on when fronts are taken away one by one, (N,): 0 the first, -1 a point without values.

    Source: Goldberg, "Genetic algorithms in search, optimization, and machine learning", 1989; Deb et al., "A fast and
    elitist multiobjective genetic algorithm: NSGA-II", 2002, sec. III.A.

    >>> ranks([[1, 2], [2, 1], [2, 2], [3, 3]]).tolist()
    [0, 0, 1, 2]
    """
    return _ranks(_matrix(values), front_only=False)


def _ranks(values: Floats, *, front_only: bool) -> Counts:
    found = np.full(len(values), FAILED, np.int64)
    rows = np.flatnonzero(~np.isnan(values).any(axis=1))
    if not len(rows):
        return found
    keys = _dense(values[rows])
    if keys.shape[1] == 1:
        found[rows] = keys[:, 0]
        return found
    from archsim.explore.front_kernels import LEAF, dominance_ranks, tree_order

    order = np.lexsort(keys.T[::-1])
    keys = keys[order]
    first = np.concatenate([[True], (keys[1:] != keys[:-1]).any(axis=1)])
    others = np.ascontiguousarray(keys[first, 1:])
    of_distinct = dominance_ranks(others, tree_order(others, LEAF), LEAF, front_only)
    found[rows[order]] = of_distinct[np.cumsum(first) - 1]
    return found


def _dense(values: Floats) -> Counts:
    """Every column as places in the order of its distinct values: the same dominance, with integers."""
    columns = [np.unique(values[:, column], return_inverse=True)[1] for column in range(values.shape[1])]
    return np.stack(columns, axis=1).astype(np.int64)


def hypervolume(values: ArrayLike, reference: ArrayLike) -> float:
    """The volume that points cover below ``reference`` (M,), in the product of the objectives' units, exact.

    Points that are not below the reference in every objective cover nothing.
    Source: Zitzler, Thiele, "Multiobjective optimization using evolutionary algorithms", 1998 (the measure);
    `archsim.explore.front_kernels` names those of the methods.

    Raises:
        ValueError: the reference is not finite or has another number of objectives.

    >>> hypervolume([[1, 2], [2, 1]], [3, 3])
    3.0
    """
    from archsim.explore.front_kernels import covered_volume

    matrix, corner = _matrix(values), np.ascontiguousarray(reference, np.float64)
    if corner.shape != (matrix.shape[1],) or not np.isfinite(corner).all():
        raise ValueError(f"reference: must be {matrix.shape[1]} finite numbers (got {corner.tolist()})")
    inside = matrix[(matrix < corner).all(axis=1)]
    if not len(inside):
        return 0.0
    if np.isneginf(inside).any():
        return float("inf")
    front = np.unique(inside[non_dominated(inside)], axis=0)
    return float(covered_volume(np.ascontiguousarray(front), corner))


def crowding(values: ArrayLike) -> Floats:
    """How far apart a front's points are, (N,): per objective the gap between both neighbours over the range, summed.

    Infinite at both ends of an objective, and so for every point of a front of one or two. Of equal points all but
    one have no room between them (0 when none is at an end). NaN for points without values. Values at infinity have
    no gap: they count as ends.
    Source: Deb et al., "NSGA-II", 2002, sec. III.B.

    >>> crowding([[0, 4], [1, 2], [4, 0]]).tolist()
    [inf, 2.0, inf]
    """
    matrix = _matrix(values)
    found = np.full(len(matrix), np.nan)
    rows = np.flatnonzero(~np.isnan(matrix).any(axis=1))
    found[rows] = 0.0
    for column in range(matrix.shape[1] if len(rows) else 0):
        order = rows[np.argsort(matrix[rows, column], kind="stable")]
        along = matrix[order, column]
        found[order[[0, -1]]] = np.inf
        spread = along[-1] - along[0]
        if not np.isfinite(spread):
            found[order[~np.isfinite(along)]] = np.inf
            finite = along[np.isfinite(along)]
            spread = finite[-1] - finite[0] if len(finite) else 0.0
        if spread > 0:
            with np.errstate(invalid="ignore"):
                gaps = (along[2:] - along[:-2]) / spread
            found[order[1:-1]] += np.where(np.isnan(gaps), np.inf, gaps)
    return found


def normalized(front: ArrayLike) -> Floats:
    """Values (N, M) with each objective from 0 (best of the points) to 1 (worst of them); 0 without a spread."""
    matrix = _matrix(front)
    best, worst = matrix.min(axis=0), matrix.max(axis=0)
    spread = worst - best
    scaled: Floats = (matrix - best) / np.where(spread > 0, spread, 1.0)
    return scaled


def bulges(front: ArrayLike) -> Floats:
    """How far each point of a front (N, M) lies below the plane through its ends, towards the ideal point, (N,).

    Objectives run from 0 (best on the front) to 1 (worst on it), those without a spread left out; the plane is the one
    where they sum up to 1, for two objectives the line through both ends of the front. Negative above it. The distance
    is Euclidean: (1 - sum) / sqrt(M), at most 1 / sqrt(M), and there a design has the best of everything.
    Source: Das, "On characterizing the 'knee' of the Pareto curve based on normal-boundary intersection", 1999; for
    more than two objectives the plane passes through the worst value of each, not through the minima themselves.

    Raises:
        ValueError: a value is not finite.

    >>> bulges([[0, 1], [0.25, 0.25], [1, 0]]).round(4).tolist()
    [0.0, 0.3536, 0.0]
    """
    matrix = _matrix(front)
    if not np.isfinite(matrix).all():
        raise ValueError("front: every value must be finite")
    if not len(matrix):
        return np.zeros(0)
    scaled = normalized(matrix)[:, matrix.max(axis=0) > matrix.min(axis=0)]
    heights: Floats = (1.0 - scaled.sum(axis=1)) / np.sqrt(max(scaled.shape[1], 1))
    return heights


def knee_points(front: ArrayLike, count: int = 1) -> Counts:
    """Rows of the front's knees, (count or fewer,): where it bulges most towards the ideal point, best first.

    The first is the knee of Das (see `bulges`). Each further one is the point that bulges most among those that are
    farther from every knee so far than a tenth of the range in some objective. Only points below the plane are knees:
    a straight or hollow front has none. Ties go to the earlier row.

    >>> knee_points([[0, 1], [0.25, 0.25], [1, 0]]).tolist()
    [1]
    """
    matrix = _matrix(front)
    heights = bulges(matrix)
    found: list[int] = []
    if not len(matrix):
        return np.asarray(found, np.int64)
    scaled = normalized(matrix)
    free = heights > _FLAT
    while len(found) < count and free.any():
        found.append(int(np.argmax(np.where(free, heights, -np.inf))))
        free &= np.abs(scaled - scaled[found[-1]]).max(axis=1) > _APART
    return np.asarray(found, np.int64)


_FLAT = 1e-9
"""Bulges of a straight front that rounding leaves."""
_APART = 0.1
"""Two knees differ by more than this fraction of the range in some objective; a smaller step is the same knee."""


def _matrix(values: ArrayLike) -> Floats:
    matrix = np.ascontiguousarray(values, np.float64)
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise ValueError(f"values: must be points by objectives (got shape {matrix.shape})")
    return matrix
