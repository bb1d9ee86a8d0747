"""Bit-serial lanes along axes: PEs of an array in rows and columns, and the lanes of a PE as a third axis.

What the passes of `bit_serial` flatten is kept apart here: a conv's windows of one row of outputs, its taps, its
channels. A layer whose sizes do not fill an axis leaves lanes empty, as it does in arrays that are wired that way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from archsim.arch.engines.base import Dataflow, SpatialAxis, UnitCost
from archsim.arch.engines.bit_serial import SerialEngine
from archsim.arch.formats import Arithmetic

Shape = tuple[int, int, int]
"""Rows, columns and lanes."""


@dataclass(frozen=True, kw_only=True)
class SerialLanesEngine(SerialEngine):
    """A `SerialEngine` whose units are lanes, not PEs; `shapes` are other rows, columns and lanes it may be wired as.

    Rows are output channels, columns tokens or windows of one row of outputs, lanes channels of one tap of the window
    (or taps of one channel). Every shape has the lanes of the array or fewer.
    """

    shapes: tuple[Shape, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for rows, columns, lanes in self.shapes:
            if min(rows, columns, lanes) < 1 or rows * columns * lanes > self._per_array:
                raise ValueError(f"a shape has from 1 to {self._per_array} lanes (got {rows} x {columns} x {lanes})")

    @property
    def _per_array(self) -> int:
        return self.rows * self.columns * self.unit.lanes

    @property
    def units(self) -> int:
        return self._per_array * self.count

    @property
    def pes(self) -> int:
        return self.rows * self.columns * self.count

    @cached_property
    def dataflows(self) -> tuple[Dataflow, ...]:
        own = (self.rows, self.columns, self.unit.lanes)
        return tuple(_dataflow(*shape) for shape in dict.fromkeys((own, *self.shapes)))

    def together(self, weights: Arithmetic, inputs: Arithmetic) -> int:
        """One: lanes are units, which an axis fills."""
        return 1

    def macs_per_unit_cycle(self, weights: Arithmetic, inputs: Arithmetic) -> float:
        return super().macs_per_unit_cycle(weights, inputs) / self.unit.lanes

    def macs_of_steps(self, steps: float) -> float:
        return super().macs_of_steps(steps) / self.unit.lanes

    def unit_cost(self, weights: Arithmetic, inputs: Arithmetic, accumulator: Arithmetic) -> UnitCost:
        """A lane's share of its PE."""
        cost, lanes = super().unit_cost(weights, inputs, accumulator), self.unit.lanes
        return replace(
            cost,
            area_um2=None if cost.area_um2 is None else cost.area_um2 / lanes,
            leakage_w=cost.leakage_w / lanes,
            cycle_pj=cost.cycle_pj / lanes,
        )


def _dataflow(rows: int, columns: int, lanes: int) -> Dataflow:
    return Dataflow(
        name=f"{rows}x{columns}x{lanes}",
        axes=(
            SpatialAxis(name="row", size=rows, gemm_dims=("n",), conv_dims=("k",), multicast=frozenset({"inputs"})),
            SpatialAxis(
                name="column", size=columns, gemm_dims=("m",), conv_dims=("q",), multicast=frozenset({"weights"})
            ),
            SpatialAxis(
                name="lane", size=lanes, gemm_dims=("k",), conv_dims=("c", "s", "r"), reduce=frozenset({"outputs"})
            ),
        ),
    )
