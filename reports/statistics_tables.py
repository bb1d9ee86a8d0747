"""Bit statistics (their `archsim.statistics/1` document) as terminal tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from archsim.reports.tables import columns_that_fit, plain_table
from archsim.reports.values import MISSING, percent

if TYPE_CHECKING:
    from rich.console import RenderableType

Document = Mapping[str, Any]

ROWS = 60
"""Rows of the table; of more, those of the largest tensors are shown."""
SHOWN_LANES = 16
"""Groups that the table shows, where they were counted."""
DROPPED = ("beyond 3σ", "Booth", "elements", "entropy", "nonzero", "zero columns")
"""Columns that a narrow terminal does without, the first to go first."""


def statistics_tables(document: Document, width: int | None = None) -> list[RenderableType]:
    """One row per tensor and format, then the notes; columns of `DROPPED` go until it fits `width` characters."""
    rows = [(tensor, found) for tensor in document["tensors"] for found in tensor["formats"]]
    shown = _largest(rows)
    lanes = _shown_lanes(rows)
    header, cells = _columns(lanes), [_cells(*row, lanes) for row in shown]
    kept = columns_that_fit(header, cells, DROPPED, width)
    columns, texts = [header[index] for index in kept], [[row[index] for index in kept] for row in cells]
    table = plain_table(_title(document, lanes), columns, texts)
    tables: list[RenderableType] = [table]
    if len(shown) < len(rows):
        tables.append(f"{len(rows) - len(shown)} more with fewer elements: the table in --out DIR has all")
    return [*tables, *document["notes"]]


def _title(document: Document, lanes: str) -> str:
    return f"{document['name']}: means over elements, and over groups of {lanes} lanes (largest of each group)"


def _shown_lanes(rows: Iterable[tuple[Document, Document]]) -> str:
    groups = [lanes for _, found in rows for lanes in found["groups"]]
    return str(SHOWN_LANES) if str(SHOWN_LANES) in groups else groups[-1]


def _largest(rows: list[tuple[Document, Document]]) -> list[tuple[Document, Document]]:
    ranked = sorted(range(len(rows)), key=lambda i: (-rows[i][0]["rows"] * rows[i][0]["length"], i))
    return [rows[index] for index in sorted(ranked[:ROWS])]


def _columns(lanes: str) -> list[tuple[str, str]]:
    heads = ["elements", "nonzero", "entropy", "beyond 3σ", "essential", f"of {lanes}", "Booth", "precision"]
    heads += [f"of {lanes} ", "zero columns"]
    return [("layer", "left"), ("operand", "left"), ("format", "left"), *((head, "right") for head in heads)]


def _cells(tensor: Document, found: Document, lanes: str) -> tuple[str, ...]:
    one, group = found["groups"]["1"], found["groups"][lanes]
    values = tensor["values"]
    entropy = found["entropy_bits"]
    return (
        tensor["layer"],
        tensor["operand"],
        found["format"],
        f"{tensor['rows'] * tensor['length']:,}",
        percent(found["density"]),
        MISSING if entropy is None else f"{entropy:.2f} b",
        MISSING if values is None else percent(values["beyond_sigma"]["3"]),
        f"{one['essential_bits']:.2f}",
        f"{group['essential_bits']:.2f}",
        f"{one['booth_digits']:.2f}",
        f"{one['precision']:.2f}",
        f"{group['precision']:.2f}",
        percent(group["zero_columns"]),
    )
