"""Shares of the variance of a function of integer genes: first-order and total Sobol indices, with their uncertainty.

The first-order index of an axis is the share of the variance that goes when the axis is known, Var(E[y|x]) / Var(y);
its total index the share that stays when all others are known, E[Var(y|others)] / Var(y): with every interaction. Axes
are taken as independent, each of their values as equally likely.
Source: Sobol', "Global sensitivity indices for nonlinear mathematical models and their Monte Carlo estimates", 2001;
Homma, Saltelli, "Importance measures in global sensitivity analysis of nonlinear models", 1996 (total).

Intervals are half the width of the 95 % confidence interval: 1.96 standard deviations over bootstrap samples.
Source: Archer, Saltelli, Sobol', "Sensitivity measures, ANOVA-like techniques and the use of bootstrap", 1997.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from archsim.explore.neighbours import Genes
from archsim.explore.pareto import Floats
from archsim.reports.sensitivity import SobolIndex

Groups = NDArray[np.int64]
RESAMPLES = 200
NORMAL_95 = 1.959964
"""Standard deviations to either side of the mean that hold 95 % of a normal distribution."""
LEAST_GROUPS = 16
"""Groups of points that differ in one axis alone, below which a total index is not given."""
GROUP_SIZE = 8
"""Points that a group of values needs on average for a first-order index of a sample: values are joined until then."""
UNKNOWN = SobolIndex(first=None, first_interval=None, total=None, total_interval=None)


def of_grid(genes: Genes, y: Floats, axis: int) -> SobolIndex:
    """The indices of an axis from all points of a space, ``genes`` (N, D) and ``y`` (N,): exact.

    Where points are missing (they failed), groups weigh as many points as they have, and the indices are those of the
    points that are there: the axes are then no longer independent, and first-order indices may sum up to more than 1.
    """
    variance = float(np.var(y))
    if variance <= _rounding(y):
        return _exact(0.0, 0.0)
    others = _groups(np.delete(genes, axis, axis=1))
    first = _between(genes[:, axis], y) / variance
    total = max(0.0, 1.0 - _between(others, y) / variance)
    return _exact(first, total)


def _exact(first: float, total: float) -> SobolIndex:
    return SobolIndex(first=first, first_interval=0.0, total=total, total_interval=0.0)


def _rounding(y: Floats) -> float:
    """Variance that rounding alone leaves."""
    return (1e-12 * float(np.abs(y).max(initial=0.0))) ** 2


def _groups(genes: Genes) -> Groups:
    """The number of the group of equal rows that each row is in."""
    return np.asarray(np.unique(genes, axis=0, return_inverse=True)[1]).reshape(-1)


def _means(groups: Groups, y: Floats) -> tuple[Floats, Floats]:
    """Number and mean of each group that has points."""
    counts = np.bincount(groups).astype(float)
    sums = np.bincount(groups, weights=y)
    return counts[counts > 0], sums[counts > 0] / counts[counts > 0]


def _between(groups: Groups, y: Floats) -> float:
    """Variance of the means of groups, each weighing as many points as it has."""
    counts, means = _means(groups, y)
    return float((counts * (means - y.mean()) ** 2).sum() / len(y))


def of_sample(
    genes: Genes, y: Floats, axis: int, cardinality: int, is_ordered: bool, random: np.random.Generator
) -> SobolIndex:
    """The indices of an axis from points chosen independently of ``y``, ``genes`` (N, D) and ``y`` (N,).

    First order: the correlation ratio, less what chance adds to it; neighbouring values of an ordered axis are joined
    where they have few points. Total: half the mean squared difference of points that differ in this axis alone; None
    where the sample has few such points.
    Source: Kelley, "An unbiased correlation ratio measure", 1935; Plischke, Borgonovo, Smith, "Global sensitivity
    measures from given data", 2013; Jansen, "Analysis of variance designs for model output", 1999 (total).
    """
    if float(np.var(y)) <= _rounding(y):
        return SobolIndex(first=0.0, first_interval=0.0, total=0.0, total_interval=0.0)
    first, first_interval = _first_of_sample(genes[:, axis], y, cardinality, is_ordered, random)
    total, total_interval = _total_of_sample(genes, y, axis, random)
    return SobolIndex(first=first, first_interval=first_interval, total=total, total_interval=total_interval)


def _first_of_sample(
    values: NDArray[np.int64], y: Floats, cardinality: int, is_ordered: bool, random: np.random.Generator
) -> tuple[float | None, float | None]:
    bins = min(cardinality, len(y) // GROUP_SIZE)
    if bins < cardinality and not is_ordered:
        return None, None
    if bins < 2:
        return (0.0, 0.0) if cardinality == 1 else (None, None)
    groups = values * bins // cardinality
    estimates = [_correlation_ratio(groups[rows], y[rows]) for rows in _resampled(len(y), random)]
    return _correlation_ratio(groups, y), _interval(estimates)


def _correlation_ratio(groups: Groups, y: Floats) -> float:
    """Share of the variance between groups, less what chance alone puts there (epsilon squared)."""
    counts, means = _means(groups, y)
    all_squares = float(((y - y.mean()) ** 2).sum())
    between = float((counts * (means - y.mean()) ** 2).sum())
    if all_squares == 0 or len(y) <= len(means):
        return 0.0
    within = (all_squares - between) / (len(y) - len(means))
    return (between - (len(means) - 1) * within) / all_squares


def _total_of_sample(
    genes: Genes, y: Floats, axis: int, random: np.random.Generator
) -> tuple[float | None, float | None]:
    """Variance within groups that agree in all other axes, each estimated without bias, over that of all points.

    The finite number of values makes the estimate right for the points of the groups: a value and itself are no pair,
    so that with k values the mean square of different ones is k / (k - 1) times twice the variance.
    """
    groups = _groups(np.delete(genes, axis, axis=1))
    counts = np.bincount(groups).astype(float)
    means = np.bincount(groups, weights=y) / counts
    squares = np.bincount(groups, weights=(y - means[groups]) ** 2)
    several = counts > 1
    if several.sum() < LEAST_GROUPS:
        return None, None
    size = len(np.unique(genes[:, axis]))
    spreads = squares[several] / (counts[several] - 1) * (size - 1) / size
    weights = counts[several] - 1
    variance = float(np.var(y))
    estimates = [
        float(np.average(spreads[rows], weights=weights[rows])) / variance for rows in _resampled(len(spreads), random)
    ]
    return float(np.average(spreads, weights=weights)) / variance, _interval(estimates)


def saltelli_genes(cardinalities: Sequence[int], rows: int, seed: int) -> tuple[Genes, Genes]:
    """Two independent samples A and B of ``rows`` genes each, (rows, D), from one scrambled Sobol sequence.

    Source: Saltelli et al., "Variance based sensitivity analysis of model output", 2010, sec. 4.
    """
    from scipy.stats import qmc

    sizes = np.array(cardinalities)
    engine = qmc.Sobol(2 * len(sizes), scramble=True, rng=np.random.default_rng(seed))
    points = engine.random_base2(max(rows - 1, 1).bit_length())[:rows]
    genes = np.minimum((points * np.tile(sizes, 2)).astype(np.int64), np.tile(sizes, 2) - 1)
    return genes[:, : len(sizes)], genes[:, len(sizes) :]


def of_pairs(a: Floats, b: Floats, mixed: Floats, random: np.random.Generator) -> SobolIndex:
    """The indices of an axis from y at A, at B, and at A with the axis of B, (n,) each.

    First order: mean of b (mixed - a) over the variance. Total: half the mean of (a - mixed)^2 over it.
    Source: Saltelli et al., 2010, table 2, (b) and (f), the latter after Jansen, 1999.
    """
    both = np.concatenate([a, b])
    if float(np.var(both)) <= _rounding(both):
        return _exact(0.0, 0.0)
    centre = both.mean()
    estimates = np.array(
        [_pair_estimates(a[r] - centre, b[r] - centre, mixed[r] - centre) for r in _resampled(len(a), random)]
    )
    first, total = _pair_estimates(a - centre, b - centre, mixed - centre)
    return SobolIndex(
        first=first,
        first_interval=_interval(estimates[:, 0].tolist()),
        total=total,
        total_interval=_interval(estimates[:, 1].tolist()),
    )


def _pair_estimates(a: Floats, b: Floats, mixed: Floats) -> tuple[float, float]:
    variance = float(np.var(np.concatenate([a, b])))
    if variance == 0:
        return 0.0, 0.0
    return float(np.mean(b * (mixed - a))) / variance, float(np.mean((a - mixed) ** 2)) / (2 * variance)


def _resampled(count: int, random: np.random.Generator) -> NDArray[np.int64]:
    return random.integers(0, count, (RESAMPLES, count))


def _interval(estimates: Sequence[float]) -> float:
    return NORMAL_95 * float(np.std(estimates, ddof=1))
