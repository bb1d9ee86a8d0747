"""A trace (its `archsim.trace/1` document) as terminal tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archsim.reports.document import OPERATIONS_PER_MAC
from archsim.reports.groups import Dims, dim_ranges, fold_key
from archsim.reports.tables import plain_table, short_dims
from archsim.reports.values import MISSING, binary_bytes, engineering, printable, ratio

if TYPE_CHECKING:
    from rich.console import RenderableType

    from archsim.workloads.safetensors import StoredTensor

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


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceRow:
    """One op, or several that are folded, over all runs: bytes and operations are None where they are not known."""

    name: str
    kind: str
    phase: str
    runs: int
    dims: Dims
    macs: int
    operations: float | None
    """Two per MAC; for other ops those of the vector unit."""
    weight_bytes: float | None
    input_bytes: float | None
    output_bytes: float | None

    @property
    def bytes(self) -> float:
        """Bytes of the operands that are known."""
        return math.fsum(size or 0.0 for size in (self.weight_bytes, self.input_bytes, self.output_bytes))

    @property
    def operations_per_byte(self) -> float | None:
        return ratio(self.operations, _sum([self.weight_bytes, self.input_bytes, self.output_bytes]))


def trace_tables(document: Document) -> list[RenderableType]:
    """Totals of a trace, then its operations; MACs and bytes over all runs of a row."""
    rows, hidden = shown_rows(document["ops"])
    table = plain_table("Operations (MACs and bytes over all runs)", _COLUMNS, [_cells(row) for row in rows])
    tables: list[RenderableType] = [_totals(document), table]
    return [*tables, f"{hidden} more with fewer MACs"] if hidden else tables


def shown_rows(
    ops: Iterable[Document], limit: int = ROWS, by: Callable[[TraceRow], float] = lambda row: row.macs
) -> tuple[list[TraceRow], int]:
    """At most `limit` rows in trace order, those with the largest `by`, and how many are left out.

    Rows are ops, or if they are too many, repeated blocks folded.
    """
    documents = list(ops)
    rows = [_row([op], op["name"]) for op in documents] if len(documents) <= limit else _folded(documents)
    if len(rows) <= limit:
        return rows, 0
    ranked = sorted(range(len(rows)), key=lambda index: (-by(rows[index]), index))
    return [rows[index] for index in sorted(ranked[:limit])], len(rows) - limit


def _folded(ops: list[Document]) -> list[TraceRow]:
    """Ops that differ only in the index of their block as one row."""
    members: dict[tuple[Any, ...], list[Document]] = {}
    for op in ops:
        key = (*fold_key(op["name"], op["phase"], op["kind"], op["dims"]), str(op.get("formats")))
        members.setdefault(key, []).append(op)
    return [_row(alike, key[0] if len(alike) > 1 else alike[0]["name"]) for key, alike in members.items()]


def _row(ops: list[Document], name: str) -> TraceRow:
    first = ops[0]
    macs = sum(op["macs"] * op["count"] for op in ops)
    sizes = {key: _sum(_over_runs(op, key) for op in ops) for key in ("weight_bytes", "input_bytes", "output_bytes")}
    return TraceRow(
        name=name,
        kind=first["kind"],
        phase=first["phase"],
        runs=sum(op["count"] for op in ops),
        dims=dim_ranges(op["dims"] for op in ops),
        macs=macs,
        operations=OPERATIONS_PER_MAC * macs if macs else _sum(_over_runs(op, "operations") for op in ops),
        **sizes,
    )


def _over_runs(op: Document, key: str) -> float | None:
    value = op.get(key)
    return None if value is None else value * op["count"]


def _sum(values: Iterable[float | None]) -> float | None:
    """The sum, or None when one of the values is not known."""
    total = 0.0
    for value in values:
        if value is None:
            return None
        total += value
    return total


def _cells(row: TraceRow) -> tuple[str, ...]:
    return (
        row.name,
        row.kind,
        row.phase,
        f"{row.runs:,}",
        short_dims(row.dims),
        engineering(row.macs) if row.macs else MISSING,
        binary_bytes(row.weight_bytes),
        binary_bytes(row.input_bytes),
        binary_bytes(row.output_bytes),
        _intensity(row.operations_per_byte),
    )


def _intensity(value: float | None) -> str:
    return MISSING if value is None else f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def tensor_lines(tensors: Sequence[StoredTensor], limit: int = ROWS) -> Iterator[str]:
    """Stored tensors, a line each: name, element type, shape, bytes."""
    for tensor in tensors[:limit]:
        shape = " x ".join(map(str, tensor.shape)) or "scalar"
        yield f"{printable(tensor.name)}: {tensor.dtype}, {shape}, {binary_bytes(tensor.bytes)}"
    if len(tensors) > limit:
        yield f"and {len(tensors) - limit:,} more"


def _totals(document: Document) -> RenderableType:
    lines = [
        ("operations", f"{sum(op['count'] for op in document['ops']):,}"),
        ("MACs", engineering(document["macs"])),
        ("parameters", engineering(document["parameters"])),
    ]
    for key, title in (("weight_bytes", "weights read"), ("activation_bytes", "activations moved")):
        if document.get(key):
            lines.append((title, binary_bytes(document[key])))
    if document.get("ops_per_byte"):
        lines.append(("operations per byte", _intensity(document["ops_per_byte"])))
    if document["kv_bytes_per_token"]:
        lines.append(("KV cache per token", binary_bytes(document["kv_bytes_per_token"])))
    if document.get("source"):
        lines.append(("source", document["source"]))
    return plain_table(document["name"], [("", "left"), ("", "text")], lines)
