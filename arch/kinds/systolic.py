"""Kind ``systolic``: an array of rows and columns whose operands hop from PE to PE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsim.arch.engines.systolic import SystolicEngine
from archsim.arch.kinds.base import Kind, OperationKeys, needs_rows_and_cols, permitted_dataflows, stated, unit_model
from archsim.core.options import Flag, Options

if TYPE_CHECKING:
    from archsim.arch.array_options import ArrayOptions


class SystolicKeys(Options):
    """Keys of arrays with passes that fill and drain."""

    fold_overlap: Flag = False
    weight_double_buffer: Flag = False


def build_array(array: ArrayOptions, node_nm: float, *, operations: str = "gates") -> SystolicEngine:
    """The systolic array that the keys describe; `operations` prices its products."""
    return SystolicEngine(
        rows=stated(array.rows),
        columns=stated(array.cols),
        permitted=permitted_dataflows(array),
        fold_overlap=array.fold_overlap,
        weight_double_buffer=array.weight_double_buffer,
        count=array.count,
        unit=unit_model(array, node_nm, operations=operations),
    )


def _build(array: ArrayOptions, node_nm: float) -> SystolicEngine:
    return build_array(array, node_nm, operations=array.operations)


SYSTOLIC = Kind(name="systolic", build=_build, keys=(SystolicKeys, OperationKeys), conflicts=needs_rows_and_cols)
