"""The shift-add array: PEs that shift by powers of two and add signed operands, with or without a multiplier beside."""

from __future__ import annotations

from dataclasses import dataclass, replace

from archsim.arch.components.cost import ComponentCost
from archsim.arch.components.operations import GATES, Operation, operation_of, product_cost
from archsim.arch.components.shift_add import shift_add_cost
from archsim.arch.engines.base import UnitCost
from archsim.arch.engines.serial import Terms, terms
from archsim.arch.engines.stationary import StationaryEngine
from archsim.arch.formats import Arithmetic, ArithmeticKind


@dataclass(frozen=True, kw_only=True)
class ShiftAddEngine(StationaryEngine):
    """`count` arrays per core of `rows` x `columns` PEs: output channels down, tokens across, as bit-serial arrays.

    What a pair of operands needs follows from their arithmetic: a sign (binary, ternary) needs an addition, a power of
    two a shift and an addition: a cycle each. Every other product takes the PE's multiplier, or without one as many
    shift-adds as the weight has radix-4 Booth digits.
    Source: You et al., ShiftAddNet, NeurIPS 2020; Liu et al., EcoFormer, NeurIPS 2022 (additions for binary codes).
    """

    multiplier: bool = False
    kind: str = "shift-add"

    def steps(self, weights: Arithmetic, inputs: Arithmetic) -> int:
        """Cycles of one product."""
        if self.multiplier or operation_of(weights, inputs) is not Operation.MULTIPLY:
            return 1
        return terms(weights, Terms.BOOTH)

    def macs_per_unit_cycle(self, weights: Arithmetic, inputs: Arithmetic) -> float:
        return self.unit.lanes / self.steps(weights, inputs)

    def unit_cost(self, weights: Arithmetic, inputs: Arithmetic, accumulator: Arithmetic) -> UnitCost:
        """A PE's figures where the design states them; else of the operations that the pair needs, by their source."""
        cost, lanes = self._product(weights, inputs, accumulator), self.unit.lanes
        unit = self.unit.stated(
            energy_pj=cost.energy_pj * self.steps(weights, inputs),
            area_um2=None if cost.area_um2 is None else cost.area_um2 * lanes,
            leakage_w=cost.leakage_w * lanes,
            source=cost.source,
            estimates=cost.estimates,
        )
        return self.with_decoders(unit, weights, inputs)

    def _product(self, weights: Arithmetic, inputs: Arithmetic, accumulator: Arithmetic) -> ComponentCost:
        """Energy of one step and area of the PE, from a published table or from gates."""
        table = self.unit.operations
        if table == GATES:
            return self._from_gates(weights, inputs, accumulator)
        return product_cost(table, weights, inputs, accumulator, self.unit.node_nm, multiplier=self.multiplier)

    def _from_gates(self, weights: Arithmetic, inputs: Arithmetic, accumulator: Arithmetic) -> ComponentCost:
        """Energy of the step that is taken; area of the shift-add unit, and of the multiplier where there is one."""
        from archsim.arch.components.arithmetic import mac_cost

        node_nm = self.unit.node_nm
        if operation_of(weights, inputs) is Operation.MULTIPLY and self.multiplier:
            return mac_cost(weights, inputs, accumulator, node_nm)
        power, other = (inputs, weights) if _is_shifted_by(inputs, weights) else (weights, inputs)
        cost = shift_add_cost(other, _places(power, other), accumulator, node_nm)
        if not self.multiplier or cost.area_um2 is None:
            return cost
        beside = mac_cost(other, other, accumulator, node_nm)
        return replace(
            cost,
            area_um2=cost.area_um2 + (beside.area_um2 or 0.0),
            leakage_w=cost.leakage_w + beside.leakage_w,
            estimates=tuple(dict.fromkeys((*cost.estimates, *beside.estimates))),
        )


def _is_shifted_by(inputs: Arithmetic, weights: Arithmetic) -> bool:
    """Whether the inputs are the signs or powers of two, and the weights what is added or shifted."""
    return operation_of(inputs, inputs) is not Operation.MULTIPLY and (
        operation_of(weights, weights) is Operation.MULTIPLY
    )


def _places(power: Arithmetic, other: Arithmetic) -> int:
    """Positions that `power` can shift `other` to; one for a sign. Without a power of two its bits are the places."""
    if operation_of(power, other) is Operation.ADD:
        return 1
    if power.kind is ArithmeticKind.POWER_OF_TWO:
        return int(2**power.exponent_bits)
    return max(1, power.integer_bits or power.significand_bits)
