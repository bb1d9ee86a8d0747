"""The simulated machine: one systolic array with its options, and a run of folds on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from archsim.core.errors import ArchsimError, InputError, Problem, unknown_name
from archsim.sim.cycle.folds import Folds, Ints
from archsim.sim.cycle.kernels import (
    ACTIVE,
    CYCLES,
    FINISHED,
    LEFT_READS,
    OVERWRITTEN,
    TALLY_SIZE,
    TOP_READS,
    WRITES,
)
from archsim.sim.cycle.operand_stationary_kernels import run_operand_stationary
from archsim.sim.cycle.output_stationary_kernels import run_output_stationary

DataflowName = Literal["os", "ws", "is"]
Values = npt.NDArray[Any]

NO_LIMIT = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, kw_only=True)
class SystolicArray:
    """An array of `rows` x `cols` PEs, the dataflow it is wired for, and what may overlap.

    `fold_overlap`: the next fold enters while this one drains. `weight_double_buffer`: each PE has a shadow register
    for its stationary operand; without effect on the output-stationary array, which has none.
    """

    rows: int
    cols: int
    dataflow: DataflowName
    fold_overlap: bool = False
    weight_double_buffer: bool = False

    def __post_init__(self) -> None:
        problems = [size_problem(name, value) for name, value in (("rows", self.rows), ("cols", self.cols))]
        if self.dataflow not in get_args(DataflowName):
            problems.append(unknown_name("dataflow", str(self.dataflow), get_args(DataflowName), key="dataflow"))
        raise_problems(problems)

    def mapped_sizes(self, m: int, n: int, k: int) -> tuple[int, int, int]:
        """The sizes that an m x n x k GEMM maps on the array's rows, maps on its columns, and streams."""
        return {"os": (m, n, k), "ws": (k, n, m), "is": (k, m, n)}[self.dataflow]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoldRun:
    """What was observed while folds ran. `starts`, `ends`: cycle of the first MAC, cycle after the last result left.

    `finished` is False when the cycle limit came first; then the rest covers only the cycles up to it.
    """

    finished: bool
    product: Values
    cycles: int
    active_pe_cycles: int
    left_reads: int
    top_reads: int
    writes: int
    starts: Ints
    ends: Ints


def size_problem(name: str, value: object) -> Problem | None:
    """The problem with a size that must be a positive whole number, or None."""
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= 1:
        return None
    return Problem(key=name, message=f"must be a whole number of at least 1 (got {value!r})")


def raise_problems(problems: list[Problem | None]) -> None:
    """Raise one InputError with every problem that is not None."""
    found = [problem for problem in problems if problem is not None]
    if found:
        raise InputError(found)


def run_folds(
    array: SystolicArray,
    left: Values,
    top: Values,
    folds: Folds,
    *,
    cycle_limit: int = NO_LIMIT,
    hold: Ints | None = None,
) -> FoldRun:
    """Play `folds` of ``left @ top`` on the array, cycle by cycle, and return what was observed.

    `left` enters at the left edge; `top` at the top edge: as a stream for "os", else as the stationary operand (for
    "is" the caller swaps and transposes). Both are C-contiguous, of one dtype, int64 or float64. `hold` (OS with
    overlap only) is the least distance in cycles from one fold's start to the next: the used rows, unless given.

    Raises ArchsimError when a result would be overwritten in an output register before it has left.
    """
    product = np.zeros((left.shape[0], top.shape[1]), left.dtype)
    starts, ends = np.zeros(len(folds), np.int64), np.zeros(len(folds), np.int64)
    tally = np.zeros(TALLY_SIZE, np.int64)
    pieces, observed = folds.as_tuple(), (product, starts, ends, tally)
    if array.dataflow == "os":
        waits = folds.rows if hold is None else hold
        status = run_output_stationary(
            left, top, pieces, waits, array.rows, array.cols, array.fold_overlap, cycle_limit, *observed
        )
    else:
        overlaps = (array.fold_overlap, array.weight_double_buffer)
        status = run_operand_stationary(left, top, pieces, array.rows, array.cols, *overlaps, cycle_limit, *observed)
    if status == OVERWRITTEN:
        raise ArchsimError(
            f"an output register was overwritten in cycle {int(tally[CYCLES])}: folds follow too closely"
        )
    return FoldRun(
        finished=status == FINISHED,
        product=product,
        cycles=int(tally[CYCLES]),
        active_pe_cycles=int(tally[ACTIVE]),
        left_reads=int(tally[LEFT_READS]),
        top_reads=int(tally[TOP_READS]),
        writes=int(tally[WRITES]),
        starts=starts,
        ends=ends,
    )
