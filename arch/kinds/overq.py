"""Kind ``overq``: a systolic array whose outliers may use the slot of the zero beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsim.arch.engines.overq import OverqEngine
from archsim.arch.kinds.base import Kind, needs_rows_and_cols
from archsim.arch.kinds.systolic import SystolicKeys, build_array

if TYPE_CHECKING:
    from archsim.arch.array_options import ArrayOptions


def _build(array: ArrayOptions, node_nm: float) -> OverqEngine:
    return OverqEngine(array=build_array(array, node_nm))


OVERQ = Kind(name="overq", build=_build, keys=(SystolicKeys,), conflicts=needs_rows_and_cols)
