"""Useful sizes of tiles along one dimension."""

from __future__ import annotations

import math
from functools import lru_cache


@lru_cache(maxsize=4096)
def divisors_of(size: int) -> tuple[int, ...]:
    """All divisors, ascending.

    >>> divisors_of(12)
    (1, 2, 3, 4, 6, 12)
    """
    low = [step for step in range(1, math.isqrt(size) + 1) if size % step == 0]
    return (*low, *(size // step for step in reversed(low) if step * step != size))


@lru_cache(maxsize=4096)
def unit_factors(size: int, most: int, perfect: bool) -> tuple[int, ...]:
    """Useful numbers of units, up to `most`, side by side along a dimension.

    >>> unit_factors(12, 8, True), unit_factors(5, 8, False)
    ((1, 2, 3, 4, 6), (1, 2, 3, 4, 5))
    """
    top = min(size, most)
    if perfect:
        return tuple(step for step in divisors_of(size) if step <= top)
    if top <= 32:
        return tuple(range(1, top + 1))
    # On long axes only the least factor for each number of steps.
    useful = {-(-size // -(-size // step)) for step in range(1, top + 1)}
    return tuple(sorted(step for step in useful if step <= top))


@lru_cache(maxsize=4096)
def tile_factors(size: int, perfect: bool) -> tuple[int, ...]:
    """Useful tiles of a dimension, ascending: divisors, or the least tile for each number of tiles.

    >>> tile_factors(10, False)
    (1, 2, 3, 4, 5, 10)
    """
    if perfect:
        return divisors_of(size)
    counts: set[int] = set()
    step = size
    while step >= 1:
        tiles = -(-size // step)
        least = -(-size // tiles)
        counts.add(least)
        step = least - 1
    return tuple(sorted(counts))
