"""Drawing a front: energy against time or against the size of a memory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from archsim.reports.plots import COLOURS, DPI, FAINT, INK, Chart
from archsim.reports.values import binary_bytes, engineering, printable

if TYPE_CHECKING:
    from archsim.reports.front import Front, Point

WIDTH, HEIGHT = 7.2, 4.8
LABELS = 9
"""Sizes that are written below the axis, at most: more would touch."""
PJ = 1e-12


def draw_front(front: Front) -> Chart:
    """The figure: all points, those of the front joined and named with their other cost."""
    chart = Chart(figsize=(WIDTH, HEIGHT), dpi=DPI)
    FigureCanvasAgg(chart)
    axes = chart.add_axes((0.95 / WIDTH, 0.65 / HEIGHT, (WIDTH - 1.25) / WIDTH, (HEIGHT - 1.35) / HEIGHT))
    across = [_across(front, point) for point in front.points]
    energies = [point.energy_pj * PJ for point in front.points]
    axes.scatter(across, energies, s=22, color="#999999", label="other", zorder=2)
    best = front.front
    xs, ys = [_across(front, point) for point in best], [point.energy_pj * PJ for point in best]
    axes.plot(xs, ys, color=COLOURS[0], linewidth=1.2, drawstyle="steps-post", zorder=3)
    axes.scatter(xs, ys, s=36, color=COLOURS[0], edgecolors=INK, linewidths=0.5, label="front", zorder=4)
    _axes(axes, front)
    what = f"size of {front.memory}" if front.memory else "time"
    title = f"Energy against {what}: {front.design_name}"
    y = 1 - 0.12 / HEIGHT
    chart.text(0.012, y, printable(title), va="top", fontsize=11, weight="bold", color=INK, parse_math=False)
    y = 1 - 0.36 / HEIGHT
    chart.text(0.012, y, printable(front.work), va="top", fontsize=8, color=INK, parse_math=False)
    return chart


def _across(front: Front, point: Point) -> float:
    return point.latency_s if front.memory is None else point.capacity_bytes or 0.0


def _axes(axes: Axes, front: Front) -> None:
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: engineering(value, "J")))
    axes.set_ylabel("energy", fontsize=9)
    if front.memory is None:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: engineering(value, "s")))
        axes.set_xlabel("time", fontsize=9)
    else:
        axes.set_xscale("log", base=2)
        sizes = [point.capacity_bytes or 1.0 for point in front.points]
        step = math.ceil(len(sizes) / LABELS)
        axes.set_xticks(
            sizes[::step], [binary_bytes(size).replace(".00", "").replace(".0", "") for size in sizes[::step]]
        )
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel(f"capacity of {printable(front.memory)}", fontsize=9, parse_math=False)
        if front.capacity_bytes is not None:
            axes.axvline(front.capacity_bytes, color=INK, linewidth=0.8, linestyle=":")
            axes.text(
                front.capacity_bytes, axes.get_ylim()[1], " design", fontsize=8, va="top", color=INK, parse_math=False
            )
    axes.grid(True, color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8, colors=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(fontsize=8, frameon=False)
