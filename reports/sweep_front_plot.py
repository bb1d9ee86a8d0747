"""Drawing the front of a run: every pair of objectives, all feasible designs, the front, its knees."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from archsim.reports.page.quantities import axis_labels, total
from archsim.reports.plots import COLOURS, DPI, FAINT, INK, Chart
from archsim.reports.sweep_front import Cloud, FrontDesign, ScaledObjective, SweepFront
from archsim.reports.ticks import label_ticks
from archsim.reports.values import printable

PANEL_WIDTH, PANEL_HEIGHT = 4.6, 3.7
ONLY_WIDTH, ONLY_HEIGHT = 6.6, 4.8
LEFT, RIGHT, BOTTOM, TOP = 0.85, 0.15, 0.6, 0.75
LEGEND = 1.7
"""Lengths in inches: of one of several panels and of an only one, around its axes, and of the legend of colours."""
COLUMNS = 3
MOST_PANELS = 6
CLOUD = "#b5b5b5"
CROWD = 2000
"""Points from which on a drawing of vectors keeps the cloud as an image: a file of 10^5 marks opens nowhere."""
LISTED_COLOURS = len(COLOURS)


def draw_sweep_front(front: SweepFront) -> Chart | None:
    """The figure; None for a front of one objective, which is a design or several equal ones, or without a design."""
    pairs = _pairs(front.objectives)
    if not pairs or not front.designs:
        return None
    columns = min(COLUMNS, len(pairs))
    rows = -(-len(pairs) // columns)
    legend = LEGEND if front.cloud.colour_key is not None else 0.0
    across, up = (ONLY_WIDTH, ONLY_HEIGHT) if len(pairs) == 1 else (PANEL_WIDTH, PANEL_HEIGHT)
    width = columns * across + legend
    height = rows * up + TOP - 0.2
    chart = Chart(figsize=(width, height), dpi=DPI)
    FigureCanvasAgg(chart)
    palette = _palette(front.cloud)
    for place, (x, y) in enumerate(pairs):
        row, column = divmod(place, columns)
        left = column * across + LEFT
        bottom = height - TOP + 0.2 - (row + 1) * up + BOTTOM
        size = ((across - LEFT - RIGHT) / width, (up - BOTTOM - 0.2) / height)
        axes = chart.add_axes((left / width, bottom / height, *size))
        _draw_panel(axes, front, x, y, palette)
    _texts(chart, front, height, hidden=len(front.objectives) * (len(front.objectives) - 1) // 2 - len(pairs))
    if palette:
        _legend(chart, front.cloud, palette, 1 - legend / width)
    return chart


def _pairs(objectives: Sequence[ScaledObjective]) -> list[tuple[ScaledObjective, ScaledObjective]]:
    """Which objective goes across and which up in each panel: all pairs, or the first with each other one."""
    pairs = list(itertools.combinations(objectives, 2))
    return pairs if len(pairs) <= MOST_PANELS else [(objectives[0], other) for other in objectives[1 : MOST_PANELS + 1]]


def _draw_panel(axes: Axes, front: SweepFront, x: ScaledObjective, y: ScaledObjective, palette: dict[str, str]) -> None:
    cloud = front.cloud
    rest = ~cloud.on_front
    for name, mask in _groups(cloud):
        colour = palette.get(name, CLOUD)
        shown = mask & rest
        raster = len(rest) > CROWD
        axes.scatter(
            cloud.values[x.name][shown],
            cloud.values[y.name][shown],
            s=9,
            color=colour,
            alpha=0.45 if palette else 1.0,
            linewidths=0,
            zorder=2,
            rasterized=raster,
        )
        best = mask & cloud.on_front
        axes.scatter(
            cloud.values[x.name][best],
            cloud.values[y.name][best],
            s=30,
            color=palette.get(name, COLOURS[0]),
            edgecolors=INK,
            linewidths=0.6,
            zorder=4,
        )
    if len(front.objectives) == 2:
        line = [_place(item, x, y) for item in front.designs]
        axes.plot(*zip(*line, strict=True), color=INK, linewidth=1.0, drawstyle="steps-post", zorder=3)
    for item in front.knees:
        _mark_knee(axes, item, x, y)
    _style(axes, x, y)


def _place(item: FrontDesign, x: ScaledObjective, y: ScaledObjective) -> tuple[float, float]:
    values = item.design.values
    return values.get(x.name) or 0.0, values.get(y.name) or 0.0


def _mark_knee(axes: Axes, item: FrontDesign, x: ScaledObjective, y: ScaledObjective) -> None:
    where = _place(item, x, y)
    axes.scatter(*where, s=150, marker="*", color=COLOURS[5], edgecolors=INK, linewidths=0.6, zorder=6)
    name = "knee" if item.design.index is None else f"knee: point {item.design.index}"
    axes.annotate(
        name,
        where,
        xytext=(9, 9),
        textcoords="offset points",
        fontsize=7.5,
        color=INK,
        zorder=7,
        bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.5},
    )


def _groups(cloud: Cloud) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Points by colour."""
    if cloud.colour_key is None:
        yield "", np.ones(len(cloud.on_front), bool)
        return
    colours = np.array(cloud.colours, object)
    for name in _present(cloud):
        yield name, colours == name


def _present(cloud: Cloud) -> list[str]:
    found = set(cloud.colours)
    return [name for name in dict.fromkeys([*cloud.order, *sorted(found)]) if name in found]


def _palette(cloud: Cloud) -> dict[str, str]:
    """A colour for each value; from the ninth on, of a scale that is even in lightness."""
    names = _present(cloud) if cloud.colour_key is not None else []
    if len(names) <= LISTED_COLOURS:
        return dict(zip(names, COLOURS, strict=False))
    scale = colormaps["cividis"]
    return {name: _hex(scale(place / (len(names) - 1))) for place, name in enumerate(names)}


def _hex(colour: tuple[float, float, float, float]) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in colour[:3])


def _style(axes: Axes, x: ScaledObjective, y: ScaledObjective) -> None:
    for objective, axis, scale in ((x, axes.xaxis, axes.set_xscale), (y, axes.yaxis, axes.set_yscale)):
        if objective.log:
            scale("log")
        label_ticks(axis, objective.name, log=objective.log)
    axes.set_xlabel(_label(x), fontsize=9, parse_math=False)
    axes.set_ylabel(_label(y), fontsize=9, parse_math=False)
    axes.grid(True, color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=7.5, colors=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _label(objective: ScaledObjective) -> str:
    quantity = total(objective.name)
    return printable(quantity.label) + ("  →  larger is better" if objective.sense == "max" else "")


def _texts(chart: Chart, front: SweepFront, height: float, hidden: int) -> None:
    chart.text(
        0.012,
        1 - 0.1 / height,
        printable(f"Pareto front: {front.run}"),
        va="top",
        fontsize=11,
        weight="bold",
        color=INK,
        parse_math=False,
    )
    failed = sum(front.failed.values())
    text = f"{len(front.designs)} of {front.feasible:,} feasible designs; {front.points:,} points"
    text += f", {failed:,} failed" if failed else ""
    text += f"; {', '.join(front.constraints)}" if front.constraints else ""
    text += f"; {hidden} pairs of objectives are not drawn" if hidden else ""
    chart.text(0.012, 1 - 0.34 / height, printable(text), va="top", fontsize=8, color=INK, parse_math=False)


def _legend(chart: Chart, cloud: Cloud, palette: dict[str, str], left: float) -> None:
    from matplotlib.lines import Line2D

    shown = list(palette)
    if len(shown) > 2 * LISTED_COLOURS:
        step = -(-len(shown) // (2 * LISTED_COLOURS))
        shown = shown[::step]
    handles = [
        Line2D([], [], marker="o", linestyle="", color=palette[name], label=printable(name)[:24]) for name in shown
    ]
    key = cloud.colour_key or ""
    legend = chart.legend(
        handles=handles,
        loc="center left",
        bbox_to_anchor=(left, 0.5),
        fontsize=8,
        frameon=False,
        title=printable(axis_labels((key,))[key]),
        title_fontsize=8,
    )
    for text in (*legend.get_texts(), legend.get_title()):
        text.set_parse_math(False)


def write_svg(drawing: Figure, target: Path | BytesIO) -> None:
    """The figure as an SVG whose bytes depend on the figure alone."""
    with rc_context({"svg.hashsalt": "archsim", "svg.fonttype": "none"}):
        drawing.savefig(target, format="svg", dpi=2 * DPI, metadata={"Date": None, "Creator": None})
