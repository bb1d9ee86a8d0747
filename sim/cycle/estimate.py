"""Cycles of a GEMM of any size: all of it simulated when it is small enough, composed from sampled folds when not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from archsim.core.errors import Problem, unknown_name
from archsim.sim.cycle.folds import gemm_folds
from archsim.sim.cycle.machine import DataflowName, SystolicArray, raise_problems, size_problem
from archsim.sim.cycle.sampling import (
    OperandKind,
    Operands,
    Samples,
    Sequence,
    operand_shapes,
    piece_runs,
    verified_run,
)

DEFAULT_MAX_PE_UPDATES = 1_000_000_000
"""Work limit of a whole simulation: about a second of one core."""

MAX_OPERAND_ELEMENTS = 1 << 26
"""Elements of both operands together that a simulation may hold (half a gibibyte); more counts as too large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleEstimate:
    """Cycles of one GEMM and what they rest on.

    `sampled`: composed from sampled folds rather than counted over the whole. `extrapolated`: the samples streamed
    shorter than the GEMM does, and their times were continued linearly. `folds`: of the GEMM. `folds_simulated`,
    `pe_updates`: the work done for the answer.
    """

    cycles: int
    sampled: bool
    extrapolated: bool
    folds: int
    folds_simulated: int
    pe_updates: int


def estimate_gemm_cycles(
    m: int,
    n: int,
    k: int,
    *,
    rows: int,
    cols: int,
    dataflow: DataflowName,
    fold_overlap: bool = False,
    weight_double_buffer: bool = False,
    max_pe_updates: int = DEFAULT_MAX_PE_UPDATES,
    operands: OperandKind = "integers",
    seed: int = 0,
) -> CycleEstimate:
    """Cycles of an m x n x k GEMM on an array of rows x cols PEs, from simulation with seeded random operands.

    Up to `max_pe_updates` (cycles x PEs) all of it is simulated. Above, each pair of fold shapes that follow each other
    is simulated once on the true stream length, and the times observed are composed in the order of the folds; where a
    pair alone passes the limit, it is simulated on two shorter lengths. Every product is compared with numpy's.

    Raises InputError for sizes that cannot run, ArchsimError if a simulated product is wrong.
    """
    sizes = {"m": m, "n": n, "k": k, "max_pe_updates": max_pe_updates}
    raise_problems([*(size_problem(name, value) for name, value in sizes.items()), _operands_problem(operands)])
    array = SystolicArray(
        rows=rows, cols=cols, dataflow=dataflow, fold_overlap=fold_overlap, weight_double_buffer=weight_double_buffer
    )
    source = Operands(kind=operands, seed=seed)
    mapped = array.mapped_sizes(m, n, k)
    return _whole(array, source, mapped, max_pe_updates) or _sampled(array, source, mapped, max_pe_updates)


def _operands_problem(kind: str) -> Problem | None:
    known = get_args(OperandKind)
    return None if kind in known else unknown_name("operands", str(kind), known, key="operands")


def _fold_count(array: SystolicArray, row_size: int, col_size: int) -> int:
    return -(-row_size // array.rows) * -(-col_size // array.cols)


def _too_large(array: SystolicArray, row_size: int, col_size: int, stream: int, max_pe_updates: int) -> bool:
    """Whether a run surely passes the limit (each fold streams one step a cycle) or its operands the memory."""
    steps = _fold_count(array, row_size, col_size) * stream
    elements = sum(height * width for height, width in operand_shapes(array, row_size, col_size, stream))
    return steps * array.rows * array.cols > max_pe_updates or elements > MAX_OPERAND_ELEMENTS


def _whole(
    array: SystolicArray, source: Operands, mapped: tuple[int, int, int], max_pe_updates: int
) -> CycleEstimate | None:
    """All of the GEMM simulated, or None when that passes the limit: known beforehand, or given up there."""
    if _too_large(array, *mapped, max_pe_updates):
        return None
    units = array.rows * array.cols
    folds = gemm_folds(mapped[0], mapped[1], array.rows, array.cols)
    left, top = source.draw(array, *mapped)
    run = verified_run(array, left, top, folds, whole=True, cycle_limit=max_pe_updates // units)
    if not run.finished:
        return None
    return CycleEstimate(
        cycles=run.cycles,
        sampled=False,
        extrapolated=False,
        folds=len(folds),
        folds_simulated=len(folds),
        pe_updates=run.cycles * units,
    )


def _sampled(
    array: SystolicArray, source: Operands, mapped: tuple[int, int, int], max_pe_updates: int
) -> CycleEstimate:
    """The times of sampled folds and pairs, composed in the order in which the folds of the GEMM run."""
    row_size, col_size, stream = mapped
    short, long = _sample_lengths(array)
    extrapolated = stream > long and _too_large(array, 2 * array.rows, array.cols, stream, max_pe_updates)
    lengths = (short, long) if extrapolated else (stream,)
    samples = Samples(array=array, operands=source, stream=stream, lengths=lengths)
    cycles = Sequence(samples=samples).all_folds(piece_runs(row_size, array.rows), piece_runs(col_size, array.cols))
    return CycleEstimate(
        cycles=cycles,
        sampled=True,
        extrapolated=extrapolated,
        folds=_fold_count(array, row_size, col_size),
        folds_simulated=samples.folds_simulated,
        pe_updates=samples.pe_updates,
    )


def _sample_lengths(array: SystolicArray) -> tuple[int, int]:
    """Two stream lengths no shorter than any load or drain, so that every time grows linearly from there on."""
    span = array.rows + array.cols
    return span, 2 * span
