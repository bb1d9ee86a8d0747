"""A run folder read: its table, its designs, its document."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import archsim
from archsim.explore.results import TOTALS
from archsim.explore.run_file import COMPLETE, read_run_file
from archsim.explore.store import Store
from archsim.explore.study import Sweep
from archsim.explore.table import FIXED, table_schema
from archsim.explore.tally import Tally
from archsim.reports.values import plain

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

SCHEMA = "archsim.sweep/1"


@dataclass(frozen=True)
class Run:
    """The run of a sweep: finished chunks in a folder, and all that made them."""

    folder: Path
    sweep: Sweep
    status: str
    rate_per_s: float | None = None
    """Points per second of the session that has just ended; None for a run that was opened."""
    evaluated: int = 0
    """Points that the session evaluated; others were there before."""

    @property
    def complete(self) -> bool:
        return self.status == COMPLETE

    @property
    def store(self) -> Store:
        return Store(self.folder, self.sweep, read_run_file(self.folder)["hash"])

    def tables(self) -> Iterator[pa.Table]:
        """Chunk after chunk in the order of points. Raises ChunkError for a damaged one."""
        store = self.store
        for path in store.stored().values():
            yield store.read(path)

    def table(self) -> pa.Table:
        """All points, in order, as an Arrow table."""
        import pyarrow as pa

        tables = [table.replace_schema_metadata(None) for table in self.tables()]
        return pa.concat_tables(tables) if tables else table_schema(self.sweep).empty_table()

    def frame(self) -> pd.DataFrame:
        """All points, in order, one row each: number, id, status, reason, axes, totals."""
        frame: pd.DataFrame = self.table().to_pandas()
        return frame

    @cached_property
    def tally(self) -> Tally:
        """Counts, reasons and the front, read chunk by chunk."""
        tally = Tally(self.sweep)
        for table in self.tables():
            tally.add(table)
        return tally

    @property
    def front(self) -> list[dict[str, Any]]:
        """Rows of the points that no other dominates, of those that meet every constraint."""
        return self.tally.front

    def to_dict(self) -> dict[str, Any]:
        """The document `archsim.sweep/1`."""
        tally = self.tally
        document = {
            "schema": SCHEMA,
            "run": str(self.folder),
            "name": self.sweep.name,
            "archsim": archsim.__version__,
            "status": self.status,
            "points": tally.points,
            "evaluated": self.evaluated,
            "failed": dict(sorted(tally.failed.items(), key=lambda item: (-item[1], item[0]))),
            "feasible": tally.feasible,
            "met": dict(tally.met),
            "known": dict(tally.known),
            "objectives": {objective.name: objective.sense for objective in self.sweep.objectives},
            "constraints": [str(constraint) for constraint in self.sweep.constraints],
            "axes": list(self.sweep.space.keys),
            "pareto": [shown(row, self.sweep) for row in self.front],
            "rate_per_s": self.rate_per_s,
        }
        cleaned: dict[str, Any] = plain(document)
        return cleaned

    def __repr__(self) -> str:
        return f"<Run {self.sweep.name!r}: {self.tally.points} points in {self.folder}, {self.status}>"


def shown(row: dict[str, Any], sweep: Sweep) -> dict[str, Any]:
    """What a document shows of a row: number, id, axes, totals; components stay in the table."""
    names = ["index", "point_id", *sweep.space.keys, *TOTALS]
    names += [item.name for item in sweep.objectives] + [item.name for item in sweep.constraints]
    return {name: row.get(name) for name in dict.fromkeys(names)}


def front_csv(sweep: Sweep, front: Sequence[dict[str, Any]]) -> str:
    """Rows of the front with every column but those that are the same for all of them."""
    columns = [name for name in table_schema(sweep).names if name not in FIXED[2:]]
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, fieldnames=columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(front)
    return file.getvalue()
