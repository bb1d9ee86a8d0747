"""The files of `archsim pareto`: document, table, plots."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.reports.run_folder import csv_text, write_files, write_text
from archsim.reports.values import json_text

if TYPE_CHECKING:
    from archsim.reports.plots import Chart
    from archsim.reports.sensitivity import Sensitivity
    from archsim.reports.sweep_front import SweepFront

JSON_FILE = "pareto.json"


def write_pareto(document: Mapping[str, Any], front: SweepFront, sensitivity: Sensitivity | None, folder: Path) -> Path:
    """Write the answers to `folder`, all files or none; errors as `write_files` raises them."""
    from archsim.reports.sweep_front_plot import draw_sweep_front

    writers = {"pareto.csv": lambda path: write_text(path, csv_text(front.rows(), front.columns()))}
    chart = draw_sweep_front(front)
    if chart is not None:
        writers |= _drawn("pareto", chart)
    if sensitivity is not None:
        from archsim.reports.sensitivity_plot import draw_sensitivity

        writers |= _drawn("sensitivity", draw_sensitivity(sensitivity))
    writers[JSON_FILE] = lambda path: write_text(path, json_text(dict(document)))
    return write_files(folder, writers)


def _drawn(name: str, chart: Chart) -> dict[str, Callable[[Path], None]]:
    from archsim.reports.plots import write_png
    from archsim.reports.sweep_front_plot import write_svg

    return {f"{name}.png": lambda path: write_png(chart, path), f"{name}.svg": lambda path: write_svg(chart, path)}
