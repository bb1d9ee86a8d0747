"""Cost models of published simulators, each in a file of its own: what they count, told by their rules.

A convention that is one of these does not set switches of archsim's cost model: it takes its place, so that published
numbers can be had again to the cycle. docs/published-simulators.md says where they differ from the hardware and why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from archsim.arch.accelerator import Accelerator
from archsim.arch.formats import Format
from archsim.core.errors import InputError, Problem
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


def published_simulator(convention: str) -> PublishedSimulator | None:
    """The simulator behind a convention; None where it is one of archsim's own cost model."""
    loader = _SIMULATORS.get(convention)
    return None if loader is None else loader()


def refuse_published(convention: str, what: str) -> None:
    """Raise InputError when the convention has no mappings to search or to explain."""
    if convention in _SIMULATORS:
        message = f"'{convention}' is a published simulator's cost model, which has no mappings: {what} needs another"
        raise InputError(Problem(key="simulation.convention", message=message, hint="such as 'archsim'"))


def _bitmod_2024() -> PublishedSimulator:
    from archsim.sim.published import bitmod

    return bitmod.BITMOD_2024


def _bitmod_2025() -> PublishedSimulator:
    from archsim.sim.published import bitmod

    return bitmod.BITMOD_2025


def _ant_2022() -> PublishedSimulator:
    from archsim.sim.published import ant

    return ant.ANT_2022


_SIMULATORS: Mapping[str, Callable[[], PublishedSimulator]] = MappingProxyType(
    {"bitmod-2024": _bitmod_2024, "bitmod-2025": _bitmod_2025, "ant-2022": _ant_2022}
)
