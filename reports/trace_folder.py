"""The folder of a trace: tables that designs can name, the document and plots; the same bytes for the same trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.reports.run_folder import run_name, write_files, write_text
from archsim.reports.values import json_text, plain
from archsim.workloads.table import write_trace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from archsim.workloads.trace import Trace

Writer = Callable[[Path], None]


def write_trace_folder(
    trace: Trace, document: Mapping[str, Any], folder: Path, extra: Mapping[str, str] | None = None
) -> list[Path]:
    """Write a trace's files, and `extra` texts by name, to `folder`, all or none; returns their paths.

    `trace` is what the tables hold, `document` what the JSON and the plots show (it may have formats that the tables
    leave to the design). Errors as `write_files` raises them.
    """
    from archsim.reports.trace_plots import draw_bytes, draw_intensity

    stem = run_name(trace.name)
    writers: dict[str, Writer] = {
        f"{stem}.csv": lambda path: write_trace(trace, path),
        f"{stem}.parquet": lambda path: write_trace(trace, path),
        f"{stem}.json": lambda path: write_text(path, json_text(plain(document))),
        f"{stem}-bytes.png": _plot(lambda: draw_bytes(document)),
        f"{stem}-intensity.png": _plot(lambda: draw_intensity(document)),
    }
    writers |= {name: _text(text) for name, text in (extra or {}).items()}
    write_files(folder, writers)
    return [folder / name for name in writers]


def _plot(draw: Callable[[], Figure]) -> Writer:
    def write(path: Path) -> None:
        from archsim.reports.plots import write_png

        write_png(draw(), path)

    return write


def _text(text: str) -> Writer:
    return lambda path: write_text(path, text)
