"""The page's figures for papers: PNG and SVG by matplotlib, from the same record."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from archsim.reports.page.record import Column, FloatArray, SweepPage
from archsim.reports.values import binary_bytes, engineering

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from archsim.reports.evaluation import Evaluation

DPI = 200
"""Of PNG files, and of the points of large sweeps inside SVG files."""
VECTORS = 3000
"""More points than these are pixels in an SVG file too."""
LINES = 2000
"""Lines of the parallel coordinates: of larger sweeps the front's and as many others, evenly chosen."""
WIDE = 20.0
"""Values above 0 that span this factor or more stand on a logarithmic axis."""
FINE = 1000.0
"""Logarithmic axes that span less than this factor have ticks between the powers of ten."""
ALONG = 14
"""Axes of the parallel coordinates."""
INK, FAINT, FRONT, MUTED = "#1c1f24", "#e3e6ea", "#c1272d", "#c9ced6"

Writer = Callable[[Path], None]


def sweep_figures(page: SweepPage, evaluation: Evaluation | None = None) -> dict[str, Writer]:
    """Writers of the figures of a sweep by file name; with an evaluation also those of that design."""
    figures: dict[str, Callable[[], Figure]] = {}
    if len(_drawn(page)) >= 2 and page.points:
        figures["design-space"] = lambda: design_space(page)
        figures["parallel"] = lambda: parallel(page)
    return _files(figures) | ({} if evaluation is None else evaluation_figures(evaluation))


def evaluation_figures(evaluation: Evaluation) -> dict[str, Writer]:
    """Writers of the figures of one design by file name."""
    return _files({kind: partial(evaluation.plot, kind) for kind in ("latency", "energy", "roofline")})


def _files(figures: Mapping[str, Callable[[], Figure]]) -> dict[str, Writer]:
    files: dict[str, Writer] = {}
    for name, draw in figures.items():
        for ending in ("png", "svg"):
            files[f"{name}.{ending}"] = partial(_draw, draw, ending)
    return files


def _draw(draw: Callable[[], Figure], ending: str, path: Path) -> None:
    _write(draw(), path, ending)


def _write(figure: Figure, path: Path, ending: str) -> None:
    """The same bytes for the same figure: no date, no version, ids by content."""
    import matplotlib as mpl

    stated = {"Software": None} if ending == "png" else {"Date": None, "Creator": None}
    with warnings.catch_warnings(), mpl.rc_context({"svg.hashsalt": "archsim", "svg.fonttype": "none"}):
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(path, format=ending, dpi=DPI, metadata=stated)


def design_space(page: SweepPage) -> Figure:
    """The first two objectives against each other, the third (or the first axis) as colour, the front as steps."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    x, y, colour = _chosen(page)
    figure = Figure(figsize=(6.4, 4.4), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    _style(axes)
    ok = (page.reason == 0) & ~np.isnan(places(x)) & ~np.isnan(places(y))
    inside = ok & page.feasible
    raster = int(ok.sum()) > VECTORS
    axes.scatter(places(x)[ok & ~inside], places(y)[ok & ~inside], s=7, c=MUTED, linewidths=0, rasterized=raster)
    front = _front_rows(page)
    rest = inside.copy()
    rest[front] = False
    _points(figure, axes, (x, y, colour), rest, front, raster)
    _steps(axes, page, x, y)
    _mark(axes, page, x, y)
    _axis(axes, x, "x")
    _axis(axes, y, "y")
    handles, _ = axes.get_legend_handles_labels()
    if handles:
        axes.legend(fontsize=8, frameon=False)
    return figure


def parallel(page: SweepPage) -> Figure:
    """Every axis and objective side by side, a line for each design, the front in front."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure

    columns = [column for column in _drawn(page) if column.role in ("run", "axis", "objective")][:ALONG]
    figure = Figure(figsize=(max(5.0, 1.25 * len(columns)), 3.6), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    heights = np.stack([_heights(column) for column in columns], axis=1)
    ok = np.flatnonzero((page.reason == 0) & ~np.isnan(heights).any(axis=1))
    front = np.intersect1d(_front_rows(page), ok)
    others = np.setdiff1d(ok, front)
    others = others[np.linspace(0, others.size - 1, min(others.size, LINES)).astype(int)] if others.size else others
    across = np.arange(len(columns), dtype=np.float64)
    for rows, colour, width, alpha in ((others, "#8a94a3", 0.5, 0.25), (front, FRONT, 0.9, 0.8)):
        lines = [np.column_stack([across, heights[row]]) for row in rows]
        axes.add_collection(
            LineCollection(lines, colors=colour, linewidths=width, alpha=alpha, rasterized=len(lines) > VECTORS // 10)
        )
    _uprights(axes, columns)
    return figure


def _uprights(axes: Axes, columns: list[Column]) -> None:
    """The axes of parallel coordinates, with their ends and a few values between."""
    for place, column in enumerate(columns):
        axes.axvline(place, color=INK, linewidth=0.9)
        for height, text in _ticks(column):
            axes.text(place + 0.04, height, text, fontsize=6.5, color=INK, va="center", parse_math=False,
                      bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.4})  # fmt: skip
    axes.set_xticks(
        range(len(columns)), [_wrapped(_title(column)) for column in columns], fontsize=7.5, parse_math=False
    )
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set_yticks([])
    axes.set_xlim(-0.15, len(columns) - 1 + 0.6)
    axes.set_ylim(-0.04, 1.04)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _drawn(page: SweepPage) -> list[Column]:
    """Columns whose values differ, objectives first where the order is free."""
    return [column for column in page.columns if np.unique(places(column)[~np.isnan(places(column))]).size > 1]


def _chosen(page: SweepPage) -> tuple[Column, Column, Column | None]:
    drawn = [column for column in _drawn(page) if column.role != "run"]
    ranked = [
        column for role in ("objective", "total", "axis", "energy", "area") for column in drawn if column.role == role
    ]
    others = [column for column in ranked[2:] if column.role in ("objective", "axis")]
    return ranked[0], ranked[1], others[0] if others else None


def places(column: Column) -> FloatArray:
    """Where the values of a column lie: numbers, those of its quantities, or the numbers of its categories."""
    if column.positions is None:
        return column.values
    table = np.array([*column.positions, np.nan])
    return table[np.where(np.isnan(column.values), len(column.positions), column.values).astype(np.int64)]


def _front_rows(page: SweepPage) -> npt.NDArray[np.int64]:
    return np.unique(np.concatenate([front.rows for front in page.fronts])) if page.fronts else np.zeros(0, np.int64)


def _is_log(column: Column) -> bool:
    if column.categories is not None and column.positions is None:
        return False
    known = places(column)[~np.isnan(places(column))]
    return bool(known.size and known.min() > 0 and known.max() >= WIDE * known.min())


def _points(
    figure: Figure, axes: Axes, shown: tuple[Column, Column, Column | None], rest: Any, front: Any, raster: bool
) -> None:
    from matplotlib.colors import LogNorm, Normalize

    x, y, colour = shown
    values = None if colour is None else places(colour)
    known = None if values is None else values[~np.isnan(values)]
    norm = None
    if colour is not None and known is not None and known.size:
        norm = (LogNorm if _is_log(colour) else Normalize)(float(known.min()), float(known.max()))
    size = 5 if rest.sum() > VECTORS else 14
    for rows, area, edge, name in ((np.flatnonzero(rest), size, "none", None), (front, 26, INK, "Pareto front")):
        drawn = axes.scatter(
            places(x)[rows],
            places(y)[rows],
            s=area,
            c="#0072B2" if values is None else values[rows],
            norm=norm,
            cmap="viridis" if values is not None else None,
            edgecolors=edge,
            linewidths=0.8 if edge != "none" else 0,
            rasterized=raster,
            label=name if len(rows) else None,
            zorder=3 if name else 2,
        )
    if colour is not None and norm is not None:
        bar = figure.colorbar(drawn, ax=axes, pad=0.02, aspect=30)
        bar.set_label(_title(colour), fontsize=9)
        bar.ax.tick_params(labelsize=8)
        _format(bar.ax.yaxis, colour)


def _steps(axes: Axes, page: SweepPage, x: Column, y: Column) -> None:
    if x.goal is None or y.goal is None:
        return
    colours = ("#0072B2", "#E69F00") if len(page.fronts) > 1 else (FRONT,)
    for front, colour in zip(page.fronts, colours, strict=False):
        rows = staircase(places(x)[front.rows], places(y)[front.rows], x.goal == "min", y.goal == "min")
        corners = front.rows[rows]
        label = f"front of {front.name}" if len(page.fronts) > 1 else "front of x and y"
        axes.step(
            places(x)[corners], places(y)[corners], where="post", color=colour, linewidth=1.3, label=label, zorder=2.5
        )


def staircase(first: FloatArray, second: FloatArray, less_first: bool, less_second: bool) -> npt.NDArray[np.int64]:
    """Indices of the points that none beats in both values, in the order of the first.

    >>> staircase(np.array([3.0, 1.0, 2.0]), np.array([1.0, 3.0, 4.0]), True, True).tolist()
    [1, 0]
    """
    a, b = first if less_first else -first, second if less_second else -second
    order = np.lexsort((b, a))
    order = order[~np.isnan(a[order]) & ~np.isnan(b[order])]
    best = np.minimum.accumulate(b[order]) if order.size else b[order]
    kept = np.concatenate([[True], b[order][1:] < best[:-1]]) if order.size else np.zeros(0, np.bool_)
    chosen: npt.NDArray[np.int64] = order[kept]
    return chosen


def _mark(axes: Axes, page: SweepPage, x: Column, y: Column) -> None:
    for place, knee in enumerate(page.knees):
        label = "knee" if place == 0 else None
        axes.plot(
            places(x)[knee],
            places(y)[knee],
            "D",
            color=FRONT,
            markersize=5.5,
            markeredgecolor="white",
            label=label,
            zorder=4,
        )
    base = page.base or {}
    if x.key in base and y.key in base:
        axes.plot(
            base[x.key],
            base[y.key],
            "D",
            color="none",
            markeredgecolor=INK,
            markersize=6,
            label="base design",
            zorder=4,
        )


def _style(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=8, colors=INK)
    axes.grid(True, color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)


def _axis(axes: Axes, column: Column, name: str) -> None:
    axis = axes.xaxis if name == "x" else axes.yaxis
    if _is_log(column):
        (axes.set_xscale if name == "x" else axes.set_yscale)("log")
    better = {"min": " (less is better)", "max": " (more is better)"}.get(column.goal or "", "")
    axis.set_label_text(_title(column) + better, fontsize=9)
    _format(axis, column)


def _format(axis: Any, column: Column) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter

    if column.categories is not None and column.positions is None:
        axis.set_major_locator(FixedLocator(range(len(column.categories))))
    if _is_log(column):
        known = places(column)[~np.isnan(places(column))]
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if known.max() < FINE * known.min() else (1.0,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: written(column, value)))
    axis.set_minor_formatter(NullFormatter())


def written(column: Column, value: float) -> str:
    """A value of a column with its unit.

    >>> from archsim.reports.page.quantities import total
    >>> latency = Column(key="latency_s", quantity=total("latency_s"), role="objective", values=np.zeros(0))
    >>> written(latency, 0.002)
    '2 ms'
    """
    quantity = column.quantity
    if column.categories is not None and column.positions is None:
        place = round(value)
        return column.categories[place] if 0 <= place < len(column.categories) and place == value else ""
    if quantity.style == "si":
        number, _, unit = engineering(value, quantity.unit).partition(" ")
        return f"{_short(number)} {unit}".rstrip()
    if quantity.style == "bytes":
        number, _, unit = binary_bytes(value).partition(" ")
        return f"{_short(number)} {unit}"
    return f"{100 * value:.3g} %" if quantity.style == "percent" else f"{value:.4g}"


def _short(number: str) -> str:
    return number.rstrip("0").rstrip(".") if "." in number else number


def _title(column: Column) -> str:
    plain = column.quantity.style == "plain" and column.quantity.unit
    return f"{column.quantity.label} ({column.quantity.unit})" if plain else column.quantity.label


def _wrapped(text: str, width: int = 15) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, width))


def _heights(column: Column) -> FloatArray:
    """Values between 0 (the least) and 1, logarithmic where they span much."""
    values = np.log(places(column)) if _is_log(column) else places(column)
    low, high = np.nanmin(values), np.nanmax(values)
    return np.asarray((values - low) / (high - low), np.float64)


def _ticks(column: Column) -> Iterator[tuple[float, str]]:
    """A few values of a column with their heights."""
    values, heights = places(column), _heights(column)
    known = ~np.isnan(values)
    distinct, first = np.unique(values[known], return_index=True)
    if distinct.size <= 8:
        yield from (
            (float(heights[known][place]), written(column, float(value)))
            for value, place in zip(distinct, first, strict=True)
        )
        return
    low, high = float(distinct[0]), float(distinct[-1])
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        value = low * (high / low) ** share if _is_log(column) else low + (high - low) * share
        yield share, written(column, value)
