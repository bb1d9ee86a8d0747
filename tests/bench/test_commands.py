"""CPU time of whole commands, as ratios to processes that only import what the command cannot do without."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
PREFILL = "designs/llama-2-7b-prefill.toml"
IMPORTS = "import numpy, numba, pandas"


def test_evaluate_without_files(cpu_ratio: Any, archsim: list[str], python: str) -> None:
    command = [*archsim, "evaluate", "--json", "--no-files", PREFILL]
    ratio = cpu_ratio("evaluate --json --no-files", command, baseline=[python, "-c", IMPORTS], limit=2)
    assert ratio > 0


def test_evaluate_with_all_files(cpu_ratio: Any, archsim: list[str], python: str, tmp_path: Path) -> None:
    command = [*archsim, "evaluate", "--json", "--out", str(tmp_path / "run"), PREFILL]
    ratio = cpu_ratio("evaluate --json, all files", command, baseline=[python, "-c", IMPORTS], limit=4)
    assert ratio > 0


def test_help(cpu_ratio: Any, archsim: list[str], python: str) -> None:
    baseline = [python, "-c", "import typer"]
    assert cpu_ratio("--help", [*archsim, "--help"], baseline=baseline, limit=2, rounds=15) > 0


def test_evaluations_per_second_from_python(benchmark: Any, finding: Any, Row: Any) -> None:
    """Distinct designs (the clock differs), so that nothing can be remembered from the evaluation before."""
    import archsim

    designs = [
        archsim.load_design(ROOT / PREFILL, overrides=[f"hardware.clock={900 + step} MHz"]) for step in range(20)
    ]
    archsim.evaluate(designs[0])
    each_s: list[float] = []

    def evaluate_all() -> None:
        for design in designs:
            before = time.process_time()
            archsim.evaluate(design)
            each_s.append(time.process_time() - before)

    benchmark.pedantic(evaluate_all, rounds=3, iterations=1)
    median_s = statistics.median(each_s)
    finding(Row(what="evaluations from Python", value=f"{1 / median_s:.0f} /s", detail=f"{1e3 * median_s:.2f} ms each"))
    assert median_s > 0
