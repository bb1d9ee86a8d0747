"""The centroid array: activations are added up by the weight's code, and multiplied once for each centroid.

GOBO's processing elements are a setting of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from archsim.arch.components.arithmetic import add, mac_cost, register_cost
from archsim.arch.components.logic import circuit_cost
from archsim.arch.components.operands import operand_of
from archsim.arch.engines.base import UnitCost
from archsim.arch.engines.data import DataRate, OperandData
from archsim.arch.engines.outliers import NO_CONTROLLER, OutlierLane
from archsim.arch.engines.stationary import StationaryEngine
from archsim.arch.formats import Arithmetic, ArithmeticKind


@dataclass(frozen=True, kw_only=True)
class CentroidEngine(StationaryEngine):
    """`count` arrays per core of `rows` x `columns` PEs: output channels down, tokens across, as bit-serial arrays.

    A PE adds `lanes` activations a cycle, each to the sum of its weight's centroid. At the end of a reduction every sum
    is multiplied by its centroid, `lane.macs` a cycle, beside the next result's additions. The same multipliers take
    the outliers, which are exact, and every product whose weights have no codebook.
    Source: Zadeh et al., GOBO, MICRO 2020, section 5.
    """

    lane: OutlierLane
    kind: str = "centroid"

    def macs_per_unit_cycle(self, weights: Arithmetic, inputs: Arithmetic) -> float:
        """At an endless reduction without outliers."""
        return self.unit.lanes if _coded(weights) else self.lane.macs

    def data_rate(self, weights: OperandData, inputs: OperandData) -> DataRate:
        """Additions, or the multipliers where they need longer: centroids of a result and its outliers."""
        if not _coded(weights.arithmetic):
            return DataRate(macs_per_unit_cycle=self.lane.macs)
        share, lanes = self.lane.share(weights, inputs), self.unit.lanes
        adding = math.ceil(weights.reduction / lanes) * self.lane.slowdown(lanes, share, self.rows)
        multiplying = (weights.arithmetic.lookup_entries + weights.reduction * share) / self.lane.macs
        cycles = max(adding, multiplying)
        return DataRate(
            macs_per_unit_cycle=weights.reduction / cycles,
            imbalance=1 - weights.reduction / lanes / cycles,
            estimates=self.lane.notes(weights, inputs),
        )

    def unit_cost(self, weights: Arithmetic, inputs: Arithmetic, accumulator: Arithmetic) -> UnitCost:
        """Energy of an addition (of a product where there is no codebook); area of adders, sums and multipliers."""
        operand, node_nm = operand_of(accumulator), self.unit.node_nm
        added = circuit_cost(add(operand), node_nm)
        product = mac_cost(accumulator, inputs, accumulator, node_nm)
        sums = register_cost(self._sums(weights) * operand.stored_bits, node_nm)
        parts = ((added, self.unit.lanes), (product, self.lane.macs), (sums, 1))
        cost = self.unit.stated(
            energy_pj=added.energy_pj if _coded(weights) else product.energy_pj,
            area_um2=sum((part.area_um2 or 0.0) * count for part, count in parts),
            leakage_w=sum(part.leakage_w * count for part, count in parts),
            source=product.source,
            estimates=tuple(dict.fromkeys((*product.estimates, *sums.estimates, NO_CONTROLLER))),
        )
        return self.with_decoders(cost, weights, inputs)

    def data_cost(
        self, weights: OperandData, inputs: OperandData, accumulator: Arithmetic, *, idle_energy_fraction: float = 0.0
    ) -> UnitCost:
        """`unit_cost`, with each result's products of centroids and outliers, shared by the MACs of its reduction."""
        cost = self.unit_cost(weights.arithmetic, inputs.arithmetic, accumulator)
        if not _coded(weights.arithmetic):
            return cost
        product = mac_cost(accumulator, inputs.arithmetic, accumulator, self.unit.node_nm)
        products = weights.arithmetic.lookup_entries / weights.reduction + self.lane.share(weights, inputs)
        extra_pj = products * product.energy_pj * self.unit.overrides.energy_factor
        return replace(cost, energy_pj=cost.energy_pj + extra_pj)

    def _sums(self, weights: Arithmetic) -> int:
        return weights.lookup_entries if _coded(weights) else 1


def _coded(weights: Arithmetic) -> bool:
    """Whether the weights are codes of a codebook."""
    return weights.kind is ArithmeticKind.LOOKUP and weights.lookup_entries > 0
