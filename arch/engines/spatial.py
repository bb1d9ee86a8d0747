"""The spatial array: PEs along named axes, each axis unrolling loops with multicast or reduction."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from archsim.arch.engines.base import Dataflow, Engine, SpatialAxis, UnitCost
from archsim.arch.engines.units import UnitModel, rate_of
from archsim.arch.formats import Arithmetic

ONLY_DATAFLOW = "spatial"
"""The name of the dataflow of an array whose axes say what it unrolls; files need not state it."""


@dataclass(frozen=True, kw_only=True)
class SpatialEngine(Engine):
    """`count` arrays per core whose PEs lie along `axes`; every PE makes one MAC (times its rate) a cycle.

    No fill or drain: operands reach all PEs of an axis in the cycle they are used (buses, not neighbour hops).
    """

    axes: tuple[SpatialAxis, ...]
    count: int = 1
    unit: UnitModel
    kind: str = "spatial"

    def __post_init__(self) -> None:
        if not self.axes:
            raise ValueError("a spatial engine needs at least one axis")
        if self.count < 1:
            raise ValueError(f"count must be at least 1 (got {self.count})")

    @property
    def units(self) -> int:
        product = self.count
        for axis in self.axes:
            product *= axis.size
        return product

    @property
    def arrays(self) -> int:
        return self.count

    @cached_property
    def dataflows(self) -> tuple[Dataflow, ...]:
        return (Dataflow(name=ONLY_DATAFLOW, axes=self.axes),)

    def macs_per_unit_cycle(self, weights: Arithmetic, inputs: Arithmetic) -> float:
        return self.unit.lanes * rate_of(self.unit.rates, weights, inputs)

    def unit_cost(self, weights: Arithmetic, inputs: Arithmetic, accumulator: Arithmetic) -> UnitCost:
        cost = self.unit.cost(weights, inputs, accumulator)
        rows, per_array = self.axes[0].size, self.units // self.count
        peak = per_array * self.macs_per_unit_cycle(weights, inputs)
        return self.unit.with_decoders(cost, rows, per_array // rows, peak)
