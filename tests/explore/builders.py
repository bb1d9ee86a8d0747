"""Runs in memory whose values are known in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from archsim.explore.axes import Axis, Value
from archsim.explore.results import PointResult
from archsim.explore.run_table import RunTable, table_of
from archsim.explore.space import Point, Space
from archsim.explore.study import Constraint, Objective

Model = Callable[[Mapping[str, Value]], Mapping[str, float | None] | None]
"""Totals of a design; None for one that fails."""
LATENCY, AREA = Objective(name="latency_s", sense="min"), Objective(name="area_mm2", sense="min")
SPACE = Space(
    (
        Axis(key="array.rows", values=(4, 8, 16, 32)),
        Axis(key="array.cols", values=(4, 8, 16, 32), link="array.rows"),
        Axis(key="glb.capacity", values=("8 KiB", "32 KiB", "128 KiB")),
        Axis(key="weights", values=("fp16", "int4", "int8")),
    )
)
BITS = {"fp16": 16.0, "int4": 4.0, "int8": 8.0}
SIZES = {"8 KiB": 8.0, "32 KiB": 32.0, "128 KiB": 128.0}


def accelerator(values: Mapping[str, Value]) -> Mapping[str, float | None] | None:
    """A small array needs time, a large one area; the largest does not work with the smallest buffer."""
    side, size, bits = int(str(values["array.rows"])), SIZES[str(values["glb.capacity"])], BITS[str(values["weights"])]
    if side == 32 and size == 8.0:
        return None
    latency = 1.0 / side**2 + bits / (50 * math.sqrt(size))
    return {"latency_s": latency, "area_mm2": side**2 * bits / 1e3 + size / 20, "tops": side / 8, "ttft_s": None}


def evaluator(model: Model = accelerator) -> Callable[[Sequence[Point]], list[PointResult]]:
    """Evaluates points by a model."""

    def evaluate(points: Sequence[Point]) -> list[PointResult]:
        return [result(point, model) for point in points]

    return evaluate


def result(point: Point, model: Model) -> PointResult:
    values = model(dict(point.values))
    point_id = "".join(f"{gene:02x}" for gene in point.genes) + "f" * 8
    if values is None:
        return PointResult(point_id=point_id, point=point, status="failed", reason="does not fit 8 KiB")
    return PointResult(point_id=point_id, point=point, status="ok", values=values)


def run_of(
    indices: Sequence[int] | None = None,
    *,
    space: Space = SPACE,
    model: Model = accelerator,
    objectives: Sequence[Objective] = (LATENCY, AREA),
    constraints: Sequence[Constraint] = (),
) -> RunTable:
    """The table of a run of some points of the grid, or of all."""
    chosen = range(space.size) if indices is None else indices
    return table_of("run", space, evaluator(model)([space.grid(i) for i in chosen]), objectives, constraints)
