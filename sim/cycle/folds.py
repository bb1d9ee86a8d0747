"""How a GEMM larger than the array is cut into folds, and in which order they run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Folds:
    """A list of folds in the order they run: where each begins in the mapped dimensions and what it uses of the array.

    Four int64 arrays of equal length; fold f covers ``row0 .. row0 + rows`` and ``col0 .. col0 + cols``.
    """

    row0: Ints
    rows: Ints
    col0: Ints
    cols: Ints

    def __len__(self) -> int:
        return len(self.rows)

    def as_tuple(self) -> tuple[Ints, Ints, Ints, Ints]:
        return self.row0, self.rows, self.col0, self.cols


def cut(size: int, piece: int) -> list[int]:
    """Sizes of the pieces of a dimension, the last one partial.

    >>> cut(10, 4)
    [4, 4, 2]
    """
    return [min(piece, size - begin) for begin in range(0, size, piece)]


def gemm_folds(row_size: int, col_size: int, array_rows: int, array_cols: int) -> Folds:
    """All folds of a mapped GEMM: column folds outer, row folds inner."""
    rows = np.array(cut(row_size, array_rows), np.int64)
    cols = np.array(cut(col_size, array_cols), np.int64)
    row0 = np.arange(len(rows), dtype=np.int64) * array_rows
    col0 = np.arange(len(cols), dtype=np.int64) * array_cols
    return Folds(
        row0=np.tile(row0, len(cols)),
        rows=np.tile(rows, len(cols)),
        col0=np.repeat(col0, len(rows)),
        cols=np.repeat(cols, len(rows)),
    )


def diagonal_folds(shapes: list[tuple[int, int]]) -> Folds:
    """Folds of the given (rows, cols), placed corner to corner, so that any sequence of shapes can run back to back."""
    rows = np.array([rows for rows, _ in shapes], np.int64)
    cols = np.array([cols for _, cols in shapes], np.int64)
    return Folds(row0=np.cumsum(rows) - rows, rows=rows, col0=np.cumsum(cols) - cols, cols=cols)
