"""CPU time of whole commands as ratios, for docs/validation.md; `make bench` measures the same and more."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
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
        return [
            (
                "`archsim evaluate --json --no-files`, Llama-2-7B prefill on 128 x 128",
                "`import numpy, numba, pandas`",
                ratio([*archsim, "evaluate", "--json", "--no-files", PREFILL], imports),
            ),
            ("the same with all files", "`import numpy, numba, pandas`", ratio(files, imports)),
            ("`archsim --help`", "`import typer`", ratio([*archsim, "--help"], [sys.executable, "-c", "import typer"])),
        ]


def ratio(command: Sequence[str], baseline: Sequence[str]) -> float:
    """Median CPU seconds of `command` over `baseline`'s, run in turns after a warm-up."""
    cpu_s(command), cpu_s(baseline)
    pairs = [(cpu_s(command), cpu_s(baseline)) for _ in range(ROUNDS)]
    return statistics.median(ours for ours, _ in pairs) / statistics.median(theirs for _, theirs in pairs)


def cpu_s(command: Sequence[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
