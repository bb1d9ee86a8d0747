"""Drawing which dataflow wins for which format: a heat map of the objective beside bars of energy by component."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from archsim.reports.mapping_tables import WORDS
from archsim.reports.plots import COLOURS, DPI, FAINT, INK, Chart
from archsim.reports.values import engineering, printable

if TYPE_CHECKING:
    from archsim.reports.dataflows import Cell, DataflowComparison

SHADES = LinearSegmentedColormap.from_list("shades", ["#e8f3f9", COLOURS[0]])
"""From the best to `WORST` times it."""
WORST = 4.0
LABEL_INCHES = 0.085
"""Width of a letter of a label."""


def draw_dataflows(comparison: DataflowComparison) -> Chart:
    """The figure: formats down, dataflows across; the winner of each format is framed."""
    formats, flows = comparison.formats, comparison.dataflows
    left = 0.35 + LABEL_INCHES * max(len(name) for name in formats)
    map_width, bar_width = 0.95 * len(flows) + 0.2, 5.2
    bars_left = left + map_width + 0.5 + LABEL_INCHES * max(len(name) for name in flows)
    width = bars_left + bar_width + 0.3
    height = 1.7 + max(0.26 * len(comparison.cells), 0.5 * len(formats), 1.2)
    chart = Chart(figsize=(width, height), dpi=DPI)
    FigureCanvasAgg(chart)
    bottom, top = 0.75 / height, 1 - 0.85 / height
    heat = chart.add_axes((left / width, bottom, map_width / width, top - bottom))
    _heat(heat, comparison)
    bars = chart.add_axes((bars_left / width, bottom, bar_width / width, top - bottom))
    _bars(bars, comparison)
    title = f"{WORDS[comparison.objective].capitalize()} by format and dataflow: {comparison.design_name}"
    chart.text(0.012, 1 - 0.12 / height, printable(title), va="top", fontsize=11, weight="bold", parse_math=False)
    chart.text(0.012, 1 - 0.36 / height, printable(comparison.work), va="top", fontsize=8, color=INK, parse_math=False)
    return chart


def _heat(axes: Axes, comparison: DataflowComparison) -> None:
    formats, flows = comparison.formats, comparison.dataflows
    for y, name in enumerate(formats):
        best = comparison.best(name)
        for x, flow in enumerate(flows):
            _box(axes, comparison.cell(name, flow), best, x, y)
    axes.set_xlim(-0.5, len(flows) - 0.5)
    axes.set_ylim(len(formats) - 0.5, -0.5)
    axes.set_xticks(range(len(flows)), flows, fontsize=9)
    axes.set_yticks(range(len(formats)), [printable(name) for name in formats], fontsize=9, parse_math=False)
    axes.tick_params(length=0)
    axes.set_xlabel("times the best of the format", fontsize=8)
    for side in axes.spines.values():
        side.set_visible(False)


def _box(axes: Axes, cell: Cell, best: Cell | None, x: int, y: int) -> None:
    """One cell: its shade and number; a frame around the winner."""
    if cell.outcome is None or best is None or best.outcome is None:
        axes.add_patch(Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor="#f3f3f3", hatch="//", edgecolor=FAINT))
        return
    above = cell.outcome.value / best.outcome.value
    shade = min(1.0, math.log(above) / math.log(WORST)) if above > 1 else 0.0
    edge, line = (COLOURS[5], 2.0) if cell is best else ("white", 0.5)
    box = Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=SHADES(shade), edgecolor=edge, linewidth=line)
    axes.add_patch(box)
    ink = "white" if shade > 0.6 else INK
    text = f"{above:.2f}\n{engineering(cell.outcome.latency_s, 's')}"
    axes.text(x, y, text, ha="center", va="center", fontsize=7.5, color=ink, parse_math=False)


def _bars(axes: Axes, comparison: DataflowComparison) -> None:
    """Energy of every cell, stacked by component in one order of colours."""
    cells = [cell for cell in comparison.cells if cell.outcome is not None]
    names = [
        name for name in _components(cells) if any((c.outcome.energy_j.get(name, 0) if c.outcome else 0) for c in cells)
    ]
    starts = [0.0] * len(cells)
    for index, name in enumerate(names):
        lengths = [cell.outcome.energy_j.get(name, 0.0) if cell.outcome else 0.0 for cell in cells]
        colour = COLOURS[index % len(COLOURS)]
        axes.barh(range(len(cells)), lengths, left=starts, height=0.7, color=colour, label=printable(name))
        starts = [start + length for start, length in zip(starts, lengths, strict=True)]
    for row, (cell, total) in enumerate(zip(cells, starts, strict=True)):
        assert cell.outcome is not None
        text = f" {engineering(total, 'J')}, {cell.outcome.bound}"
        axes.text(total, row, text, va="center", fontsize=7, color=INK, parse_math=False)
    labels = [cell.dataflow for cell in cells]
    axes.set_yticks(range(len(cells)), labels, fontsize=8)
    axes.set_ylim(len(cells) - 0.4, -0.6)
    axes.set_xlim(0, 1.3 * max(starts, default=1.0))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: engineering(value, "J", 2)))
    axes.tick_params(axis="x", labelsize=8)
    axes.tick_params(axis="y", length=0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.set_xlabel("energy, and what binds; rows in the order of the formats", fontsize=8)
    for row in range(1, len(cells)):
        if cells[row].format != cells[row - 1].format:
            axes.axhline(row - 0.5, color=FAINT, linewidth=0.8)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=5, fontsize=7.5, frameon=False, handlelength=1)


def _components(cells: list[Cell]) -> list[str]:
    """Components that take energy in any cell, in the order of the results."""
    known = [cell.outcome.energy_j for cell in cells if cell.outcome is not None]
    return [
        name for name in dict.fromkeys(name for one in known for name in one) if any(one.get(name) for one in known)
    ]
