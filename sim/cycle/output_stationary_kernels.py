"""The output-stationary array: operands cross, every PE keeps one result, and results leave down an output chain."""

from __future__ import annotations

import numpy as np

from archsim.core.kernels import kernel
from archsim.sim.cycle.kernels import (
    ACTIVE,
    CYCLES,
    FINISHED,
    IDLE,
    LEFT_READS,
    LIMIT_REACHED,
    OVERWRITTEN,
    TOP_READS,
    WRITES,
    Ints,
    Values,
    advance_line,
    count_active,
)

EMPTY, WAITING, MOVING = 0, 1, 2
"""What an output register holds: nothing, a result whose column still computes, a result on its way down."""


@kernel
def feed_left(a: Values, left: Values, line_fold: Ints, line_step: Ints, row0: Ints, rows: Ints) -> int:
    """Put this cycle's element of each row of A before the left edge; bubbles are zero. Returns the values read."""
    reads = 0
    for i in range(left.size):
        fold = line_fold[i]
        left[i] = 0
        if fold != IDLE and i < rows[fold]:
            left[i] = a[row0[fold] + i, line_step[i]]
            reads += 1
    return reads


@kernel
def feed_top(b: Values, top: Values, line_fold: Ints, line_step: Ints, col0: Ints, cols: Ints) -> int:
    """Put this cycle's element of each column of B above the top edge; bubbles are zero. Returns the values read."""
    reads = 0
    for j in range(top.size):
        fold = line_fold[j]
        top[j] = 0
        if fold != IDLE and j < cols[fold]:
            top[j] = b[line_step[j], col0[fold] + j]
            reads += 1
    return reads


@kernel
def clear_accumulators(acc: Values, line_fold: Ints, line_step: Ints) -> None:
    """Empty the accumulators of the PEs whose fold begins this cycle: step 0 has reached their diagonal."""
    array_rows, array_cols = acc.shape
    for d in range(line_fold.size):
        if line_fold[d] != IDLE and line_step[d] == 0:
            for i in range(max(0, d - array_cols + 1), min(d, array_rows - 1) + 1):
                acc[i, d - i] = 0


@kernel
def step_array(act: Values, wgt: Values, acc: Values, left: Values, top: Values) -> None:
    """One cycle of all PEs: A moves right, B moves down, each PE multiplies what it received and accumulates."""
    array_rows, array_cols = acc.shape
    for i in range(array_rows - 1, -1, -1):
        for j in range(array_cols - 1, 0, -1):
            act[i, j] = act[i, j - 1]
        act[i, 0] = left[i]
        if i > 0:
            for j in range(array_cols):
                value = wgt[i - 1, j]
                wgt[i, j] = value
                acc[i, j] += act[i, j] * value
        else:
            for j in range(array_cols):
                value = top[j]
                wgt[i, j] = value
                acc[i, j] += act[i, j] * value


@kernel
def release_column(state: Ints, moving: Ints, j: int) -> None:
    """From the next cycle on, the waiting results of column j shift down."""
    for i in range(state.shape[0]):
        if state[i, j] == WAITING:
            state[i, j] = MOVING
            moving[i] += 1


@kernel
def capture_results(
    acc: Values,
    out: Values,
    state: Ints,
    moving: Ints,
    line_fold: Ints,
    line_step: Ints,
    last_step: int,
    rows: Ints,
    cols: Ints,
) -> bool:
    """Copy accumulators after their last MAC to the output registers; the bottom used PE releases its column.

    Returns whether an output register still held another result.
    """
    overwritten = False
    for d in range(line_fold.size):
        fold = line_fold[d]
        if fold != IDLE and line_step[d] == last_step:
            for i in range(max(0, d - cols[fold] + 1), min(d, rows[fold] - 1) + 1):
                j = d - i
                overwritten |= state[i, j] != EMPTY
                out[i, j] = acc[i, j]
                state[i, j] = WAITING
                if i == rows[fold] - 1:
                    release_column(state, moving, j)
    return overwritten


@kernel
def shift_outputs(out: Values, state: Ints, moving: Ints) -> bool:
    """Move every released result one output register down; the collector has emptied the bottom row before.

    `moving[i]` counts the released results of row i. Returns whether one ran into a result that still waits.
    """
    clashes = 0
    for i in range(out.shape[0] - 1, 0, -1):
        if moving[i - 1] == 0:
            continue
        for j in range(out.shape[1]):
            moves = state[i - 1, j] == MOVING
            clashes += 1 if moves and state[i, j] != EMPTY else 0
            out[i, j] = out[i - 1, j] if moves else out[i, j]
            state[i, j] = MOVING if moves else state[i, j]
            state[i - 1, j] = EMPTY if moves else state[i - 1, j]
        moving[i] = moving[i - 1]
        moving[i - 1] = 0
    return clashes > 0


@kernel
def collect(
    out: Values,
    state: Ints,
    moving: Ints,
    product: Values,
    arrived: Ints,
    column_fold: Ints,
    folds: tuple[Ints, Ints, Ints, Ints],
    ends: Ints,
    cycle: int,
) -> int:
    """Take what leaves the bottom edge this cycle. Returns how many values left.

    The collector knows a value only by its order: each column delivers its folds in turn, the lowest row first.
    """
    row0, rows, col0, cols = folds
    bottom = out.shape[0] - 1
    if moving[bottom] == 0:
        return 0
    left = 0
    for j in range(out.shape[1]):
        if state[bottom, j] == MOVING:
            while j >= cols[column_fold[j]]:
                column_fold[j] += 1
            fold = column_fold[j]
            product[row0[fold] + rows[fold] - 1 - arrived[j], col0[fold] + j] = out[bottom, j]
            ends[fold] = cycle + 1
            state[bottom, j] = EMPTY
            left += 1
            arrived[j] += 1
            if arrived[j] == rows[fold]:
                arrived[j] = 0
                column_fold[j] += 1
    moving[bottom] = 0
    return left


@kernel
def may_start(
    fold: int, starts: Ints, hold: Ints, cycle: int, fed: int, depth: int, in_array: int, fold_overlap: bool
) -> bool:
    """Whether `fold` may start now: with overlap, once the fold before was fed and held; else in an empty array."""
    if fold == 0 or not fold_overlap:
        return in_array == 0
    return fed == depth and cycle - starts[fold - 1] >= hold[fold - 1]


@kernel
def run_output_stationary(
    a: Values,
    b: Values,
    folds: tuple[Ints, Ints, Ints, Ints],
    hold: Ints,
    array_rows: int,
    array_cols: int,
    fold_overlap: bool,
    cycle_limit: int,
    product: Values,
    starts: Ints,
    ends: Ints,
    tally: Ints,
) -> int:
    """Play the folds of ``product = a @ b`` in order and return how the run ended.

    `folds` = (row0, rows, col0, cols): fold f computes ``product[row0 : row0 + rows, col0 : col0 + cols]``. With
    `fold_overlap` the next fold starts when this one's last operand has entered the corner PE and at least ``hold[f]``
    cycles have passed; without it, when every result has left. `starts` and `ends` receive the cycle of each fold's
    first MAC and the cycle after its last result left.
    """
    row0, rows, col0, cols = folds
    shape = (array_rows, array_cols)
    act, wgt, acc, out = (
        np.zeros(shape, a.dtype),
        np.zeros(shape, a.dtype),
        np.zeros(shape, a.dtype),
        np.zeros(shape, a.dtype),
    )
    left, top = np.zeros(array_rows, a.dtype), np.zeros(array_cols, a.dtype)
    state, moving = np.zeros(shape, np.int64), np.zeros(array_rows, np.int64)
    arrived, column_fold = np.zeros(array_cols, np.int64), np.zeros(array_cols, np.int64)
    line_fold, line_step = np.full(array_rows + array_cols - 1, IDLE), np.zeros(array_rows + array_cols - 1, np.int64)
    depth = a.shape[1]
    results = (rows * cols).sum()
    begun, fed, in_array, cycle = 0, depth, 0, 0
    while tally[WRITES] < results:
        if cycle == cycle_limit:
            return LIMIT_REACHED
        if begun < rows.size and may_start(begun, starts, hold, cycle, fed, depth, in_array, fold_overlap):
            starts[begun] = cycle
            in_array += rows[begun] * cols[begun]
            begun, fed = begun + 1, 0
        advance_line(line_fold, line_step, begun - 1 if fed < depth else IDLE, fed)
        fed = min(fed + 1, depth)
        tally[LEFT_READS] += feed_left(a, left, line_fold, line_step, row0, rows)
        tally[TOP_READS] += feed_top(b, top, line_fold, line_step, col0, cols)
        tally[ACTIVE] += count_active(line_fold, rows, cols)
        clear_accumulators(acc, line_fold, line_step)
        step_array(act, wgt, acc, left, top)
        written = collect(out, state, moving, product, arrived, column_fold, folds, ends, cycle)
        overwritten = shift_outputs(out, state, moving)
        overwritten |= capture_results(acc, out, state, moving, line_fold, line_step, depth - 1, rows, cols)
        if overwritten:
            return OVERWRITTEN
        in_array -= written
        tally[WRITES] += written
        cycle += 1
        tally[CYCLES] = cycle
    return FINISHED
