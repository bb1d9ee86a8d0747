"""What a search for a mapping returns: the best one, and the proof of how good it is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from archsim.sim.records import OpCost


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The best mapping found (``cost.mapping``) with what is proven about it.

    Its record is made when it is first asked for: who only wants to know what is least possible does not wait for it.
    `value` and `bound` are the objective for one occurrence: s (latency), J (energy), J s (edp), or the weighted
    product of both. No legal mapping of the declared space is below `bound`.
    """

    record: Callable[[], OpCost] = field(compare=False, repr=False)
    """Makes `cost`."""
    score: Callable[[OpCost], float] = field(compare=False, repr=False)
    """What is minimised, of a cost."""
    objective: str
    least: float
    """As `bound`, where the search stopped."""
    optimal: bool
    """Proven to be the best of the declared space."""
    evaluated: int
    """Mappings costed."""
    pruned: int
    """Mappings ruled out by bounds or capacity, as far as they were counted."""
    space: float
    """Size of the declared space; a float, since it may pass 1e20."""
    pareto: tuple[tuple[float, float], ...] = ()
    """(energy in pJ, cycles) of the front, by rising energy, where it was asked for."""
    _made: list[OpCost] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def cost(self) -> OpCost:
        if not self._made:
            self._made.append(self.record())
        return self._made[0]

    @property
    def value(self) -> float:
        return self.score(self.cost)

    @property
    def bound(self) -> float:
        return self.value if self.optimal else self.least

    @property
    def gap(self) -> float:
        """How far `value` may lie above the optimum, as a fraction; inf where nothing is proven."""
        if self.optimal:
            return 0.0
        value, bound = self.value, self.bound
        if bound <= 0:
            return math.inf if value > 0 else 0.0
        return max(0.0, value / bound - 1)
