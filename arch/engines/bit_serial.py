"""The bit-serial array: R x C PEs that take one operand apart into terms, a step each, and the other whole.

A new bit-serial accelerator is a setting of its keys: which operand is serial, how it becomes terms, how many lanes add
up in a PE. Terms follow from the operands' arithmetic; zero terms take their step too (a fixed count leaves no lane
waiting for another).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from archsim.arch.engines.base import UnitCost
from archsim.arch.engines.bit_skipping import GroupSteps, Skipping, takes
from archsim.arch.engines.data import DataRate, OperandData, OperandName
from archsim.arch.engines.edge import GroupScaling
from archsim.arch.engines.pairs import PairSkipping
from archsim.arch.engines.serial import Terms, terms
from archsim.arch.engines.skip_cost import skip_parts, with_parts
from archsim.arch.engines.skips import Skip
from archsim.arch.engines.stationary import StationaryEngine
from archsim.arch.engines.tactical import MovingWeights
from archsim.arch.formats import Arithmetic, ArithmeticKind

Serial = Literal["weights", "inputs", "both"]


_Waiting = TypeVar("_Waiting", PairSkipping, MovingWeights)


def filled(skipping: _Waiting, weights: OperandData, inputs: OperandData) -> _Waiting:
    """With the rows, columns and lanes that an op has work for, where its sizes are known."""
    if not weights.across or not inputs.across:
        return skipping
    return replace(
        skipping,
        rows=min(skipping.rows, weights.across),
        columns=min(skipping.columns, inputs.across),
        lanes=min(skipping.lanes, weights.reduction),
    )


@dataclass(frozen=True, kw_only=True)
class SerialEngine(StationaryEngine):
    """Output-stationary PEs that add up `lanes` products in a step.

    One step of `lanes` MACs takes ceil(terms / terms_per_cycle) cycles, of both operands multiplied where both are
    serial.
    """

    serial: Serial = "weights"
    how: Terms = Terms.FORMAT
    terms_per_cycle: int = 1
    widest_terms: int = 0
    """Terms that every element takes, whatever its precision (no skipping); 0: as many as it has."""
    step_pj: float | None = None
    """Energy of one PE in a cycle at work."""
    scaling: GroupScaling | None = None
    skipping: Skipping | PairSkipping | MovingWeights | None = None
    """Bits of the serial operand, or of both, or weights, that take no step; None: all take theirs."""
    kind: str = "bit-serial"

    def steps(self, weights: Arithmetic, inputs: Arithmetic) -> float:
        """Cycles that one element of each lane takes, with its share of waiting for a group's scale.

        Interleaved lanes step through elements, all places at once: without zeros to skip, one a cycle.
        """
        if isinstance(self.skipping, Skipping) and self.skipping.rule.skip is Skip.INTERLEAVED:
            return float(self.unit.lanes)
        found = 1
        for name, arithmetic in (("weights", weights), ("inputs", inputs)):
            if self.serial in (name, "both"):
                count = self.widest_terms or terms(arithmetic, self.how)
                found *= -(-count // self.terms_per_cycle)
        return float(found) if self.scaling is None else self.scaling.steps(weights, self.unit.lanes, found)

    def macs_per_unit_cycle(self, weights: Arithmetic, inputs: Arithmetic) -> float:
        return self.unit.lanes / self.steps(weights, inputs)

    def data_rate(self, weights: OperandData, inputs: OperandData) -> DataRate:
        """Lanes over the steps that the slowest group takes, where bits are skipped."""
        found = self._group_steps(weights, inputs)
        if found is None:
            return super().data_rate(weights, inputs)
        rate = DataRate(
            macs_per_unit_cycle=self.macs_of_steps(found.waited),
            imbalance=1 - found.mean / found.waited,
            exploited=self._exploited,
            estimates=found.estimates,
        )
        return self.in_whole_steps(rate, weights, inputs)

    @property
    def _exploited(self) -> frozenset[str]:
        """Operands of which something is skipped."""
        match self.skipping:
            case MovingWeights(rule=None):
                return frozenset({"weights"})
            case MovingWeights() | PairSkipping():
                return frozenset({"weights", "inputs"})
            case _:
                return frozenset({self.serial})

    def _group_steps(self, weights: OperandData, inputs: OperandData) -> GroupSteps | None:
        """Steps on this data; None where nothing is skipped, or an operand has no bits to skip."""
        if isinstance(self.skipping, MovingWeights):
            moving = filled(self.skipping, weights, inputs)
            return moving.steps(weights, inputs, self.steps(weights.arithmetic, inputs.arithmetic))
        if isinstance(self.skipping, PairSkipping):
            both = takes(weights.arithmetic) and takes(inputs.arithmetic)
            return filled(self.skipping, weights, inputs).steps(weights, inputs) if both else None
        serial = weights if self.serial == "weights" else inputs
        if self.skipping is None or not takes(serial.arithmetic):
            return None
        return self.skipping.in_tiles(serial).filled(serial).steps(serial)

    def macs_of_steps(self, steps: float) -> float:
        """MACs of a PE and cycle where a group of lanes takes so many steps."""
        return self.unit.lanes / steps

    def data_cost(
        self, weights: OperandData, inputs: OperandData, accumulator: Arithmetic, *, idle_energy_fraction: float = 0.0
    ) -> UnitCost:
        """`unit_cost` for the cycles that a MAC takes on this data: a PE that waits takes what one at work does."""
        cost = self.unit_cost(weights.arithmetic, inputs.arithmetic, accumulator)
        plain = self.macs_per_unit_cycle(weights.arithmetic, inputs.arithmetic)
        share = plain / self.data_rate(weights, inputs).macs_per_unit_cycle
        return cost if share == 1.0 else replace(cost, energy_pj=cost.energy_pj * share)

    def stored_bits(self, operand: OperandName, data: OperandData) -> float:
        if isinstance(self.skipping, MovingWeights) and operand == "weights":
            return self.skipping.stored_bits(data)
        if not isinstance(self.skipping, Skipping) or operand != self.skipping.serial:
            return super().stored_bits(operand, data)
        return self.skipping.filled(data).stored_bits(data)

    def unit_cost(self, weights: Arithmetic, inputs: Arithmetic, accumulator: Arithmetic) -> UnitCost:
        """A PE's figures where the design states them; else the multiplier of one term by the other operand."""
        one = Arithmetic(kind=ArithmeticKind.INTEGER, integer_bits=self.terms_per_cycle)
        cost = self.unit.cost(
            one if self.serial in ("weights", "both") else weights,
            one if self.serial in ("inputs", "both") else inputs,
            accumulator,
        )
        cost = self._with_skipping(cost, weights, inputs)
        if self.unit.overrides.mac_energy_pj is None:
            per_step = cost.energy_pj
            if self.step_pj is not None:
                per_step = self.step_pj * self.unit.overrides.energy_factor / self.unit.lanes
            cost = replace(cost, energy_pj=per_step * self.steps(weights, inputs))
        return self.with_decoders(cost, weights, inputs)

    def _with_skipping(self, cost: UnitCost, weights: Arithmetic, inputs: Arithmetic) -> UnitCost:
        """The cost of one step with what skips others, where the design states no figures of a PE."""
        if not isinstance(self.skipping, Skipping):
            return cost
        given = self.unit.overrides
        serial, other = (weights, inputs) if self.serial == "weights" else (inputs, weights)
        parts = skip_parts(self.skipping.rule, self.unit.lanes, serial, other, self.unit.node_nm)
        energy = given.mac_energy_pj is None and self.step_pj is None
        return with_parts(cost, parts, self.unit.lanes, energy=energy, area=given.pe_area_um2 is None)
