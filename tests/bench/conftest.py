"""Benchmarks measure CPU seconds, not time on the wall, so that ratios hold on a machine that does other things too."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

Command = Sequence[str]
CpuRatio = Callable[..., float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the table that ends a run: a measured value, and what it is held against."""

    what: str
    value: str
    against: str = ""
    detail: str = ""


FINDINGS = pytest.StashKey[list[Finding]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FINDINGS] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever runs whole commands is timed by the CPU seconds of its children."""
    for item in items:
        if "cpu_ratio" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.benchmark(timer=children_cpu_s))


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    rows = config.stash[FINDINGS]
    if not rows:
        return
    terminalreporter.section("measured")
    width = max(len(row.what) for row in rows)
    for row in rows:
        terminalreporter.write_line(f"{row.what:<{width}}  {row.value:>14}  {row.against:<18}  {row.detail}".rstrip())


@pytest.fixture
def finding(request: pytest.FixtureRequest, benchmark: Any) -> Callable[[Finding], None]:
    """Adds a line to the table at the end and to the benchmark's saved results."""

    def add(row: Finding) -> None:
        request.config.stash[FINDINGS].append(row)
        benchmark.extra_info[row.what] = f"{row.value} {row.against} {row.detail}".strip()

    return add


@pytest.fixture
def Row() -> type[Finding]:
    return Finding


def children_cpu_s() -> float:
    """CPU seconds, user and system, of all child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(command: Command, cwd: Path) -> str:
    """Standard output of a command that must succeed.

    Bytecode is kept, as it is for installed packages: a machine that forbids writing it would compile all of archsim
    in every run, and none of numpy.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    outcome = subprocess.run(
        list(command),
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, f"{' '.join(command)}\n{outcome.stderr}"
    return outcome.stdout


def timed(command: Command, cwd: Path = ROOT) -> tuple[str, float]:
    """Standard output of a command that must succeed, and the CPU seconds it took."""
    before = children_cpu_s()
    output = run(command, cwd)
    return output, children_cpu_s() - before


@pytest.fixture
def timed_command() -> Callable[..., tuple[str, float]]:
    return timed


@pytest.fixture
def python() -> str:
    return sys.executable


@pytest.fixture
def archsim(python: str) -> list[str]:
    """The installed command; where archsim is not installed, the same entry point from the checkout."""
    script = Path(python).parent / "archsim"
    return [str(script)] if script.exists() else [python, "-m", "archsim"]


@pytest.fixture
def cpu_ratio(benchmark: Any, finding: Callable[[Finding], None]) -> CpuRatio:
    """Measures the CPU time of a command over that of a baseline, both run in turns, medians of `rounds`."""

    def measure(what: str, command: Command, *, baseline: Command, limit: float, rounds: int = 7) -> float:
        baseline_s: list[float] = []
        command_s: list[float] = []

        def in_turn() -> None:
            baseline_s.append(timed(baseline)[1])

        def target() -> None:
            command_s.append(timed(command)[1])

        run(command, ROOT)
        run(baseline, ROOT)
        benchmark.pedantic(target, setup=in_turn, rounds=rounds, iterations=1)
        ours, theirs = statistics.median(command_s), statistics.median(baseline_s)
        detail = f"{ours:.3f} s over {theirs:.3f} s of CPU time, medians of {rounds}"
        finding(Finding(what=what, value=f"{ours / theirs:.2f}x", against=f"wanted < {limit:g}x", detail=detail))
        return ours / theirs

    return measure
