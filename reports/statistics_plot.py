"""Bit statistics of a network as one figure: a row of panels for each format."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from archsim.reports.plots import COLOURS, DPI, FAINT, INK, MARKERS, Chart
from archsim.reports.values import printable

if TYPE_CHECKING:
    from archsim.workloads.statistics.records import FormatStatistics, TraceStatistics

Counts = NDArray[np.int64]

FORMATS = 6
"""Rows of panels at most: the formats that were named first."""
WIDTH, ROW_HEIGHT, TITLE_HEIGHT = 13.0, 3.0, 0.75
_COUNTED = ("essential_bits", "booth_digits", "columns")
_TITLES = {
    "essential_bits": "essential bits, largest of the lanes",
    "booth_digits": "Booth digits, largest of the lanes",
    "columns": "magnitude bit columns with a one",
}


def draw_statistics(statistics: TraceStatistics) -> Figure:
    """Shares of groups by essential bits, Booth digits and bit columns, for each size of groups, over all tensors."""
    formats: dict[str, list[FormatStatistics]] = {}
    for tensor in statistics.tensors:
        for found in tensor.formats:
            formats.setdefault(f"{found.format}, {tensor.operand}", []).append(found)
    shown = list(formats.items())[:FORMATS]
    chart = Chart(figsize=(WIDTH, ROW_HEIGHT * len(shown) + 0.5), dpi=DPI)
    FigureCanvasAgg(chart)
    panels = chart.subplots(len(shown), len(_COUNTED), squeeze=False)
    for row, (name, parts) in zip(panels, shown, strict=True):
        for axes, statistic in zip(row, _COUNTED, strict=True):
            _panel(axes, parts, statistic)
            axes.set_title(printable(f"{name}: {_TITLES[statistic]}"), fontsize=8.5, loc="left", parse_math=False)
    panels[0][-1].legend(title="lanes", fontsize=7.5, title_fontsize=7.5, frameon=False)
    hidden = len(formats) - len(shown)
    more = f" ({hidden} more formats in the side file)" if hidden else ""
    title, height = printable(f"{statistics.name}{more}"), chart.get_figheight()
    chart.suptitle(title, fontsize=10, x=0.01, y=1 - 0.1 / height, ha="left", va="top", parse_math=False)
    chart.subplots_adjust(left=0.05, right=0.985, top=1 - TITLE_HEIGHT / height, bottom=0.35 / height, hspace=0.45)
    return chart


def _panel(axes: Axes, parts: list[FormatStatistics], statistic: str) -> None:
    for index, lanes in enumerate(parts[0].groups):
        counts = _added(part.histogram(statistic, lanes) for part in parts)
        axes.plot(
            np.arange(counts.size),
            counts / counts.sum(),
            color=COLOURS[index % len(COLOURS)],
            marker=MARKERS[index % len(MARKERS)],
            markersize=4,
            linewidth=1.2,
            label=str(lanes),
        )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1.0, decimals=0))
    axes.set_ylim(bottom=0.0)
    axes.grid(True, color=FAINT, linewidth=0.5)
    axes.tick_params(labelsize=7.5, colors=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _added(histograms: Iterable[Counts]) -> Counts:
    """The sum of histograms, the shorter ones filled up with zeros."""
    found = list(histograms)
    total = np.zeros(max(item.size for item in found), dtype=np.int64)
    for item in found:
        total[: item.size] += item
    return total
