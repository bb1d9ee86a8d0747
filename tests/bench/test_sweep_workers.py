"""What a sweep costs besides evaluating points: memory, and the share of two workers that is lost.

Seconds are those on the wall here, the only ones that say how well workers are kept busy; on a machine with other work
they say nothing, and the tests are skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.bench.conftest import ROOT, Finding
from tests.explore import sweeps

pytest.importorskip("pytest_benchmark")

SCRIPT = Path(__file__).with_name("sweep_runs.py")
LLAMA = """\
design = "{design}"

[axes]
"hardware.memory.glb.capacity" = {{ from = "64 KiB", to = "208 KiB", step = "16 KiB" }}
"hardware.memory.dram.bandwidth" = {{ from = "4 B/cycle", to = "40 B/cycle", step = "4 B/cycle" }}
"hardware.memory.glb.bandwidth" = {{ from = "32 B/cycle", to = "176 B/cycle", step = "16 B/cycle" }}
"quantization.weights" = {formats}
"workload.context" = {{ from = 256, to = {longest}, step = 256 }}

[[workloads]]
name = "decode"
model = "llama-2-7b"
phase = "decode"

[run]
chunk = 500
"""
FORMATS = [f"int{bits}:g{group}" for bits in range(3, 8) for group in (64, 128)]
"""Ten that the machine's registers hold: no point fails."""
LARGE = """\
design = "design.toml"

[axes]
"hardware.array.rows" = {{ from = 1, to = {rows}, step = 1 }}
"hardware.array.cols" = {{ from = 1, to = 10, step = 1 }}
"hardware.memory.glb.capacity" = {{ from = "1 KiB", to = "512 KiB", factor = 2 }}
"quantization.weights" = ["int8", "int6", "int5", "int4", "int3"]
"hardware.cores" = [1, 2]
"""
CONTEXTS = int(os.environ.get("ARCHSIM_BENCH_CONTEXTS", "3"))
"""Values of the last axis: 10,000 points each."""
BUSY = 0.3
"""Load of the machine above which seconds on the wall say nothing."""

Add = Callable[[Finding], None]


def measured(kind: str, source: Path, folder: Path, workers: int) -> dict[str, Any]:
    command = [sys.executable, str(SCRIPT), kind, str(source), str(folder), str(workers)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return document


@pytest.mark.parametrize("kind", ["real", "dask"])
def test_two_workers_do_the_work_of_two(kind: str, tmp_path: Path, benchmark: Any, finding: Add) -> None:
    if kind == "dask":
        pytest.importorskip("distributed")
    if os.getloadavg()[0] > BUSY or (os.cpu_count() or 1) < 2:
        pytest.skip(f"needs two idle cores (load {os.getloadavg()[0]:.1f})")
    design = ROOT / "designs" / "validation" / "accelforge-b.toml"
    source = sweeps.write(tmp_path, LLAMA.format(design=design, formats=FORMATS, longest=256 * CONTEXTS))
    rates = []
    for workers in (1, 2):
        found = measured(kind, source, tmp_path / f"run-{workers}", workers)
        rates.append(found["points"] / found["seconds"])
    benchmark.pedantic(lambda: None)
    efficiency = rates[1] / rates[0] / 2
    detail = f"{rates[0]:.1f} and {rates[1]:.1f} points/s, Llama-2-7B decode, {CONTEXTS}0,000 points"
    finding(
        Finding(what=f"sweep, 2 workers ({kind})", value=f"{efficiency:.2f}", against="wanted >= 0.85", detail=detail)
    )
    assert efficiency >= 0.85


def test_memory_does_not_grow_with_points(tmp_path: Path, benchmark: Any, finding: Add) -> None:
    peaks = []
    for rows in (5, 100):  # 5,000 and 100,000 points
        source = sweeps.write(tmp_path / str(rows), LARGE.format(rows=rows))
        peaks.append(measured("rows", source, tmp_path / f"run-{rows}", 1)["peak_kib"] / 1024)
    benchmark.pedantic(lambda: None)
    detail = f"{peaks[1]:.0f} MiB for 100,000 points over {peaks[0]:.0f} MiB for 5,000"
    finding(
        Finding(what="sweep, peak memory", value=f"{peaks[1] / peaks[0]:.2f}x", against="wanted < 1.2x", detail=detail)
    )
    assert peaks[1] / peaks[0] < 1.2
