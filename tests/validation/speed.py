"""CPU time of whole commands as ratios, for docs/validation.md; `make bench` measures the same and more."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[2]
PREFILL = "designs/llama-2-7b-prefill.toml"
ROUNDS = 7


def speed_rows() -> list[tuple[str, str, float]]:
    """(what, compared with, ratio of CPU times)."""
    archsim = [sys.executable, "-m", "archsim"]
    imports = [sys.executable, "-c", "import numpy, numba, pandas"]
    with TemporaryDirectory() as folder:
        files = [*archsim, "evaluate", "--json", "--out", f"{folder}/run", PREFILL]
        rows = [
            (
                "`archsim evaluate --json --no-files`, Llama-2-7B prefill on 128 x 128",
                "`import numpy, numba, pandas`",
                ratio([*archsim, "evaluate", "--json", "--no-files", PREFILL], imports),
            ),
            ("the same with all files", "`import numpy, numba, pandas`", ratio(files, imports)),
            ("`archsim --help`", "`import typer`", ratio([*archsim, "--help"], [sys.executable, "-c", "import typer"])),
        ]
    return [*rows, evaluation_row(cpu_s(imports)), *simulator_rows()]


def evaluation_row(imports_s: float) -> tuple[str, str, float]:
    """One evaluation in a running process, over the imports that a process starts with."""
    import archsim

    design = archsim.load_design(ROOT / PREFILL)
    archsim.evaluate(design)
    times_s = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        archsim.evaluate(design)
        times_s.append(time.process_time() - begin)
    each_s = statistics.median(times_s)
    what = f"one more `archsim.evaluate` of that design in the same process ({1 / each_s:.0f} a second)"
    return what, "`import numpy, numba, pandas`", each_s / imports_s


def simulator_rows() -> list[tuple[str, str, float]]:
    """PE-updates per second of the cycle simulator over a plain numpy loop of the same machine."""
    import numpy as np

    from archsim.sim.cycle import simulate_gemm
    from tests.bench.test_cycle_speed import numpy_rate

    generator = np.random.default_rng(0)
    a, b = (generator.integers(-64, 64, (512, 512)) for _ in range(2))
    rows = []
    for size in (16, 128):
        simulate_gemm(a, b, rows=size, cols=size, dataflow="ws")
        rates = []
        for _ in range(3):
            begin = time.process_time()
            updates = simulate_gemm(a, b, rows=size, cols=size, dataflow="ws").pe_updates
            rates.append(updates / (time.process_time() - begin))
        what = f"PE-level simulation, {size} x {size} ws, integers: {max(rates):.1e} PE-updates a second and core"
        rows.append((what, "a time-step loop in numpy", max(rates) / numpy_rate("ws", size, np.int64)))
    return rows


def ratio(command: Sequence[str], baseline: Sequence[str]) -> float:
    """Median CPU seconds of `command` over `baseline`'s, run in turns after a warm-up."""
    cpu_s(command)
    cpu_s(baseline)
    pairs = [(cpu_s(command), cpu_s(baseline)) for _ in range(ROUNDS)]
    return statistics.median(ours for ours, _ in pairs) / statistics.median(theirs for _, theirs in pairs)


def cpu_s(command: Sequence[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, stdin=subprocess.DEVNULL, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
