"""A sweep with the fake evaluator as a process of its own, to be killed: python fake_sweep.py SWEEP.toml RUN WORKERS.

Worker processes import this file too, and so get the fake evaluator.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from archsim.explore import run, workers
from tests.explore.sweeps import FakeEvaluator

workers.PointEvaluator = FakeEvaluator


class Told(run.Watcher):
    """Prints what the run says."""

    def update(self, tally: object, evaluated: int, seconds: float) -> None:
        print("stored", getattr(tally, "points"), evaluated, flush=True)  # noqa: B009

    def note(self, text: str) -> None:
        print("note", text, flush=True)


def main() -> int:
    source, folder, count = sys.argv[1:]
    try:
        run.sweep(source, out=folder, workers=int(count), watcher=Told())
    except run.SweepInterrupted as stop:
        print("interrupted", stop, flush=True)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
