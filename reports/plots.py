"""Drawing: roofline and per-layer bars as matplotlib figures, without a display and without global state."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from archsim.core.errors import InputError, unknown_name
from archsim.reports import plot_data
from archsim.reports.plot_data import BandwidthRoof, Bars, Roofline, RooflinePoint
from archsim.reports.values import engineering, percent, printable, ratio

if TYPE_CHECKING:
    from archsim.reports.evaluation import Evaluation

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
"""Distinguishable by colour-blind readers. Source: Okabe and Ito, "Color Universal Design", 2008."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h")
INK, FAINT = "#222222", "#c8c8c8"
DPI = 110
CROWD = 60
"""From so many points on, their outlines are thin."""
NAME_LENGTH = 36
NAMED_POINTS = 6
"""Points of the roofline that carry their name: those that take the most time, ..."""
NAMED_SHARE = 0.02
"""... and at least this fraction of it."""


class Chart(Figure):
    """A figure that notebooks show without pyplot."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        write_png(self, buffer)
        return buffer.getvalue()


def figure(evaluation: Evaluation, kind: str) -> Figure:
    """The figure of one kind.

    Raises:
        InputError: for an unknown kind.
    """
    drawings: dict[str, Callable[[Evaluation], Figure]] = {
        "latency": lambda result: draw_bars(plot_data.latency_bars(result), result.design_name),
        "energy": lambda result: draw_bars(plot_data.energy_bars(result), result.design_name),
        "roofline": lambda result: draw_roofline(plot_data.roofline(result), result.design_name),
    }
    if not isinstance(kind, str) or kind not in drawings:
        raise InputError(unknown_name("plot", str(kind), drawings))
    return drawings[kind](evaluation)


def write_png(drawing: Figure, target: Path | io.BytesIO) -> None:
    """The figure as a PNG whose bytes depend on the figure alone (no date, no software version)."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        drawing.savefig(target, format="png", dpi=DPI, metadata={"Software": None})


def draw_bars(bars: Bars, design_name: str) -> Figure:
    """Stacked horizontal bars in trace order, each ending in its total and share."""
    rows = len(bars.labels)
    labels = [_label(name, runs) for name, runs in zip(bars.labels, bars.runs, strict=True)]
    height = 1.35 + 0.27 * max(rows, 3)
    left = 0.25 + 0.083 * max((len(label) for label in labels), default=0)
    chart, axes = _chart(left + 7.4, height, left=left, right=1.35, bottom=0.45, top=0.75)
    end = _scale_end(bars)
    starts = [0.0] * rows
    for (name, lengths), colour in zip(bars.series.items(), _cycle(COLOURS), strict=False):
        values = [length * shrink for length, shrink in zip(lengths, _shrinking(bars, end), strict=True)]
        axes.barh(range(rows), values, left=starts, height=0.72, color=colour, label=printable(name))
        starts = [start + value for start, value in zip(starts, values, strict=True)]
    _bar_totals(axes, bars, end)
    _bar_axes(axes, labels, bars, end)
    _title(axes, f"{bars.title}: {design_name}", f"{engineering(math.fsum(bars.totals), bars.unit)} in all", height)
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=6, fontsize=8, frameon=False, borderaxespad=0.2, handlelength=1
    )
    return chart


def draw_roofline(data: Roofline, design_name: str) -> Figure:
    """Layers as points (area: share of time; colour and shape: what bounds them) under the compute and memory roofs."""
    chart, axes = _chart(8.6, 5.6, left=0.95, right=0.35, bottom=0.65, top=0.45)
    axes.set_xscale("log")
    axes.set_yscale("log")
    low, high = _intensity_range(data)
    axes.set_xlim(low, high)
    axes.set_ylim(*_performance_range(data, low))
    _draw_roofs(axes, data, low, high)
    _draw_points(axes, data, high)
    axes.set_xlabel("operations per DRAM byte", fontsize=9)
    axes.set_ylabel("operations per second", fontsize=9)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(numticks=9))
        axis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: engineering(value, "", 1)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(True, color=FAINT, linewidth=0.5)
    _title(axes, f"Roofline: {design_name}", "area of a point: its share of the time", 5.6)
    if data.points:
        legend = axes.legend(loc="lower right", fontsize=8, title="bound by", title_fontsize=8)
        for handle in legend.legend_handles:
            handle.set_sizes([36])  # type: ignore[union-attr]
    return chart


def _chart(width: float, height: float, *, left: float, right: float, bottom: float, top: float) -> tuple[Chart, Axes]:
    """A figure with one pair of axes; all lengths in inches."""
    chart = Chart(figsize=(width, height), dpi=DPI)
    FigureCanvasAgg(chart)
    box = (left / width, bottom / height, (width - left - right) / width, (height - bottom - top) / height)
    axes = chart.add_axes(box)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=8, colors=INK)
    axes.set_axisbelow(True)
    return chart, axes


def _title(axes: Axes, text: str, remark: str, height: float) -> None:
    y = 1 - 0.12 / height
    box = axes.get_position()
    drawing = axes.figure
    drawing.text(0.012, y, printable(text), va="top", fontsize=11, weight="bold", color=INK, parse_math=False)
    drawing.text(box.x1, y, remark, va="top", ha="right", fontsize=8, color=INK, parse_math=False)


def _label(name: str, runs: int) -> str:
    text = printable(name)
    if len(text) > NAME_LENGTH:
        half = (NAME_LENGTH - 1) // 2
        text = f"{text[:half]}…{text[-half:]}"
    return f"{text}  ×{runs}" if runs > 1 and not text.endswith(" more") else text


def _scale_end(bars: Bars) -> float:
    """Where the axis ends: at the longest bar, leaving out a bar of the rest that would dwarf the others."""
    shown = [length for index, length in enumerate(bars.totals) if index != bars.rest]
    longest = max(shown, default=0.0)
    rest = 0.0 if bars.rest is None else bars.totals[bars.rest]
    return 1.02 * (longest if rest > 2 * longest > 0 else max(longest, rest)) or 1.0


def _shrinking(bars: Bars, end: float) -> list[float]:
    """Factor of each bar: below 1 for one that would leave the axis, which then shows its parts but not its length."""
    return [min(1.0, end / length) if length else 1.0 for length in bars.totals]


def _bar_totals(axes: Axes, bars: Bars, end: float) -> None:
    total = math.fsum(bars.totals)
    for row, length in enumerate(bars.totals):
        text = f" {engineering(length, bars.unit)}  {percent(ratio(length, total))}"
        if length > end:
            text = f" »{text}"
        axes.text(min(length, end), row, text, va="center", fontsize=7.5, color=INK, parse_math=False)


def _bar_axes(axes: Axes, labels: list[str], bars: Bars, end: float) -> None:
    axes.set_yticks(range(len(labels)), labels, parse_math=False)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_xlim(0, end)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: engineering(value, bars.unit, 2)))
    axes.grid(True, axis="x", color=FAINT, linewidth=0.5)


def _cycle(colours: tuple[str, ...]) -> list[str]:
    return list(colours) * 8


def _intensity_range(data: Roofline) -> tuple[float, float]:
    known = [point.intensity_ops_per_byte for point in data.points if math.isfinite(point.intensity_ops_per_byte)]
    if data.ridge_ops_per_byte is not None:
        known.append(data.ridge_ops_per_byte)
    known = [value for value in known if value > 0] or [1.0]
    return min(known) / 4, max(known) * 6


def _performance_range(data: Roofline, low_intensity: float) -> tuple[float, float]:
    known = [point.performance_ops_per_s for point in data.points] + list(data.compute_ops_per_s)
    if data.memory is not None:
        known.append(data.memory.bytes_per_s * low_intensity)
    known = [value for value in known if value > 0] or [1.0]
    return min(known) / 8, max(known) * 3  # room for names below the lowest point


def _draw_roofs(axes: Axes, data: Roofline, low: float, high: float) -> None:
    memory, ridge = data.memory, data.ridge_ops_per_byte
    for peak in data.compute_ops_per_s:
        start = low if memory is None else peak / memory.bytes_per_s
        axes.plot([start, high], [peak, peak], color=INK, linewidth=1.4)
        text = f"compute {engineering(peak, 'op/s')} "
        axes.text(high, peak * 1.06, text, fontsize=8, ha="right", va="bottom", color=INK, parse_math=False)
    if memory is None:
        return
    end = ridge or high
    axes.plot([low, end], [low * memory.bytes_per_s, end * memory.bytes_per_s], color=INK, linewidth=1.4)
    _label_slope(
        axes, low, end, f"{printable(memory.label)} {engineering(memory.bytes_per_s, 'B/s')}", memory.bytes_per_s
    )
    if data.memory_both_ways is not None:
        _draw_both_ways(axes, data.memory_both_ways, data.compute_ops_per_s, low, high)
    if ridge is not None:
        axes.axvline(ridge, color=INK, linewidth=0.8, linestyle=":")
        text = f" ridge {ridge:.3g}"
        bottom = axes.get_ylim()[0]
        axes.text(ridge, bottom * 1.1, text, fontsize=8, va="bottom", color=INK, parse_math=False)


def _draw_both_ways(axes: Axes, roof: BandwidthRoof, peaks: tuple[float, ...], low: float, high: float) -> None:
    """A thin dashed slope above the memory's, labelled below its upper end."""
    end = peaks[0] / roof.bytes_per_s if peaks else high
    axes.plot([low, end], [low * roof.bytes_per_s, end * roof.bytes_per_s], color=INK, linewidth=0.8, linestyle="--")
    text = f"{printable(roof.label)} {engineering(roof.bytes_per_s, 'B/s')} "
    axes.text(end / 1.3, end * roof.bytes_per_s / 1.15, text, fontsize=8, color=INK, ha="right", parse_math=False)


def _label_slope(axes: Axes, low: float, end: float, text: str, bytes_per_s: float) -> None:
    """Text along the memory roof, above its middle."""
    middle = math.sqrt(low * end)
    place = axes.transData.transform
    (left, bottom), (right, top) = place((low, low * bytes_per_s)), place((end, end * bytes_per_s))
    axes.text(
        middle,
        middle * bytes_per_s * 1.08,
        text,
        fontsize=8,
        color=INK,
        ha="center",
        va="bottom",
        rotation=math.degrees(math.atan2(top - bottom, right - left)),
        rotation_mode="anchor",
        parse_math=False,
    )


def _draw_points(axes: Axes, data: Roofline, high: float) -> None:
    total_s = math.fsum(point.time_s for point in data.points) or 1.0
    bounds = list(dict.fromkeys(point.bound for point in sorted(data.points, key=lambda point: -point.time_s)))
    for bound, colour, marker in zip(bounds, _cycle(COLOURS), list(MARKERS) * 8, strict=False):
        points = [point for point in data.points if point.bound == bound]
        axes.scatter(
            [_shown_intensity(point, high) for point in points],
            [point.performance_ops_per_s for point in points],
            s=[_area_pt2(point.time_s / total_s) for point in points],
            c=colour,
            marker=marker,
            alpha=0.65,
            edgecolors=INK,
            linewidths=0.6 if len(data.points) <= CROWD else 0.2,
            label=printable(bound),
            zorder=3,
        )
    _name_points(axes, data.points, high, total_s)


def _shown_intensity(point: RooflinePoint, high: float) -> float:
    """Layers without DRAM traffic stand at the right edge."""
    return min(point.intensity_ops_per_byte, high / 1.3)


def _name_points(axes: Axes, points: tuple[RooflinePoint, ...], high: float, total_s: float) -> None:
    """Names of the longest-running points below them, moved further down where they would overlap."""
    taken: list[tuple[float, float]] = []
    ranked = sorted(points, key=lambda point: (-point.time_s, point.name))[:NAMED_POINTS]
    for point in [point for point in ranked if point.time_s >= NAMED_SHARE * total_s]:
        x = _shown_intensity(point, high)
        across, up = axes.transData.transform((x, point.performance_ops_per_s))
        below = _below_markers(axes, ranked, high, total_s, (across, up))
        while any(abs(across - other) < 160 and abs(below - height) < 13 for other, height in taken):
            below -= 13
        taken.append((across, below))
        text = f"{_label(point.name, 1)} {percent(point.time_s / total_s)}"
        _name_point(axes, point, x, (below - up) * 72 / DPI, text)


def _below_markers(
    axes: Axes, points: list[RooflinePoint], high: float, total_s: float, place: tuple[float, float]
) -> float:
    """Height in pixels just below all markers that lie about `place`."""
    edges = []
    for point in points:
        across, up = axes.transData.transform((_shown_intensity(point, high), point.performance_ops_per_s))
        if abs(across - place[0]) < 90 and abs(up - place[1]) < 60:
            edges.append(up - _radius_px(point.time_s / total_s) - 3)
    return float(min(edges))


def _name_point(axes: Axes, point: RooflinePoint, x: float, down_pt: float, text: str) -> None:
    """A name below its point: to the right of the memory's slope, to the left at the right edge."""
    low, high = axes.get_xlim()
    free = " (no DRAM traffic)" if math.isinf(point.intensity_ops_per_byte) else ""
    axes.annotate(
        text + free,
        (x, point.performance_ops_per_s),
        xytext=(0, down_pt),
        textcoords="offset points",
        fontsize=7.5,
        color=INK,
        ha="right" if x > high / 4 else "left" if x < math.sqrt(low * high) else "center",
        va="top",
        zorder=4,
        bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.5},
        parse_math=False,
    )


def _area_pt2(share: float) -> float:
    """Area of a marker that stands for `share` of the time, in square points."""
    return 14 + 700 * share


def _radius_px(share: float) -> float:
    return math.sqrt(_area_pt2(share) / math.pi) * DPI / 72
