"""The run folder: everything one evaluation leaves on disk, the same bytes for the same result.

Files are first written to a hidden folder beside the target. A new target appears by one rename. In a target that holds
an earlier run, archsim's own files are replaced one by one (each by an atomic rename) and every other file stays.
"""

from __future__ import annotations

import csv
import io
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.core.errors import InputError, Problem
from archsim.reports import records
from archsim.reports.values import json_text, plain

if TYPE_CHECKING:
    from archsim.reports.evaluation import Evaluation

RESOLVED = "design.resolved.json"
RESOLVED_SCHEMA = "archsim.resolved-design/1"
SUMMARY = "summary.json"
RUNS = Path("runs")

Writer = Callable[["Evaluation", Path], None]


def run_name(design_name: str) -> str:
    """A folder name for a design: letters, digits, dot, dash and underscore; never empty, hidden or a path.

    >>> run_name("edge array"), run_name("../../etc")
    ('edge-array', 'etc')
    """
    return re.sub(r"[^\w.-]+", "-", design_name).strip(".-") or "design"


def default_folder(design_name: str) -> Path:
    """Where a run goes without `--out`: ``runs/<design name>`` under the working folder."""
    return RUNS / run_name(design_name)


def write_run(evaluation: Evaluation, folder: Path) -> Path:
    """Write all files of a run to `folder` and return it.

    Raises:
        InputError: when `folder` is a file, or holds files of these names that are not from a run of archsim.
        OSError: when writing fails; nothing new is left behind then.
    """
    return write_files(folder, {name: _bind(writer, evaluation) for name, writer in _writers().items()}, RESOLVED)


def write_files(folder: Path, writers: dict[str, Callable[[Path], None]], marker: str | None = None) -> Path:
    """Write each named file with its writer, all or none; `marker` names the file that shows a folder to be archsim's.

    Raises:
        InputError: when `folder` is a file, or holds one of the files without the marker.
        OSError: when writing fails.
    """
    target = folder.resolve()
    _check_target(folder, writers, marker)
    with _staging(target) as staging:
        for name, writer in writers.items():
            try:
                writer(staging / name)
            except OSError as error:
                raise OSError(
                    error.errno, f"cannot be written: {error.strerror or error}", str(folder / name)
                ) from error
        if target.is_dir():
            for name in writers:
                os.replace(staging / name, target / name)
        else:
            os.rename(staging, target)
    return folder


def resolved_document(evaluation: Evaluation) -> dict[str, Any]:
    """The design as it was run, with the versions of what computed it."""
    versions = {
        "archsim": evaluation.archsim_version,
        "python": platform.python_version(),
        "numba": _version("numba"),
        "numpy": _version("numpy"),
    }
    document = {
        "schema": RESOLVED_SCHEMA,
        "name": evaluation.design_name,
        "versions": versions,
        "design": evaluation.resolved,
        **({"files": dict(evaluation.files)} if evaluation.files else {}),
    }
    cleaned: dict[str, Any] = plain(document)
    return cleaned


def csv_text(rows: list[records.Row], columns: dict[str, str]) -> str:
    """Rows as CSV with a header; a value that does not exist is an empty cell; floats keep all their digits."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, fieldnames=list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def write_parquet(rows: list[records.Row], columns: dict[str, str], path: Path) -> None:
    """Rows as Parquet with the types that the columns declare."""
    import pyarrow.parquet as pq

    from archsim.reports.arrow import arrow_table

    pq.write_table(arrow_table(rows, columns), path)


def _writers() -> dict[str, Writer]:
    """The files of a run, in the order they are written; the summary last, so that it stands for a complete run."""
    return {
        RESOLVED: lambda evaluation, path: write_text(path, json_text(resolved_document(evaluation))),
        "layers.csv": lambda evaluation, path: write_text(path, csv_text(*_layer_table(evaluation))),
        "layers.parquet": lambda evaluation, path: write_parquet(*_layer_table(evaluation), path),
        "roofline.png": _plot("roofline"),
        "latency.png": _plot("latency"),
        "energy.png": _plot("energy"),
        SUMMARY: lambda evaluation, path: write_text(path, json_text(evaluation.to_dict())),
    }


def _bind(writer: Writer, evaluation: Evaluation) -> Callable[[Path], None]:
    return lambda path: writer(evaluation, path)


def _plot(kind: str) -> Writer:
    def write(evaluation: Evaluation, path: Path) -> None:
        from archsim.reports.plots import write_png

        write_png(evaluation.plot(kind), path)

    return write


def _layer_table(evaluation: Evaluation) -> tuple[list[records.Row], dict[str, str]]:
    return records.layer_rows(evaluation.cost), records.layer_columns(evaluation.cost)


def write_text(path: Path, text: str) -> None:
    """Text as UTF-8 with Unix line ends on every system."""
    path.write_text(text, encoding="utf-8", newline="\n")


def _check_target(folder: Path, names: dict[str, Callable[[Path], None]], marker: str | None) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(Problem(message="is a file, not a folder", file=str(folder), hint="pass another --out"))
    if marker is None or not folder.is_dir() or (folder / marker).exists():
        return
    foreign = [name for name in names if (folder / name).exists()]
    if foreign:
        raise InputError(
            Problem(
                message=f"holds {', '.join(foreign)} but no {marker}: not a run folder, nothing was overwritten",
                file=str(folder),
                hint="pass another --out",
            )
        )


@contextmanager
def _staging(target: Path) -> Iterator[Path]:
    """A folder beside `target` to write into; afterwards it is gone, after a failure with every folder made for it."""
    made = [parent for parent in target.parents if not parent.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    hidden = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=".partial"))
    try:
        staging = hidden / "run"
        staging.mkdir()  # the hidden folder is private; this one has the permissions of any new folder
        yield staging
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        for parent in made:
            with suppress(OSError):
                parent.rmdir()
        raise
    shutil.rmtree(hidden, ignore_errors=True)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
