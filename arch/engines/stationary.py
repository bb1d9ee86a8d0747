"""Arrays whose PEs hold their results: output channels down, tokens across, without fill or drain."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

from archsim.arch.engines.base import Dataflow, GridEngine, PassTiming, SpatialAxis, UnitCost
from archsim.arch.engines.data import DataRate, OperandData
from archsim.arch.engines.units import UnitModel
from archsim.arch.formats import Arithmetic


def output_stationary(rows: int, columns: int) -> Dataflow:
    """Output channels down, tokens across, operands broadcast: passes over the reduction without fill or drain."""
    down = SpatialAxis(
        name="row", size=rows, gemm_dims=("columns",), conv_dims=("columns",), multicast=frozenset({"inputs"})
    )
    across = SpatialAxis(
        name="column", size=columns, gemm_dims=("rows",), conv_dims=("rows",), multicast=frozenset({"weights"})
    )
    timing = PassTiming(hide_load=True, hide_skew=True)
    return Dataflow(name="os", axes=(down, across), stream="reduction", stationary="outputs", timing=timing)


@dataclass(frozen=True, kw_only=True)
class StationaryEngine(GridEngine):
    """`count` arrays per core of `rows` x `columns` PEs: output channels down, tokens or windows across.

    A PE adds up products of the reduction and holds its result; operands are broadcast along rows and columns, so that
    there is no fill and no drain.
    """

    unit: UnitModel

    def together(self, weights: Arithmetic, inputs: Arithmetic) -> int:
        """Products of one result that a PE takes together; the last ones of a reduction may leave lanes empty."""
        return self.unit.lanes

    def data_rate(self, weights: OperandData, inputs: OperandData) -> DataRate:
        return self.in_whole_steps(super().data_rate(weights, inputs), weights, inputs)

    def in_whole_steps(self, rate: DataRate, weights: OperandData, inputs: OperandData) -> DataRate:
        """The rate with lanes empty at the end of each reduction, where the op's sizes are known."""
        lanes = self.together(weights.arithmetic, inputs.arithmetic)
        if not weights.across or weights.reduction % lanes == 0:
            return rate
        full = weights.reduction / (lanes * math.ceil(weights.reduction / lanes))
        return replace(
            rate, macs_per_unit_cycle=rate.macs_per_unit_cycle * full, imbalance=1 - (1 - rate.imbalance) * full
        )

    @cached_property
    def dataflows(self) -> tuple[Dataflow, ...]:
        return (output_stationary(self.rows, self.columns),)

    def with_decoders(self, cost: UnitCost, weights: Arithmetic, inputs: Arithmetic) -> UnitCost:
        """A unit's cost with the array's decoders, shared by the MACs that it makes at its peak."""
        peak = self.rows * self.columns * self.macs_per_unit_cycle(weights, inputs)
        return self.unit.with_decoders(cost, self.rows, self.columns, peak)
