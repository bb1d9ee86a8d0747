"""Outlier lanes: a few full-precision MACs beside many narrow ones, and how long a step waits for them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from archsim.arch.chance import binomial
from archsim.arch.engines.data import OperandData
from archsim.arch.order import expected_largest, shares_of
from archsim.core.provenance import ESTIMATE

NO_CONTROLLER = (
    f"{ESTIMATE} without the controller and queues that route outliers; OliVe (ISCA 2023) puts them at 55 % (GOBO) and "
    "71 % (OLAccel) of the PEs' area"
)
"""Of areas from gates."""

Scope = Literal["step", "array", "stream"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlierLane:
    """`macs` wide MACs beside the narrow ones of a PE. `scope` says who waits.

    ``step``: every step of the PE waits until its own outliers are done. ``array``: every step of all rows, which hold
    weights of their own, waits for the row with most outliers. ``stream``: outliers queue, so that only their mean rate
    counts. Source: Park et al., OLAccel, ISCA 2018, sections 3 and 4 (a 17th MAC beside 16).
    """

    macs: int = 1
    scope: Scope = "step"
    fraction: float | None = None
    """Share of the weights that are outliers; None: what their format states."""
    input_fraction: float | None = None
    """The same of the inputs."""

    def share(self, weights: OperandData, inputs: OperandData) -> float:
        """Share of the products that need a wide MAC: those of which either operand is an outlier, independently."""
        narrow = (1 - _share(self.fraction, weights)) * (1 - _share(self.input_fraction, inputs))
        return 1 - narrow if narrow < 1 else 0.0

    def notes(self, weights: OperandData, inputs: OperandData) -> tuple[str, ...]:
        """What the shares rest on, where the design states them."""
        stated = (("weights", self.fraction, weights), ("inputs", self.input_fraction, inputs))
        return tuple(
            f"{ESTIMATE} {100 * fraction:g} % of the {name} are outliers, as the design states"
            for name, fraction, data in stated
            if fraction is not None and fraction != float(data.format.outlier_share)
        )

    def slowdown(self, lanes: int, share: float, rows: int = 1) -> float:
        """Cycles of a step of `lanes` weights over those without outliers, at least 1; outliers are independent.

        >>> lane = OutlierLane(macs=1, scope="stream")
        >>> lane.slowdown(16, 0.03), lane.slowdown(16, 0.125)
        (1.0, 2.0)
        """
        if self.scope == "stream":
            return max(1.0, lanes * share / self.macs)
        steps = [0.0] * (lanes + 1)
        for count, probability in enumerate(binomial(lanes, share)):
            steps[max(1, math.ceil(count / self.macs))] += probability
        return expected_largest(shares_of(steps), rows if self.scope == "array" else 1)


def _share(stated: float | None, data: OperandData) -> float:
    return float(data.format.outlier_share) if stated is None else stated
