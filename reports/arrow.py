"""Rows as an Arrow table, built from buffers.

pyarrow's own conversion of Python lists imports pandas to ask whether they are pandas objects, which costs a command
more than all the rest of writing its files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from archsim.reports import records


def arrow_table(rows: Sequence[records.Row], columns: dict[str, str]) -> pa.Table:
    """One column per entry of `columns` (name to kind); None becomes null."""
    arrays = [_column([row[name] for row in rows], kind) for name, kind in columns.items()]
    return pa.Table.from_arrays(arrays, names=list(columns))


def _column(values: list[Any], kind: str) -> pa.Array:
    validity, nulls = _validity(values)
    if kind == records.TEXT:
        encoded = [b"" if value is None else str(value).encode() for value in values]
        offsets = np.cumsum([0, *(len(text) for text in encoded)], dtype=np.int32)
        buffers = [validity, pa.py_buffer(offsets.tobytes()), pa.py_buffer(b"".join(encoded))]
        return pa.Array.from_buffers(pa.string(), len(values), buffers, nulls)
    arrow_type, dtype = (pa.int64(), np.int64) if kind == records.INTEGER else (pa.float64(), np.float64)
    numbers = np.array([0 if value is None else value for value in values], dtype=dtype)
    return pa.Array.from_buffers(arrow_type, len(values), [validity, pa.py_buffer(numbers.tobytes())], nulls)


def _validity(values: list[Any]) -> tuple[pa.Buffer | None, int]:
    """The bitmap of what is not null (None when all are there), and how many are."""
    there = np.array([value is not None for value in values], np.bool_)
    nulls = len(values) - int(there.sum())
    return (pa.py_buffer(np.packbits(there, bitorder="little").tobytes()) if nulls else None), nulls
