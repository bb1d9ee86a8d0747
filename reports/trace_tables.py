"""A trace (its `archsim.trace/1` document) as terminal tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from archsim.reports.groups import pattern
from archsim.reports.tables import plain_table, short_dims
from archsim.reports.values import MISSING, binary_bytes, engineering

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    Document = Mapping[str, Any]

ROWS = 60
"""Rows of the table; longer traces are folded, then cut to those with the most MACs."""

_COLUMNS = (
    ("operation", "left"),
    ("kind", "left"),
    ("phase", "left"),
    ("runs", "right"),
    ("dimensions", "left"),
    ("MACs", "right"),
    ("weights", "right"),
    ("inputs", "right"),
    ("outputs", "right"),
    ("op/byte", "right"),
)


def trace_tables(document: Document) -> list[RenderableType]:
    """Totals of a trace, then its operations; MACs and bytes over all runs of a row."""
    rows, hidden = shown_rows(document["ops"])
    table = plain_table("Operations (MACs and bytes over all runs)", _COLUMNS, [_cells(row) for row in rows])
    tables: list[RenderableType] = [_totals(document), table]
    return [*tables, f"{hidden} more with fewer MACs"] if hidden else tables


def shown_rows(ops: Iterable[Document], limit: int = ROWS) -> tuple[list[dict[str, Any]], int]:
    """At most `limit` rows in trace order, and how many are left out: ops, or if too many, repeated blocks folded."""
    rows = [dict(op) for op in ops]
    if len(rows) > limit:
        rows = _folded(rows)
    if len(rows) <= limit:
        return rows, 0
    ranked = sorted(range(len(rows)), key=lambda index: (-rows[index]["macs"] * rows[index]["count"], index))
    return [rows[index] for index in sorted(ranked[:limit])], len(rows) - limit


def _folded(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ops that differ only in the index of their block as one row that runs as often as they all do."""
    folded: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        key = (pattern(row["name"]), row["kind"], row["phase"], tuple(row["dims"].items()), str(row.get("formats")))
        if key in folded:
            first = folded[key]
            folded[key] = first | {"name": key[0], "count": first["count"] + row["count"]}
        else:
            folded[key] = row
    return list(folded.values())


def _cells(row: Document) -> tuple[str, ...]:
    count = row["count"]
    sizes = [row.get(key) for key in ("weight_bytes", "input_bytes", "output_bytes")]
    intensity = row.get("ops_per_byte")
    return (
        row["name"],
        row["kind"],
        row["phase"],
        f"{count:,}",
        short_dims(row["dims"]),
        engineering(row["macs"] * count) if row["macs"] else MISSING,
        *(MISSING if size is None else binary_bytes(size * count) for size in sizes),
        MISSING if intensity is None else f"{intensity:.3g}",
    )


def _totals(document: Document) -> Table:
    lines = [
        ("operations", f"{sum(op['count'] for op in document['ops']):,}"),
        ("MACs", engineering(document["macs"])),
        ("parameters", engineering(document["parameters"])),
    ]
    if document["kv_bytes_per_token"]:
        lines.append(("KV cache per token", binary_bytes(document["kv_bytes_per_token"])))
    if document.get("source"):
        lines.append(("source", document["source"]))
    return plain_table(document["name"], [("", "left"), ("", "text")], lines)
