"""What several groups of lanes in step wait for: order statistics of a distribution over whole numbers of steps.

A distribution is an array of shares: entry v is the share of groups that take v steps. Shares add up to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Shares = NDArray[np.float64]


def shares_of(counts: ArrayLike) -> Shares:
    """A histogram's shares. Raises ValueError for an empty one."""
    numbers = np.asarray(counts, dtype=np.float64)
    total = float(numbers.sum())
    if total <= 0:
        raise ValueError("an empty histogram has no shares")
    found: Shares = numbers / total
    return found


def at_least(shares: Shares, least: int) -> Shares:
    """The distribution with everything below `least` raised to it."""
    raised = shares.copy()
    if least > 0:
        below = raised[:least].sum()
        raised[:least] = 0
        if raised.size <= least:
            raised = np.concatenate([raised, np.zeros(least + 1 - raised.size)])
        raised[least] += below
    return raised


def mean(shares: Shares) -> float:
    """The expected steps of one group."""
    return float(np.dot(np.arange(shares.size), shares))


def variance(shares: Shares) -> float:
    """The variance of one group's steps."""
    return float(np.dot((np.arange(shares.size) - mean(shares)) ** 2, shares))


def largest(shares: Shares, draws: int) -> Shares:
    """The distribution of the largest of `draws` independent draws: differences of CDF^draws."""
    cumulative = np.minimum(np.cumsum(shares), 1.0) ** draws
    found: Shares = np.diff(cumulative, prepend=0.0)
    return found


def expected_largest(shares: Shares, draws: int) -> float:
    """The expected largest of `draws` independent draws: the sum of 1 - CDF^draws.

    >>> round(expected_largest(np.array([0.5, 0.5]), 2), 2)
    0.75
    """
    return mean(largest(shares, draws))


def expected_largest_sum(shares: Shares, steps: int, draws: int) -> float:
    """The expected largest of `draws` sums of `steps` independent draws each: rows that run ahead of one another.

    Sums are taken as normal (their error falls with the root of `steps`); exact for one step or one draw.
    """
    if draws == 1:
        return steps * mean(shares)
    if steps == 1:
        return expected_largest(shares, draws)
    return steps * mean(shares) + float(np.sqrt(steps * variance(shares))) * normal_largest(draws)


def expected_ahead(shares: Shares, draws: int, ahead: int) -> float:
    """The expected steps of a group, in the long run, where none of `draws` rows is more than `ahead` groups ahead.

    With `ahead` 0 rows wait for the largest of as many draws, exactly. With w = `ahead` + 1 large they are diffusions
    that the slowest one holds back, which costs variance / mean * g / w: rows wait behind the last one for times that
    are nearly exponential, of which the largest of n is the harmonic number H(n) times the mean, so that g = H(n) / 2;
    two rows have 1 / 2 exactly (their distance is uniform), and g = H(n) / 2 - 1 / n^2 has both. Between the two, the
    hyperbola through the first that has the second's limit. Played distributions of integers' bits are met within 4 %,
    long tails (geometric steps, 64 rows) within 10 %.
    """
    least, most = mean(shares), expected_largest(shares, draws)
    if draws == 1 or ahead == 0 or most <= least:
        return most
    share = sum(1.0 / i for i in range(1, draws + 1)) / 2.0 - 1.0 / draws**2
    limit = variance(shares) / least * share
    return least + limit / (ahead + limit / (most - least))


def normal_largest(draws: int) -> float:
    """The expected largest of `draws` standard normal numbers, by quadrature of 1 - CDF^draws on a fine grid."""
    from scipy.special import ndtr

    grid = np.linspace(-8.0, 12.0, 8001)
    above = 1.0 - np.asarray(ndtr(grid), dtype=np.float64) ** draws
    return float(np.trapezoid(above, grid)) - 8.0


def of_or(masks: NDArray[Any], shares: Shares, draws: int, width: int) -> Shares:
    """The distribution over all words of `width` bits of the OR of `draws` independent words.

    `masks` [n] are the words that occur and `shares` [n] how often. P(OR within S) = P(word within S)^draws; single
    words follow by inclusion and exclusion, a bit at a time.
    """
    table = np.zeros(1 << width)
    np.add.at(table, masks, shares)
    cube = table.reshape((2,) * width)
    for axis in range(width):
        cube = np.cumsum(cube, axis=axis)
    cube = cube**draws
    for axis in range(width):
        cube = np.diff(cube, axis=axis, prepend=0.0)
    found: Shares = np.maximum(cube.reshape(-1), 0.0)
    return found


def of_peaks(column_shares: Sequence[float], draws: int) -> Shares:
    """The distribution of the largest count of ones over bit columns of `draws` words.

    Columns are taken as independent, each binomial with its share of ones: bits of one word are nearly so below its
    leading one, which is where the largest counts are.
    """
    from scipy.stats import binom

    counts = np.arange(draws + 1)
    cumulative = np.ones(draws + 1)
    for share in column_shares:
        cumulative = cumulative * np.asarray(binom.cdf(counts, draws, share), dtype=np.float64)
    found: Shares = np.diff(cumulative, prepend=0.0)
    return found
