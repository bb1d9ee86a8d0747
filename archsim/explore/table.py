"""Rows of a run as Arrow tables with one schema for all chunks, and as the bytes of a Parquet file."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from archsim.explore.axes import Axis, Value
from archsim.explore.results import PointResult

if TYPE_CHECKING:
    import pyarrow as pa

    from archsim.explore.study import Sweep

FIXED = ("index", "point_id", "status", "reason")
"""The first columns of every run; then the axes, then the totals."""
RUN_KEY, POINTS_KEY = b"archsim.run", b"archsim.points"
_INT64 = 2**63


def column_type(axis: Axis) -> str:
    """Arrow's name for what holds an axis' values: text where they are of several kinds, JSON for lists and tables."""
    kinds = {type(value) for value in axis.values}
    if kinds == {int} and all(-_INT64 <= int(str(value)) < _INT64 for value in axis.values):
        return "int64"
    if kinds <= {int, float}:
        return "float64"
    return "bool" if kinds == {bool} else "string"


def cell(value: Value | None, kind: str) -> Any:
    """A value as its column holds it."""
    if value is None:
        return None
    if kind == "string":
        return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return float(str(value)) if kind == "float64" else value


def table_schema(sweep: Sweep) -> pa.Schema:
    """The columns of a run: the same for every chunk, so that a folder of chunks is one table."""
    import pyarrow as pa

    fixed = [("index", pa.int64()), ("point_id", pa.string()), ("status", pa.string()), ("reason", pa.string())]
    axes = [(axis.key, pa.type_for_alias(column_type(axis))) for axis in sweep.space.axes]
    return pa.schema([*fixed, *axes, *((name, pa.float64()) for name in sweep.columns)])


def rows_table(rows: Sequence[PointResult], sweep: Sweep, metadata: dict[bytes, bytes]) -> pa.Table:
    """Rows as a table of the run's schema."""
    import pyarrow as pa

    schema = table_schema(sweep).with_metadata(metadata)
    kinds = {axis.key: column_type(axis) for axis in sweep.space.axes}
    columns: dict[str, list[Any]] = {
        "index": [row.point.index for row in rows],
        "point_id": [row.point_id for row in rows],
        "status": [row.status for row in rows],
        "reason": [row.reason for row in rows],
    }
    stated = [dict(row.point.values) for row in rows]
    for key, kind in kinds.items():
        columns[key] = [cell(values.get(key), kind) for values in stated]
    for name in sweep.columns:
        columns[name] = [row.values.get(name) for row in rows]
    return pa.Table.from_pydict(columns, schema=schema)


def parquet_bytes(table: pa.Table) -> bytes:
    """A Parquet file: the same bytes for the same table."""
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def table_of(content: bytes) -> pa.Table:
    """The table in the bytes of a Parquet file. Raises pyarrow.ArrowException or OSError when they are none."""
    import pyarrow.parquet as pq

    return pq.read_table(io.BytesIO(content), use_threads=False)
