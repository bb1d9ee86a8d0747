"""Dominance by its definition, point against point."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def dominates(one: Floats, other: Floats) -> bool:
    return bool((one <= other).all() and (one < other).any())


def front(values: Floats) -> list[bool]:
    has = [not np.isnan(row).any() for row in values]
    return [
        has[i] and not any(has[j] and dominates(values[j], values[i]) for j in range(len(values)))
        for i in range(len(values))
    ]


def ranks(values: Floats) -> list[int]:
    """Fronts taken away one by one."""
    found = np.full(len(values), -1)
    left = np.array([not np.isnan(row).any() for row in values], bool)
    rank = 0
    while left.any():
        rows = np.flatnonzero(left)
        best = rows[np.asarray(front(values[rows]))]
        found[best], left[best] = rank, False
        rank += 1
    return found.tolist()


def volume(values: Floats, reference: Floats) -> float:
    """Volume of the union of boxes, counted in the cells between all their edges."""
    edges = [np.unique(np.append(values[:, column], reference[column])) for column in range(values.shape[1])]
    total = 0.0
    for cell in itertools.product(*(range(len(edge) - 1) for edge in edges)):
        corner = np.array([edge[place] for edge, place in zip(edges, cell, strict=True)])
        if (corner < reference).all() and (values <= corner).all(axis=1).any():
            sides = [edge[place + 1] - edge[place] for edge, place in zip(edges, cell, strict=True)]
            total += float(np.prod(sides))
    return total
