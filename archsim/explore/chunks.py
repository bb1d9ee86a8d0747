"""Chunks of a run: points that are evaluated, written and, after a failure, lost together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from archsim.explore.space import Point, Space

LARGEST_CHUNK = 256
CHUNKS = 32
"""A run is cut into at least so many chunks, where it has the points: enough for workers to share them evenly."""

Genes = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Points with consecutive numbers."""

    first: int
    count: int
    genes: Genes | None = None
    """Of points that a sampler chose; None: the grid's points with these numbers."""

    @property
    def last(self) -> int:
        return self.first + self.count - 1

    def points(self, space: Space) -> list[Point]:
        """The points, in order."""
        if self.genes is None:
            return [space.grid(index) for index in range(self.first, self.first + self.count)]
        return [space.point(genes, self.first + offset) for offset, genes in enumerate(self.genes)]

    @property
    def digest(self) -> str:
        """What tells apart chunks with other points under the same numbers."""
        return "grid" if self.genes is None else hashlib.sha256(repr(self.genes).encode()).hexdigest()[:16]

    def __str__(self) -> str:
        return f"points {self.first} to {self.last}"


def chunk_size(points: int) -> int:
    """Points of a chunk, for a run of so many.

    >>> chunk_size(24), chunk_size(1000), chunk_size(100_000)
    (1, 31, 256)
    """
    return max(1, min(LARGEST_CHUNK, points // CHUNKS))


def spans(first: int, count: int, size: int) -> Iterator[tuple[int, int]]:
    """(first, count) of each chunk of a row of points."""
    for start in range(first, first + count, size):
        yield start, min(size, first + count - start)
