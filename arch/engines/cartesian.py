"""Products of all non-zero weights with all non-zero inputs of one reduction step: outer products of packed vectors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType

from archsim.arch.engines.data import OperandData
from archsim.arch.engines.skipping import Work, binomial


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One vector of the outer product: `lanes` non-zeros a cycle, out of `gathered` dense neighbours."""

    lanes: int
    gathered: int

    def __post_init__(self) -> None:
        if self.gathered % self.lanes:
            raise ValueError(f"gathered must be a multiple of lanes (got {self.gathered} and {self.lanes})")

    @property
    def times(self) -> int:
        """Cycles of a dense vector."""
        return self.gathered // self.lanes

    def cycles(self, density: float) -> float:
        """Expected cycles of a vector whose elements are zero apart from each other: the mean of ceil(k / lanes).

        >>> Side(lanes=2, gathered=2).cycles(0.5)
        0.75
        """
        shares = binomial(self.gathered, density)
        return math.fsum(share * -(-k // self.lanes) for k, share in enumerate(shares))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cartesian:
    """Every step takes ceil(non-zero weights / lanes) times ceil(non-zero inputs / lanes) cycles; all pairs are useful.

    With `banks` accumulators that take one sum a cycle each, queues before them even conflicts out, so that only their
    number counts; without `queues` the products of a cycle wait for the fullest bank.
    A sliding window with strides makes pairs that no output needs: they take their time too.
    Sources: Wang et al., "Dual-side Sparse Tensor Core", ISCA 2021, section IV (outer products, vectors packed in steps
    of 8 or 16); Parashar et al., SCNN, ISCA 2017, sections III and IV (4 x 4 products into 32 banks).
    """

    weights: Side
    inputs: Side
    banks: int = 0
    queues: bool = True

    def work(self, weights: OperandData, inputs: OperandData) -> Work:
        """Vectors lie across the reduction, where a pattern along it leaves elements zero apart from each other."""
        dense = self.weights.times * self.inputs.times
        cycles = self.weights.cycles(weights.density) * self.inputs.cycles(inputs.density)
        executed, spread = weights.density * inputs.density, inputs.spread
        lanes = self.weights.lanes * self.inputs.lanes
        products = executed * dense * lanes / cycles
        waiting = self._waiting(products)
        time = cycles * waiting * spread
        found = {name for name, data in (("weights", weights), ("inputs", inputs)) if data.density < 1}
        return Work(
            speed=dense / time,
            executed=executed,
            imbalance=max(0.0, 1.0 - executed * dense / time),
            exploited=frozenset(found),
            accesses=MappingProxyType({"outputs": executed}),
            reach=MappingProxyType({"columns": float(self.weights.times), "rows": float(self.inputs.times)}),
        )

    def _waiting(self, products: float) -> float:
        """Cycles for the sums of one cycle's products."""
        if not self.banks:
            return 1.0
        return max(1.0, products / self.banks) if self.queues else fullest_bank(round(products), self.banks)


def fullest_bank(products: int, banks: int) -> float:
    """The expected number of products in the fullest of `banks`, each product in one of them at random.

    From the distribution of the maximum of independent Poisson counts with the same mean (the classical approximation
    of balls in bins), which forgets that the counts add up to `products`.
    """
    if products < 1:
        return 1.0
    rate = products / banks
    below, term, expected = 0.0, math.exp(-rate), 0.0
    for count in range(products):
        below = min(1.0, below + term)
        expected += 1.0 - below**banks
        term *= rate / (count + 1)
    return max(1.0, expected)
