"""OverQ's systolic array: an outlier's high bits ride in the slot of the zero beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from archsim.arch.components.cost import ComponentCost
from archsim.arch.components.gates import register, selector
from archsim.arch.components.logic import circuit_cost
from archsim.arch.components.operands import operand_of
from archsim.arch.engines.base import DerivedEngine, UnitCost
from archsim.arch.engines.data import DataRate, OperandData
from archsim.arch.engines.systolic import SystolicEngine
from archsim.arch.formats import Arithmetic
from archsim.core.provenance import ESTIMATE


@dataclass(frozen=True, kw_only=True)
class OverqEngine(DerivedEngine[SystolicEngine]):
    """A systolic array whose PEs may take their neighbour's weight and shift the product by a slot's bits.

    An activation that is too large for its slot overwrites a zero neighbour with its high bits: that PE multiplies them
    by the outlier's weight, which a wire and a multiplexer bring, and a second one moves the product up. A flag travels
    with every slot. Rates are those of the plain array: no MAC is added, and what finds no zero saturates.
    Source: Zhao et al., OverQ: Opportunistic Outlier Quantization for Neural Network Accelerators, 2019, section 4.
    """

    kind: str = "overq"

    def data_rate(self, weights: OperandData, inputs: OperandData) -> DataRate:
        """The plain rate, with what share of the outliers finds a zero beside it."""
        plain = self.macs_per_unit_cycle(weights.arithmetic, inputs.arithmetic)
        share = 100 * coverage(inputs)
        note = f"{ESTIMATE} {share:.3g} % of {inputs.format.name} outliers find a zero beside them, the rest saturates"
        noted = bool(inputs.format.outlier_share)
        used = frozenset({"inputs"}) if noted and inputs.sparse else frozenset()
        return DataRate(macs_per_unit_cycle=plain, exploited=used, estimates=(note,) if noted else ())

    def overwrite_cost(self, weights: Arithmetic, inputs: Arithmetic) -> ComponentCost:
        """What a PE has beside a plain one: the choice of two weights, a product's two places, a flag's register."""
        a, b = operand_of(weights), operand_of(inputs)
        added = selector(a.width, 2) + selector(a.width + 2 * b.width, 2) + register(1)
        return circuit_cost(added, self.array.unit.node_nm)

    def unit_cost(self, weights: Arithmetic, inputs: Arithmetic, accumulator: Arithmetic) -> UnitCost:
        """The plain PE's figures; what is added to it only where the design does not state them."""
        cost, given = self.array.unit_cost(weights, inputs, accumulator), self.array.unit.overrides
        added = self.overwrite_cost(weights, inputs)
        if given.mac_energy_pj is None:
            cost = replace(cost, energy_pj=cost.energy_pj + added.energy_pj * given.energy_factor)
        if given.pe_area_um2 is None and cost.area_um2 is not None:
            cost = replace(cost, area_um2=cost.area_um2 + (added.area_um2 or 0.0))
        return cost


def coverage(inputs: OperandData) -> float:
    """Share of the outliers whose neighbour along the reduction is zero."""
    return inputs.nonzeros(1)[0]
