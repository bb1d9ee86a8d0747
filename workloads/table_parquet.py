"""Trace Parquet: the columns of the CSV, typed, with the trace's metadata in the schema."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.core.errors import Problem
from archsim.workloads.table_columns import COLUMNS, Cell
from archsim.workloads.table_rows import op_row
from archsim.workloads.table_trace import METADATA, Row, build_trace, column_problems, metadata, raise_all
from archsim.workloads.trace import Trace

if TYPE_CHECKING:
    import pyarrow as pa

MAGIC = b"PAR1"
"""First bytes of every Parquet file."""

_KEY = b"archsim.trace/1"


def read_parquet(content: bytes, file: Path) -> Trace:
    """The trace of a Parquet file's bytes; lines in its problems are rows, from 1."""
    table = _table(content, file)
    problems = column_problems(table.column_names, None)
    raise_all(problems, file)
    columns = _columns(table, file)
    rows = [
        Row(
            cells={name: cell for name, cells in columns.items() if _filled(cell := _cell(cells[index]))},
            line=index + 1,
        )
        for index in range(table.num_rows)
    ]
    return build_trace(rows, _metadata(table.schema.metadata), file, problems)


def _columns(table: pa.Table, file: Path) -> dict[str, list[Any]]:
    """The cells of each column; text that a damaged file holds as other bytes is a problem with its column."""
    columns: dict[str, list[Any]] = {}
    problems = []
    for name in table.column_names:
        try:
            columns[name] = table.column(name).to_pylist()
        except UnicodeDecodeError as error:
            message = f"column {name!r} is not UTF-8 text ({error.reason})"
            problems.append(Problem(message=message, file=str(file), hint="the file is damaged: write it again"))
    raise_all(problems, file)
    return columns


def write_parquet(trace: Trace) -> bytes:
    """A trace as the bytes of a Parquet file, with the columns that some op fills."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"text": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}
    rows = [op_row(op) for op in trace.ops]
    used = {column for row in rows for column in row} | {"name", "kind"}
    fields = [pa.field(name, types[column.holds]) for name, column in COLUMNS.items() if name in used]
    schema = pa.schema(fields, metadata={_KEY: json.dumps(metadata(trace)).encode()})
    arrays = [pa.array([row.get(field.name) for row in rows], type=field.type) for field in fields]
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), sink)
    return sink.getvalue()


def _table(content: bytes, file: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(io.BytesIO(content)).read()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise_all([Problem(message=f"is not a readable Parquet file: {str(error).splitlines()[0]}")], file)
        raise


def _cell(value: object) -> Cell:
    """A cell as text, number or boolean; what is neither is shown as text and refused where a number is wanted."""
    if value is None or value != value:
        return ""
    return value.strip() if isinstance(value, str) else value if isinstance(value, int | float) else str(value)


def _filled(cell: Cell) -> bool:
    return cell != "" or isinstance(cell, bool)


def _metadata(schema: dict[bytes, bytes] | None) -> dict[str, str]:
    try:
        stored = json.loads((schema or {}).get(_KEY, b"{}"))
    except ValueError:
        return {}
    return {key: str(stored[key]) for key in METADATA if isinstance(stored, dict) and key in stored}
