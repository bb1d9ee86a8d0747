"""Terminal tables of an evaluation: a summary and the layers, readable without colour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archsim.reports.groups import Dims, LayerGroup, grouped
from archsim.reports.values import MISSING, binary_bytes, engineering, known_sum, percent, printable, ratio

if TYPE_CHECKING:
    from rich.console import RenderableType

    from archsim.reports.evaluation import Evaluation

NAME_WIDTH = 44
"""Characters of a name before it goes on in the next line."""
ROWS = 40
"""Layer rows of the table; longer traces are folded, then cut to the longest-running."""


DROPPED = ("phase", "dimensions", "stalled", "DRAM", "util", "share")
"""Columns of the layer table that a narrow terminal does without, the first to go first."""
PADDING = 3
"""Characters between two columns."""


def evaluation_tables(evaluation: Evaluation, width: int | None = None) -> list[RenderableType]:
    """What `archsim evaluate` prints on `width` characters: summary, energy and area by component, layers, notes."""
    tables: list[RenderableType] = [
        summary_table(evaluation),
        component_table(evaluation),
        layer_table(evaluation, width=width),
    ]
    if evaluation.cost.chains:
        from archsim.reports.fusion_tables import fusion_tables

        tables += fusion_tables(evaluation.cost.chains)
    notes = [note for note in (layer_note(evaluation), estimate_note(evaluation)) if note]
    return [*tables, "\n".join(notes)] if notes else tables


def estimate_note(evaluation: Evaluation) -> str | None:
    """How many figures have no published source; None when all have."""
    count = len(evaluation.cost.estimates)
    return f"rests on {count} estimate{'s' * (count > 1)}: `estimates` in the JSON lists them" if count else None


def one_line(totals: Mapping[str, Any]) -> str:
    """The totals in a phrase."""
    parts = [engineering(totals["latency_s"], "s"), engineering(totals["energy_j"], "J")]
    if totals["area_mm2"] is not None:
        parts.append(f"{totals['area_mm2']:.3g} mm²")
    return ", ".join(parts)


def summary_lines(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Name and text of every total that exists."""
    totals = evaluation.totals
    lines = [
        ("latency", f"{engineering(totals['latency_s'], 's')}  ({totals['cycles']:,} cycles)"),
        ("energy", engineering(totals["energy_j"], "J")),
        ("power", engineering(totals["power_w"], "W")),
        ("area", MISSING if totals["area_mm2"] is None else f"{totals['area_mm2']:.4g} mm²"),
        ("energy-delay product", engineering(totals["edp_js"], "J·s")),
        ("MACs", engineering(totals["macs"])),
        ("throughput", MISSING if totals["tops"] is None else engineering(totals["tops"] * 1e12, "op/s")),
        ("efficiency", MISSING if totals["tops_per_w"] is None else f"{totals['tops_per_w']:.3g} TOPS/W"),
        ("utilization", percent(totals["utilization"])),
        ("DRAM traffic", binary_bytes(totals["dram_bytes"])),
        ("peak memory", binary_bytes(totals["peak_memory_bytes"])),
        (
            "inferences" if totals["tpot_s"] is None else "tokens",
            MISSING if totals["throughput_per_s"] is None else f"{totals['throughput_per_s']:.4g} per second",
        ),
        ("time to first token", engineering(totals["ttft_s"], "s")),
        ("time per output token", engineering(totals["tpot_s"], "s")),
    ]
    return [(name, text) for name, text in lines if text != MISSING]


def summary_table(evaluation: Evaluation) -> RenderableType:
    """Totals, one a line."""
    accelerator = evaluation.accelerator
    title = f"{evaluation.design_name}: {accelerator.pes:,} PEs at {engineering(accelerator.clock_hz, 'Hz')}"
    return plain_table(title, [("", "left"), ("", "left")], summary_lines(evaluation))


def component_table(evaluation: Evaluation) -> RenderableType:
    """Energy and area by component, with shares."""
    energy_j, area_mm2 = evaluation.cost.energy_j, evaluation.cost.area_mm2
    total = known_sum(energy_j)
    rows = []
    for name in dict.fromkeys([*energy_j, *area_mm2]):
        joules, area = energy_j.get(name), area_mm2.get(name)
        area_text = MISSING if area is None else f"{area:.3g} mm²"
        rows.append((name, engineering(joules, "J"), percent(ratio(joules, total)), area_text))
    columns = [("component", "left"), ("energy", "right"), ("share", "right"), ("area", "right")]
    return plain_table("By component", columns, rows)


LAYER_HEADER: tuple[tuple[str, str], ...] = (
    ("layer", "left"),
    ("phase", "left"),
    ("runs", "right"),
    ("dimensions", "left"),
    ("time", "right"),
    ("share", "right"),
    ("stalled", "right"),
    ("util", "right"),
    ("bound", "left"),
    ("energy", "right"),
    ("DRAM", "right"),
)


def layer_cells(evaluation: Evaluation, rows: int = ROWS) -> list[tuple[str, ...]]:
    """Texts of the layer table, at most `rows` of them, with `LAYER_HEADER`'s columns; times are over all runs."""
    groups = grouped(evaluation.cost.layers, rows)
    total_s = sum(group.latency_s for group in groups)
    return [_cells(group, total_s) for group in groups]


def layer_table(evaluation: Evaluation, rows: int = ROWS, width: int | None = None) -> RenderableType:
    """The layers in trace order; columns of `DROPPED` go until the table fits `width` characters."""
    title = "Layers (time, energy and DRAM over all runs of a layer)"
    cells = layer_cells(evaluation, rows)
    kept = columns_that_fit(LAYER_HEADER, cells, DROPPED, width)
    header = [LAYER_HEADER[index] for index in kept]
    return plain_table(title, header, [[row[index] for index in kept] for row in cells])


def columns_that_fit(
    header: Sequence[tuple[str, str]], cells: Sequence[Sequence[str]], dropped: Iterable[str], width: int | None
) -> list[int]:
    """Which columns fit `width` characters, by index: of those in `dropped`, the first go first."""
    kept = list(range(len(header)))
    widths = [
        min(NAME_WIDTH, max([len(name), *(len(row[index]) for row in cells)])) for index, (name, _) in enumerate(header)
    ]
    for name in dropped:
        if width is None or sum(widths[index] + PADDING for index in kept) - PADDING <= width:
            break
        kept = [index for index in kept if header[index][0] != name]
    return kept


def layer_note(evaluation: Evaluation, rows: int = ROWS, complete: str = "layers.csv of the run folder") -> str | None:
    """A line on what the layer table folds or leaves out and where all is; None when it shows every layer."""
    layers = len(evaluation.cost.layers)
    if layers <= rows:
        return None
    return f"{layers} layers shown in {len(grouped(evaluation.cost.layers, rows))} rows; all of them: {complete}"


def _cells(group: LayerGroup, total_s: float) -> tuple[str, ...]:
    return (
        group.name,
        group.phase,
        f"{group.occurrences:,}",
        short_dims(group.dims),
        engineering(group.latency_s, "s"),
        percent(ratio(group.latency_s, total_s)),
        percent(ratio(group.total_stall_s, group.latency_s)),
        percent(group.utilization),
        group.bound,
        engineering(group.total_energy_j, "J"),
        binary_bytes(group.dram_bytes),
    )


def short_dims(dims: Dims) -> str:
    """Dimensions that matter, those above 1: letters beside their size, words apart, height and width at once.

    >>> short_dims({"b": (1, 1), "m": (128, 128), "n": (64, 96), "stride_h": (2, 2), "stride_w": (2, 2)})
    'm128 n64..96 stride 2'
    """
    ranges = dict(dims)
    for name in [name for name in ranges if name.endswith("_h")]:
        stem = name.removesuffix("_h")
        if ranges[name] == ranges.get(f"{stem}_w"):
            ranges[stem] = ranges.pop(name)
            del ranges[f"{stem}_w"]
    return " ".join(_dim(name, low, high) for name, (low, high) in ranges.items() if high != 1)


def _dim(name: str, low: int, high: int) -> str:
    size = f"{low}" if low == high else f"{low}..{high}"
    return f"{name}{size}" if len(name) == 1 else f"{name} {size}"


def plain_table(title: str, columns: Iterable[tuple[str, str]], rows: Iterable[Sequence[str]]) -> RenderableType:
    """A titled table of texts; `columns` are (heading, kind): "left" (a name), "text" (longer), "right" (not wrapped).

    Control characters are spelled out.
    """
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    headings, cells = list(columns), [[printable(cell) for cell in row] for row in rows]
    show_header = any(name for name, _ in headings)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, show_header=show_header)
    for index, (name, kind) in enumerate(headings):
        table.add_column(
            name,
            justify="right" if kind == "right" else "left",
            no_wrap=kind == "right",
            overflow="fold",
            min_width=max([len(name), *(len(row[index]) for row in cells)]) if kind == "right" else None,
            max_width=NAME_WIDTH if kind == "left" else None,
        )
    for row in cells:
        table.add_row(*row)
    return Group(Text(printable(title), style="bold"), table)
