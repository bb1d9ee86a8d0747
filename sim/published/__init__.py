"""Cost models of published simulators, each in a file of its own: what they count, told by their rules.

A convention that is one of these does not set switches of archsim's cost model: it takes its place, so that published
numbers can be had again to the cycle. docs/published-simulators.md says where they differ from the hardware and why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from archsim.core.errors import InputError, Problem
from archsim.sim.published.simulator import PublishedSimulator

__all__ = ["PublishedSimulator", "published_simulator", "refuse_published"]


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
