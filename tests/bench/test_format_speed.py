"""Elements rounded per second, beside `np.multiply(x, s, out=y)` on the same array in the same run.

Run: ``python -m pytest tests/bench/test_format_speed.py -s``. CPU seconds; nothing here is a timed assertion.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from archsim.arch.formats import format

SHAPE = (24_415, 4_096)
"""10^8 elements."""
ROUNDS = 3

UNBOUNDED = ("nf4", "nf4:dq", "ternary", "binary", "bipolar-int4", "pot4", "post4")
"""Lookup and mean-scale formats, measured without a bound."""

NAMES = (
    *("int4", "int8", "int4:channel", "int4:g16", "int4:g32", "int4:g128", "int4:g128:asym", "int8:g128", "uint8"),
    *("fp8_e4m3", "fp6_e3m2", "fp4_e2m1", "bf16"),
    *("mxfp8", "mxfp8_e5m2", "mxfp6", "mxfp6_e2m3", "mxfp4", "mxint8"),
    *("msfp16", "msfp12", "bfp:m4e8g16", "mx9", "mx6", "mx4"),
    *("nvfp4", "nvint4"),
    *UNBOUNDED,
)


def best_s(work: Callable[[], object]) -> float:
    """CPU seconds of the fastest of some runs, after one that is not counted."""
    work()
    spent = []
    for _ in range(ROUNDS):
        before = time.process_time()
        work()
        spent.append(time.process_time() - before)
    return min(spent)


@pytest.fixture(scope="module", params=[np.float32, np.float64], ids=["float32", "float64"])
def arrays(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).standard_normal(SHAPE, dtype=request.param)
    return x, np.empty_like(x)


@pytest.mark.parametrize("name", NAMES)
def test_rounding_beside_a_multiplication(
    benchmark: Any, finding: Any, Row: Any, arrays: tuple[np.ndarray, np.ndarray], name: str
) -> None:
    x, y = arrays
    fmt = format(name)
    kind = fmt.round(x[:1]).dtype
    out = y if kind == y.dtype else np.empty(x.shape, kind)
    multiply_s = best_s(lambda: np.multiply(x, x.dtype.type(1.1), out=y))
    round_s = best_s(lambda: fmt.round_into(x, out))
    benchmark.pedantic(lambda: None, rounds=1)
    detail = f"{x.size / round_s / 1e6:.0f} M/s, multiply {x.size / multiply_s / 1e6:.0f} M/s, result {kind}"
    wanted = "" if name in UNBOUNDED else "wanted > 0.25x"
    finding(Row(what=f"{name}, {x.dtype}", value=f"{multiply_s / round_s:.2f}x", against=wanted, detail=detail))
    assert np.abs(out[0] - x[0]).mean() < np.abs(x[0]).mean()
