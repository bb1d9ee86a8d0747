"""Chunks on disk: one Parquet file each, complete or not there, and never taken for what it is not.

A file is named after its points and the hash of its bytes: ``points/000000256-000000511-1a2b3c4d5e6f.parquet``. It is
written under another name, flushed, and renamed. What a crash leaves behind has no such name; what changes afterwards
no longer fits it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from archsim.core.errors import ArchsimError
from archsim.explore.chunks import Chunk
from archsim.explore.results import PointResult
from archsim.explore.table import POINTS_KEY, RUN_KEY, parquet_bytes, rows_table, table_of, table_schema

if TYPE_CHECKING:
    import pyarrow as pa

    from archsim.explore.study import Sweep

POINTS, DAMAGED = "points", "damaged"
_NAME = re.compile(r"(\d{9})-(\d{9})-([0-9a-f]{12})\.parquet")
_PARTIAL = ".partial"


class ChunkError(ArchsimError):
    """A chunk's file does not hold what it should."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path}: {reason}")


@dataclass(frozen=True, slots=True)
class Store:
    """The chunks of one run."""

    folder: Path
    """The run's."""
    sweep: Sweep
    run_hash: str

    @property
    def points(self) -> Path:
        return self.folder / POINTS

    def prepare(self) -> None:
        """Make the folder, and clear away what a crash has left half written."""
        self.points.mkdir(parents=True, exist_ok=True)
        for path in self.points.glob(f".*{_PARTIAL}"):
            path.unlink()

    def write(self, chunk: Chunk, rows: Sequence[PointResult]) -> pa.Table:
        """Store a chunk and return its table. Raises OSError, and leaves nothing behind, when it cannot be written."""
        metadata = {RUN_KEY: self.run_hash.encode(), POINTS_KEY: chunk.digest.encode()}
        table = rows_table(rows, self.sweep, metadata)
        content = parquet_bytes(table)
        name = f"{chunk.first:09d}-{chunk.last:09d}-{hashlib.sha256(content).hexdigest()[:12]}.parquet"
        write_through(self.points / name, content)
        return table

    def stored(self) -> dict[tuple[int, int], Path]:
        """Files by the first and last number of their points, in that order."""
        found: dict[tuple[int, int], Path] = {}
        for path in sorted(self.points.glob("*.parquet")):
            match = _NAME.fullmatch(path.name)
            if match is None:
                raise ChunkError(path, "is no chunk of this run: move it out of the folder")
            found[int(match[1]), int(match[2])] = path
        return found

    def read(self, path: Path, chunk: Chunk | None = None) -> pa.Table:
        """The table of a chunk's file, checked. Raises ChunkError when it is not what was written, or not of this run.

        With `chunk`, it also must hold these very points.
        """
        import pyarrow as pa

        match = _NAME.fullmatch(path.name)
        assert match is not None
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest()[:12] != match[3]:
            raise ChunkError(path, f"is damaged: its {len(content)} bytes are not those that were written")
        try:
            table = table_of(content)
        except (pa.ArrowException, OSError) as error:
            raise ChunkError(path, f"is not a Parquet file: {error}") from None
        metadata = table.schema.metadata or {}
        if metadata.get(RUN_KEY) != self.run_hash.encode():
            raise ChunkError(path, "is of another run")
        if not table.schema.equals(table_schema(self.sweep)):
            raise ChunkError(path, "has other columns than this run")
        numbers = list(range(int(match[1]), int(match[2]) + 1))
        if table["index"].to_pylist() != numbers:
            raise ChunkError(path, "has other points than its name says")
        if chunk is not None and metadata.get(POINTS_KEY) != chunk.digest.encode():
            raise ChunkError(path, "has other points than this sweep asks for: other versions of libraries chose them")
        return table

    def set_aside(self, error: ChunkError) -> Path:
        """Move a file that cannot be used out of the way; it is kept."""
        target = self.folder / DAMAGED / error.path.name
        target.parent.mkdir(exist_ok=True)
        os.replace(error.path, target)
        return target


def write_through(path: Path, content: bytes) -> None:
    """A file that appears complete or not at all, also when the machine stops right after."""
    partial = path.with_name(f".{path.name}{_PARTIAL}")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:  # whatever stopped it; a finished file has its own name by now
        partial.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a run to one process at a time. Raises ArchsimError when another one works on it.

    The lock goes with its process, however that ends. Systems without such locks go without.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    with (folder / ".lock").open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ArchsimError(f"{folder}: another process works on this run") from None
        yield
