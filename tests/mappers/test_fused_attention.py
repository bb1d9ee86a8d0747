"""Fused attention moves what FlashAttention's algorithms do, to the element."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.mappers.fusion_causal import attention_moves
from tests.mappers.fusion_twin import walk_causal

POINTS = [
    # sequence, head dimension, bytes of the buffer
    (1024, 64, 64 * 1024),
    (2048, 128, 128 * 1024),
    (4096, 64, 256 * 1024),
    (8192, 128, 512 * 1024),
    (16384, 128, 1024 * 1024),
    (5000, 80, 192 * 1024),
]
BYTES = 2


def flash_blocks(head_dim: int, buffer: int) -> tuple[int, int]:
    """Rows of a block of queries and of keys. Source: Dao et al. 2022 (FlashAttention), Algorithm 1, line 1."""
    columns = math.ceil(buffer / (4 * head_dim))
    return min(columns, head_dim), columns


@pytest.mark.parametrize(("n", "d", "buffer"), POINTS)
def test_columns_outside_moves_what_algorithm_1_of_flashattention_loads_and_writes(n: int, d: int, buffer: int) -> None:
    """Lines 6 to 13: K_j and V_j once; Q_i, O_i, l_i, m_i loaded and O_i, l_i, m_i written for every block of keys."""
    elements = buffer // BYTES
    row_block, column_block = flash_blocks(d, elements)
    key_blocks = math.ceil(n / column_block)
    assert key_blocks > 1
    loaded = 2 * n * d + key_blocks * (2 * n * d + 2 * n)
    written = key_blocks * (n * d + 2 * n)
    moves = attention_moves(n, n, d, row_block, column_block, rows_outside=False, read_first=True)
    assert moves.total == loaded + written
    assert (moves.keys, moves.values) == (n * d, n * d)
    assert moves.queries == moves.results_read == moves.results_written == key_blocks * n * d
    # Theorem 2: accesses grow as N² d² / M; Algorithm 1's constant is 12, for the three tensors that pass by.
    assert 12 <= moves.total / (n**2 * d**2 / elements) <= 16


@pytest.mark.parametrize(("n", "d", "buffer"), POINTS)
def test_sums_that_have_not_begun_are_not_read_unless_asked(n: int, d: int, buffer: int) -> None:
    row_block, column_block = flash_blocks(d, buffer // BYTES)
    key_blocks = math.ceil(n / column_block)
    moves = attention_moves(n, n, d, row_block, column_block, rows_outside=False)
    assert moves.results_read == (key_blocks - 1) * n * d
    assert moves.results_written == key_blocks * n * d


@pytest.mark.parametrize(("n", "d", "buffer"), POINTS)
def test_rows_outside_moves_what_algorithm_1_of_flashattention_2_does(n: int, d: int, buffer: int) -> None:
    """Dao 2023, Algorithm 1: Q_i once, all of K and V for every block of queries, O_i written once."""
    row_block, column_block = flash_blocks(d, buffer // BYTES)
    moves = attention_moves(n, n, d, row_block, column_block)
    assert moves.total == n * d + 2 * n * d * math.ceil(n / row_block) + n * d
    assert (moves.results_read, moves.statistics_read, moves.statistics_written) == (0, 0, 0)


def test_keys_that_fit_whole_are_read_once() -> None:
    moves = attention_moves(4096, 128, 64, 16, 128)
    assert (moves.keys, moves.values) == (128 * 64, 128 * 64)


@given(
    st.integers(1, 12), st.integers(0, 6), st.integers(1, 3), st.integers(1, 12), st.integers(1, 12), st.booleans(),
    st.booleans(),
)  # fmt: skip
@settings(max_examples=300, deadline=None, derandomize=True)
def test_causal_counts_equal_a_walk(
    rows: int, before: int, d: int, row_block: int, column_block: int, rows_outside: bool, read_first: bool
) -> None:
    columns = rows + before
    moves = attention_moves(
        rows, columns, d, row_block, column_block, rows_outside=rows_outside, read_first=read_first, causal=True
    )
    walked = walk_causal(rows, columns, d, row_block, column_block, rows_outside=rows_outside, read_first=read_first)
    found = {name: getattr(moves, name) for name in walked}
    assert found == walked


def test_a_causal_mask_saves_almost_half_of_the_keys() -> None:
    dense, causal = (attention_moves(8192, 8192, 128, 128, 128, causal=causal) for causal in (False, True))
    assert causal.keys / dense.keys == pytest.approx(0.5, abs=0.01)
