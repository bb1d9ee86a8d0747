"""What a fused attention moves by block sizes alone, with or without a causal mask: FlashAttention's counts.

The closed form that every fused pair uses, for one head and without an accelerator; under a causal mask blocks wholly
above the diagonal are neither fetched nor computed. Products in a trace are dense, so that a trace's chains skip none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from archsim.mappers.fusion_kernels import COLUMNS_OUTSIDE, ROWS_OUTSIDE, Pair, pair_moves


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionMoves:
    """Elements that cross between off-chip memory and chip: queries, keys, values, results, and row statistics."""

    queries: int
    keys: int
    values: int
    results_read: int
    results_written: int
    statistics_read: int = 0
    statistics_written: int = 0

    @property
    def total(self) -> int:
        statistics = self.statistics_read + self.statistics_written
        return self.queries + self.keys + self.values + self.results_read + self.results_written + statistics


def attention_moves(
    rows: int,
    columns: int,
    head_dim: int,
    row_block: int,
    column_block: int,
    *,
    rows_outside: bool = True,
    read_first: bool = False,
    causal: bool = False,
) -> AttentionMoves:
    """What one head moves: `rows` queries in blocks of `row_block`, `columns` keys and values in `column_block`.

    `rows_outside`: keys and values pass by for every block of queries (FlashAttention-2); else queries, results and
    their statistics pass by for every block of keys (FlashAttention, Algorithm 1, which loads the results it has not
    begun yet too: `read_first`). `causal`: query i sees keys up to i + columns - rows.
    """
    if causal:
        return _causal(rows, columns, head_dim, row_block, column_block, rows_outside, read_first)
    pair = Pair(
        sizes=np.array([1, rows, columns, head_dim, head_dim], np.int64), firsts=1, softmax=True, read_first=read_first,
        bits=np.ones(7), room=np.full(2, np.inf), double=np.zeros(2, np.int64), weight_level=0, x_stays=False,
        y_stays=False,
    )  # fmt: skip
    moved = np.zeros(8, np.int64)
    tiles = np.array([1, row_block, column_block, head_dim, head_dim], np.int64)
    pair_moves(pair, tiles, ROWS_OUTSIDE if rows_outside else COLUMNS_OUTSIDE, moved)
    queries, keys, values, written, again, partial, read, out = (int(count) for count in moved)
    return AttentionMoves(
        queries=queries, keys=keys, values=values, results_read=again, results_written=written + partial,
        statistics_read=read, statistics_written=out,
    )  # fmt: skip


def _causal(
    rows: int, columns: int, head_dim: int, row_block: int, column_block: int, rows_outside: bool, read_first: bool
) -> AttentionMoves:
    """Blocks on or below the diagonal only. A block that two steps in a row need does not come again."""
    if columns < rows:
        raise ValueError(f"a causal mask needs a key for every query (got {columns} keys, {rows} queries)")
    heights = _blocks(rows, row_block)
    needed = [math.ceil((min(rows, (i + 1) * row_block) + columns - rows) / column_block) for i in range(len(heights))]
    widths = _blocks(columns, column_block)
    if rows_outside:
        again = [widths[0] for before in needed[:-1] if before == 1]
        keys = sum(sum(widths[:count]) for count in needed) - sum(again)
        return AttentionMoves(
            queries=rows * head_dim, keys=keys * head_dim, values=keys * head_dim, results_read=0,
            results_written=rows * head_dim,
        )  # fmt: skip
    alone = sum(1 for j in range(1, len(widths)) if all(count <= j for count in needed[:-1]))
    visits = [*needed[:-1], needed[-1] - alone]
    visited = sum(height * count for height, count in zip(heights, visits, strict=True))
    travels = max(visits) > 1
    read = visited - (0 if read_first and travels else rows)
    return AttentionMoves(
        queries=visited * head_dim,
        keys=columns * head_dim,
        values=columns * head_dim,
        results_read=read * head_dim,
        results_written=visited * head_dim,
        statistics_read=2 * read if travels else 0,
        statistics_written=2 * visited if travels else 0,
    )


def _blocks(size: int, block: int) -> list[int]:
    return [min(block, size - start) for start in range(0, size, block)]
