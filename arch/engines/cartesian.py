"""Products of all non-zero weights with all non-zero inputs of one reduction step: outer products of packed vectors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType

from archsim.arch.engines.chance import Distribution
from archsim.arch.engines.data import OperandData
from archsim.arch.engines.skipping import Skipper, Work


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

    def cycles(self, shares: Distribution) -> float:
        """Expected cycles of a vector with so many non-zeros: the mean of ceil(k / lanes).

        >>> Side(lanes=2, gathered=2).cycles((0.25, 0.5, 0.25))
        0.75
        """
        return math.fsum(share * -(-k // self.lanes) for k, share in enumerate(shares))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gather:
    """The two vectors of one outer product."""

    weights: Side
    inputs: Side

    @property
    def name(self) -> str:
        """Of the dataflow that packs vectors this way."""
        return f"{self.weights.gathered}x{self.inputs.gathered}"

    @property
    def dense_cycles(self) -> int:
        return self.weights.times * self.inputs.times

    def cycles(self, weights: OperandData, inputs: OperandData) -> float:
        """Expected cycles of one step of the reduction."""
        weight_side, input_side = self.weights, self.inputs
        weight_cycles = weight_side.cycles(weights.across(weight_side.gathered))
        return weight_cycles * input_side.cycles(inputs.across(input_side.gathered))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cartesian(Skipper):
    """Every step takes ceil(non-zero weights / lanes) times ceil(non-zero inputs / lanes) cycles; all pairs are useful.

    Where the array can gather its vectors in several ways, each is a dataflow of its own.
    With `banks` accumulators that take one sum a cycle each, queues before them even conflicts out, so that only their
    number counts; without `queues` the products of a cycle wait for the fullest bank.
    A sliding window with strides makes pairs that no output needs: they take their time too.
    Sources: Wang et al., "Dual-side Sparse Tensor Core", ISCA 2021, section IV (outer products, vectors packed in steps
    of 8 or 16); Parashar et al., SCNN, ISCA 2017, sections III and IV (4 x 4 products into 32 banks).
    """

    gathers: tuple[Gather, ...]
    banks: int = 0
    queues: bool = True

    def __post_init__(self) -> None:
        if not self.gathers:
            raise ValueError("vectors are gathered in at least one way")

    def work(self, weights: OperandData, inputs: OperandData) -> Work:
        """The work of the fastest way."""
        found = [self.gathered(gather, weights, inputs) for gather in self.gathers]
        return max(found, key=lambda work: work.speed)

    @property
    def ways(self) -> tuple[str, ...]:
        return tuple(gather.name for gather in self.gathers) if len(self.gathers) > 1 else ()

    def work_in(self, way: str, weights: OperandData, inputs: OperandData) -> Work:
        gather = next((gather for gather in self.gathers if gather.name == way), self.gathers[0])
        return self.gathered(gather, weights, inputs)

    def gathered(self, gather: Gather, weights: OperandData, inputs: OperandData) -> Work:
        """Vectors lie across the reduction, where all patterns but blocks leave elements zero apart from each other."""
        dense, cycles = gather.dense_cycles, gather.cycles(weights, inputs)
        executed = weights.density * inputs.density
        products = executed * dense * gather.weights.lanes * gather.inputs.lanes / cycles
        time = cycles * self._waiting(products) * inputs.spread
        found = {name for name, data in (("weights", weights), ("inputs", inputs)) if data.density < 1}
        return Work(
            speed=dense / time,
            executed=executed,
            imbalance=max(0.0, 1.0 - executed * dense / time),
            exploited=frozenset(found),
            accesses=MappingProxyType({"outputs": executed}),
            reach=MappingProxyType({"columns": float(gather.weights.times), "rows": float(gather.inputs.times)}),
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
