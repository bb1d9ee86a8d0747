"""What a search for a mapping returns: the best one, and the proof of how good it is."""

from __future__ import annotations

import math
from dataclasses import dataclass

from archsim.sim.records import OpCost


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The best mapping found (``cost.mapping``) with what is proven about it.

    `value` and `bound` are the objective for one occurrence: s (latency), J (energy), J s (edp), or the weighted
    product of both. No legal mapping of the declared space is below `bound`.
    """

    cost: OpCost
    objective: str
    value: float
    bound: float
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

    @property
    def gap(self) -> float:
        """How far `value` may lie above the optimum, as a fraction; inf where nothing is proven."""
        if self.optimal:
            return 0.0
        if self.bound <= 0:
            return math.inf if self.value > 0 else 0.0
        return max(0.0, self.value / self.bound - 1)
