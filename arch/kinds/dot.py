"""Kind ``dot-product``: units that add up blocks of products under shared scales."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsim.arch.engines.dot import DotEngine
from archsim.arch.kinds.base import Kind, stated, unit_model
from archsim.arch.kinds.stationary import DATAFLOW, output_stationary_conflicts

if TYPE_CHECKING:
    from archsim.arch.array_options import ArrayOptions


def _build(array: ArrayOptions, node_nm: float) -> DotEngine:
    return DotEngine(
        rows=stated(array.rows), columns=stated(array.cols), count=array.count, unit=unit_model(array, node_nm)
    )


DOT_PRODUCT = Kind(
    name="dot-product",
    build=_build,
    conflicts=output_stationary_conflicts,
    dataflows=lambda array: (DATAFLOW,),
)
