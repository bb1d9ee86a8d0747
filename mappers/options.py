"""The `[mapper]` table of a design file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from archsim.core import units
from archsim.core.errors import Problem
from archsim.core.options import Fraction01, Options, TimeText
from archsim.core.toml import KeyPath
from archsim.mappers.constraint_options import ConstraintOptions

Exponent = Annotated[float, Field(strict=True, ge=0, le=10)]
"""Above 10, cycles and pJ to that power leave the range of floats."""


class WeightOptions(Options):
    """Exponents of the weighted objective: what is minimised is ``latency**a * energy**b``."""

    latency: Exponent = 1.0
    energy: Exponent = 1.0


class MapperOptions(Options):
    """`[mapper]`: how work is arranged, and what is best."""

    objective: Literal["latency", "energy", "edp", "weighted"] = "edp"
    dataflows: tuple[Literal["os", "ws", "is", "any"], ...] = ()
    """Chosen among those the hardware permits; empty: all of them."""
    factors: Literal["any", "perfect"] = "any"
    tiles: Literal["uneven", "even"] = "uneven"
    budget: TimeText | None = None
    weights: WeightOptions = WeightOptions()
    """Exponents; read by the weighted objective only."""
    tolerance: Fraction01 = 0.0
    """For latency, how much longer a mapping may take that saves energy; else the search may stop that near."""
    fusion: Literal["none", "auto"] = "none"
    """Whether chains (attention, MLPs, two convolutions) run as one where that is better."""
    constraints: ConstraintOptions = ConstraintOptions()

    def written(self) -> dict[str, Any]:
        """The table, without the exponents where they say nothing."""
        table = super().written()
        if self.objective != "weighted":
            table.pop("weights")
        table["constraints"] = self.constraints.written()
        return table

    @property
    def budget_s(self) -> float | None:
        """Search time in seconds; None: as long as it takes."""
        return None if self.budget is None else units.time_s(self.budget)


def mapper_conflicts(mapper: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Problem]]:
    """What contradicts itself in a `[mapper]` table's plain values, with the path below `mapper`."""
    if "weights" in mapper and mapper.get("objective", "edp") != "weighted":
        yield ("weights",), Problem(message="belong to objective = 'weighted'")
    weights = mapper.get("weights")
    if isinstance(weights, Mapping) and all(weights.get(name) == 0 for name in WeightOptions.model_fields):
        yield ("weights",), Problem(message="are both 0: nothing is left to minimise", hint="raise one of them above 0")


def dataflow_conflict(options: MapperOptions, permitted: Sequence[str]) -> Problem | None:
    """The problem of a mapper that may use none of the dataflows the hardware permits."""
    if not options.dataflows or "any" in options.dataflows or set(options.dataflows) & set(permitted):
        return None
    message = f"none of {', '.join(options.dataflows)} is permitted by the hardware"
    return Problem(message=message, hint=f"hardware.array.dataflows permits {', '.join(permitted)}")
