"""Products of all non-zero weights with all non-zero inputs of one reduction step: outer products of packed vectors."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

from archsim.arch.chance import Distribution
from archsim.arch.engines.data import OperandData
from archsim.arch.engines.skipping import Skipper, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One vector of the outer product: `lanes` non-zeros a cycle, out of `gathered` dense neighbours or fewer.

    `beside` vectors are worked on at once, by parts of the array that share the neighbours among them.
    """

    lanes: int
    gathered: int
    beside: int = 1

    def __post_init__(self) -> None:
        if self.gathered % self.lanes:
            raise ValueError(f"gathered must be a multiple of lanes (got {self.gathered} and {self.lanes})")

    @property
    def times(self) -> int:
        """Cycles of a dense vector."""
        return self.gathered // self.lanes

    def sizes(self, across: int) -> tuple[tuple[int, float], ...]:
        """Sizes of the vectors that `across` neighbours are shared among, as even as they go, with the share of each.

        As many vectors as passes of the array need, at most one for each neighbour; whole ones where 0 says that the
        number of neighbours is not known.

        >>> Side(lanes=16, gathered=64).sizes(100), Side(lanes=16, gathered=64, beside=2).sizes(65)
        (((50, 1.0),), ((32, 0.5), (33, 0.5)))
        """
        if not across:
            return ((self.gathered, 1.0),)
        vectors = min(-(-across // (self.gathered * self.beside)) * self.beside, across)
        size, longer = divmod(across, vectors)
        shares = ((size, 1.0 - longer / vectors), (size + 1, longer / vectors))
        return tuple((count, share) for count, share in shares if share)

    def cycles(self, shares_of: Callable[[int], Distribution], across: int = 0) -> float:
        """Expected cycles of a vector: the mean of ceil(k / lanes), `shares_of(n)` being those of k non-zeros in n.

        >>> Side(lanes=2, gathered=2).cycles(lambda n: (0.25, 0.5, 0.25))
        0.75
        """
        return math.fsum(share * self._cycles(shares_of(size)) for size, share in self.sizes(across))

    def _cycles(self, shares: Distribution) -> float:
        """Of a vector with so many non-zeros."""
        return math.fsum(share * -(-k // self.lanes) for k, share in enumerate(shares))

    def filled(self, across: int) -> float:
        """Neighbours of a vector, on average."""
        return math.fsum(size * share for size, share in self.sizes(across))


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
        of_weights = self.weights.cycles(weights.nonzeros_across, weights.across)
        return of_weights * self.inputs.cycles(inputs.nonzeros_across, inputs.across)

    def products(self, weights: OperandData, inputs: OperandData) -> float:
        """Dense products of one step of the reduction."""
        return self.weights.filled(weights.across) * self.inputs.filled(inputs.across)


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
        cycles, executed = gather.cycles(weights, inputs), weights.density * inputs.density
        found = executed * gather.products(weights, inputs)
        time = cycles * self._waiting(found / cycles) * inputs.spread
        exploited = {name for name, data in (("weights", weights), ("inputs", inputs)) if data.density < 1}
        busy = found / (gather.weights.lanes * gather.inputs.lanes)
        return Work(
            speed=gather.dense_cycles / time,
            executed=executed,
            imbalance=max(0.0, 1.0 - busy / time),
            exploited=frozenset(exploited),
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
