"""Drawing a comparison of formats: SQNR against stored bits, one panel per tensor, with the Pareto front."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from archsim.reports.plots import COLOURS, DPI, FAINT, INK, MARKERS, Chart
from archsim.reports.values import printable

if TYPE_CHECKING:
    from archsim.reports.format_comparison import Data, FormatComparison, Measurement

PANEL_WIDTH, PANEL_HEIGHT = 6.6, 4.7
LEGEND_COLUMNS = 6
NAMED_FORMATS = 12
"""With more formats than this only those on the front carry their name."""
BIT_TICKS = (1, 1.5, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32, 48, 64)
NAME_SIZE_PT = 7.5
NAME_LENGTH = 28

Box = tuple[float, float, float, float]
"""Left, bottom, right, top in pixels."""


def draw_comparison(comparison: FormatComparison) -> Chart:
    """The figure: panels in the order of the tensors, colour and shape by family, names beside the points."""
    families = list(dict.fromkeys(item.family for item in comparison))
    columns = min(2, max(len(comparison.data), 1))
    rows = math.ceil(len(comparison.data) / columns)
    legend_height = 0.25 + 0.2 * math.ceil((len(families) + 1) / (3 * columns))
    width, height = PANEL_WIDTH * columns, PANEL_HEIGHT * rows + legend_height + 0.4
    chart = Chart(figsize=(width, height), dpi=DPI)
    FigureCanvasAgg(chart)
    for index, data in enumerate(comparison.data):
        left = (index % columns) * PANEL_WIDTH + 0.65
        bottom = height - 0.4 - (index // columns + 1) * PANEL_HEIGHT + 0.6
        box = (left / width, bottom / height, (PANEL_WIDTH - 0.9) / width, (PANEL_HEIGHT - 1.0) / height)
        _panel(chart.add_axes(box), data, comparison.of(data.name), families)
    _heading(chart, comparison, height)
    chart.legend(
        handles=[*_handles(families), Line2D([], [], color=INK, linewidth=1.1, label="Pareto front")],
        loc="lower center",
        ncols=3 * columns,
        fontsize=8,
        frameon=False,
    )
    return chart


def _heading(chart: Chart, comparison: FormatComparison, height: float) -> None:
    y = 1 - 0.14 / height
    chart.text(0.012, y, "Signal to quantization noise against stored bits", va="top", fontsize=11, weight="bold")
    remark = "bits with scales and other metadata" + ("" if comparison.seed is None else f"; seed {comparison.seed}")
    chart.text(0.988, y, remark, va="top", ha="right", fontsize=8, color=INK)


def _style(family: str, families: list[str]) -> tuple[str, str]:
    """Colour and marker: colours repeat after eight families, with another marker then."""
    index = families.index(family)
    turn = index // len(COLOURS)
    return COLOURS[index % len(COLOURS)], MARKERS[(index + 3 * turn) % len(MARKERS)]


def _handles(families: list[str]) -> Iterator[Line2D]:
    for family in families:
        colour, marker = _style(family, families)
        yield Line2D(
            [], [], linestyle="", marker=marker, color=colour, markeredgecolor=INK, markeredgewidth=0.5,
            label=printable(family),
        )  # fmt: skip


def _panel(axes: Axes, data: Data, measurements: list[Measurement], families: list[str]) -> None:
    shown = [item for item in measurements if not math.isnan(item.error.sqnr_db)]
    finite = [item.error.sqnr_db for item in shown if math.isfinite(item.error.sqnr_db)]
    low, high = min([0.0, *finite]), max(finite, default=1.0)
    roof = high + 0.12 * (high - low or 1.0)
    _axes(axes, shown, low, roof)
    places = {item.format: (float(item.bits_per_element), min(item.error.sqnr_db, roof)) for item in shown}
    _front(axes, [places[item.format] for item in shown if item.pareto])
    for item in shown:
        colour, marker = _style(item.family, families)
        axes.scatter(
            *places[item.format], s=34, c=colour, marker=marker, edgecolors=INK, linewidths=0.5, alpha=0.9, zorder=3
        )
    _names(axes, shown, places)
    hidden = len(measurements) - len(shown)
    text = f"{data.name} ({data.elements:,} elements)" + (f", {hidden} formats out of range" if hidden else "")
    axes.set_title(printable(text), fontsize=9, loc="left", color=INK, parse_math=False)


def _axes(axes: Axes, shown: list[Measurement], low: float, roof: float) -> None:
    bits = [float(item.bits_per_element) for item in shown] or [1.0]
    axes.set_xscale("log")
    axes.set_xlim(min(bits) / 1.15, max(bits) * 1.35)
    axes.set_ylim(low - 0.06 * (roof - low), roof + 0.04 * (roof - low))
    axes.xaxis.set_major_locator(FixedLocator(list(BIT_TICKS)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("stored bits per element", fontsize=8.5)
    axes.set_ylabel("SQNR in dB", fontsize=8.5)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=8, colors=INK)
    axes.set_axisbelow(True)
    axes.grid(True, color=FAINT, linewidth=0.5)


def _front(axes: Axes, points: list[tuple[float, float]]) -> None:
    if points:
        right = axes.get_xlim()[1]
        xs, ys = zip(*points, strict=True)
        axes.step([*xs, right], [*ys, ys[-1]], where="post", color=INK, linewidth=1.1, zorder=2)


def _names(axes: Axes, shown: list[Measurement], places: dict[str, tuple[float, float]]) -> None:
    """Names beside the points, moved where they would lie on each other or on points, with a line back then."""
    named = [item for item in shown if item.pareto or len(shown) <= NAMED_FORMATS]
    centres = [tuple(axes.transData.transform(place)) for place in places.values()]
    taken: list[Box] = [(x - 5, y - 5, x + 5, y + 5) for x, y in centres]
    taken += _steps(axes, [places[item.format] for item in shown if item.pareto])
    for item in sorted(named, key=lambda item: (not item.pareto, -item.error.sqnr_db, item.format)):
        text = _text(item)
        x, y = axes.transData.transform(places[item.format])
        box = _free_box(axes, text, float(x), float(y), taken)
        if box is None:
            continue
        taken.append(box)
        _name(axes, text, places[item.format], (box[0] - x, box[1] - y))


def _steps(axes: Axes, points: list[tuple[float, float]]) -> list[Box]:
    """The lines of the front, two pixels thick."""
    corners = [tuple(axes.transData.transform(point)) for point in points]
    level = [(x, y - 1, next_x, y + 1) for (x, y), (next_x, _) in pairwise(corners)]
    return level + [(x - 1, y, x + 1, next_y) for (_, y), (x, next_y) in pairwise(corners)]


def _text(item: Measurement) -> str:
    text = printable(item.format)
    text = text if len(text) <= NAME_LENGTH else f"{text[: NAME_LENGTH - 1]}…"
    return f"{text} (exact)" if math.isinf(item.error.sqnr_db) else text


def _free_box(axes: Axes, text: str, x: float, y: float, taken: list[Box]) -> Box | None:
    """The nearest place for a name about a point that is free and inside the panel; None when there is none."""
    width, height = 0.58 * NAME_SIZE_PT * len(text) * DPI / 72, 1.25 * NAME_SIZE_PT * DPI / 72
    inside = axes.get_window_extent()
    for distance in (8, 16, 26, 38, 52, 68, 86, 106):
        for across, up in ((-1, 1), (-1, 0), (0, 1), (1, -1), (1, 0), (0, -1), (1, 1), (-1, -1)):
            left = x + across * distance - (width if across < 0 else width / 2 if across == 0 else 0)
            bottom = y + up * distance - (height if up < 0 else height / 2 if up == 0 else 0)
            box = (left, bottom, left + width, bottom + height)
            fits = box[0] >= inside.x0 and box[2] <= inside.x1 + 20 and box[1] >= inside.y0 and box[3] <= inside.y1 + 8
            if fits and not any(_overlap(box, other) for other in taken):
                return box
    return None


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _name(axes: Axes, text: str, place: tuple[float, float], offset_px: tuple[float, float]) -> None:
    far = max(abs(offset_px[0]), abs(offset_px[1])) > 20
    axes.annotate(
        text,
        place,
        xytext=(offset_px[0] * 72 / DPI, offset_px[1] * 72 / DPI),
        textcoords="offset points",
        fontsize=NAME_SIZE_PT,
        color=INK,
        ha="left",
        va="bottom",
        zorder=4,
        arrowprops={"arrowstyle": "-", "color": "#888888", "linewidth": 0.5, "shrinkB": 3} if far else None,
        bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.5},
        parse_math=False,
    )
