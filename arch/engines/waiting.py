"""Lanes that wait for each other: order statistics of how long a lane is busy.

A distribution is a sequence of probabilities of 0, 1, 2, ... steps; counts are taken as shares of their sum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def mean(distribution: Sequence[float]) -> float:
    """The expected number of steps.

    >>> mean((0.25, 0.5, 0.25))
    1.0
    """
    total = math.fsum(distribution)
    return math.fsum(steps * share for steps, share in enumerate(distribution)) / total


def expected_maximum(distribution: Sequence[float], draws: int) -> float:
    """The expected largest of `draws` independent draws: the sum over steps of 1 - CDF^draws.

    >>> expected_maximum((0.5, 0.5), 2)
    0.75
    """
    total, below, found = math.fsum(distribution), 0.0, 0.0
    for share in distribution[:-1]:
        below = min(1.0, below + share / total)
        found += 1.0 - below**draws
    return found
