"""Sweeps as processes of their own, to be measured: python sweep_runs.py KIND SWEEP.toml RUN WORKERS.

KIND is `real` (this process or a pool), `dask` (a local cluster), or `rows` (rows from nothing, to see what else a
sweep costs). Prints one JSON document: seconds from the first stored chunk to the last, points between, peak memory.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from archsim.explore import run, workers
from archsim.explore.results import TOTALS, PointResult
from archsim.explore.space import Point


class RowsFromNothing:
    """An evaluator that takes no time, whose totals make a front of a few points."""

    def __init__(self, spec: object) -> None:
        self.spec = spec

    def evaluate(self, points: Sequence[Point]) -> list[PointResult]:
        return [self._row(point) for point in points]

    def _row(self, point: Point) -> PointResult:
        values: dict[str, Any] = {name: float(point.index % 977 + place) for place, name in enumerate(TOTALS)}
        values["area_mm2"] = 1e3 / (1 + point.index % 977)
        return PointResult(point_id=f"{point.index:064x}", point=point, status="ok", values=values)


if sys.argv[1] == "rows":  # worker processes import this file too, with the same arguments
    workers.PointEvaluator = RowsFromNothing


class Timed(run.Watcher):
    """Notes when chunks are stored."""

    def __init__(self) -> None:
        self.stored: list[tuple[float, int]] = []

    def update(self, tally: Any, evaluated: int, seconds: float) -> None:
        self.stored.append((time.perf_counter(), tally.points))


def measured(kind: str, source: str, folder: str, count: int) -> Timed:
    watcher = Timed()
    if kind != "dask":
        run.sweep(source, out=folder, workers=count, watcher=watcher)
        return watcher
    from distributed import LocalCluster

    warnings.simplefilter("ignore")
    with LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=None) as cluster:
        run.sweep(source, out=folder, cluster=cluster.scheduler_address, watcher=watcher)
    return watcher


def main() -> None:
    kind, source, folder, count = sys.argv[1:]
    stored = measured(kind, source, folder, int(count)).stored
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (began, first), (ended, last) = stored[0], stored[-2]  # the last update says that the run is over
    print(json.dumps({"seconds": ended - began, "points": last - first, "peak_kib": peak}))


if __name__ == "__main__":
    main()
