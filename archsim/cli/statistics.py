"""`archsim trace --stats`: what bit-serial and sparse engines see of a network's weights and activations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.cli import output
from archsim.cli.options import Options
from archsim.cli.requests import Exports, StatisticsRequest, TraceRequest
from archsim.core.errors import InputError, Problem
from archsim.core.spelling import brief

if TYPE_CHECKING:
    from archsim.api.statistics import Counted

TABLE, DOCUMENT, PLOT = "statistics.csv", "statistics.json", "statistics.png"
SIDE_SUFFIX = ".stats.parquet"
SET_HINT = "formats to count in are --formats; --set takes the keys of workload"


def run(source: str, request: TraceRequest, asked: StatisticsRequest, exports: Exports, options: Options) -> None:
    """Count, write the side file, the trace that names it, table, document and plot to `--out DIR`; print a table."""
    from archsim.api.statistics import DEFAULT_FORMATS, trace_statistics
    from archsim.cli.trace import request_of
    from archsim.reports.statistics import statistics_document
    from archsim.reports.statistics_tables import statistics_tables
    from archsim.workloads.statistics.tensor import DEFAULT_LANES

    _refuse_formats_set(options)
    _refuse_exports(exports)
    if options.folder is not None and options.folder.suffix and not options.folder.is_dir():
        raise InputError(Problem(key="--out", message="statistics are several files: name a folder"))
    groups = asked.groups
    counted = trace_statistics(
        source,
        listed(asked.formats) or DEFAULT_FORMATS,
        weights=asked.weights,
        samples=asked.samples,
        groups=DEFAULT_LANES if groups is None else tuple(_number(word) for word in listed(groups)),
        request=request_of(request),
        overrides=options.overrides,
    )
    document = statistics_document(counted.statistics)
    if options.folder is not None:
        for path in _save(counted, document, options.folder):
            output.note(f"wrote {path}", quiet=options.quiet)
    if options.json:
        output.emit_json(document)
    else:
        output.emit_tables(statistics_tables(document, output.width()))


def refuse_without_stats(asked: StatisticsRequest) -> None:
    """Raise InputError for options that only `--stats` takes."""
    problems = [
        Problem(key=f"--{name}", message="says nothing without --stats")
        for name, value in asdict(asked).items()
        if value
    ]
    if problems:
        raise InputError(problems)


def _refuse_formats_set(options: Options) -> None:
    from archsim.api.trace import workload_keys

    chosen = workload_keys(options.overrides)
    problems = [
        Problem(key="--set", message=f"'{brief(text)}' says nothing beside --stats", hint=SET_HINT)
        for text in options.overrides
        if text not in chosen
    ]
    if problems:
        raise InputError(problems)


def _refuse_exports(exports: Exports) -> None:
    stated = {"--scale-sim": exports.scale_sim, "--cfg": exports.cfg}
    problems = [Problem(key=key, message="says nothing beside --stats") for key, path in stated.items() if path]
    if problems:
        raise InputError(problems)


def listed(text: str | None) -> list[str]:
    """The words between commas."""
    return [word for part in (text or "").split(",") if (word := part.strip())]


def _number(word: str) -> int:
    if not (word.isascii() and word.isdecimal() and len(word) < 10):
        raise InputError(Problem(key="--groups", message=f"must be numbers with commas between them (got {word!r})"))
    return int(word)


def _save(counted: Counted, document: Mapping[str, Any], folder: Path) -> list[Path]:
    from archsim.reports.plots import write_png
    from archsim.reports.run_folder import csv_text, run_name, write_files, write_text
    from archsim.reports.statistics import COLUMNS, statistics_rows
    from archsim.reports.statistics_plot import draw_statistics
    from archsim.reports.values import json_text
    from archsim.workloads.statistics.side_file import write_statistics
    from archsim.workloads.table import write_trace

    statistics = counted.statistics
    name = run_name(statistics.name)
    side_file = f"{name}{SIDE_SUFFIX}"
    writers = {
        side_file: lambda path: write_statistics(statistics, path),
        TABLE: lambda path: write_text(path, csv_text(statistics_rows(statistics), COLUMNS)),
        DOCUMENT: lambda path: write_text(path, json_text(document)),
        PLOT: lambda path: write_png(draw_statistics(statistics), path),
    }
    if counted.trace is not None:
        linked = counted.linked(side_file)
        writers[f"{name}.csv"] = lambda path: write_trace(linked, path)
    write_files(folder, writers)
    return [folder / file for file in writers]
