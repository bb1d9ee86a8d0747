"""The `[simulation]` table of a design file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from archsim.core.errors import Problem, nearest
from archsim.core.options import Options, refusal
from archsim.core.spelling import listed, spelled
from archsim.core.toml import KeyPath
from archsim.sim.conventions import CONVENTIONS, PUBLISHED, SWITCHES, Counting, counting, switch_problems


def _check_convention(value: object) -> object:
    if not isinstance(value, str) or value not in CONVENTIONS:
        near = nearest(value, CONVENTIONS) if isinstance(value, str) else None
        hint = f"did you mean '{near}'?" if near else f"known: {listed(CONVENTIONS)}"
        raise refusal(f"unknown convention {spelled(value)}", hint)
    return value


_COUNTING_SCHEMA = {
    "type": "object",
    "description": "single switches, over the convention's",
    "properties": {name: {"enum": list(values)} for name, values in SWITCHES.items()},
    "additionalProperties": False,
}


class SimulationOptions(Options):
    """`[simulation]`: how exactly, and counting what."""

    fidelity: Literal["analytic", "cycle"] = "analytic"
    convention: Annotated[str, PlainValidator(_check_convention), WithJsonSchema({"enum": sorted(CONVENTIONS)})] = (
        "archsim"
    )
    counting: Annotated[dict[str, Any], WithJsonSchema(_COUNTING_SCHEMA)] = Field(default_factory=dict)

    @property
    def switches(self) -> Counting:
        """The convention's switches with the single ones over them."""
        return counting(self.convention, self.counting)


def simulation_conflicts(simulation: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Problem]]:
    """Switches that do not exist or do not take the value given, with the path below `simulation`."""
    switches = simulation.get("counting")
    convention = simulation.get("convention")
    if convention in PUBLISHED:
        rules = f"'{convention}' is a published simulator's cost model"
        if switches:
            yield ("counting",), Problem(message=f"{rules}: no switch applies to it")
        if simulation.get("fidelity") == "cycle":
            yield ("fidelity",), Problem(message=f"{rules}, which 'cycle' cannot refine")
    if isinstance(switches, Mapping):
        for key, value in switches.items():
            for problem in switch_problems(str(key), value):
                yield ("counting", str(key)), problem
