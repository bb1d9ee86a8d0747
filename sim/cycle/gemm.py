"""One GEMM through the PE-level array: real operands in, the real product and counted cycles out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from archsim.core.errors import Problem
from archsim.sim.cycle.folds import gemm_folds
from archsim.sim.cycle.machine import (
    DataflowName,
    FoldRun,
    SystolicArray,
    Values,
    raise_problems,
    run_folds,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CycleResult:
    """What one simulated GEMM did.

    `product`: the matrix that left the array (int64 or float64). `cycles`: until the last result had left.
    `pe_updates`: cycles x all PEs of the array. `active_pe_cycles`: PE-cycles with a valid multiply-accumulate.
    `input_reads`, `weight_reads`: values that entered at an edge. `output_writes`: values that left at the bottom,
    partial sums included.
    """

    product: Values
    cycles: int
    macs: int
    pe_updates: int
    active_pe_cycles: int
    input_reads: int
    weight_reads: int
    output_writes: int
    folds: int

    @property
    def utilization(self) -> float:
        """Fraction of the PE-cycles that did a valid multiply-accumulate."""
        return self.active_pe_cycles / self.pe_updates


def simulate_gemm(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    *,
    rows: int,
    cols: int,
    dataflow: DataflowName,
    fold_overlap: bool = False,
    weight_double_buffer: bool = False,
) -> CycleResult:
    """Simulate ``a @ b`` (a: m x k inputs, b: k x n weights) cycle by cycle on an array of rows x cols PEs.

    Integers are computed in int64 (wrapping as numpy's do), floats in float64, each sum in the order in which the array
    adds. Raises InputError for operands or sizes that cannot run, with every problem found.

    >>> simulate_gemm([[1, 2], [3, 4]], [[5], [6]], rows=2, cols=2, dataflow="os").product.tolist()
    [[17], [39]]
    """
    array = SystolicArray(
        rows=rows, cols=cols, dataflow=dataflow, fold_overlap=fold_overlap, weight_double_buffer=weight_double_buffer
    )
    inputs, weights = checked_operands(a, b)
    row_size, col_size, _ = array.mapped_sizes(inputs.shape[0], weights.shape[1], inputs.shape[1])
    folds = gemm_folds(row_size, col_size, rows, cols)
    if dataflow == "is":
        run = run_folds(array, np.ascontiguousarray(weights.T), np.ascontiguousarray(inputs.T), folds)
    else:
        run = run_folds(array, inputs, weights, folds)
    return _result(array, run, len(folds), macs=inputs.shape[0] * inputs.shape[1] * weights.shape[1])


def _result(array: SystolicArray, run: FoldRun, folds: int, *, macs: int) -> CycleResult:
    """The observed run in the words of the GEMM; "is" ran the transposed problem."""
    swapped = array.dataflow == "is"
    return CycleResult(
        product=np.ascontiguousarray(run.product.T) if swapped else run.product,
        cycles=run.cycles,
        macs=macs,
        pe_updates=run.cycles * array.rows * array.cols,
        active_pe_cycles=run.active_pe_cycles,
        input_reads=run.top_reads if swapped else run.left_reads,
        weight_reads=run.left_reads if swapped else run.top_reads,
        output_writes=run.writes,
        folds=folds,
    )


def checked_operands(a: npt.ArrayLike, b: npt.ArrayLike) -> tuple[Values, Values]:
    """Both operands as C-contiguous int64, or float64 if either holds floats. Raises InputError."""
    inputs, weights = np.asarray(a), np.asarray(b)
    problems = [_operand_problem("a", inputs), _operand_problem("b", weights)]
    if not any(problems) and inputs.shape[1] != weights.shape[0]:
        shapes = f"a is {inputs.shape[0]} x {inputs.shape[1]}, b is {weights.shape[0]} x {weights.shape[1]}"
        problems.append(Problem(key="b", message=f"columns of a must equal rows of b ({shapes})"))
    raise_problems(problems)
    both_integers = inputs.dtype.kind != "f" and weights.dtype.kind != "f"
    dtype: type[np.generic] = np.int64 if both_integers else np.float64
    return np.ascontiguousarray(inputs, dtype), np.ascontiguousarray(weights, dtype)


def _operand_problem(name: str, operand: npt.NDArray[Any]) -> Problem | None:
    """Why an array cannot be an operand, or None."""
    if operand.ndim != 2 or 0 in operand.shape:
        return Problem(
            key=name, message=f"must be a matrix with at least one row and column (got shape {operand.shape})"
        )
    if operand.dtype.kind not in "biuf" or operand.dtype.itemsize > np.dtype(np.float64).itemsize:
        return Problem(key=name, message=f"must hold integers or floats of at most 64 bits (got {operand.dtype})")
    if operand.dtype.kind == "u" and operand.max() > np.iinfo(np.int64).max:
        return Problem(key=name, message=f"must fit int64 (got {operand.max()})")
    if operand.dtype.kind == "f" and not np.isfinite(operand).all():
        return Problem(key=name, message="must hold finite values (got inf or nan)")
    return None
