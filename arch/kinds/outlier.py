"""Kinds ``outlier`` and ``centroid``: narrow MACs or additions, and a few wide MACs for outliers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from archsim.arch.engines.centroid import CentroidEngine
from archsim.arch.engines.outlier import OutlierEngine
from archsim.arch.engines.outliers import OutlierLane
from archsim.arch.kinds.base import Conflicts, Kind, ignoring, stated, unit_model
from archsim.arch.kinds.stationary import DATAFLOW, output_stationary_conflicts
from archsim.core.errors import Problem
from archsim.core.options import Count, Fraction01, Options
from archsim.core.toml import KeyPath

if TYPE_CHECKING:
    from archsim.arch.array_options import ArrayOptions


class OutlierLaneKeys(Options):
    """Keys of arrays with wide MACs for outliers."""

    outlier_macs: Count = 1
    """Wide MACs of a PE."""
    outlier_scope: Literal["step", "array", "stream"] = "step"
    """Whether each PE's step waits for its own outliers, for those of all rows, or outliers queue beside the steps."""
    outlier_fraction: Fraction01 | None = None
    """Share of the weights that are outliers; absent: what their format states."""
    input_outlier_fraction: Fraction01 | None = None
    """The same of the inputs."""


class OutlierKeys(Options):
    """Keys of arrays with narrow MACs."""

    narrow_bits: Count = 4
    """Width of the narrow MACs' operands."""
    wide_bits: Count = 16
    """Width of an outlier."""


def _lane(array: ArrayOptions) -> OutlierLane:
    return OutlierLane(
        macs=array.outlier_macs,
        scope=array.outlier_scope,
        fraction=array.outlier_fraction,
        input_fraction=array.input_outlier_fraction,
    )


def _build_outlier(array: ArrayOptions, node_nm: float) -> OutlierEngine:
    return OutlierEngine(
        rows=stated(array.rows),
        columns=stated(array.cols),
        narrow_bits=array.narrow_bits,
        wide_bits=array.wide_bits,
        lane=_lane(array),
        count=array.count,
        unit=unit_model(array, node_nm),
    )


def _build_centroid(array: ArrayOptions, node_nm: float) -> CentroidEngine:
    return CentroidEngine(
        rows=stated(array.rows),
        columns=stated(array.cols),
        lane=_lane(array),
        count=array.count,
        unit=unit_model(array, node_nm),
    )


def _outlier_conflicts(kind: str, array: Mapping[str, Any], path: KeyPath) -> Conflicts:
    yield from output_stationary_conflicts(kind, array, path)
    widths = [array.get(key, getattr(DEFAULTS, key)) for key in ("narrow_bits", "wide_bits")]
    if all(isinstance(width, int) for width in widths) and widths[1] < widths[0]:
        yield (*path, "wide_bits"), Problem(message=f"must be at least narrow_bits, {widths[0]} (got {widths[1]})")


DEFAULTS = OutlierKeys()
OUTLIER = Kind(
    name="outlier",
    idle_keys=ignoring("outlier", "rates"),
    build=_build_outlier,
    keys=(OutlierLaneKeys, OutlierKeys),
    conflicts=_outlier_conflicts,
    dataflows=lambda array: (DATAFLOW,),
)
CENTROID = Kind(
    name="centroid",
    idle_keys=ignoring("centroid", "rates"),
    build=_build_centroid,
    keys=(OutlierLaneKeys,),
    conflicts=output_stationary_conflicts,
    dataflows=lambda array: (DATAFLOW,),
)
