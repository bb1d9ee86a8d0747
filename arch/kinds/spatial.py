"""Kind ``spatial``: PEs along axes, each of which unrolls loops; or rows and columns with a dataflow's unrolling."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from archsim.arch.array_keys import AxisOptions
from archsim.arch.engines.base import SpatialAxis
from archsim.arch.engines.spatial import SpatialEngine
from archsim.arch.kinds.base import Conflicts, Kind, OperationKeys, permitted_dataflows, stated, unit_model
from archsim.core.errors import Problem
from archsim.core.toml import KeyPath

if TYPE_CHECKING:
    from archsim.arch.array_options import ArrayOptions


def build_spatial(array: ArrayOptions, node_nm: float) -> SpatialEngine:
    """The spatial array that the keys describe."""
    return SpatialEngine(
        axes=_spatial_axes(array), count=array.count, unit=unit_model(array, node_nm, operations=array.operations)
    )


def _spatial_axes(array: ArrayOptions) -> tuple[SpatialAxis, ...]:
    if array.axes:
        return tuple(_axis(axis, name) for axis, name in zip(array.axes, array.axis_names, strict=True))
    return _dataflow_axes(stated(array.rows), stated(array.cols), permitted_dataflows(array)[0])


def _axis(axis: AxisOptions, name: str) -> SpatialAxis:
    return SpatialAxis(
        name=name,
        size=axis.size,
        gemm_dims=axis.dims.gemm,
        conv_dims=axis.dims.conv,
        multicast=frozenset(axis.multicast),
        reduce=frozenset(axis.reduce),
    )


def _dataflow_axes(rows: int, cols: int, dataflow: str) -> tuple[SpatialAxis, SpatialAxis]:
    """The two axes of an array that is given as rows and columns with a dataflow's unrolling."""
    match dataflow:
        case "os":
            return _group_axis("row", rows, "rows", multicast="weights"), _group_axis(
                "column", cols, "columns", multicast="inputs"
            )
        case "is":
            return _group_axis("row", rows, "reduction", reduce="outputs"), _group_axis(
                "column", cols, "rows", multicast="weights"
            )
        case _:
            return _group_axis("row", rows, "reduction", reduce="outputs"), _group_axis(
                "column", cols, "columns", multicast="inputs"
            )


def _group_axis(name: str, size: int, group: str, *, multicast: str = "", reduce: str = "") -> SpatialAxis:
    return SpatialAxis(
        name=name,
        size=size,
        gemm_dims=(group,),
        conv_dims=(group,),
        multicast=frozenset({multicast} if multicast else ()),
        reduce=frozenset({reduce} if reduce else ()),
    )


def _conflicts(kind: str, array: Mapping[str, Any], path: KeyPath) -> Conflicts:
    if array.get("axes"):
        given = [key for key in ("rows", "cols") if array.get(key) is not None]
        yield from (((*path, key), Problem(message="contradicts axes: give one of the two")) for key in given)
    elif "rows" not in array or "cols" not in array:
        yield path, Problem(message="a spatial array needs axes, or rows and cols with a dataflow")


def _idle_keys(array: ArrayOptions) -> Iterator[str]:
    flows = ("dataflow",) if array.dataflow else ("dataflows",) if array.dataflows else ()
    if array.axes:
        yield from (f"hardware.array.{key} says nothing beside axes" for key in flows)
    elif array.dataflows and len(array.dataflows) > 1 and not array.dataflow:
        yield f"hardware.array.dataflows: a spatial array has one, the first is taken ({array.dataflows[0]})"


SPATIAL = Kind(
    name="spatial", build=build_spatial, keys=(OperationKeys,), conflicts=_conflicts, idle_keys=_idle_keys, passes=False
)
