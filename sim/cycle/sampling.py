"""Sampled folds: times observed on pairs of folds, and the whole sequence of a GEMM composed from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from archsim.core.errors import ArchsimError
from archsim.sim.cycle.folds import Folds, diagonal_folds
from archsim.sim.cycle.machine import NO_LIMIT, FoldRun, SystolicArray, Values, run_folds

OperandKind = Literal["integers", "floats"]
Shape = tuple[int, int]
"""Rows and columns of the array that a fold uses."""
Runs = list[tuple[int, int]]
"""Pieces of a dimension as (size, how many follow each other)."""

OPERAND_MAGNITUDE = 64
FLOAT_STEP = 0.125
"""Random operands lie below the magnitude, floats on multiples of the step: float64 holds every sum exactly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operands:
    """Where random operands come from. One seed always draws the same."""

    kind: OperandKind
    seed: int

    def draw(self, array: SystolicArray, row_size: int, col_size: int, stream: int) -> tuple[Values, Values]:
        """What enters at the left edge and at the top edge, for these mapped sizes."""
        generator = np.random.default_rng(self.seed)
        bounds = (-OPERAND_MAGNITUDE, OPERAND_MAGNITUDE)
        left_shape, top_shape = operand_shapes(array, row_size, col_size, stream)
        left, top = generator.integers(*bounds, size=left_shape), generator.integers(*bounds, size=top_shape)
        return (left, top) if self.kind == "integers" else (left * FLOAT_STEP, top * FLOAT_STEP)


def operand_shapes(array: SystolicArray, row_size: int, col_size: int, stream: int) -> tuple[Shape, Shape]:
    """Shapes of what enters left and of what enters at the top."""
    if array.dataflow == "os":
        return (row_size, stream), (stream, col_size)
    return (stream, row_size), (row_size, col_size)


def verified_run(
    array: SystolicArray, left: Values, top: Values, folds: Folds, *, whole: bool, cycle_limit: int = NO_LIMIT
) -> FoldRun:
    """Run folds and compare what left the array with numpy's product; `whole` says that they cover all of it.

    The comparison is in float64, exact for operands as `Operands` draws them. Raises ArchsimError if they differ.
    """
    run = run_folds(array, left, top, folds, cycle_limit=cycle_limit)
    if run.finished:
        exact_left, exact_top = left.astype(np.float64), top.astype(np.float64)
        expected = exact_left @ exact_top if whole else _product_of_folds(array, exact_left, exact_top, folds)
        if not np.array_equal(run.product, expected):
            wrong = int(np.count_nonzero(run.product != expected))
            raise ArchsimError(f"the simulated {array.dataflow} array computed {wrong} of {expected.size} values wrong")
    return run


def _product_of_folds(array: SystolicArray, left: Values, top: Values, folds: Folds) -> Values:
    """What the folds, and only they, contribute to ``left @ top``."""
    product = np.zeros((left.shape[0], top.shape[1]))
    for row0, rows, col0, cols in zip(*folds.as_tuple(), strict=True):
        across, down = slice(col0, col0 + cols), slice(row0, row0 + rows)
        if array.dataflow == "os":
            product[down, across] = left[down] @ top[:, across]
        else:
            product[:, across] += left[:, down] @ top[down, across]
    return product


@dataclass(slots=True, kw_only=True)
class Samples:
    """Times observed on folds that run alone or in pairs, and the work that it took to observe them.

    `lengths`: the stream lengths to simulate, either the true one or two shorter ones to continue linearly from.
    """

    array: SystolicArray
    operands: Operands
    stream: int
    lengths: tuple[int, ...]
    folds_simulated: int = 0
    pe_updates: int = 0
    times: dict[tuple[Shape, ...], tuple[int, ...]] = field(default_factory=dict)

    def first_start(self, shape: Shape) -> int:
        """Cycle in which a fold starts that is the first of all."""
        return self._observed(shape)[0]

    def tail(self, shape: Shape) -> int:
        """Cycles from a fold's start until its last result has left."""
        return self._observed(shape)[1]

    def interval(self, before: Shape, after: Shape) -> int:
        """Cycles from a fold's start to the next one's."""
        return self._observed(before, after)[2]

    def _observed(self, *shapes: Shape) -> tuple[int, ...]:
        """First start, first fold's tail and, of a pair, the interval; each sequence of shapes is simulated once."""
        if shapes not in self.times:
            self.times[shapes] = continued(
                self.lengths, [self._simulate(shapes, length) for length in self.lengths], self.stream
            )
        return self.times[shapes]

    def _simulate(self, shapes: tuple[Shape, ...], stream: int) -> tuple[int, ...]:
        folds = diagonal_folds(list(shapes))
        left, top = self.operands.draw(self.array, int(folds.rows.sum()), int(folds.cols.sum()), stream)
        run = verified_run(self.array, left, top, folds, whole=False)
        self.folds_simulated += len(folds)
        self.pe_updates += run.cycles * self.array.rows * self.array.cols
        return int(run.starts[0]), int(run.ends[0] - run.starts[0]), int(run.starts[-1] - run.starts[0])


def continued(lengths: tuple[int, ...], times: list[tuple[int, ...]], stream: int) -> tuple[int, ...]:
    """Each time on the straight line through what was observed at `lengths` (one or two of them), at `stream`.

    >>> continued((10, 20), [(4, 15), (4, 25)], 100)
    (4, 105)
    """
    if len(lengths) == 1:
        return times[0]
    (short, long), (near, far) = lengths, times
    return tuple(
        low + -(-(high - low) * (stream - short) // (long - short)) for low, high in zip(near, far, strict=True)
    )


def piece_runs(size: int, piece: int) -> Runs:
    """The pieces of a dimension as (size, count).

    >>> piece_runs(10, 4)
    [(4, 2), (2, 1)]
    """
    full, rest = divmod(size, piece)
    return [(length, count) for length, count in ((piece, full), (rest, 1)) if length and count]


@dataclass(slots=True, kw_only=True)
class Sequence:
    """A walk over the folds of a GEMM in their order: where the last fold started, when all results have left."""

    samples: Samples
    start: int = 0
    end: int = 0
    previous: Shape | None = None

    def all_folds(self, row_runs: Runs, col_runs: Runs) -> int:
        """Cycles until the last result of any fold has left; equal columns of folds repeat with one period."""
        for cols, count in col_runs:
            period = 0
            for column in range(min(count, 3)):
                if column == 2:
                    self.start += (count - 3) * period
                before = self.start
                self.column(row_runs, cols)
                period = self.start - before
        return self.end

    def column(self, row_runs: Runs, cols: int) -> None:
        """Walk down one column of folds, each `cols` wide."""
        for rows, count in row_runs:
            shape = (rows, cols)
            if self.previous is None:
                self.start = self.samples.first_start(shape)
            else:
                self.start += self.samples.interval(self.previous, shape)
            if count > 1:
                self.start += (count - 1) * self.samples.interval(shape, shape)
            self.end = max(self.end, self.start + self.samples.tail(shape))
            self.previous = shape
