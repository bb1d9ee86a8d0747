"""Bit-Tactical: zeros of weights give their places to later weights, inputs step through bits that they need."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from archsim.arch.components.operations import is_sign
from archsim.arch.engines.bit_skipping import GroupSteps, OperandBits, shares_of_groups, takes
from archsim.arch.engines.data import OperandData
from archsim.arch.engines.moved import Moved, Reach, moved
from archsim.arch.engines.skips import Skip, SkipRule
from archsim.arch.order import Shares, mean

OF_INPUTS = (Skip.PRECISION, Skip.ESSENTIAL, Skip.BOOTH)
"""Rules of which a step takes the largest of its inputs' steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MovingWeights:
    """A tile of `rows` filters that share a schedule, `columns` windows and `lanes` of each; `rule` is of the inputs.

    Without a rule an input takes all its bits (a step of the schedule as many cycles). Weights of a layer move where
    that saves more time than it costs in storage; others stay as they are.
    """

    reach: Reach
    rows: int
    columns: int
    lanes: int
    rule: SkipRule | None = None

    def __post_init__(self) -> None:
        if self.rule is not None and self.rule.skip not in OF_INPUTS:
            raise ValueError(f"of inputs precision, essential or booth is skipped (got {self.rule.skip.value!r})")

    def steps(self, weights: OperandData, inputs: OperandData, plain: float) -> GroupSteps:
        """Cycles of a dense group of lanes; `plain` are those of an input that skips nothing.

        `mean` has no PE wait and no lane idle: a weight that is not zero takes the cycles of its own input.
        """
        density, of_weights = weight_density(weights)
        found = self.schedule(weights)
        places = 1.0 if found is None else self._places(found, weights)
        terms, of_inputs = self._terms(inputs, plain)
        still = found or moved(1.0, self.rows, self.lanes, self.reach)
        return GroupSteps(
            mean=density * mean(terms),
            waited=places * still.cycles_per_step(terms, self.rows, self.columns),
            estimates=tuple(dict.fromkeys((*of_weights, *of_inputs))),
        )

    def schedule(self, weights: OperandData) -> Moved | None:
        """How weights move; None where they stay in their places."""
        found = moved(weight_density(weights)[0], self.rows, self.lanes, self.reach)
        places = self._places(found, weights)
        growth = places * self._scheduled_bits(weights) / float(weights.format.bits_per_element)
        return found if places * growth < 1.0 else None

    def stored_bits(self, weights: OperandData) -> float:
        """Stored bits of a weight: those of the schedule's places, idle ones too, with which input each one takes."""
        found = self.schedule(weights)
        if found is None:
            return float(weights.format.bits_per_element)
        return self._places(found, weights) * self._scheduled_bits(weights)

    def _places(self, found: Moved, weights: OperandData) -> float:
        """Steps of a schedule over those of dense weights."""
        rows = math.ceil(weights.reduction / self.lanes)
        return found.steps(rows) / rows

    def _scheduled_bits(self, weights: OperandData) -> float:
        """Of one place of a schedule."""
        return float(weights.format.bits_per_element) + math.ceil(math.log2(self.reach.ways))

    def _terms(self, inputs: OperandData, plain: float) -> tuple[Shares, tuple[str, ...]]:
        """The distribution of one input's cycles, and what it rests on."""
        if self.rule is not None and takes(inputs.arithmetic):
            return shares_of_groups(self.rule, 1, inputs)
        shares = np.zeros(round(plain) + 1)
        shares[-1] = 1.0
        return shares, ()


def weight_density(weights: OperandData) -> tuple[float, tuple[str, ...]]:
    """Share of the weights that are not zero, those excluded that rounding makes zero; and what it rests on.

    Zeros of ternary weights are a choice of their scale, which drawn integers do not know: counted or stated ones hold.
    """
    if not takes(weights.arithmetic) or (is_sign(weights.arithmetic) and weights.codes is None):
        return weights.density, ()
    bits = OperandBits.of(weights)
    codes = bits.codes
    values, shares = codes if codes is not None else (np.zeros(0, dtype=np.int64), np.zeros(0))
    left = 1.0 - float(shares[values == 0].sum())
    beside = weights.codes is not None and weights.sparse  # a stated pattern is not among what was counted
    return left * weights.density if beside else left, bits.drawn_from()
