"""Elements per second of formats that search, beside `np.multiply` on the same array.

Run: ``python -m pytest tests/bench/test_search_format_speed.py -s``. CPU time on both sides; the ratio is in the table
at the end, to be held against a twentieth. ARCHSIM_BENCH_ELEMENTS sets the number of elements (100 million).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pytest_benchmark")

from archsim.arch.formats import format

ROW = 4096
LEAST_RATIO = 1 / 20


def cpu_s(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


@pytest.mark.benchmark(timer=time.process_time, min_rounds=1, warmup=False)
@pytest.mark.parametrize("name", ["bitmod-fp4:g128", "bitmod-fp3:g128", "ant4:channel", "ant4:g128", "razer-fp4:g16"])
def test_search_beside_multiplying(name: str, benchmark: Any, finding: Callable[..., None], Row: type) -> None:
    rows = int(os.environ.get("ARCHSIM_BENCH_ELEMENTS", 10**8)) // ROW
    x = np.random.default_rng(0).standard_normal((rows, ROW), dtype=np.float32).astype(np.float64)
    y = np.ones_like(x)
    fmt = format(name)
    fmt.round(x[:2])
    multiply = min(cpu_s(partial(np.multiply, x, 1.25, out=y)) for _ in range(3))
    del y
    rounded = benchmark.pedantic(fmt.round, args=(x,), rounds=1, iterations=1)
    assert rounded.shape == x.shape
    took = benchmark.stats.stats.min
    rate = f"{x.size / took / 1e6:.0f} M/s"
    finding(Row(what=name, value=rate, against=f"ratio >= {LEAST_RATIO}", detail=f"ratio {multiply / took:.3f}"))
