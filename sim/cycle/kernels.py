"""What every systolic dataflow shares: the vocabulary of a run, and the control that travels with the operands.

Nothing in these kernels computes a cycle count: a sequencer starts a fold when the machine's state allows it, operands
enter at the edges, every register takes its neighbour's old value once a cycle, and a run ends when the collector below
the array has received every result. Registers are updated in place, in an order that reads each neighbour before it
changes: rows bottom-up, columns right to left.

Control travels as in hardware. `line_fold[d]`, `line_step[d]` are a delay line with one register per anti-diagonal:
what the sequencer issued d cycles ago reaches now every PE(i, j) with i + j = d.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from archsim.core.kernels import kernel

Values = npt.NDArray[Any]
"""int64 or float64 operands and sums; numba compiles each kernel for both."""
Ints = npt.NDArray[np.int64]

FINISHED, LIMIT_REACHED, OVERWRITTEN = 0, 1, 2
"""How a run ended: all results left; the cycle limit came first; a result was overwritten before it left."""

CYCLES, ACTIVE, LEFT_READS, TOP_READS, WRITES = 0, 1, 2, 3, 4
"""Places in a run's `tally`: cycles stepped, PE-cycles with a valid MAC, values fed left and top, values that left."""
TALLY_SIZE = 5

IDLE = -1
"""In a delay line: nothing was issued (a bubble)."""


@kernel
def advance_line(line_fold: Ints, line_step: Ints, fold: int, step: int) -> None:
    """Shift the control delay line by one register and put what is issued this cycle at its head."""
    for d in range(line_fold.size - 1, 0, -1):
        line_fold[d] = line_fold[d - 1]
        line_step[d] = line_step[d - 1]
    line_fold[0] = fold
    line_step[0] = step


@kernel
def count_active(line_fold: Ints, rows: Ints, cols: Ints) -> int:
    """Used PEs that a valid operand reaches this cycle: those on each diagonal whose control register is not idle."""
    active = 0
    for d in range(line_fold.size):
        fold = line_fold[d]
        if fold != IDLE:
            active += max(0, min(d, rows[fold] - 1) - max(0, d - cols[fold] + 1) + 1)
    return int(active)
