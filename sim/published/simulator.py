"""The record of one published simulator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from archsim.arch.accelerator import Accelerator
from archsim.arch.formats import Format
from archsim.sim.records import OpCost
from archsim.workloads.trace import Trace

AcceleratorFor = Callable[[str], Accelerator]
"""The accelerator as it is set up in a phase."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedSimulator:
    """One simulator: `costs` gives the cost of one occurrence of each op of a trace, in order.

    Raises InputError for hardware that it cannot stand for.
    """

    name: str
    summary: str
    costs: Callable[[Trace, AcceleratorFor, Format], tuple[OpCost, ...]]

    @property
    def warning(self) -> str:
        """What every result of it says."""
        return f"convention '{self.name}' {self.summary}: see docs/published-simulators.md"
