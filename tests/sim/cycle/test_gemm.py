"""The simulated array computes numpy's product, in the cycles that the machine's description gives."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.core.errors import InputError
from archsim.sim.cycle import CycleResult, simulate_gemm
from archsim.sim.cycle.machine import DataflowName
from archsim.sim.systolic import gemm_cycles


class Case(NamedTuple):
    m: int
    n: int
    k: int
    rows: int
    cols: int
    dataflow: DataflowName
    fold_overlap: bool
    weight_double_buffer: bool


sizes = st.integers(1, 24)
array_sizes = st.integers(1, 9)
cases = st.builds(
    Case,
    sizes,
    sizes,
    sizes,
    array_sizes,
    array_sizes,
    st.sampled_from(["os", "ws", "is"]),
    st.booleans(),
    st.booleans(),
)


def simulate(case: Case, a: np.ndarray, b: np.ndarray) -> CycleResult:
    return simulate_gemm(
        a,
        b,
        rows=case.rows,
        cols=case.cols,
        dataflow=case.dataflow,
        fold_overlap=case.fold_overlap,
        weight_double_buffer=case.weight_double_buffer,
    )


def integers(case: Case, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    bounds = (-(2**20), 2**20)
    return generator.integers(*bounds, size=(case.m, case.k)), generator.integers(*bounds, size=(case.k, case.n))


def mapped(case: Case) -> tuple[int, int, int]:
    """Sizes on array rows, on array columns, streamed."""
    m, n, k = case.m, case.n, case.k
    return {"os": (m, n, k), "ws": (k, n, m), "is": (k, m, n)}[case.dataflow]


def recurrence_cycles(case: Case) -> int:
    """Cycles by the description of the machine, fold after fold: when each starts, when its last result has left."""
    row_size, col_size, stream = mapped(case)
    output_stationary = case.dataflow == "os"
    pieces = [
        (min(case.rows, row_size - row), min(case.cols, col_size - col))
        for col in range(0, col_size, case.cols)
        for row in range(0, row_size, case.rows)
    ]
    free = end = 0  # the cycle from which the next fold may begin (its load, where it has one); all results left
    start = 0
    for number, (rows, cols) in enumerate(pieces):
        if output_stationary:
            start = free
            left = start + stream + rows + cols - 2 + case.rows
            free = start + max(stream, rows) if case.fold_overlap else left
        else:
            if number == 0 or not case.weight_double_buffer:
                start = free + rows
            elif case.fold_overlap:
                start += max(stream, rows)
            else:
                start = max(free, start + rows)
            left = start + stream + case.rows + cols - 2
            free = start + stream if case.fold_overlap else left
        end = max(end, left)
    return end


@settings(max_examples=1000, derandomize=True, deadline=None)
@given(case=cases, seed=st.integers(0, 2**32 - 1))
def test_product_is_numpys_and_cycles_follow_the_description(case: Case, seed: int) -> None:
    a, b = integers(case, seed)
    run = simulate(case, a, b)
    assert np.array_equal(run.product, a @ b)
    assert run.product.dtype == np.int64
    assert recurrence_cycles(case) == run.cycles


@settings(max_examples=1000, derandomize=True, deadline=None)
@given(case=cases, seed=st.integers(0, 2**32 - 1))
def test_cycles_equal_the_closed_form(case: Case, seed: int) -> None:
    run = simulate(case, *integers(case, seed))
    assert gemm_cycles(**case._asdict()) == run.cycles


@settings(max_examples=200, derandomize=True, deadline=None)
@given(case=cases, seed=st.integers(0, 2**32 - 1))
def test_macs_are_conserved_and_edges_count_what_passes_them(case: Case, seed: int) -> None:
    run = simulate(case, *integers(case, seed))
    m, n, k = case.m, case.n, case.k
    row_size, col_size, _ = mapped(case)
    row_folds, col_folds = -(-row_size // case.rows), -(-col_size // case.cols)
    assert (run.macs, run.active_pe_cycles) == (m * n * k, m * n * k)
    assert run.folds == row_folds * col_folds
    assert run.pe_updates == run.cycles * case.rows * case.cols
    assert run.utilization == m * n * k / run.pe_updates
    expected = {
        "os": (m * k * col_folds, k * n * row_folds, m * n),
        "ws": (m * k * col_folds, k * n, m * n * row_folds),
        "is": (m * k, k * n * col_folds, m * n * row_folds),
    }[case.dataflow]
    assert expected == (run.input_reads, run.weight_reads, run.output_writes)


def in_order_product(case: Case, a: np.ndarray, b: np.ndarray) -> list[list[float]]:
    """Sums in the array's order: OS adds all k in turn; WS and IS add `rows` of them, then the partial sums."""
    piece = case.k if case.dataflow == "os" else case.rows
    product = [[0.0] * case.n for _ in range(case.m)]
    for i in range(case.m):
        for j in range(case.n):
            for begin in range(0, case.k, piece):
                partial = 0.0
                for step in range(begin, min(case.k, begin + piece)):
                    partial += float(a[i, step]) * float(b[step, j])
                product[i][j] += partial
    return product


@settings(max_examples=150, derandomize=True, deadline=None)
@given(case=cases, seed=st.integers(0, 2**32 - 1))
def test_floats_are_added_in_the_arrays_order_to_the_last_bit(case: Case, seed: int) -> None:
    generator = np.random.default_rng(seed)
    a, b = generator.normal(size=(case.m, case.k)), generator.normal(size=(case.k, case.n))
    assert in_order_product(case, a, b) == simulate(case, a, b).product.tolist()


@settings(max_examples=100, derandomize=True, deadline=None)
@given(case=cases)
def test_overlap_and_double_buffering_never_cost_cycles(case: Case) -> None:
    a, b = integers(case, 0)
    cycles = {
        (overlap, double): simulate(case._replace(fold_overlap=overlap, weight_double_buffer=double), a, b).cycles
        for overlap in (False, True)
        for double in (False, True)
    }
    assert cycles[True, True] <= min(cycles[True, False], cycles[False, True])
    assert max(cycles[True, False], cycles[False, True]) <= cycles[False, False]


@pytest.mark.parametrize("dataflow", ["os", "ws", "is"])
def test_sums_beyond_int64_wrap_as_numpys_do(dataflow: DataflowName) -> None:
    a, b = np.array([[2**62, 2**62, -3]]), np.array([[4], [7], [2**62]])
    run = simulate_gemm(a, b, rows=2, cols=2, dataflow=dataflow)
    assert np.array_equal(run.product, a @ b)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (np.int8, np.uint16, np.int64),
        (np.bool_, np.bool_, np.int64),
        (np.float32, np.int32, np.float64),
        (np.float16, np.float16, np.float64),
    ],
)
def test_integers_run_in_int64_and_floats_in_float64(left: type, right: type, expected: type) -> None:
    a, b = np.ones((3, 4), left), np.ones((4, 5), right)
    run = simulate_gemm(a, b, rows=2, cols=3, dataflow="ws")
    assert run.product.dtype == expected
    assert np.array_equal(run.product, np.full((3, 5), 4))


def test_operands_are_not_changed_and_need_not_be_contiguous() -> None:
    a, b = np.arange(24).reshape(4, 6).T, np.arange(20).reshape(5, 4)[::-1].T
    before = a.copy(), b.copy()
    run = simulate_gemm(a, b, rows=3, cols=3, dataflow="is")
    assert np.array_equal(run.product, a @ b)
    assert np.array_equal(a, before[0])
    assert np.array_equal(b, before[1])


ONES = np.ones((2, 2), np.int64)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.ones((2, 3)), np.ones((4, 5)), "b: columns of a must equal rows of b (a is 2 x 3, b is 4 x 5)"),
        (np.ones(3), ONES, "a: must be a matrix with at least one row and column (got shape (3,))"),
        (ONES, np.ones((2, 0)), "b: must be a matrix with at least one row and column (got shape (2, 0))"),
        (ONES * 1j, ONES, "a: must hold integers or floats of at most 64 bits (got complex128)"),
        (ONES, np.full((2, 2), "x"), "b: must hold integers or floats of at most 64 bits (got <U1)"),
        (np.full((2, 2), 2**63, np.uint64), ONES, "a: must fit int64 (got 9223372036854775808)"),
        (ONES, np.full((2, 2), np.inf), "b: must hold finite values (got inf or nan)"),
        (
            np.ones(3),
            np.ones(4),
            "a: must be a matrix with at least one row and column (got shape (3,))\n"
            "b: must be a matrix with at least one row and column (got shape (4,))",
        ),
    ],
)
def test_operands_that_cannot_run_are_refused(a: np.ndarray, b: np.ndarray, message: str) -> None:
    with pytest.raises(InputError) as error:
        simulate_gemm(a, b, rows=2, cols=2, dataflow="os")
    assert message == str(error.value)


def test_every_problem_of_the_array_is_reported() -> None:
    with pytest.raises(InputError) as error:
        simulate_gemm(ONES, ONES, rows=0, cols=2.5, dataflow="wss")  # type: ignore[arg-type]
    assert str(error.value) == (
        "rows: must be a whole number of at least 1 (got 0)\n"
        "cols: must be a whole number of at least 1 (got 2.5)\n"
        "dataflow: unknown dataflow 'wss'\nhint: did you mean 'ws'?"
    )
