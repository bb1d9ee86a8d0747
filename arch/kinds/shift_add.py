"""Kind ``shift-add``: PEs that shift and add, with or without a multiplier beside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsim.arch.engines.shift_add import ShiftAddEngine
from archsim.arch.kinds.base import Kind, OperationKeys, ignoring, stated, unit_model
from archsim.arch.kinds.stationary import DATAFLOW, output_stationary_conflicts
from archsim.core.options import Flag, Options

if TYPE_CHECKING:
    from archsim.arch.array_options import ArrayOptions


class ShiftAddKeys(Options):
    """Keys of shift-add arrays."""

    multiplier: Flag = False
    """Whether every PE has a multiplier beside its shifter and adder."""


def _build(array: ArrayOptions, node_nm: float) -> ShiftAddEngine:
    return ShiftAddEngine(
        rows=stated(array.rows),
        columns=stated(array.cols),
        multiplier=array.multiplier,
        count=array.count,
        unit=unit_model(array, node_nm, operations=array.operations),
    )


SHIFT_ADD = Kind(
    name="shift-add",
    idle_keys=ignoring("shift-add", "rates"),
    build=_build,
    keys=(ShiftAddKeys, OperationKeys),
    conflicts=output_stationary_conflicts,
    dataflows=lambda array: (DATAFLOW,),
)
