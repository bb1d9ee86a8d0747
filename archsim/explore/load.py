"""Runs opened from their folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from archsim.core.errors import ArchsimError, InputError, Problem
from archsim.explore.run_file import read_run_file, sweep_of
from archsim.explore.runs import Run

if TYPE_CHECKING:
    import pandas as pd


def open_run(folder: str | Path) -> Run:
    """The run in a folder. Raises InputError when it holds none."""
    path = Path(folder)
    document = read_run_file(path)
    try:
        return Run(path, sweep_of(document, path), document["status"])
    except (LookupError, TypeError, ValueError) as error:
        raise InputError(Problem(file=str(path), message=f"its run.json is not whole: {error}")) from None


def load_run(folder: str | Path) -> pd.DataFrame:
    """The points of a run, in order, one row each; of one that is not complete, those that are there.

    Columns: index, point_id, status (ok or failed), reason, each axis by its key, totals (latency_s, energy_j, ...),
    energy_j.<component>, area_mm2.<component>. Values that do not exist are NaN.

    Raises:
        InputError: the folder holds no run of a sweep.
        ArchsimError: a chunk is damaged; it is named.
    """
    run = open_run(folder)
    try:
        return run.frame()
    except ArchsimError as error:
        raise ArchsimError(f"{error}; resuming the sweep evaluates its points again") from None
