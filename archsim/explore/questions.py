"""A run folder opened for questions: its points as arrays, and more of them where a question needs more.

What questions evaluate is kept in the folder ``further`` of the run, apart from the points of the sweep, which stay
what the sweep asked for; later questions find it there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from archsim.core.errors import InputError, Problem
from archsim.explore.chunks import Chunk, chunk_size, spans
from archsim.explore.further import EvaluatePoints
from archsim.explore.neighbours import Genes
from archsim.explore.pareto import Floats
from archsim.explore.results import FAILED, PointResult
from archsim.explore.run_table import RunTable
from archsim.explore.runs import Run
from archsim.explore.space import Point, Space
from archsim.explore.store import Store, locked
from archsim.explore.study import Sweep
from archsim.explore.table import FIXED, cell, column_type

if TYPE_CHECKING:
    import pandas as pd

FURTHER = "further"


def table_of_run(run: Run) -> RunTable:
    """The points of a run, then those that questions have evaluated. Raises InputError when it holds no point yet."""
    import pandas as pd

    frame = run.frame()
    if not len(frame):
        hint = "archsim sweep goes on with it"
        raise InputError(Problem(file=str(run.folder), message="holds no point yet", hint=hint))
    store = _store(run)
    further = [store.read(path).to_pandas().assign(index=-1) for path in store.stored().values()]
    return run_table(pd.concat([frame, *further], ignore_index=True) if further else frame, run.sweep)


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
    return (reason if isinstance(reason, str) else FAILED) if failed else None


def _floats(column: pd.Series[Any]) -> Floats:
    return np.asarray(column.to_numpy(dtype=float, na_value=np.nan), float)


def _genes(frame: pd.DataFrame, space: Space) -> Genes:
    """Positions on the free axes, from the values in the table; 0 where an axis does not exist for a point."""
    found = np.zeros((len(frame), len(space.free)), np.int64)
    for place, axis in enumerate(space.free):
        kind = column_type(axis)
        positions = {cell(value, kind): number for number, value in reversed(list(enumerate(axis.values)))}
        column = frame[axis.key]
        present = column.notna().to_numpy()
        found[present, place] = [positions[value] for value in column[present].tolist()]
    return found


def _store(run: Run) -> Store:
    return Store(run.folder / FURTHER, run.sweep, run.store.run_hash)


@contextmanager
def evaluating(
    run: Run,
    points: int,
    *,
    workers: int | None = None,
    cluster: str | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> Iterator[EvaluatePoints]:
    """What evaluates further points of a run, and keeps them in its folder.

    By as many processes as `workers` says, else one for each core, but no more than are worth their start for `points`.

    Raises InputError when the run was made by another version of the model: its points and new ones must not mix.
    """
    from archsim.explore.team import Team
    from archsim.explore.version import model_version
    from archsim.explore.workers import Recipe, workers_for

    if run.sweep.spec.model_version != model_version():
        made, now = run.sweep.spec.model_version, model_version()
        message = f"was made by archsim {made}, this is {now}: new points cannot be compared with its own"
        raise InputError(Problem(file=str(run.folder), message=message, hint="run the sweep again"))
    store = _store(run)
    with locked(run.folder):
        store.prepare()
        team = Team(
            Recipe(store.run_hash, run.sweep.spec, run.sweep.space),
            lambda: workers_for(workers, cluster, max(1, points // _WORTH_A_PROCESS)),
            note,
        )
        try:
            yield _Keeping(store, team)
        finally:
            team.stop()


_WORTH_A_PROCESS = 32
"""Points: a process takes a second or two to start."""


class _Keeping:
    """Evaluates points in chunks and stores each chunk as it is done."""

    def __init__(self, store: Store, team: Any) -> None:
        self._store, self._team = store, team
        self._next = 1 + max((last for _, last in store.stored()), default=-1)

    def __call__(self, points: Sequence[Point]) -> list[PointResult]:
        genes = tuple(point.genes for point in points)
        begin = self._next
        self._next += len(genes)
        chunks = [
            Chunk(first, count, genes[first - begin : first - begin + count])
            for first, count in spans(begin, len(genes), chunk_size(len(genes)))
        ]
        found: dict[int, list[PointResult]] = {}
        for chunk, rows in self._team.work(chunks):
            self._store.write(chunk, rows)
            found[chunk.first] = rows
        return [row for first in sorted(found) for row in found[first]]
