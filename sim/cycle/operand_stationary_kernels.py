"""The weight- or input-stationary array: one operand stays in the PEs, the other crosses, partial sums go down."""

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
    TOP_READS,
    WRITES,
    Ints,
    Values,
    advance_line,
    count_active,
)


@kernel
def feed_left(a: Values, left: Values, line_fold: Ints, line_step: Ints, row0: Ints, rows: Ints) -> int:
    """Put this cycle's streamed element of each array row before the left edge; unused rows and bubbles are zero.

    Returns the values read.
    """
    reads = 0
    for i in range(left.size):
        fold = line_fold[i]
        left[i] = 0
        if fold != IDLE and i < rows[fold]:
            left[i] = a[line_step[i], row0[fold] + i]
            reads += 1
    return reads


@kernel
def step_array(act: Values, held: Values, psum: Values, left: Values) -> None:
    """One cycle of all PEs: streamed operands move right; each PE adds its product to the partial sum from above."""
    array_rows, array_cols = psum.shape
    for i in range(array_rows - 1, -1, -1):
        for j in range(array_cols - 1, 0, -1):
            act[i, j] = act[i, j - 1]
        act[i, 0] = left[i]
        if i > 0:
            for j in range(array_cols):
                psum[i, j] = psum[i - 1, j] + act[i, j] * held[i, j]
        else:
            for j in range(array_cols):
                psum[i, j] = act[i, j] * held[i, j]


@kernel
def collect(
    psum: Values, product: Values, line_fold: Ints, line_step: Ints, col0: Ints, cols: Ints, ends: Ints, cycle: int
) -> int:
    """Add the partial sums that leave the bottom row this cycle to the accumulator memory. Returns how many left."""
    bottom = psum.shape[0] - 1
    left = 0
    for j in range(psum.shape[1]):
        fold = line_fold[bottom + j]
        if fold != IDLE and j < cols[fold]:
            product[line_step[bottom + j], col0[fold] + j] += psum[bottom, j]
            ends[fold] = cycle + 1
            left += 1
    return left


@kernel
def swap_shadow(held: Values, shadow: Values, line_fold: Ints, line_step: Ints) -> None:
    """PEs that the first operand of a new fold reaches this cycle take over their shadow register."""
    array_rows, array_cols = held.shape
    for d in range(line_fold.size):
        if line_fold[d] != IDLE and line_step[d] == 0:
            for i in range(max(0, d - array_cols + 1), min(d, array_rows - 1) + 1):
                held[i, d - i] = shadow[i, d - i]


@kernel
def advance_load(load_fold: Ints, load_push: Ints, fold: int, push: int, skewed: bool) -> None:
    """Issue one push of the load: to all columns at once, or, skewed, to each column a cycle after its left neighbour.

    `load_push[j]` is the number of the push that column j makes this cycle, IDLE for none.
    """
    if skewed:
        advance_line(load_fold, load_push, fold, push)
    else:
        load_fold[:] = fold
        load_push[:] = push


@kernel
def shift_load_chain(
    chain: Values, b: Values, load_fold: Ints, load_push: Ints, folds: tuple[Ints, Ints, Ints, Ints]
) -> int:
    """Push one stationary operand into the top of every loading column, the lowest row's first. Returns values read.

    Push q moves the registers of rows 0 to q only: the front of the load goes down one row a cycle, and rows below it
    keep the operands that a fold before may still use.
    """
    row0, rows, col0, cols = folds
    for i in range(load_push.max(), 0, -1):
        for j in range(chain.shape[1]):
            chain[i, j] = chain[i - 1, j] if load_push[j] >= i else chain[i, j]
    reads = 0
    for j in range(chain.shape[1]):
        fold = load_fold[j]
        if load_push[j] != IDLE and j < cols[fold]:
            chain[0, j] = b[row0[fold] + rows[fold] - 1 - load_push[j], col0[fold] + j]
            reads += 1
    return reads


@kernel
def may_load(
    loaded: int, streamed: int, fed: int, depth: int, in_array: int, fold_overlap: bool, double_buffer: bool
) -> bool:
    """Whether the next fold's load may begin: its registers are free.

    With a shadow register, when the fold loaded before has begun its stream; without one, when the stream before has
    been fed (overlap: the load follows the last operand down) or has drained (no overlap).
    """
    if loaded != streamed:
        return False
    if double_buffer:
        return True
    return fed == depth if fold_overlap else in_array == 0


@kernel
def run_operand_stationary(
    a: Values,
    b: Values,
    folds: tuple[Ints, Ints, Ints, Ints],
    array_rows: int,
    array_cols: int,
    fold_overlap: bool,
    double_buffer: bool,
    cycle_limit: int,
    product: Values,
    starts: Ints,
    ends: Ints,
    tally: Ints,
) -> int:
    """Play the folds of ``product = a @ b`` with b stationary in order and return how the run ended.

    `folds` = (row0, rows, col0, cols): fold f holds ``b[row0 : row0 + rows, col0 : col0 + cols]`` and streams all rows
    of a. `product` comes as zeros: it is the accumulator memory below the array. `starts` and `ends` receive the cycle
    of each fold's first MAC and the cycle after its last partial sum left.
    """
    row0, rows, col0, cols = folds
    shape = (array_rows, array_cols)
    act, psum, held, shadow = (
        np.zeros(shape, a.dtype),
        np.zeros(shape, a.dtype),
        np.zeros(shape, a.dtype),
        np.zeros(shape, a.dtype),
    )
    chain = shadow if double_buffer else held
    left = np.zeros(array_rows, a.dtype)
    line_fold, line_step = np.full(array_rows + array_cols - 1, IDLE), np.zeros(array_rows + array_cols - 1, np.int64)
    load_fold, load_push = np.full(array_cols, IDLE), np.full(array_cols, IDLE)
    skewed = fold_overlap or double_buffer
    depth = a.shape[0]
    results = depth * cols.sum()
    loaded, pushed, streamed, fed, in_array, cycle = 0, 0, 0, depth, 0, 0
    while tally[WRITES] < results:
        if cycle == cycle_limit:
            return LIMIT_REACHED
        ready = loaded > streamed and pushed == rows[loaded - 1] and fed == depth
        if ready and (fold_overlap or in_array == 0):
            starts[streamed] = cycle
            in_array += depth * cols[streamed]
            streamed, fed = streamed + 1, 0
        if loaded < rows.size and may_load(loaded, streamed, fed, depth, in_array, fold_overlap, double_buffer):
            loaded, pushed = loaded + 1, 0
        pushing = loaded > 0 and pushed < rows[loaded - 1]
        advance_line(line_fold, line_step, streamed - 1 if fed < depth else IDLE, fed)
        advance_load(load_fold, load_push, loaded - 1, pushed if pushing else IDLE, skewed)
        fed, pushed = min(fed + 1, depth), pushed + 1 if pushing else pushed
        if double_buffer:
            swap_shadow(held, shadow, line_fold, line_step)
        tally[LEFT_READS] += feed_left(a, left, line_fold, line_step, row0, rows)
        tally[ACTIVE] += count_active(line_fold, rows, cols)
        step_array(act, held, psum, left)
        written = collect(psum, product, line_fold, line_step, col0, cols, ends, cycle)
        if load_push.max() != IDLE:
            tally[TOP_READS] += shift_load_chain(chain, b, load_fold, load_push, folds)
        in_array -= written
        tally[WRITES] += written
        cycle += 1
        tally[CYCLES] = cycle
    return FINISHED
