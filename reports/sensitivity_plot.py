"""Drawing sensitivities: Sobol indices of every axis, and what each axis does alone around one design."""

from __future__ import annotations

import math
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.ticker import FixedLocator, FuncFormatter

from archsim.reports.page.quantities import axis_labels, total
from archsim.reports.plots import COLOURS, DPI, FAINT, INK, Chart
from archsim.reports.sensitivity import Sensitivity
from archsim.reports.ticks import label_ticks
from archsim.reports.values import printable

WIDTH = 11.0
ROW, AROUND = 0.34, 1.05
"""Inches: of an axis' bar, and around the bars of one objective."""
LEFT, MIDDLE, RIGHT = 1.75, 0.35, 0.25
TOP = 0.62
THICK = 0.36


def draw_sensitivity(sensitivity: Sensitivity) -> Chart:
    """The figure: one row per objective; left the indices, right the range that each axis gives."""
    keys = tuple(next(iter(sensitivity.sobol.indices.values()), {}))
    labels = axis_labels(keys) if keys else {}
    part = AROUND + ROW * max(len(keys), 1)
    height = TOP + part * len(sensitivity.objectives)
    chart = Chart(figsize=(WIDTH, height), dpi=DPI)
    FigureCanvasAgg(chart)
    half = (WIDTH - LEFT - MIDDLE - RIGHT) / 2
    for place, objective in enumerate(sensitivity.objectives):
        bottom = (height - TOP - (place + 1) * part + 0.45) / height
        tall = (part - AROUND + 0.05) / height
        left = chart.add_axes((LEFT / WIDTH, bottom, half / WIDTH, tall))
        right = chart.add_axes(((LEFT + half + MIDDLE) / WIDTH, bottom, half / WIDTH, tall))
        _draw_indices(left, sensitivity, objective.name, labels)
        _draw_ranges(right, sensitivity, objective.name, list(labels))
    _texts(chart, sensitivity, height)
    return chart


def _draw_indices(axes: Axes, sensitivity: Sensitivity, name: str, labels: Mapping[str, str]) -> None:
    indices = sensitivity.sobol.indices[name]
    for row, key in enumerate(labels):
        index = indices[key]
        pairs = ((index.first, index.first_interval), (index.total, index.total_interval))
        names = (None, None) if row else ("by itself", "with interactions")
        for side, (value, interval) in enumerate(pairs):
            y = row + (side - 0.5) * THICK
            if value is None:
                axes.text(0.005, y, "?", fontsize=7, va="center", color=INK)
                continue
            axes.barh(y, value, height=THICK, color=COLOURS[side], label=names[side])
            if interval:
                axes.errorbar(value, y, xerr=interval, color=INK, linewidth=0.9, capsize=2)
    _rows(axes, list(labels.values()))
    axes.set_xlim(min(0.0, axes.get_xlim()[0]), max(1.0, axes.get_xlim()[1]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
    scale = next(one for one in sensitivity.objectives if one.name == name)
    of = f"variance of {'log ' if scale.log else ''}{total(name).label}"
    axes.set_title(printable(of), fontsize=9, loc="left", color=INK, parse_math=False)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, fontsize=7.5, frameon=False, borderaxespad=0.1)


def _draw_ranges(axes: Axes, sensitivity: Sensitivity, name: str, keys: list[str]) -> None:
    """From the smallest to the largest value along each axis; a dot for each value, a line at the centre."""
    centre = sensitivity.centre.values.get(name)
    responses = {response.key: response for response in sensitivity.responses}
    for row, key in enumerate(keys):
        steps = responses[key].steps if key in responses else ()
        known = [value for step in steps if (value := step.values.get(name)) is not None and math.isfinite(value)]
        if known:
            axes.plot(
                [min(known), max(known)], [row, row], color=COLOURS[4], linewidth=7, solid_capstyle="butt", zorder=2
            )
            axes.scatter(known, [row] * len(known), s=10, color=INK, zorder=3)
    if centre is not None:
        axes.axvline(centre, color=COLOURS[5], linewidth=1.0, zorder=1)
    _rows(axes, [""] * len(keys))
    log = bool(centre) and next(one.log for one in sensitivity.objectives if one.name == name)
    if log:
        axes.set_xscale("log")
    label_ticks(axes.xaxis, name, log=log)
    title = f"{total(name).label}, one axis changed"
    axes.set_title(printable(title), fontsize=9, loc="left", color=INK, parse_math=False)


def _rows(axes: Axes, labels: list[str]) -> None:
    axes.yaxis.set_major_locator(FixedLocator(list(range(len(labels)))))
    axes.set_yticklabels([printable(label) for label in labels], fontsize=8, parse_math=False)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(True, axis="x", color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=7.5, colors=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _texts(chart: Chart, sensitivity: Sensitivity, height: float) -> None:
    y = 1 - 0.1 / height
    chart.text(0.01, y, "What each axis does", va="top", fontsize=11, weight="bold", color=INK)
    sobol = sensitivity.sobol
    where = f"point {sensitivity.centre.index}" if sensitivity.centre.index is not None else "a further point"
    basis = {"grid": "all points", "sample": f"{sobol.samples:,} points", "evaluated": f"{sobol.samples:,} evaluations"}
    text = f"left: Sobol indices from {basis[sobol.method]}; right: around the {sensitivity.centre_name} ({where})"
    chart.text(0.01, 1 - 0.34 / height, printable(text), va="top", fontsize=8, color=INK, parse_math=False)
