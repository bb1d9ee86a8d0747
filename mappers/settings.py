"""What a search is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

from archsim.arch.accelerator import Accelerator
from archsim.arch.engines.base import Dataflow
from archsim.core.errors import InfeasibleError
from archsim.mappers.constraints import Constraints
from archsim.sim.records import OpCost

STEPS_PER_SECOND = 10_000_000
"""What a second of budget buys. Budgets are counted in steps of the search, not by the clock, so that a result is the
same on every machine; source: measured on one core of a 2.6 GHz server, 7 to 12 million."""
USUAL_STEPS = 1_000_000
"""Steps for each dataflow where no budget is stated: about a tenth of a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapperSettings:
    """What to minimise, over which mappings, and how long."""

    objective: str = "edp"
    dataflows: tuple[str, ...] = ()
    """Which of the hardware's dataflows to try; empty: all."""
    exponents: tuple[float, float] = (1.0, 1.0)
    """Exponents of latency and energy in the weighted objective."""
    perfect_factors: bool = False
    """Tile sizes and unrollings must divide what they cut."""
    even_tiles: bool = False
    """All operands of a level share one tile; otherwise each has its own."""
    tolerance: float = 0.0
    """For latency: how much longer than the shortest a mapping may take that saves energy. Otherwise: the search may
    stop when the best found is within this fraction of the optimum."""
    budget_s: float | None = None
    """Search time, in steps of `STEPS_PER_SECOND`; None: `USUAL_STEPS`."""
    constraints: Constraints = field(default_factory=Constraints)
    front: int = 0
    """Points of the (energy, latency) front to keep; 0: none is wanted."""

    @property
    def most_steps(self) -> int:
        return USUAL_STEPS if self.budget_s is None else max(1, int(self.budget_s * STEPS_PER_SECOND))


def score(cost: OpCost, settings: MapperSettings) -> float:
    """The objective's value for one occurrence: s, J, J s, or their weighted product."""
    match settings.objective:
        case "latency":
            return cost.latency_s
        case "energy":
            return cost.total_energy_j
        case "edp":
            return cost.latency_s * cost.total_energy_j
        case _:
            latency, energy = settings.exponents
            return float(cost.latency_s**latency * cost.total_energy_j**energy)


def allowed_dataflows(accelerator: Accelerator, settings: MapperSettings) -> list[Dataflow]:
    """Those of the hardware that the settings name. Raises InfeasibleError when none is left."""
    flows = accelerator.engine.dataflows
    if not settings.dataflows or not flows[0].stream:
        return list(flows)
    chosen = [flow for flow in flows if flow.name in settings.dataflows]
    if not chosen:
        permitted = ", ".join(flow.name for flow in flows)
        raise InfeasibleError(
            f"mapper.dataflows ({', '.join(settings.dataflows)}) and hardware.array.dataflows ({permitted}) "
            "have none in common"
        )
    return chosen
