"""Drawing a whole space of mappings: how many lie at each energy and time, its front, and the optimum found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm

from archsim.reports.plots import COLOURS, DPI, FAINT, INK, Chart
from archsim.reports.values import printable

if TYPE_CHECKING:
    from archsim.reports.mapping_space import MappingSpace

WIDTH, HEIGHT = 7.2, 5.2


def draw_space(report: MappingSpace) -> Chart:
    """The figure: the density of legal mappings, energy against cycles."""
    chart = Chart(figsize=(WIDTH, HEIGHT), dpi=DPI)
    FigureCanvasAgg(chart)
    axes = chart.add_axes((0.95 / WIDTH, 0.65 / HEIGHT, (WIDTH - 2.0) / WIDTH, (HEIGHT - 1.45) / HEIGHT))
    _density(chart, axes, report)
    front = report.space.front
    axes.plot(
        [cycles for _, cycles in front], [energy for energy, _ in front],
        color=COLOURS[1], linewidth=1.4, marker=".", label="front", zorder=3,
    )  # fmt: skip
    _mark(axes, report.found.cycles, report.found.energy_pj, "*", COLOURS[5], "found")
    if report.given is not None:
        _mark(axes, report.given.cycles, report.given.energy_pj, "X", COLOURS[3], "given")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("cycles", fontsize=9)
    axes.set_ylabel("energy in pJ", fontsize=9)
    axes.grid(True, color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8, colors=INK, which="both")
    axes.legend(fontsize=8, frameon=False)
    title = f"All mappings by energy and time: {report.design_name}"
    chart.text(0.012, 1 - 0.12 / HEIGHT, printable(title), va="top", fontsize=11, weight="bold", color=INK,
               parse_math=False)  # fmt: skip
    text = f"{report.work}: {report.space.legal:,} legal of {report.space.mappings:,} mappings"
    chart.text(0.012, 1 - 0.38 / HEIGHT, printable(text), va="top", fontsize=8, color=INK, parse_math=False)
    return chart


def _density(chart: Chart, axes: Axes, report: MappingSpace) -> None:
    histogram = report.space.histogram
    if histogram is None or not histogram.counts.any():
        return
    rows, columns = np.flatnonzero(histogram.counts.any(axis=1)), np.flatnonzero(histogram.counts.any(axis=0))
    counts = histogram.counts[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float64)
    mesh = axes.pcolormesh(
        histogram.cycle_edges[columns[0] : columns[-1] + 2],
        histogram.energy_edges_pj[rows[0] : rows[-1] + 2],
        np.where(counts > 0, counts, np.nan),
        norm=LogNorm(vmin=1, vmax=max(2.0, float(counts.max()))),
        cmap="Blues",
        zorder=2,
    )
    bar = chart.colorbar(mesh, ax=axes, fraction=0.05, pad=0.02)
    bar.set_label("legal mappings", fontsize=8)
    bar.ax.tick_params(labelsize=7)


def _mark(axes: Axes, cycles: float, energy_pj: float, marker: str, colour: str, name: str) -> None:
    # The optimum lies in a corner of the axes: unclipped, its mark stays whole.
    axes.scatter(
        [cycles], [energy_pj], marker=marker, s=130, color=colour, edgecolors=INK, linewidths=0.6, label=name, zorder=4,
        clip_on=False,
    )  # fmt: skip
