"""Plots of a trace (its `archsim.trace/1` document): bytes per layer, and layers by arithmetic intensity."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsim.reports.document import OPERATIONS_PER_MAC
from archsim.reports.plot_data import BARS, Bars
from archsim.reports.trace_tables import Document, TraceRow, shown_rows
from archsim.reports.values import engineering, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from archsim.reports.plots import Chart

POINTS = 400
"""Points of the intensity plot; longer traces are folded, then cut to those with the most MACs."""
NAMED = 8
"""Points that carry their name: those with the most operations."""
_WIDTH, _HEIGHT = 8.6, 5.6


@dataclass(frozen=True, slots=True, kw_only=True)
class IntensityPoint:
    """One row of the trace: operations per byte where every operand moves once, and operations over all runs."""

    name: str
    kind: str
    operations_per_byte: float
    operations: float


def bytes_bars(document: Document, limit: int = BARS) -> Bars:
    """Bytes of weights, inputs and outputs of each row over all its runs; formats not chosen count nothing."""
    rows, hidden = shown_rows(document["ops"], limit, by=lambda row: row.bytes)
    series = {
        "weights": [row.weight_bytes or 0.0 for row in rows],
        "inputs": [row.input_bytes or 0.0 for row in rows],
        "outputs": [row.output_bytes or 0.0 for row in rows],
    }
    if hidden:
        for name, column in series.items():
            column.append(max(0.0, _bytes(document, f"{name[:-1]}_bytes") - math.fsum(column)))
    return Bars(
        title="Bytes per layer, each operand moved once",
        unit="B",
        labels=(*(row.name for row in rows), *([f"{hidden} more"] if hidden else [])),
        runs=(*(row.runs for row in rows), *([1] if hidden else [])),
        series={name: tuple(column) for name, column in series.items()},
        rest=len(rows) if hidden else None,
    )


def _bytes(document: Document, key: str) -> float:
    return math.fsum((op.get(key) or 0.0) * op["count"] for op in document["ops"])


def intensity_points(document: Document) -> tuple[IntensityPoint, ...]:
    """The rows that compute and whose bytes are known, those with the most operations first."""
    rows, _ = shown_rows(document["ops"], POINTS)
    points = [point for row in rows if (point := _point(row)) is not None]
    return tuple(sorted(points, key=lambda point: (-point.operations, point.name)))


def _point(row: TraceRow) -> IntensityPoint | None:
    intensity = row.operations_per_byte
    if not intensity or not row.operations:
        return None
    return IntensityPoint(name=row.name, kind=row.kind, operations_per_byte=intensity, operations=row.operations)


def draw_bytes(document: Document) -> Figure:
    """Stacked bars in trace order."""
    from archsim.reports.plots import draw_bars

    return draw_bars(bytes_bars(document), document["name"])


def draw_intensity(document: Document) -> Chart:
    """Layers as points: where they stand under a roofline is decided by the hardware's operations per byte alone."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from archsim.reports.plots import DPI, INK, Chart

    points = intensity_points(document)
    chart = Chart(figsize=(_WIDTH, _HEIGHT), dpi=DPI)
    FigureCanvasAgg(chart)
    axes = chart.add_axes((0.95 / _WIDTH, 0.65 / _HEIGHT, 1 - 1.3 / _WIDTH, 1 - 1.15 / _HEIGHT))
    _scatter(axes, points)
    _axes(axes, points)
    y = 1 - 0.12 / _HEIGHT
    title = printable(f"Arithmetic intensity: {document['name']}")
    chart.text(0.012, y, title, va="top", fontsize=11, weight="bold", color=INK, parse_math=False)
    total = f"{engineering(OPERATIONS_PER_MAC * document['macs'], 'op')} in products"
    chart.text(1 - 0.35 / _WIDTH, y, total, va="top", ha="right", fontsize=8, color=INK, parse_math=False)
    return chart


def _scatter(axes: Axes, points: tuple[IntensityPoint, ...]) -> None:
    from archsim.reports.plots import COLOURS, INK, MARKERS

    kinds = list(dict.fromkeys(point.kind for point in points))
    for index, kind in enumerate(kinds):
        chosen = [point for point in points if point.kind == kind]
        axes.scatter(
            [point.operations_per_byte for point in chosen],
            [point.operations for point in chosen],
            s=42,
            c=COLOURS[index % len(COLOURS)],
            marker=MARKERS[index % len(MARKERS)],
            alpha=0.7,
            edgecolors=INK,
            linewidths=0.4,
            label=kind,
            zorder=3,
        )
    if kinds:
        axes.legend(loc="upper left", fontsize=8, frameon=False)


def _axes(axes: Axes, points: tuple[IntensityPoint, ...]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    from archsim.reports.plots import FAINT

    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(*_range([point.operations_per_byte for point in points]))
    axes.set_ylim(*_range([point.operations for point in points]))
    axes.set_xlabel("operations per byte, each operand moved once", fontsize=9)
    axes.set_ylabel("operations over all runs", fontsize=9)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(numticks=9))
        axis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: engineering(value, "", 1)))
    axes.tick_params(labelsize=8)
    axes.grid(True, color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    _name_points(axes, points)


def _range(values: list[float]) -> tuple[float, float]:
    """Limits of a logarithmic axis with room about the values."""
    return (min(values) / 4, max(values) * 5) if values else (0.1, 10.0)


def _name_points(axes: Axes, points: Iterable[IntensityPoint]) -> None:
    """Names below the points with the most operations; points whose names would overlap share the first one's."""
    taken: list[tuple[float, float]] = []
    for point in points:
        across, up = axes.transData.transform((point.operations_per_byte, point.operations))
        if len(taken) == NAMED or any(abs(across - x) < 130 and abs(up - y) < 15 for x, y in taken):
            continue
        taken.append((across, up))
        axes.annotate(
            printable(point.name)[:40],
            (point.operations_per_byte, point.operations),
            xytext=(0, -7),
            textcoords="offset points",
            fontsize=7.5,
            ha="center",
            va="top",
            zorder=4,
            parse_math=False,
        )
