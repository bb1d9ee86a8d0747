"""Which experts of a mixture get how many tokens: an assumption, in a form that a measurement can replace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from archsim.workloads.op import Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertGroup:
    """`experts` experts that each get `tokens` tokens."""

    experts: int
    tokens: int

    def __post_init__(self) -> None:
        if self.experts < 1 or self.tokens < 1:
            raise ValueError(f"experts and tokens must be at least 1 (got {self.experts} and {self.tokens})")


class Routing(Protocol):
    """Loads of the routed experts of one layer in one pass."""

    def groups(self, *, layer: int, phase: Phase, tokens: int, experts: int, active: int) -> tuple[ExpertGroup, ...]:
        """Groups of equally loaded experts whose loads add up to ``tokens * active``; idle experts are left out.

        `tokens` counts those of the whole batch, `experts` the layer's routed experts, `active` those of a token.
        """
        ...


@dataclass(frozen=True, slots=True)
class UniformRouting:
    """Every token picks `active` different experts, all equally likely and independent of other tokens.

    As many experts are touched as can be expected, E (1 - (1 - active / E)^tokens), rounded; they share the tokens as
    evenly as whole tokens allow. Ignores: the spread of loads about their mean.
    """

    def groups(self, *, layer: int, phase: Phase, tokens: int, experts: int, active: int) -> tuple[ExpertGroup, ...]:
        return even_groups(tokens * active, round(expected_experts(tokens, experts, active)))


@dataclass(frozen=True, slots=True)
class BalancedRouting:
    """The most even loads there are: as many experts touched as possible. The bound that load balancing aims for."""

    def groups(self, *, layer: int, phase: Phase, tokens: int, experts: int, active: int) -> tuple[ExpertGroup, ...]:
        return even_groups(tokens * active, min(experts, tokens * active))


ROUTINGS: Mapping[str, Routing] = MappingProxyType({"balanced": BalancedRouting(), "uniform": UniformRouting()})
"""The assumptions by the name that designs give them."""


def expected_experts(tokens: int, experts: int, active: int) -> float:
    """Expected number of different experts that `tokens` tokens pick, each `active` of `experts` at random.

    An expert is missed by one token with probability 1 - active / experts.

    >>> expected_experts(1, 8, 2)
    2.0
    >>> round(expected_experts(8, 256, 8), 2)
    57.42
    """
    return float(experts * (1 - (1 - active / experts) ** tokens))


def even_groups(assignments: int, experts: int) -> tuple[ExpertGroup, ...]:
    """`assignments` tokens over `experts` experts, in whole tokens: at most two groups, one token apart.

    >>> even_groups(10, 4)
    (ExpertGroup(experts=2, tokens=3), ExpertGroup(experts=2, tokens=2))
    """
    least, more = divmod(assignments, experts)
    groups = ((more, least + 1), (experts - more, least))
    return tuple(ExpertGroup(experts=count, tokens=tokens) for count, tokens in groups if count)
