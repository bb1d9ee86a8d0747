"""The bit-composable array: PEs made of narrow bricks that multiply wide operands together or narrow ones apart.

BitFusion's fusion units (2-bit bricks in an 8-bit unit) and ANT's and OliVe's fused 4-bit PEs are settings of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from archsim.arch.engines.base import Dataflow, DerivedEngine, UnitCost
from archsim.arch.engines.serial import operand_bits
from archsim.arch.engines.systolic import SystolicEngine
from archsim.arch.formats import Arithmetic, ArithmeticKind


@dataclass(frozen=True, kw_only=True)
class ComposableEngine(DerivedEngine[SystolicEngine]):
    """A systolic array whose PEs take operands of `unit_bits`, or several of fewer bits, down to `brick_bits`.

    An operand of p bits leaves room for unit_bits // max(p, brick_bits) - 1 more beside it: narrow inputs make the
    array as many times longer, narrow weights as many times wider. Wider operands take ceil(p / unit_bits) turns.
    Source: Sharma et al., Bit Fusion, ISCA 2018, section III.
    """

    unit_bits: int = 8
    brick_bits: int = 2
    kind: str = "bit-composable"

    def __post_init__(self) -> None:
        if not 1 <= self.brick_bits <= self.unit_bits:
            raise ValueError(f"brick_bits must be from 1 to unit_bits {self.unit_bits} (got {self.brick_bits})")

    def side_by_side(self, arithmetic: Arithmetic) -> int:
        """Operands of this arithmetic that fit beside each other in one unit."""
        return max(1, self.unit_bits // max(operand_bits(arithmetic), self.brick_bits))

    def turns(self, arithmetic: Arithmetic) -> int:
        """Cycles that one operand takes: more than one where it is wider than the unit."""
        return -(-operand_bits(arithmetic) // self.unit_bits)

    def macs_per_unit_cycle(self, weights: Arithmetic, inputs: Arithmetic) -> float:
        together = self.side_by_side(weights) * self.side_by_side(inputs)
        return self.array.unit.lanes * together / (self.turns(weights) * self.turns(inputs))

    def fitted(self, dataflow: Dataflow, weights: Arithmetic, inputs: Arithmetic) -> Dataflow:
        """Each axis as long as the operands that it carries apart make it.

        The axis of columns carries weights and that of rows inputs; one of the reduction is that of the other operand.
        """
        row, column = dataflow.axes
        by_group = {"rows": inputs, "columns": weights}
        across = by_group[column.gemm_dims[0]]
        down = inputs if across is weights else weights
        longer = replace(row, size=row.size * self.side_by_side(down))
        return replace(dataflow, axes=(longer, replace(column, size=column.size * self.side_by_side(across))))

    def unit_cost(self, weights: Arithmetic, inputs: Arithmetic, accumulator: Arithmetic) -> UnitCost:
        """A unit's figures where the design states them; else those of a multiplier as wide as the unit.

        A unit takes as much energy in a cycle however it is composed, so a MAC takes its share of it.
        """
        whole = Arithmetic(kind=ArithmeticKind.INTEGER, integer_bits=self.unit_bits)
        cost = self.array.pe_cost(whole, whole, accumulator)
        unit = self.array.unit
        rate = self.macs_per_unit_cycle(weights, inputs)
        cost = replace(cost, energy_pj=cost.energy_pj * unit.lanes / rate)
        rows, columns = self.array.rows, self.array.columns
        return unit.with_decoders(cost, rows, columns, rows * columns * rate)
