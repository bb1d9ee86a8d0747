"""How many of n neighbouring elements are not zero: distributions over 0 to n, as tuples of n + 1 probabilities."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from archsim.arch.chance import Distribution, binomial, hypergeometric

__all__ = ["Distribution", "all_or_nothing", "binomial", "hypergeometric", "over_offsets", "sum_of"]

LARGEST_GROUP = 4096


def all_or_nothing(n: int, density: float) -> Distribution:
    """`n` elements of one block, which is kept whole with probability `density`."""
    return (1.0,) if n == 0 else (1.0 - density, *(0.0,) * (n - 1), density)


def over_offsets(n: int, period: int, part: Callable[[int], Distribution]) -> Distribution:
    """Groups of `n` laid one after the other over units of `period` elements that are independent of each other.

    A group that starts at offset o cuts units; `part(m)` is the distribution in m elements of one unit. Offsets are the
    multiples of gcd(n, period) below the period, all equally often.
    """
    step = math.gcd(n, period)
    offsets = range(0, period, step)
    known: dict[tuple[int, ...], Distribution] = {}
    total = [0.0] * (n + 1)
    for offset in offsets:
        cuts = tuple(sorted(_cuts(offset, n, period)))
        if cuts not in known:
            known[cuts] = sum_of([part(cut) for cut in cuts])
        for i, probability in enumerate(known[cuts]):
            total[i] += probability
    return tuple(probability / len(offsets) for probability in total)


def _cuts(offset: int, n: int, period: int) -> list[int]:
    """Lengths of the pieces of [offset, offset + n) in units of `period`."""
    cuts, at = [], offset
    while at < offset + n:
        end = min(offset + n, (at // period + 1) * period)
        cuts.append(end - at)
        at = end
    return cuts


def sum_of(parts: Sequence[Distribution]) -> Distribution:
    """Distribution of the sum of independent counts."""
    total: Distribution = (1.0,)
    for part in parts:
        total = _convolved(total, part)
    return total


def _convolved(first: Distribution, second: Distribution) -> Distribution:
    result = [0.0] * (len(first) + len(second) - 1)
    for i, p in enumerate(first):
        if p:
            for j, q in enumerate(second):
                result[i + j] += p * q
    return tuple(result)
