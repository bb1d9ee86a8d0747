"""The outlier-aware array: PEs of many narrow MACs and a few wide ones, of OLAccel's kind."""

from __future__ import annotations

from dataclasses import dataclass, replace

from archsim.arch.engines.base import UnitCost
from archsim.arch.engines.data import DataRate, OperandData
from archsim.arch.engines.outliers import NO_CONTROLLER, OutlierLane
from archsim.arch.engines.serial import operand_bits
from archsim.arch.engines.stationary import StationaryEngine
from archsim.arch.formats import Arithmetic, ArithmeticKind


@dataclass(frozen=True, kw_only=True)
class OutlierEngine(StationaryEngine):
    """`count` arrays per core of `rows` x `columns` PEs: output channels down, tokens across, as bit-serial arrays.

    A PE multiplies `lanes` narrow weights in a step and the outliers among them in its wide MACs. Operands wider than
    `narrow_bits` take their turns through the narrow MACs, one for each part of that width.
    Source: Park et al., Energy-efficient Neural Network Accelerator Based on Outlier-aware Low-precision Computation
    (OLAccel), ISCA 2018.
    """

    narrow_bits: int = 4
    wide_bits: int = 16
    lane: OutlierLane
    kind: str = "outlier"

    def turns(self, weights: Arithmetic, inputs: Arithmetic) -> int:
        """Cycles of one step without outliers."""
        down, across = (-(-operand_bits(operand) // self.narrow_bits) for operand in (weights, inputs))
        return down * across

    def macs_per_unit_cycle(self, weights: Arithmetic, inputs: Arithmetic) -> float:
        return self.unit.lanes / self.turns(weights, inputs)

    def data_rate(self, weights: OperandData, inputs: OperandData) -> DataRate:
        """The narrow MACs' rate over what steps wait for outliers."""
        slowdown = self.lane.slowdown(self.unit.lanes, self.lane.share(weights, inputs), self.rows)
        rate = DataRate(
            macs_per_unit_cycle=self.macs_per_unit_cycle(weights.arithmetic, inputs.arithmetic) / slowdown,
            imbalance=1 - 1 / slowdown,
            estimates=self.lane.notes(weights, inputs),
        )
        return self.in_whole_steps(rate, weights, inputs)

    def unit_cost(self, weights: Arithmetic, inputs: Arithmetic, accumulator: Arithmetic) -> UnitCost:
        """Energy of a narrow MAC and its turns; area of a PE with its wide MACs, where the design states none."""
        given = self.unit.overrides
        narrow, wide = self._integer(self.narrow_bits), self._integer(self.wide_bits)
        cost = self.unit.cost(narrow, narrow, accumulator)
        if given.pe_area_um2 is None and cost.area_um2 is not None:
            beside = replace(self.unit, lanes=self.lane.macs).cost(wide, narrow, accumulator)
            cost = replace(
                cost,
                area_um2=cost.area_um2 + (beside.area_um2 or 0.0),
                estimates=(*cost.estimates, NO_CONTROLLER),
            )
        if given.mac_energy_pj is None:
            cost = replace(cost, energy_pj=cost.energy_pj * self.turns(weights, inputs))
        return self.with_decoders(cost, weights, inputs)

    def data_cost(
        self, weights: OperandData, inputs: OperandData, accumulator: Arithmetic, *, idle_energy_fraction: float = 0.0
    ) -> UnitCost:
        """`unit_cost`, with what the wide MACs take for each outlier besides."""
        cost = self.unit_cost(weights.arithmetic, inputs.arithmetic, accumulator)
        wide = self.unit.cost(self._integer(self.wide_bits), self._integer(self.narrow_bits), accumulator)
        return replace(cost, energy_pj=cost.energy_pj + self.lane.share(weights, inputs) * wide.energy_pj)

    @staticmethod
    def _integer(bits: int) -> Arithmetic:
        return Arithmetic(kind=ArithmeticKind.INTEGER, integer_bits=bits)
