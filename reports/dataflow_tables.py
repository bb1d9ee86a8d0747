"""A comparison of dataflows and formats as terminal tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsim.reports.mapping_tables import WORDS, energy_split
from archsim.reports.tables import plain_table
from archsim.reports.values import MISSING, engineering, gap_text, percent, ratio

if TYPE_CHECKING:
    from rich.console import RenderableType

    from archsim.reports.dataflows import Cell, DataflowComparison

HEADS = ("format", "dataflow", "objective", "time", "energy", "util", "bound", "energy goes to", "gap", "")
KINDS = ("left", "left", "right", "right", "right", "right", "left", "text", "right", "left")


def dataflow_tables(comparison: DataflowComparison) -> list[RenderableType]:
    """Rows by format and dataflow, winners marked, and the reasons."""
    from rich.text import Text

    title = f"{comparison.work} on {comparison.design_name}: least {WORDS[comparison.objective]}"
    rows = [_cells(comparison, cell) for cell in comparison.cells]
    table = plain_table(title, list(zip(HEADS, KINDS, strict=True)), rows)
    lines = [*comparison.findings(), *(f"note: {remark}" for remark in comparison.remarks)]
    return [table, Text("\n".join(lines))]


def _cells(comparison: DataflowComparison, cell: Cell) -> tuple[str, ...]:
    outcome, best = cell.outcome, comparison.best(cell.format)
    if outcome is None or best is None or best.outcome is None:
        return (cell.format, cell.dataflow, *(MISSING,) * 5, cell.why_not or "", "", "")
    above = ratio(outcome.value, best.outcome.value)
    return (
        cell.format,
        cell.dataflow,
        MISSING if above is None else f"{above:.2f} x",
        engineering(outcome.latency_s, "s"),
        engineering(outcome.total_j, "J"),
        percent(outcome.utilization),
        outcome.bound,
        energy_split(outcome.energy_j, 3),
        "0" if outcome.optimal else gap_text(outcome.gap),
        "best" if cell is best else "",
    )
