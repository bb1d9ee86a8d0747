"""The kernels agree with a plain-Python machine whose registers carry tagged values, and its planted defects show.

The twin knows no control delay line: every value carries the fold and step that it belongs to, and each PE acts on the
tags that reach it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.core.errors import ArchsimError
from archsim.sim.cycle.folds import Folds, gemm_folds
from archsim.sim.cycle.machine import DataflowName, FoldRun, SystolicArray, run_folds


class Token(NamedTuple):
    """A value in a register, with the fold and the stream step (or target row) that it belongs to."""

    value: int
    fold: int
    step: int


GIVE_UP = 5000
"""Cycles after which a machine with a defect, whose results may never leave, is stopped."""

Register = Token | None
Grid = list[list[Register]]


def grid(rows: int, cols: int) -> Grid:
    return [[None] * cols for _ in range(rows)]


@dataclass
class Twin(ABC):
    """The state that both dataflows share; `skew` and `early` plant defects (1 and 0 are right)."""

    array: SystolicArray
    left: np.ndarray
    top: np.ndarray
    folds: Folds
    skew: int = 1
    early: int = 0
    cycle: int = 0
    active: int = 0
    reads: list[int] = field(default_factory=lambda: [0, 0])
    writes: int = 0
    in_array: int = 0
    starts: list[int] = field(default_factory=list)
    ends: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.product = np.zeros((self.left.shape[0], self.top.shape[1]), np.int64)
        self.act = grid(self.array.rows, self.array.cols)

    def fold(self, number: int) -> tuple[int, int, int, int]:
        row0, rows, col0, cols = (int(part[number]) for part in self.folds.as_tuple())
        return row0, rows, col0, cols

    def entering(self, line: int) -> list[tuple[int, int]]:
        """The (fold, step) pairs that the feeder of row or column `line` is due to send this cycle."""
        stream = self.left.shape[1] if self.array.dataflow == "os" else self.left.shape[0]
        steps = ((fold, self.cycle - start - self.skew * line) for fold, start in enumerate(self.starts))
        return [(fold, step) for fold, step in steps if 0 <= step < stream]

    def shift_right(self, edge: list[Register]) -> None:
        self.act = [[edge[i], *row[:-1]] for i, row in enumerate(self.act)]

    def left_as(self, fold: int, value: int, row: int, col: int) -> None:
        self.product[row, col] += value
        self.ends[fold] = self.cycle + 1
        self.writes += 1
        self.in_array -= 1

    def run(self) -> None:
        while (len(self.starts) < len(self.folds) or self.in_array > 0) and self.cycle < GIVE_UP:
            self.tick()
            self.cycle += 1

    @abstractmethod
    def tick(self) -> None:
        """One cycle."""


@dataclass
class OutputStationary(Twin):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.wgt = grid(self.array.rows, self.array.cols)
        self.acc = [[0] * self.array.cols for _ in range(self.array.rows)]
        self.waiting = grid(self.array.rows, self.array.cols)
        self.moving = grid(self.array.rows, self.array.cols)

    def start_fold(self) -> None:
        depth, number = self.left.shape[1], len(self.starts)
        if number == len(self.folds):
            return
        if number and self.array.fold_overlap:
            if self.cycle < self.starts[-1] + max(depth, self.fold(number - 1)[1]):
                return
        elif self.in_array:
            return
        self.starts.append(self.cycle)
        self.in_array += self.fold(number)[1] * self.fold(number)[3]

    def feed(self) -> tuple[list[Register], list[Register]]:
        left: list[Register] = [None] * self.array.rows
        top: list[Register] = [None] * self.array.cols
        for line in range(max(self.array.rows, self.array.cols)):
            for number, step in self.entering(line):
                row0, rows, col0, cols = self.fold(number)
                if line < rows:
                    left[line] = Token(int(self.left[row0 + line, step]), number, step)
                    self.reads[0] += 1
                if line < cols:
                    top[line] = Token(int(self.top[step, col0 + line]), number, step)
                    self.reads[1] += 1
        return left, top

    def tick(self) -> None:
        self.start_fold()
        left, top = self.feed()
        self.shift_right(left)
        self.wgt = [top, *self.wgt[:-1]]
        leaving = self.moving[-1]
        self.moving = [[None] * self.array.cols, *self.moving[:-1]]
        for j, result in enumerate(leaving):
            if result is not None:
                row0, _, col0, _ = self.fold(result.fold)
                self.left_as(result.fold, result.value, row0 + result.step, col0 + j)
        for i in range(self.array.rows):
            for j in range(self.array.cols):
                self.work(i, j)

    def work(self, i: int, j: int) -> None:
        act, wgt = self.act[i][j], self.wgt[i][j]
        if act is None or wgt is None:
            return
        self.active += 1
        self.acc[i][j] = (0 if act.step == 0 else self.acc[i][j]) + act.value * wgt.value
        if act.step == self.left.shape[1] - 1:
            assert self.waiting[i][j] is None
            assert self.moving[i][j] is None
            self.waiting[i][j] = Token(self.acc[i][j], act.fold, i)
            if i == self.fold(act.fold)[1] - 1:
                self.release(j)

    def release(self, j: int) -> None:
        for i in range(self.array.rows):
            if self.waiting[i][j] is not None:
                self.moving[i][j], self.waiting[i][j] = self.waiting[i][j], None


@dataclass
class OperandStationary(Twin):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.held = grid(self.array.rows, self.array.cols)
        self.shadow = grid(self.array.rows, self.array.cols)
        self.psum = grid(self.array.rows, self.array.cols)
        self.load_starts: list[int] = []

    @property
    def skewed(self) -> int:
        return int(self.array.fold_overlap or self.array.weight_double_buffer)

    def fed(self) -> bool:
        """Whether the corner PE has received the last step of every fold started."""
        return not self.starts or self.cycle >= self.starts[-1] + self.left.shape[0]

    def start_stream(self) -> None:
        number = len(self.starts)
        if number == len(self.load_starts) or not self.fed():
            return
        if self.cycle < self.load_starts[number] + self.fold(number)[1]:
            return
        if self.array.fold_overlap or not self.in_array:
            self.starts.append(self.cycle)
            self.in_array += self.left.shape[0] * self.fold(number)[3]

    def start_load(self) -> None:
        if len(self.load_starts) == len(self.folds) or len(self.load_starts) != len(self.starts):
            return
        early = self.starts and self.cycle + self.early >= self.starts[-1] + self.left.shape[0]
        drained = self.fed() and not self.in_array
        if self.array.weight_double_buffer or ((self.fed() or early) if self.array.fold_overlap else drained):
            self.load_starts.append(self.cycle)

    def tick(self) -> None:
        self.start_stream()
        self.start_load()
        left: list[Register] = [None] * self.array.rows
        for i in range(self.array.rows):
            for number, step in self.entering(i):
                row0, rows, _, _ = self.fold(number)
                if i < rows:
                    left[i] = Token(int(self.left[step, row0 + i]), number, step)
                    self.reads[0] += 1
        self.shift_right(left)
        above = self.psum
        self.psum = [
            [self.work(i, j, above[i - 1][j] if i else None) for j in range(self.array.cols)]
            for i in range(self.array.rows)
        ]
        for j, result in enumerate(self.psum[-1]):
            if result is not None and j < self.fold(result.fold)[3]:
                self.left_as(result.fold, result.value, result.step, self.fold(result.fold)[2] + j)
        for j in range(self.array.cols):
            self.shift_load(j)

    def work(self, i: int, j: int, above: Register) -> Register:
        act = self.act[i][j]
        if act is None:
            return above
        if self.array.weight_double_buffer and act.step == 0:
            self.held[i][j] = self.shadow[i][j]
        held = self.held[i][j]
        self.active += held is not None and j < self.fold(act.fold)[3]
        term = act.value * (held.value if held is not None else 0)
        return Token(term, act.fold, act.step) if above is None else above._replace(value=above.value + term)

    def shift_load(self, j: int) -> None:
        """Every operand that has not reached its row (its `step`) goes one down; the next one enters at the top."""
        chain = self.shadow if self.array.weight_double_buffer else self.held
        for i in range(self.array.rows - 1, 0, -1):
            above = chain[i - 1][j]
            if above is not None and above.step >= i:
                chain[i][j] = above
                chain[i - 1][j] = None
        for number, start in enumerate(self.load_starts):
            row0, rows, col0, cols = self.fold(number)
            push = self.cycle - start - self.skewed * j
            if 0 <= push < rows and j < cols:
                target = rows - 1 - push
                chain[0][j] = Token(int(self.top[row0 + target, col0 + j]), number, target)
                self.reads[1] += 1


def twin(
    array: SystolicArray, left: np.ndarray, top: np.ndarray, folds: Folds, *, skew: int = 1, early: int = 0
) -> Twin:
    kind = OutputStationary if array.dataflow == "os" else OperandStationary
    machine = kind(array, left, top, folds, skew=skew, early=early)
    machine.run()
    return machine


tiny = st.integers(1, 7)
arrays = st.builds(
    SystolicArray,
    rows=st.integers(1, 4),
    cols=st.integers(1, 4),
    dataflow=st.sampled_from(["os", "ws", "is"]),
    fold_overlap=st.booleans(),
    weight_double_buffer=st.booleans(),
)


def problem(array: SystolicArray, sizes: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray, Folds]:
    """Operands with no two equal values nearby, and the folds, for (row, column, stream) sizes."""
    row_size, col_size, stream = sizes
    left_shape = (row_size, stream) if array.dataflow == "os" else (stream, row_size)
    top_shape = (stream, col_size) if array.dataflow == "os" else (row_size, col_size)
    generator = np.random.default_rng(7)
    left, top = generator.integers(-999, 999, left_shape), generator.integers(-999, 999, top_shape)
    return left, top, gemm_folds(row_size, col_size, array.rows, array.cols)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(array=arrays, sizes=st.tuples(tiny, tiny, tiny))
def test_the_kernel_and_its_twin_agree_in_everything_observed(
    array: SystolicArray, sizes: tuple[int, int, int]
) -> None:
    left, top, folds = problem(array, sizes)
    machine = twin(array, left, top, folds)
    run: FoldRun = run_folds(array, left, top, folds)
    assert np.array_equal(machine.product, run.product)
    assert (machine.cycle, machine.active, machine.writes) == (run.cycles, run.active_pe_cycles, run.writes)
    assert machine.reads == [run.left_reads, run.top_reads]
    assert machine.starts == run.starts.tolist()
    assert [machine.ends[fold] for fold in range(len(folds))] == run.ends.tolist()


@pytest.mark.parametrize("dataflow", ["os", "ws", "is"])
def test_operands_without_skew_give_a_wrong_product(dataflow: DataflowName) -> None:
    array = SystolicArray(rows=3, cols=3, dataflow=dataflow)
    left, top, folds = problem(array, (3, 3, 5))
    assert np.array_equal(twin(array, left, top, folds).product, left @ top)
    assert not np.array_equal(twin(array, left, top, folds, skew=0).product, left @ top)


def test_a_load_that_overtakes_the_last_operands_gives_a_wrong_product() -> None:
    array = SystolicArray(rows=3, cols=3, dataflow="ws", fold_overlap=True)
    left, top, folds = problem(array, (6, 3, 5))
    assert np.array_equal(twin(array, left, top, folds).product, left @ top)
    assert not np.array_equal(twin(array, left, top, folds, early=2).product, left @ top)


def test_folds_that_follow_too_closely_overwrite_a_result_and_are_caught() -> None:
    array = SystolicArray(rows=4, cols=2, dataflow="os", fold_overlap=True)
    left, top, folds = problem(array, (8, 2, 1))
    assert np.array_equal(run_folds(array, left, top, folds, hold=folds.rows).product, left @ top)
    with pytest.raises(ArchsimError, match="an output register was overwritten in cycle"):
        run_folds(array, left, top, folds, hold=folds.rows - 1)


def test_a_run_stops_at_its_cycle_limit() -> None:
    array = SystolicArray(rows=4, cols=4, dataflow="ws")
    left, top, folds = problem(array, (8, 8, 8))
    cycles = run_folds(array, left, top, folds).cycles
    assert run_folds(array, left, top, folds, cycle_limit=cycles).finished
    stopped = run_folds(array, left, top, folds, cycle_limit=cycles - 1)
    assert (stopped.finished, stopped.cycles) == (False, cycles - 1)
