"""Both operands serial: the expected steps of groups whose inputs and weights all meet."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from archsim.arch.engines.bit_skipping import GroupSteps, shares_of_groups
from archsim.arch.engines.data import OperandData
from archsim.arch.engines.skips import Skip, SkipRule
from archsim.arch.order import Shares, largest, mean


def of_products(inputs: Shares, weights: Shares, per_step: int = 1) -> Shares:
    """The distribution of ceil(a / per_step) x b of independent draws a of `inputs` and b of `weights`."""
    found = np.zeros(-(-(inputs.size - 1) // per_step) * (weights.size - 1) + 1)
    for terms, share in enumerate(inputs):
        steps = -(-terms // per_step)
        if steps:
            found[: steps * (weights.size - 1) + 1 : steps] += share * weights
        else:
            found[0] += share
    return found


def expected_by_group(inputs: Shares, weights: Shares, columns: int, rows: int, per_step: int = 1) -> float:
    """Steps of a tile in which every lane takes as long as the widest input and the widest weight.

    `inputs` and `weights` are distributions of one group's widest operand; `columns` and `rows` groups step together.
    """
    return mean(of_products(largest(inputs, columns), largest(weights, rows), per_step))


def expected_by_lane(inputs: Shares, weights: Shares, columns: int, rows: int, lanes: int, per_step: int = 1) -> float:
    """Steps of a tile that waits for its slowest lane, at least 1: the largest of `lanes` products.

    `inputs` and `weights` are distributions of single operands' terms; a lane has `columns` inputs, `rows` weights.
    """
    products = of_products(largest(inputs, columns), largest(weights, rows), per_step)
    found = largest(products, lanes)
    return mean(found) + float(found[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSkipping:
    """A rule on both operands, in groups of `lanes`, of `rows` weights by `columns` inputs that step together.

    `precision`: every lane takes the widest input's bits, `per_step` at once, times the widest weight's (Loom).
    `essential`, `booth`: a lane takes its own terms, and the slowest is waited for (Laconic).
    """

    rule: SkipRule
    lanes: int
    rows: int
    columns: int
    per_step: int = 1

    def __post_init__(self) -> None:
        if self.rule.skip not in (Skip.PRECISION, Skip.ESSENTIAL, Skip.BOOTH):
            raise ValueError(
                f"of both operands precision, essential or booth is skipped (got {self.rule.skip.value!r})"
            )

    def steps(self, weights: OperandData, inputs: OperandData) -> GroupSteps:
        """Steps of a group, where both operands are integers with bits to skip."""
        by_group = self.rule.skip is Skip.PRECISION
        rule = self.rule if by_group else replace(self.rule, least=0)
        lanes = self.lanes if by_group else 1
        (of_weights, first), (of_inputs, second) = (shares_of_groups(rule, lanes, data) for data in (weights, inputs))
        return GroupSteps(
            mean=self._steps(of_inputs, of_weights, 1, 1),
            waited=self._steps(of_inputs, of_weights, self.columns, self.rows),
            estimates=tuple(dict.fromkeys([*first, *second])),
        )

    def _steps(self, inputs: Shares, weights: Shares, columns: int, rows: int) -> float:
        if self.rule.skip is Skip.PRECISION:
            return expected_by_group(inputs, weights, columns, rows, self.per_step)
        return expected_by_lane(inputs, weights, columns, rows, self.lanes, self.per_step)
