"""Small sweeps for tests: a design of two GEMMs, and an evaluator that needs no kernels."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from archsim.explore.results import TOTALS, PointResult
from archsim.explore.space import Point
from archsim.explore.study import EvaluatorSpec

DESIGN = """\
[hardware]
kind = "systolic"
clock = "1 GHz"
node = "28 nm"

[hardware.array]
rows = 8
cols = 8
dataflows = ["ws"]

[[hardware.memory]]
name = "dram"
technology = "lpddr4"

[[hardware.memory]]
name = "glb"
technology = "sram"
capacity = "32 KiB"

[workload]
trace = "work.csv"

[quantization]
weights = "int8"
activations = "int8"
"""
TRACE = "name,kind,m,n,k\nfirst,gemm,64,48,96\nsecond,gemm,32,64,64\n"
SWEEP = """\
design = "design.toml"

[axes]
hardware.array.rows = [4, 8, 16]
"hardware.array.cols" = "hardware.array.rows"
"hardware.memory.glb.capacity" = { from = "1 KiB", to = "64 KiB", factor = 4 }
"quantization.weights" = ["int8", "int4"]

[objectives]
latency_s = "min"
area_mm2 = "min"

[constraints]
area_mm2 = "<= 10"
"""


def write(folder: Path, sweep: str = SWEEP, *, design: str = DESIGN, trace: str = TRACE) -> Path:
    """The sweep's file, with its design and trace beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "design.toml").write_text(design, encoding="utf-8")
    (folder / "work.csv").write_text(trace, encoding="utf-8")
    path = folder / "sweep.toml"
    path.write_text(sweep, encoding="utf-8")
    return path


class FakeEvaluator:
    """Rows from the values alone, at once or slowly; every seventh point fails."""

    seconds = float(os.environ.get("FAKE_SECONDS", "0"))

    def __init__(self, spec: EvaluatorSpec) -> None:
        self.spec = spec
        self.seen: list[int] = []

    def evaluate(self, points: Sequence[Point]) -> list[PointResult]:
        return [self._row(point) for point in points]

    def _row(self, point: Point) -> PointResult:
        time.sleep(self.seconds)
        digest = hashlib.sha256(f"{point.values}".encode()).digest()
        point_id = hashlib.sha256(f"{self.spec.model_version} {point.values}".encode()).hexdigest()
        if digest[0] % 7 == 0:
            reason = f"op 'fc{point.index}': needs {digest[1]} KiB"
            return PointResult(point_id=point_id, point=point, status="failed", reason=reason)
        values: dict[str, Any] = dict.fromkeys(TOTALS)
        for place, name in enumerate(("latency_s", "energy_j", "area_mm2")):
            values[name] = int.from_bytes(digest[4 * place : 4 * place + 4]) / 2**31
        return PointResult(point_id=point_id, point=point, status="ok", values=values)
