"""PE-updates per second of the cycle simulator, beside a plain numpy time-step loop of the same machine.

Run: ``python -m pytest tests/bench/test_cycle_speed.py -s``. The rates are in `extra_info`; nothing here is a timed
assertion. What is asserted is that both machines compute the product, in the same number of cycles.
"""

from __future__ import annotations

import time

import numpy as np
import pytest

pytest.importorskip("pytest_benchmark")
from pytest_benchmark.fixture import BenchmarkFixture

from archsim.sim.cycle import simulate_gemm
from archsim.sim.cycle.machine import DataflowName

NUMPY_STREAM = 256
"""Stream length for the numpy loop, which is slow: its rate does not depend on it."""


def skewed(matrix: np.ndarray, cycles: int) -> np.ndarray:
    """Column i holds row i of `matrix`, delayed by i cycles: what enters at an edge, cycle by cycle."""
    edge = np.zeros((cycles, len(matrix)), matrix.dtype)
    for i, row in enumerate(matrix):
        edge[i : i + len(row), i] = row
    return edge


def numpy_output_stationary(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, int]:
    """One fold that fills the array, with a handful of whole-array numpy operations per cycle."""
    rows, cols, depth = len(a), b.shape[1], a.shape[1]
    cycles = depth + rows + cols - 2
    left, top = skewed(a, cycles), skewed(np.ascontiguousarray(b.T), cycles)
    act, wgt, acc = (np.zeros((rows, cols), a.dtype) for _ in range(3))
    for cycle in range(cycles):
        act[:, 1:] = act[:, :-1].copy()
        act[:, 0] = left[cycle]
        wgt[1:] = wgt[:-1].copy()
        wgt[0] = top[cycle]
        acc += act * wgt
    out, product = acc.copy(), np.zeros_like(acc)
    for shift in range(rows):
        product[rows - 1 - shift] = out[-1]
        out[1:] = out[:-1].copy()
    return product, cycles + rows


def numpy_operand_stationary(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, int]:
    """One fold that fills the array: load, then stream."""
    depth, (rows, cols) = len(a), b.shape
    held, act, psum = (np.zeros((rows, cols), a.dtype) for _ in range(3))
    for push in range(rows):
        held[1:] = held[:-1].copy()
        held[0] = b[rows - 1 - push]
    cycles = depth + rows + cols - 2
    left = skewed(np.ascontiguousarray(a.T), cycles)
    product = np.zeros((depth, cols), a.dtype)
    for cycle in range(cycles):
        act[:, 1:] = act[:, :-1].copy()
        act[:, 0] = left[cycle]
        psum[1:] = psum[:-1].copy()
        psum[0] = 0
        psum += act * held
        for j in range(max(0, cycle - rows + 2 - depth), min(cols, cycle - rows + 2)):
            product[cycle - rows + 1 - j, j] = psum[-1, j]
    return product, rows + cycles


def numpy_rate(dataflow: DataflowName, size: int, dtype: type) -> float:
    """PE-updates per second of the numpy loop, after it has been seen to agree with the simulator."""
    generator = np.random.default_rng(1)
    long = NUMPY_STREAM
    m, n, k = {"os": (size, size, long), "ws": (long, size, size), "is": (size, long, size)}[dataflow]
    a, b = (generator.integers(-64, 64, shape).astype(dtype) for shape in ((m, k), (k, n)))
    left, top = (np.ascontiguousarray(b.T), np.ascontiguousarray(a.T)) if dataflow == "is" else (a, b)
    machine = numpy_output_stationary if dataflow == "os" else numpy_operand_stationary
    begin = time.perf_counter()
    product, cycles = machine(left, top)
    elapsed_s = time.perf_counter() - begin
    run = simulate_gemm(a, b, rows=size, cols=size, dataflow=dataflow)
    assert np.array_equal(product.T if dataflow == "is" else product, run.product)
    assert cycles == run.cycles
    return cycles * size * size / elapsed_s


@pytest.mark.parametrize("overlap", [False, True], ids=["plain", "overlap"])
@pytest.mark.parametrize("dtype", [np.int64, np.float64], ids=["int64", "float64"])
@pytest.mark.parametrize("size", [16, 32, 128])
@pytest.mark.parametrize("dataflow", ["os", "ws", "is"])
def test_pe_updates_per_second(
    benchmark: BenchmarkFixture, dataflow: DataflowName, size: int, dtype: type, overlap: bool
) -> None:
    generator = np.random.default_rng(0)
    a, b = (generator.integers(-64, 64, (512, 512)).astype(dtype) for _ in range(2))
    run = benchmark.pedantic(
        simulate_gemm,
        args=(a, b),
        kwargs={
            "rows": size,
            "cols": size,
            "dataflow": dataflow,
            "fold_overlap": overlap,
            "weight_double_buffer": overlap,
        },
        rounds=3,
        warmup_rounds=1,
    )
    assert np.array_equal(run.product, a @ b)
    if benchmark.stats is None:  # --benchmark-disable
        return
    rate, plain = run.pe_updates / benchmark.stats.stats.min, numpy_rate(dataflow, size, dtype)
    benchmark.extra_info.update(pe_updates_per_s=rate, numpy_pe_updates_per_s=plain, ratio_to_numpy=rate / plain)
    print(f"{dataflow} {size}x{size} {dtype.__name__}: {rate:.2e} PE-updates/s, numpy {plain:.2e}, {rate / plain:.1f}x")
