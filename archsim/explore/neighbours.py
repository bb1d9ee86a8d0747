"""Neighbours of designs in the space of genes: what one step of one axis leads to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Genes = NDArray[np.int64]
Gene = tuple[int, ...]


def neighbours(genes: Gene, cardinalities: Sequence[int], ordered: Sequence[bool] | None = None) -> Iterator[Gene]:
    """All genes that differ in one axis: by one step where its values are ordered, by any other value where not.

    >>> list(neighbours((0, 1), (3, 2)))
    [(1, 1), (0, 0)]
    >>> list(neighbours((0,), (3,), [False]))
    [(1,), (2,)]
    """
    for axis, size in enumerate(cardinalities):
        here = genes[axis]
        steps = (here - 1, here + 1) if ordered is None or ordered[axis] else range(size)
        for value in steps:
            if 0 <= value < size and value != here:
                yield (*genes[:axis], value, *genes[axis + 1 :])


def rows_of(genes: Genes) -> list[Gene]:
    """An array of genes (N, D) as tuples."""
    return [tuple(row) for row in genes.tolist()]


def array_of(genes: Sequence[Gene], width: int) -> Genes:
    """Tuples of genes as an array (N, width)."""
    return np.array(genes, np.int64).reshape(len(genes), width)
