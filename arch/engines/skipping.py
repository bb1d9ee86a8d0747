"""What hardware makes of zeros: policies that turn what is known of two operands into time and work.

Every policy gives the same answer, `Work`; the engine of kind ``sparse`` (`archsim.arch.engines.sparse`) lays it over
an array. Expectations take the two operands' zeros to fall apart from each other.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np

from archsim.arch.chance import Distribution, binomial, hypergeometric
from archsim.arch.engines.data import OperandData, Ratio
from archsim.arch.order import at_least, expected_largest, mean, shares_of
from archsim.core.provenance import ESTIMATE

LONGEST_WINDOW = 1024
"""Elements up to which the non-zeros of a window are counted; the time of longer ones is that of several."""
NEGLIGIBLE = 1e-12
"""Probability of a case that is left out of a sum over cases."""
WIDEST_THINNING = 256
"""Elements of a window up to which matches are counted case by case; in longer ones pairs match by chance."""
MOST_COUNTS = 64
"""Numbers of non-zeros that blocks leave in a window, told apart; of more, elements are taken as zero by chance."""
UNSEARCHED = f"{ESTIMATE} finding the pairs without a zero takes no area or energy: the design states no sync_window"
ALL: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a policy makes of data, against the same PEs on dense data."""

    speed: float = 1.0
    """Dense MACs in the time of one."""
    executed: float = 1.0
    gated: float = 0.0
    imbalance: float = 0.0
    exploited: frozenset[str] = frozenset()
    accesses: Mapping[str, float] = field(default_factory=lambda: ALL)
    """Share of the accesses of the memory next to the PEs that are made, by operand; absent: all."""
    reach: Mapping[str, float] = field(default_factory=lambda: ALL)
    """By group of loops (``reduction``, ``columns``, ``rows``): dense elements that lie where one lies."""
    ratio: Ratio | None = None
    """The N:M in which weights are taken."""
    why_dense: str = ""
    estimates: tuple[str, ...] = ()


def _seen(operands: frozenset[str], weights: OperandData, inputs: OperandData) -> dict[str, float]:
    """Densities of the operands whose zeros the hardware looks at; 1 for the other."""
    found = {"weights": weights.density, "inputs": inputs.density}
    return {name: density if name in operands else 1.0 for name, density in found.items()}


def _exploited(densities: Mapping[str, float]) -> frozenset[str]:
    return frozenset(name for name, density in densities.items() if density < 1.0)


def _accesses(densities: Mapping[str, float]) -> dict[str, float]:
    """An operand is read where the other one is not zero; sums are touched where neither is."""
    weights, inputs = densities["weights"], densities["inputs"]
    return {"weights": inputs, "inputs": weights, "outputs": weights * inputs}


class Skipper(ABC):
    """What hardware makes of zeros."""

    __slots__ = ()

    @abstractmethod
    def work(self, weights: OperandData, inputs: OperandData) -> Work:
        """What becomes of this data, in the fastest of the `ways`."""

    @property
    def ways(self) -> tuple[str, ...]:
        """Names of the ways in which the array may be run, each a dataflow of its own; none: in one."""
        return ()

    def work_in(self, way: str, weights: OperandData, inputs: OperandData) -> Work:
        """`work` in one of the `ways`."""
        return self.work(weights, inputs)

    def fitting(self, data: OperandData) -> Ratio | None:
        """The N:M in which weights are taken and kept; None: as they are."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignoring(Skipper):
    """Zeros are computed like any other value."""

    def work(self, weights: OperandData, inputs: OperandData) -> Work:
        return Work()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gating(Skipper):
    """A MAC with a zero keeps its time; multiplier, registers and reads of the other operand stand still.

    Source: Chen et al., Eyeriss, JSSC 2017, section IV (zero inputs gate the PE's datapath and its weight reads).
    """

    operands: frozenset[str]

    def work(self, weights: OperandData, inputs: OperandData) -> Work:
        densities = _seen(self.operands, weights, inputs)
        executed = densities["weights"] * densities["inputs"]
        return Work(
            executed=executed,
            gated=1.0 - executed,
            exploited=_exploited(densities),
            accesses=_accesses(densities),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Structured(Skipper):
    """Weights that keep N of every M: a selector gives each lane the input that its weight belongs to.

    The lanes of N elements reach over M: the time is N/M of the dense one, whatever the values are. Inputs are needed
    for all M, because neighbouring outputs pick differently. Data that keep fewer fit too (1:4 in 2:4); others run
    dense.
    Source: Mishra et al., "Accelerating Sparse Deep Neural Networks", arXiv 2104.08378, section 3 (recalled).
    """

    ratios: tuple[Ratio, ...]

    def fitting(self, data: OperandData) -> Ratio | None:
        """The supported ratio that is fastest on the data."""
        own = data.ratio
        if own is None or own[0] == own[1]:
            return None
        fits = [ratio for ratio in self.ratios if _holds(ratio, own)]
        return min(fits, key=lambda ratio: ratio[0] / ratio[1], default=None)

    def work(self, weights: OperandData, inputs: OperandData) -> Work:
        ratio = self.fitting(weights)
        if ratio is None:
            return Work(why_dense=self._why(weights, inputs))
        keep, group = ratio
        return Work(
            speed=group / keep,
            executed=keep / group,
            exploited=frozenset({"weights"}),
            reach=MappingProxyType({"reduction": group / keep}),
            ratio=ratio,
        )

    def _why(self, weights: OperandData, inputs: OperandData) -> str:
        takes = ", ".join(f"{keep}:{group}" for keep, group in self.ratios)
        if weights.sparse:
            own = f" ({weights.ratio[0]}:{weights.ratio[1]} does not fit)" if weights.ratio else ""
            return f"takes weights of {takes} only{own}"
        return f"takes weights of {takes} only, not sparse inputs" if inputs.sparse else ""


def _holds(ratio: Ratio, own: Ratio) -> bool:
    """Whether every group of `ratio` has room for what data of `own` can have in it, wherever it lies among theirs.

    >>> [_holds((2, 4), own) for own in ((1, 2), (1, 3), (1, 8), (2, 6), (2, 8))]
    [True, True, True, False, True]
    """
    keep, group = ratio
    most, period = own

    def inside(start: int) -> int:
        """Non-zeros that can lie in the group from `start` on: of each group of the data, as many as overlap."""
        edges = (start, *range((start // period + 1) * period, start + group, period), start + group)
        return sum(min(most, after - before) for before, after in pairwise(edges))

    return all(inside(start) <= keep for start in range(0, math.lcm(group, period), group))


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipping(Skipper):
    """Each lane walks through a window of the reduction and spends a cycle on every pair without a zero.

    `lanes` of them start a window together and wait for the slowest; each window takes at least `least` cycles. Waiting
    lanes that share one operand (its non-zeros are the same for all of them) differ by the other one alone.
    The time of a window is the expected largest of so many draws: the sum of 1 - CDF^lanes.
    """

    operands: frozenset[str]
    window: int = 0
    """Elements of the reduction; 0: all of it."""
    lanes: int = 1
    least: int = 1
    shared: str = ""
    """The operand that the lanes share, if any."""

    def work(self, weights: OperandData, inputs: OperandData) -> Work:
        densities = _seen(self.operands, weights, inputs)
        executed = densities["weights"] * densities["inputs"]
        if executed == 1.0:
            return Work()
        window = min(self.window or weights.reduction, weights.reduction)
        whole, rest = divmod(weights.reduction, window)
        time = whole * self._time_of(weights, inputs, densities, window)
        if rest:
            time += self._time_of(weights, inputs, densities, rest)
        return Work(
            speed=weights.reduction / time,
            executed=executed,
            imbalance=max(0.0, 1.0 - executed * weights.reduction / time),
            exploited=_exploited(densities),
            accesses=_accesses(densities),
            estimates=(*_estimates(window), *(() if self.window else (UNSEARCHED,))),
        )

    def _time_of(self, weights: OperandData, inputs: OperandData, densities: Mapping[str, float], window: int) -> float:
        """Cycles of one window; of a long one, as of several."""
        counted = min(window, LONGEST_WINDOW)
        return self._time(weights, inputs, densities, counted) * window / counted

    def _time(self, weights: OperandData, inputs: OperandData, densities: Mapping[str, float], window: int) -> float:
        """Cycles of one window."""
        data = {"weights": weights, "inputs": inputs}
        shared = self.shared if self.shared in self.operands else ""
        own = [name for name in ("weights", "inputs") if name in self.operands and name != shared]
        common = data[shared].nonzeros(window) if shared else None
        if not own:
            return sum(max(self.least, i) * share for i, share in enumerate(common or ()))
        if common is None:
            first = data[own[0]].nonzeros(window)
            if len(own) == 2:
                first = thinned(first, densities[own[1]])
            return self._waited(first, self._working(weights, inputs))
        counts = {k: share for k, share in enumerate(data[own[0]].nonzeros(window)) if share > NEGLIGIBLE}
        density, lanes = densities[own[0]], self._apart(data[own[0]])
        by_chance = len(counts) > (MOST_COUNTS if data[own[0]].block[1] > 1 else 1)

        def matches(i: int) -> Distribution:
            return binomial(i, density) if by_chance else _chosen(i, counts, window)

        found = ((i, share) for i, share in enumerate(common) if share > NEGLIGIBLE)
        return math.fsum(share * self._waited(matches(i), lanes) for i, share in found)

    def _apart(self, own: OperandData) -> int:
        """Waiting lanes whose own operand differs: those in the rows of one block have its zeros in common."""
        return -(-min(self.lanes, own.across or self.lanes) // own.block[0])

    def _working(self, weights: OperandData, inputs: OperandData) -> int:
        """Waiting lanes that have a result of their own, where the op's sizes are known."""
        return min(self.lanes, weights.across * inputs.across or self.lanes)

    def _waited(self, pairs: Distribution, lanes: int) -> float:
        """Cycles of the slowest of `lanes`, each with so many pairs."""
        return expected_largest(at_least(shares_of(pairs), self.least), lanes)


def _chosen(n: int, counts: Mapping[int, float], total: int) -> Distribution:
    """Ones among `n` of `total` elements, all choices equally likely, of which k are ones with the share counts[k].

    >>> _chosen(1, {0: 0.5, 2: 0.5}, 2)
    (0.5, 0.5)
    """
    if len(counts) == 1:
        return hypergeometric(n, next(iter(counts)), total)
    from scipy.special import gammaln

    kept, share = (np.array(list(found))[:, None] for found in (counts.keys(), counts.values()))
    ones = np.arange(n + 1)[None, :]
    possible = (ones <= kept) & (n - ones <= total - kept)
    inside, outside = np.minimum(ones, kept), np.clip(n - ones, 0, total - kept)

    def logarithm(whole: Any, part: Any) -> Any:
        return gammaln(whole + 1) - gammaln(part + 1) - gammaln(whole - part + 1)

    each = np.exp(logarithm(kept, inside) + logarithm(total - kept, outside) - logarithm(total, n)) * possible
    return tuple(float(value) for value in (each * share).sum(axis=0))


def _estimates(window: int) -> tuple[str, ...]:
    if window <= LONGEST_WINDOW:
        return ()
    return (f"{ESTIMATE} lanes that meet every {window} elements wait as if they met every {LONGEST_WINDOW}",)


def thinned(distribution: Distribution, share: float) -> Distribution:
    """How many of a counted number of elements remain when each stays with probability `share`, apart from the others.

    >>> thinned((0.0, 0.0, 1.0), 0.5)
    (0.25, 0.5, 0.25)
    """
    if share >= 1.0:
        return distribution
    size = len(distribution) - 1
    if size > WIDEST_THINNING:
        return binomial(size, mean(shares_of(distribution)) / size * share)
    found = [0.0] * (size + 1)
    for count, probability in enumerate(distribution):
        if probability > 0:
            for i, stays in enumerate(binomial(count, share)):
                found[i] += probability * stays
    return tuple(found)
