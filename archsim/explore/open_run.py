"""A run folder opened for questions: its points as arrays, and the sweep that made it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from archsim.explore.neighbours import Genes
from archsim.explore.pareto import Floats
from archsim.explore.results import FAILED
from archsim.explore.run_table import RunTable
from archsim.explore.space import Space
from archsim.explore.study import Sweep
from archsim.explore.table import FIXED, cell, column_type

if TYPE_CHECKING:
    import pandas as pd


def run_table(frame: pd.DataFrame, sweep: Sweep) -> RunTable:
    """The rows of `archsim.load_run` with the sweep that they are of; of two equal points the first counts."""
    genes = _genes(frame, sweep.space)
    _, first = np.unique(genes, axis=0, return_index=True)
    first.sort()
    keys = {*FIXED, *sweep.space.keys}
    failed = frame["status"].to_numpy() == FAILED
    reasons = frame["reason"].to_numpy()
    return RunTable(
        name=sweep.name,
        space=sweep.space,
        genes=genes[first],
        indices=frame["index"].to_numpy(np.int64)[first],
        ids=tuple(str(item) for item in frame["point_id"].to_numpy()[first]),
        reasons=tuple(_reason(bool(failed[row]), reasons[row]) for row in first),
        values={str(name): _floats(frame[name])[first] for name in frame.columns if name not in keys},
        objectives=sweep.objectives,
        constraints=sweep.constraints,
    )


def _reason(failed: bool, reason: Any) -> str | None:
    return (reason if isinstance(reason, str) else "failed") if failed else None


def _floats(column: pd.Series[Any]) -> Floats:
    return np.asarray(column.to_numpy(dtype=float, na_value=np.nan), float)


def _genes(frame: pd.DataFrame, space: Space) -> Genes:
    """Positions on the free axes, from the values in the table; 0 where an axis does not exist for a point."""
    found = np.zeros((len(frame), len(space.free)), np.int64)
    for place, axis in enumerate(space.free):
        kind = column_type(axis)
        positions = {cell(value, kind): number for number, value in reversed(list(enumerate(axis.values)))}
        column = frame[axis.key]
        missing = column.isna().to_numpy()
        found[~missing, place] = [positions[value] for value in column[~missing].tolist()]
    return found


def open_run(folder: str | Path) -> tuple[RunTable, Sweep]:
    """The points of a run folder, and the sweep that made it.

    Raises:
        InputError: the folder is no run of a sweep, or holds no point yet.
    """
    from archsim.core.errors import InputError, Problem
    from archsim.explore.load import load_run
    from archsim.explore.run_file import read_run_file, sweep_of

    path = Path(folder)
    sweep = sweep_of(read_run_file(path), path)
    frame = load_run(path)
    if not len(frame):
        raise InputError(
            Problem(file=str(folder), message="holds no point yet", hint=f"archsim sweep --resume {folder}")
        )
    return run_table(frame, sweep), sweep
