"""The ResNet-50 layers that SCALE-Sim 3.0.0 can finish, through it and through archsim: same cycles, and CPU time.

SCALE-Sim needs numpy < 2 and so an environment of its own, made on first use in .benchmarks/ (or named by
ARCHSIM_SCALESIM_PYTHON). Layers that it would take longer than LAYER_LIMIT_S for are left out.
"""

from __future__ import annotations

import csv
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
REQUIREMENTS = ("scalesim==3.0.0", "numpy==1.26.4")
ROWS, COLUMNS = 128, 128
LAYER_LIMIT_S = 20.0
SECONDS_PER_SRAM_WORD = 3e-6
"""What SCALE-Sim takes for each SRAM access; measured on runs of its own example layers."""

CONFIG = f"""\
[general]
run_name = bench
[architecture_presets]
ArrayHeight = {ROWS}
ArrayWidth = {COLUMNS}
ifmapsramszkB = 512
filtersramszkB = 512
ofmapsramszkB = 512
IfmapOffset = 0
FilterOffset = 10000000
OfmapOffset = 20000000
Dataflow = ws
ReadRequestBuffer = 64
WriteRequestBuffer = 64
Bandwidth = 10
[layout]
IfmapCustomLayout = False
FilterCustomLayout = False
IfmapSRAMBankBandwidth = 10
IfmapSRAMBankNum = 10
IfmapSRAMBankPort = 2
FilterSRAMBankBandwidth = 10
FilterSRAMBankNum = 10
FilterSRAMBankPort = 2
[sparsity]
SparsitySupport = false
[run_presets]
InterfaceBandwidth = CALC
UseRamulatorTrace = False
"""

DESIGN = f"""\
[design]
name = "scale-sim-bench"

[hardware]
kind = "systolic"
clock = "1 GHz"
node = "28 nm"

[hardware.array]
rows = {ROWS}
cols = {COLUMNS}
dataflows = ["ws"]

[[hardware.memory]]
name = "dram"
technology = "ddr4"
bandwidth = "unlimited"

[[hardware.memory]]
name = "sram"
technology = "sram"
capacity = "1536 KiB"
read_bandwidth = "unlimited"
write_bandwidth = "unlimited"

[workload]
trace = "layers.csv"

[quantization]
weights = "int8"
inputs = "int8"
outputs = "int8"

[simulation]
convention = "scale-sim"
"""


def scalesim_python() -> Path:
    """The Python of an environment with SCALE-Sim; skips the test where none can be made."""
    named = os.environ.get("ARCHSIM_SCALESIM_PYTHON")
    python = Path(named) if named else ROOT / ".benchmarks" / "scalesim" / "bin" / "python"
    if has_scalesim(python):
        return python
    if named:
        pytest.skip(f"ARCHSIM_SCALESIM_PYTHON={named} has no SCALE-Sim")
    steps = (
        [sys.executable, "-m", "venv", "--clear", str(python.parent.parent)],
        [str(python), "-m", "pip", "install", "--quiet", *REQUIREMENTS],
    )
    for step in steps:
        outcome = subprocess.run(step, capture_output=True, text=True, check=False)
        if outcome.returncode:
            pytest.skip(f"{' '.join(REQUIREMENTS)} cannot be installed here: {outcome.stderr.strip()[-300:]}")
    return python


def has_scalesim(python: Path) -> bool:
    return python.exists() and subprocess.run([python, "-c", "import scalesim"], check=False).returncode == 0


def words(op: Any) -> int:
    """SRAM accesses that SCALE-Sim makes for a conv, weight-stationary (partial sums written once a fold)."""
    m, n, k = (int(op.size(dims)) for dims in (op.rows, op.columns, op.reduction))
    return math.ceil(n / COLUMNS) * m * k + k * n + math.ceil(k / ROWS) * m * n


def finishable_layers() -> list[Any]:
    """One op for each distinct ResNet-50 conv that SCALE-Sim finishes within the limit."""
    import archsim

    distinct: dict[tuple[tuple[str, int], ...], Any] = {}
    for op in archsim.model("resnet-50").ops:
        if getattr(op, "kind", "") == "conv" and words(op) * SECONDS_PER_SRAM_WORD < LAYER_LIMIT_S:
            distinct.setdefault(tuple(op.dims.items()), op)
    return list(distinct.values())


def write_topology(path: Path, ops: Iterable[Any]) -> None:
    """SCALE-Sim knows no padding: its input is the padded one that gives the same output."""
    lines = ["Layer, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Filters, Strides, Sparsity,"]
    for op in ops:
        d = op.dims
        height = (d["p"] - 1) * d["stride_h"] + d["r"]
        width = (d["q"] - 1) * d["stride_w"] + d["s"]
        fields = (op.name, height, width, d["r"], d["s"], d["c"], d["k"], d["stride_h"], "1:1")
        lines.append(",".join(str(field) for field in fields) + ",")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_layout(path: Path, ops: Iterable[Any]) -> None:
    """Obligatory also where no layout is used; its numbers are then not read."""
    lines = ["Layer," + "," * 20, *(f"{op.name}," + "1," * 20 for op in ops)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_trace(path: Path, ops: Iterable[Any]) -> None:
    dims = ("n", "k", "c", "p", "q", "r", "s", "stride_h", "stride_w")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("name", "kind", *dims))
        writer.writerows((op.name, "conv", *(op.dims[dim] for dim in dims)) for op in ops)


def scalesim_cycles(report: Path) -> list[int]:
    """Cycles net of stalls of each layer, from SCALE-Sim's COMPUTE_REPORT.csv."""
    with report.open(newline="", encoding="utf-8") as file:
        rows = [{key.strip(): value for key, value in row.items() if key} for row in csv.DictReader(file)]
    return [int(float(row["Total Cycles"])) - int(float(row["Stall Cycles"])) for row in rows]


def test_resnet50_against_scalesim(
    benchmark: Any, finding: Any, Row: Any, archsim: list[str], timed_command: Any, tmp_path: Path
) -> None:
    python = scalesim_python()
    ops = finishable_layers()
    write_topology(tmp_path / "topology.csv", ops)
    write_layout(tmp_path / "layout.csv", ops)
    write_trace(tmp_path / "layers.csv", ops)
    (tmp_path / "scale.cfg").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "design.toml").write_text(DESIGN, encoding="utf-8")

    evaluate = [*archsim, "evaluate", "--json", "--no-files", str(tmp_path / "design.toml")]
    timed_command(evaluate)
    output, ours_s = benchmark.pedantic(timed_command, args=(evaluate,), rounds=1, iterations=1)
    cycles = [layer["compute_cycles"] for layer in json.loads(output)["layers"]]

    arguments = ["-c", "scale.cfg", "-t", "topology.csv", "-l", "layout.csv", "-p", "out", "-i", "conv"]
    _, theirs_s = timed_command([str(python), "-m", "scalesim.scale", *arguments], tmp_path)
    expected = scalesim_cycles(next((tmp_path / "out").rglob("COMPUTE_REPORT.csv")))

    equal = sum(mine == theirs for mine, theirs in zip(cycles, expected, strict=True))
    detail = f"{theirs_s:.1f} s over {ours_s:.2f} s of CPU time, {len(ops)} distinct ResNet-50 convs, {ROWS}x{COLUMNS}"
    finding(Row(what="SCALE-Sim 3.0.0 over archsim", value=f"{theirs_s / ours_s:.0f}x", detail=detail))
    finding(Row(what="cycles equal to SCALE-Sim's", value=f"{equal} of {len(ops)}"))
    assert expected == cycles
