"""The systolic array: R x C PEs, operands move from neighbour to neighbour, one hop a cycle."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from archsim.arch.engines.base import Dataflow, GridEngine, PassTiming, SpatialAxis, UnitCost
from archsim.arch.engines.units import UnitModel, rate_of
from archsim.arch.formats import Arithmetic, ArithmeticKind

DATAFLOWS = ("os", "ws", "is")


@dataclass(frozen=True, kw_only=True)
class SystolicEngine(GridEngine):
    """`count` arrays per core of `rows` x `columns` PEs, each `lanes` MACs wide along the reduction.

    One pass of T streamed steps over r <= R used rows and c <= C used columns takes T + R + r + c - 2 cycles in each
    dataflow (docs/cost-model.md): ``ws`` and ``is`` load r rows of the stationary operand, then results leave through
    all R rows; ``os`` shifts its results out through all R rows.
    Source of the structure: Samajdar et al., SCALE-Sim (ISPASS 2020), section III; the drain term follows the paper.
    """

    permitted: tuple[str, ...] = ("ws",)
    fold_overlap: bool = False
    weight_double_buffer: bool = False
    unit: UnitModel
    kind: str = "systolic"

    def __post_init__(self) -> None:
        unknown = set(self.permitted) - set(DATAFLOWS)
        if unknown or not self.permitted:
            raise ValueError(f"dataflows must be among {DATAFLOWS} (got {self.permitted})")
        GridEngine.__post_init__(self)

    @cached_property
    def dataflows(self) -> tuple[Dataflow, ...]:
        return tuple(self._dataflow(name) for name in self.permitted)

    def _dataflow(self, name: str) -> Dataflow:
        reduction = self._axis("row", "reduction", reduce="outputs")
        match name:
            case "os":
                axes = (self._axis("row", "rows", multicast="weights"), self._axis("column", "columns", "inputs"))
                return Dataflow(
                    name=name,
                    axes=axes,
                    stream="reduction",
                    stationary="outputs",
                    moving=("inputs", "weights"),
                    timing=self._timing(output_stationary=True),
                )
            case "ws":
                axes = (reduction, self._axis("column", "columns", "inputs"))
                return Dataflow(
                    name=name,
                    axes=axes,
                    stream="rows",
                    stationary="weights",
                    moving=("inputs", "outputs"),
                    timing=self._timing(output_stationary=False),
                )
            case _:
                axes = (reduction, self._axis("column", "rows", "weights"))
                return Dataflow(
                    name=name,
                    axes=axes,
                    stream="columns",
                    stationary="inputs",
                    moving=("weights", "outputs"),
                    timing=self._timing(output_stationary=False),
                )

    def _axis(self, name: str, group: str, multicast: str = "", reduce: str = "") -> SpatialAxis:
        return SpatialAxis(
            name=name,
            size=self.rows if name == "row" else self.columns,
            gemm_dims=(group,),
            conv_dims=(group,),
            multicast=frozenset({multicast} if multicast else ()),
            reduce=frozenset({reduce} if reduce else ()),
        )

    def _timing(self, *, output_stationary: bool) -> PassTiming:
        if output_stationary:
            return PassTiming(
                skew_rows=1,
                skew_used_rows=1,
                skew_used_columns=1,
                skew_constant=-2,
                drain_interval_used_rows=1,
                hide_skew=self.fold_overlap,
            )
        return PassTiming(
            load_used_rows=1,
            skew_rows=1,
            skew_used_columns=1,
            skew_constant=-2,
            hide_load=self.weight_double_buffer,
            hide_skew=self.fold_overlap,
        )

    def macs_per_unit_cycle(self, weights: Arithmetic, inputs: Arithmetic) -> float:
        return self.unit.lanes * rate_of(self.unit.rates, weights, inputs)

    def pe_cost(self, weights: Arithmetic, inputs: Arithmetic, accumulator: Arithmetic) -> UnitCost:
        """A PE with its pipeline registers, without the array's decoders."""
        bits = sum(_width(a) for a in (weights, inputs, accumulator))
        shadow = _width(weights) if self.weight_double_buffer else 0
        return self.unit.cost(weights, inputs, accumulator, pipeline_bits=bits + shadow)

    def unit_cost(self, weights: Arithmetic, inputs: Arithmetic, accumulator: Arithmetic) -> UnitCost:
        cost = self.pe_cost(weights, inputs, accumulator)
        peak = self.rows * self.columns * self.macs_per_unit_cycle(weights, inputs)
        return self.unit.with_decoders(cost, self.rows, self.columns, peak)


def _width(arithmetic: Arithmetic) -> int:
    if arithmetic.kind is ArithmeticKind.FLOAT:
        return arithmetic.significand_bits + arithmetic.exponent_bits
    return max(arithmetic.integer_bits, 1)
