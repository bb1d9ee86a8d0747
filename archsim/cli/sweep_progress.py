"""How far a sweep is: points, rate, time left and the front, on a terminal's last line or now and then in a log."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from archsim.cli import output
from archsim.explore.run import Watcher
from archsim.reports.sweep_tables import duration, total_text

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from archsim.explore.study import Sweep
    from archsim.explore.tally import Tally

LOG_EVERY_S = 30.0
"""Seconds between two lines of a log."""


def watcher(sweep: Sweep, *, quiet: bool) -> Watcher:
    """What tells how the sweep goes on, on stderr: nothing at all if `quiet`."""
    if quiet:
        return Watcher()
    return Bar() if sys.stderr.isatty() else Log()


def progress_text(tally: Tally, total: int, evaluated: int, seconds: float) -> str:
    """Points, rate, time left, failures, front and the best of each objective."""
    parts = [f"{tally.points} of {total} points"]
    if evaluated and seconds:
        rate = evaluated / seconds
        parts.append(f"{rate:.3g}/s")
        if total > tally.points:
            parts.append(f"{duration((total - tally.points) / rate)} left")
    if failed := tally.failed.total():
        parts.append(f"{failed} failed")
    parts.append(front_text(tally))
    return ", ".join(parts)


def front_text(tally: Tally) -> str:
    """Designs on the front, and the best of each objective."""
    size = tally.front_size
    if not size:
        return "no front yet"
    best = ", ".join(f"{name} {total_text(name, value)}" for name, value in tally.best().items())
    return f"front: {size} design{'s' * (size > 1)}, best {best}"


class Log(Watcher):
    """A line now and then."""

    def __init__(self) -> None:
        self.total = 0
        self.last = time.monotonic()

    def begin(self, total: int) -> None:
        self.total = total

    def update(self, tally: Tally, evaluated: int, seconds: float) -> None:
        if time.monotonic() - self.last >= LOG_EVERY_S:
            self.last = time.monotonic()
            output.note(progress_text(tally, self.total, evaluated, seconds), quiet=False)

    def note(self, text: str) -> None:
        output.note(text, quiet=False)


class Bar(Watcher):
    """A bar with the front beside it."""

    def __init__(self) -> None:
        self.total = 0
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def begin(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self.total = total
        console = Console(file=sys.stderr, markup=False, emoji=False, highlight=False)
        columns = (BarColumn(bar_width=20), TextColumn("{task.description}", markup=False))
        self._progress = Progress(*columns, console=console, transient=True, refresh_per_second=4)
        self._progress.start()
        self._task = self._progress.add_task(f"0 of {total} points", total=total)

    def update(self, tally: Tally, evaluated: int, seconds: float) -> None:
        if self._progress is not None and self._task is not None:
            text = progress_text(tally, self.total, evaluated, seconds)
            self._progress.update(self._task, completed=tally.points, description=text)

    def note(self, text: str) -> None:
        if self._progress is not None:
            self._progress.console.print(text)
        else:
            output.note(text, quiet=False)

    def end(self) -> None:
        if self._progress is not None:
            self._progress.stop()
