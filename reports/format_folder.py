"""The run folder of a comparison of formats: document, table and plot, the same bytes for the same comparison."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from archsim.reports.format_comparison import COLUMNS
from archsim.reports.run_folder import RUNS, csv_text, write_files, write_parquet, write_text
from archsim.reports.values import json_text

if TYPE_CHECKING:
    from archsim.reports.format_comparison import FormatComparison

DEFAULT_FOLDER = RUNS / "formats"
DOCUMENT = "format-comparison.json"


def write_comparison(comparison: FormatComparison, folder: Path) -> Path:
    """Write all files of a comparison to `folder`, all or none, and return it; errors as `write_files` raises them."""
    rows = comparison.rows()
    return write_files(
        folder,
        {
            "formats.csv": lambda path: write_text(path, csv_text(rows, COLUMNS)),
            "formats.parquet": lambda path: write_parquet(rows, COLUMNS, path),
            "sqnr.png": lambda path: _write_plot(comparison, path),
            DOCUMENT: lambda path: write_text(path, json_text(comparison.to_dict())),
        },
        marker=DOCUMENT,
    )


def _write_plot(comparison: FormatComparison, path: Path) -> None:
    from archsim.reports.plots import write_png

    write_png(comparison.plot(), path)
