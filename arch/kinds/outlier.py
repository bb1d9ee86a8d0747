"""Kinds ``outlier`` and ``centroid``: narrow MACs or additions, and a few wide MACs for outliers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from archsim.arch.engines.centroid import CentroidEngine
from archsim.arch.engines.outlier import OutlierEngine
from archsim.arch.engines.outliers import OutlierLane
from archsim.arch.kinds.base import Kind, ignoring, stated, unit_model
from archsim.arch.kinds.bit_serial import DATAFLOW, output_stationary_conflicts
from archsim.core.options import Count, Fraction01, Options

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


OUTLIER = Kind(
    name="outlier",
    idle_keys=ignoring("outlier", "rates"),
    build=_build_outlier,
    keys=(OutlierLaneKeys, OutlierKeys),
    conflicts=output_stationary_conflicts,
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
