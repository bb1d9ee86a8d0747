"""The files that `archsim map` leaves of a comparison or a front: document, table and plot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from archsim.reports import dataflows, mapping_space
from archsim.reports.front import COLUMNS
from archsim.reports.run_folder import csv_text, write_files, write_text
from archsim.reports.values import json_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from archsim.reports.dataflows import DataflowComparison
    from archsim.reports.front import Front
    from archsim.reports.mapping_space import MappingSpace

DATAFLOWS = "dataflows.json"


def write_dataflows(comparison: DataflowComparison, folder: Path) -> Path:
    """Write a comparison of dataflows to `folder`, all or none; errors as `write_files` raises them."""
    return write_files(
        folder,
        {
            "dataflows.csv": lambda path: write_text(path, csv_text(comparison.rows(), dataflows.COLUMNS)),
            "dataflows.png": lambda path: _write_plot(_dataflow_figure(comparison), path),
            DATAFLOWS: lambda path: write_text(path, json_text(comparison.to_dict())),
        },
    )


def write_front(front: Front, folder: Path) -> Path:
    """Write a front to `folder`, all or none; errors as `write_files` raises them."""
    return write_files(
        folder,
        {
            "front.csv": lambda path: write_text(path, csv_text(front.rows(), COLUMNS)),
            "front.png": lambda path: _write_plot(_front_figure(front), path),
            "front.json": lambda path: write_text(path, json_text(front.to_dict())),
        },
    )


def write_space(report: MappingSpace, folder: Path) -> Path:
    """Write a whole space to `folder`, all or none; errors as `write_files` raises them."""
    return write_files(
        folder,
        {
            "space.csv": lambda path: write_text(path, csv_text(report.rows(), mapping_space.COLUMNS)),
            "space.png": lambda path: _write_plot(_space_figure(report), path),
            "space.json": lambda path: write_text(path, json_text(report.to_dict())),
        },
    )


def _space_figure(report: MappingSpace) -> Figure:
    from archsim.reports.mapping_space_plot import draw_space

    return draw_space(report)


def _front_figure(front: Front) -> Figure:
    from archsim.reports.front_plot import draw_front

    return draw_front(front)


def _dataflow_figure(comparison: DataflowComparison) -> Figure:
    from archsim.reports.dataflow_plot import draw_dataflows

    return draw_dataflows(comparison)


def _write_plot(figure: Figure, path: Path) -> None:
    from archsim.reports.plots import write_png

    write_png(figure, path)
