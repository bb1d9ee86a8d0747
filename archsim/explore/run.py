"""`archsim.sweep`: a design space worked off, chunk by chunk, into a folder from which it can go on at any time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from archsim.core.errors import ArchsimError, InputError, Problem
from archsim.core.kernels import compiled_before
from archsim.explore.begun import read_begun
from archsim.explore.chunks import Chunk, chunk_size
from archsim.explore.evolution import batch_size, evolve_run
from archsim.explore.read import read_sweep
from archsim.explore.run_file import (
    COMPLETE,
    INCOMPLETE,
    RUN_FILE,
    SWEEP_FILE,
    read_run_file,
    run_document,
    run_hash,
    write_run_file,
)
from archsim.explore.samplers import sample
from archsim.explore.store import ChunkError, Store, locked, write_through
from archsim.explore.study import Sweep
from archsim.explore.tally import Tally
from archsim.explore.team import Team, WorkersLostError
from archsim.explore.workers import LocalProcesses, Recipe, Workers, evaluate_chunk, workers_for

if TYPE_CHECKING:
    import pyarrow as pa

    from archsim.explore.runs import Run


_KERNELS = ("archsim.mappers.branch_kernels", "archsim.sim.batch_kernels")
"""Modules whose kernels evaluate points."""


class Watcher:
    """Hears how a run goes on; does nothing with it."""

    def begin(self, total: int) -> None:
        """So many points will be there, or up to so many for a search."""

    def update(self, tally: Tally, evaluated: int, seconds: float) -> None:
        """Points have been added: `evaluated` of them by this session, in `seconds`."""

    def note(self, text: str) -> None:
        """Something the user should know, such as a chunk that was lost."""

    def end(self) -> None:
        """No more points come, for whatever reason."""


class SweepInterrupted(KeyboardInterrupt):
    """Ctrl-C during a sweep: what was finished is stored."""

    def __init__(self, folder: Path, stored: int, total: int) -> None:
        super().__init__(f"{stored} of {total} points are stored in {folder}")


class SweepStoppedError(ArchsimError):
    """A sweep that could not go on: what was finished is stored."""

    def __init__(self, reason: str, folder: Path, stored: int, total: int) -> None:
        super().__init__(f"{reason}; {stored} of {total} points are stored in {folder}")


def sweep(
    source: str | Path | Mapping[str, Any],
    *,
    overrides: Sequence[str] = (),
    out: str | Path | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    watcher: Watcher | None = None,
) -> Run:
    """Evaluate the points of a sweep file (or of its values), or those that a run's folder still lacks; return the run.

    `out` is the run's folder. A run of the same sweep that is there goes on where it stopped. Left out: the first of
    ``runs/NAME``, ``runs/NAME-2``, ... that is not another run's. `workers` are processes, one for each core if not
    said; `cluster` is the address of a dask scheduler whose workers are taken instead. `overrides` are
    ``dotted.key=value`` texts over the base design.

    A script needs ``if __name__ == "__main__":`` around the call, as for every pool of processes; ``workers=1`` needs
    none.

    Raises:
        InputError: the sweep is wrong (every problem at once), or `out` holds something else.
        SweepStoppedError: it could not go on (a full disk, workers that die); calling it again goes on.
        SweepInterrupted: ctrl-C, likewise.
    """
    if workers is not None and workers < 1:
        raise InputError(Problem(key="workers", message=f"must be at least 1 (got {workers})"))
    if isinstance(source, str | Path) and (Path(source) / RUN_FILE).is_file():
        if out is not None or overrides:
            message = "a run that goes on has its own folder and overrides: leave out and overrides out"
            raise InputError(Problem(file=str(source), message=message))
        read, folder = read_begun(Path(source)), Path(source)
    else:
        read = read_sweep(source, overrides)
        folder = folder_for(read) if out is None else Path(out)
    return Working(read, folder, workers, cluster, watcher or Watcher()).run()


def sweep_without_files(
    read: Sweep, *, workers: int | None = None, cluster: str | None = None, watcher: Watcher | None = None
) -> dict[str, Any]:
    """The document of a sweep that leaves no files."""
    with TemporaryDirectory(prefix="archsim-sweep-") as folder:
        run = Working(read, Path(folder), workers, cluster, watcher or Watcher()).run()
        return run.to_dict() | {"run": None}


def folder_for(read: Sweep) -> Path:
    """Where a run goes if nothing is said: the first folder of its name that is free, or holds this very run."""
    from archsim.reports.run_folder import default_folder

    base = default_folder(read.name)
    number = 1
    while True:
        folder = base if number == 1 else base.with_name(f"{base.name}-{number}")
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return folder
        if (folder / RUN_FILE).is_file() and read_run_file(folder)["hash"] == run_hash(read):
            return folder
        number += 1


@dataclass(slots=True)
class Working:
    """One session of work on a run."""

    sweep: Sweep
    folder: Path
    worker_count: int | None
    cluster: str | None
    watcher: Watcher
    evaluated: int = 0
    """Points evaluated in this session."""
    seconds: float = 0.0
    """Spent on them."""
    _tally: Tally = field(init=False)
    _store: Store = field(init=False)
    _chunk: int = field(init=False)
    _recipe: Recipe = field(init=False)
    _total: int = 0
    _open: dict[tuple[int, int], Path] = field(default_factory=dict)
    """Chunks of earlier sessions that have not been looked at."""

    def run(self) -> Run:
        """Work until all points are there. The folder can be taken up again whatever happens here."""
        from archsim.explore.runs import Run

        known = self._known_run()
        self._tally = Tally(self.sweep)
        self._recipe = Recipe(run_hash(self.sweep), self.sweep.spec, self.sweep.space)
        self._store = Store(self.folder, self.sweep, self._recipe.run_hash)
        method, points = self.sweep.search.method, self.sweep.search.points
        self._total = points or self.sweep.space.size
        together = self._total if method != "evolutionary" else batch_size(self.sweep.search)
        self._chunk = known or self.sweep.chunk or chunk_size(together)
        self._begin()
        with self._stopping(), locked(self.folder):
            self._store.prepare()
            self._open = self._store.stored()
            self._work()
            self._refuse_strangers()
            self._finish()
        done = Run(self.folder, self.sweep, COMPLETE, rate_per_s=self.rate_per_s, evaluated=self.evaluated)
        done.__dict__["tally"] = self._tally
        return done

    @property
    def rate_per_s(self) -> float | None:
        """Points per second of this session; None without any."""
        return self.evaluated / self.seconds if self.evaluated and self.seconds else None

    def _known_run(self) -> int | None:
        """The chunk size of the run that is in the folder; None for a new one. Raises InputError for another's."""
        if self.folder.exists() and not self.folder.is_dir():
            problem = Problem(file=str(self.folder), message="is a file, not a folder", hint="pass another --out")
            raise InputError(problem)
        if not self.folder.is_dir() or not any(self.folder.iterdir()):
            return None
        document = read_run_file(self.folder)
        if document["hash"] != run_hash(self.sweep):
            raise InputError(
                Problem(
                    file=str(self.folder),
                    message=f"holds points of another sweep: {changed(document, self.sweep)} changed since",
                    hint="pass another --out: points of two sweeps are never mixed",
                )
            )
        return int(document["chunk"])

    def _begin(self) -> None:
        """The run's own files, before the first point."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._write_document(INCOMPLETE)
            if self.sweep.document.text:
                write_through(self.folder / SWEEP_FILE, self.sweep.document.text)
        except OSError as error:
            raise ArchsimError(f"{self.folder}: cannot be written: {error.strerror or error}") from None

    def _write_document(self, status: str) -> None:
        write_run_file(run_document(self.sweep, self.folder, chunk=self._chunk, status=status), self.folder)

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        """What stops a run says how far it got."""
        try:
            yield
        except KeyboardInterrupt:
            raise SweepInterrupted(self.folder, self._tally.points, self._total) from None
        except OSError as error:
            reason = f"{error.filename or 'the output'}: {error.strerror or error}"
            raise SweepStoppedError(reason, self.folder, self._tally.points, self._total) from error
        except WorkersLostError as error:
            raise SweepStoppedError(str(error), self.folder, self._tally.points, self._total) from error
        finally:
            self.watcher.end()

    def _work(self) -> None:
        with ExitStack() as stack:
            team = Team(self._recipe, self._new_workers, self.watcher.note)
            stack.callback(team.stop)
            if self.sweep.search.method == "evolutionary":
                self.watcher.begin(self._total)
                evolve_run(self.sweep, lambda chunks: self._tables(lambda: chunks, team), self._chunk)
                self._total = self._tally.points
            else:
                chosen = sample(self.sweep.space, self.sweep.search)
                self.watcher.begin(self._total)
                deque(self._tables(lambda: chosen.chunks(self._chunk), team), maxlen=0)

    def _new_workers(self) -> Workers:
        """Workers, after the kernels they need were compiled by one process alone."""
        chunks = -(-self._total // self._chunk)
        compiled = all(compiled_before(module) for module in _KERNELS)
        if not compiled:
            self.watcher.note("compiling kernels: the first run of a version takes about a minute longer")
        workers = workers_for(self.worker_count, self.cluster, chunks)
        if not compiled and isinstance(workers, LocalProcesses):
            evaluate_chunk(self._recipe, Chunk(0, 1, ((0,) * len(self.sweep.space.free),)))
        return workers

    def _tables(self, chunks: Callable[[], Iterable[Chunk]], team: Team) -> Iterator[tuple[Chunk, pa.Table]]:
        """The table of each chunk, as it is there: from an earlier session, or evaluated and stored now."""
        missing: set[int] = set()
        for chunk in chunks():
            table = self._stored(chunk)
            if table is None:
                missing.add(chunk.first)
            else:
                yield self._told(chunk, table)
        began = time.perf_counter()
        for chunk, rows in team.work(chunk for chunk in chunks() if chunk.first in missing):
            table = self._store.write(chunk, rows)
            self.evaluated += chunk.count
            self.seconds += time.perf_counter() - began
            yield self._told(chunk, table)
            began = time.perf_counter()

    def _told(self, chunk: Chunk, table: pa.Table) -> tuple[Chunk, pa.Table]:
        self._tally.add(table)
        self.watcher.update(self._tally, self.evaluated, self.seconds)
        return chunk, table

    def _stored(self, chunk: Chunk) -> pa.Table | None:
        """A chunk's table from an earlier session; None without one. A file that is not right is put aside."""
        path = self._open.pop((chunk.first, chunk.last), None)
        if path is None:
            return None
        try:
            return self._store.read(path, chunk)
        except ChunkError as error:
            kept = self._store.set_aside(error)
            self.watcher.note(f"{error}; {chunk} are evaluated again, the file is kept as {kept}")
            return None

    def _refuse_strangers(self) -> None:
        """Raise ChunkError for a file with points that the run does not have."""
        for path in self._open.values():
            raise ChunkError(path, "has points that this run does not have: move it out of the folder")

    def _finish(self) -> None:
        from archsim.explore.runs import front_csv

        self._write_document(COMPLETE)
        write_through(self.folder / "pareto.csv", front_csv(self.sweep, self._tally.front).encode())
        self.watcher.update(self._tally, self.evaluated, self.seconds)


def changed(document: Mapping[str, Any], read: Sweep) -> str:
    """What differs between a run and a sweep, in words."""
    now = run_document(read, Path(), chunk=0, status="")
    names = {
        "axes": "the axes",
        "search": "the search",
        "mappings": "which mappings are taken",
        "workloads": "the workloads",
        "set": "--set",
        "objectives": "the objectives",
        "constraints": "the constraints",
        "model_version": "archsim itself",
    }
    found = [words for key, words in names.items() if document[key] != now[key]]
    return ", ".join(found) or "the design or a file that it names"
