"""Tables of one type behind each other in one array, led by where each begins, its rows and its columns."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from archsim.core.kernels import kernel, view_of
from archsim.sim.kernels import Floats, Ints

Values = TypeVar("Values", Ints, Floats)


def packed(tables: Sequence[Any], kind: type) -> Any:
    """Tables of one or two dimensions in one array of a type: (begin, rows, columns) of each, then their values."""
    begin, head = 3 * len(tables), list[int]()
    for table in tables:
        head += [begin, table.shape[0], table.shape[1] if table.ndim == 2 else 1]
        begin += table.size
    return np.concatenate([np.array(head, kind), *(np.ascontiguousarray(table, kind).ravel() for table in tables)])


@kernel
def row_of(table: int, values: Values) -> Values:
    """A table of one dimension: a view, see `view_of`."""
    row: Values = view_of(values, int(values[3 * table]), (int(values[3 * table + 1]),))
    return row


@kernel
def table_of(table: int, values: Values) -> Values:
    """A table of two dimensions: a view, see `view_of`."""
    shape = int(values[3 * table + 1]), int(values[3 * table + 2])
    rows: Values = view_of(values, int(values[3 * table]), shape)
    return rows


@kernel
def blocks_of(table: int, blocks: int, values: Values) -> Values:
    """A table as so many equal ones behind each other."""
    shape = blocks, int(values[3 * table + 1]) // blocks, int(values[3 * table + 2])
    found: Values = view_of(values, int(values[3 * table]), shape)
    return found
