"""How many of n elements are non-zero: distributions over 0 to n, as tuples of n + 1 probabilities."""

from __future__ import annotations

import math

Distribution = tuple[float, ...]

LARGEST_EXACT = 1000
"""Elements up to which binomial coefficients are floats."""


def binomial(n: int, share: float) -> Distribution:
    """Each of `n` elements is one with probability `share`, apart from the others.

    >>> binomial(2, 0.5), binomial(1, 0.0)
    ((0.25, 0.5, 0.25), (1.0, 0.0))
    """
    if not 0.0 < share < 1.0:
        return (1.0, *(0.0,) * n) if share <= 0.0 else (*(0.0,) * n, 1.0)
    if n <= LARGEST_EXACT:
        return tuple(math.comb(n, i) * share**i * (1.0 - share) ** (n - i) for i in range(n + 1))
    yes, no, whole = math.log(share), math.log1p(-share), math.lgamma(n + 1)
    return tuple(
        math.exp(whole - math.lgamma(i + 1) - math.lgamma(n - i + 1) + i * yes + (n - i) * no) for i in range(n + 1)
    )


def hypergeometric(n: int, kept: int, total: int) -> Distribution:
    """`n` elements out of `total` of which exactly `kept` are ones, all choices being equally likely.

    >>> hypergeometric(2, 2, 4)  # two of 2:4
    (0.16666666666666666, 0.6666666666666666, 0.16666666666666666)
    """
    ways = math.comb(total, n)
    return tuple(math.comb(kept, i) * math.comb(total - kept, n - i) / ways for i in range(n + 1))
