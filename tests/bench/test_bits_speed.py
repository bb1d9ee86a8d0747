"""Bit-level simulation of the linear layers of Llama-2-7B beside counting the ones of the same bytes with numpy.

6.5 G weights of int8 in the layers' real sizes. The seven matrices of one block are drawn once and stand for all 32
blocks: 202 MB are more than the caches of a core hold, so a block's bytes come from memory every time, and 6.5 GB need
not be held. The engine is of Bit-Pragmatic's class: 32 rows of PEs with 8 lanes wait for the lane with the most ones.

Run: ``python -m pytest tests/bench/test_bits_speed.py -s``. Nothing here is a timed assertion.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from archsim.sim.bits.play import Grid, lock_step_cycles, play
from archsim.sim.bits.pragmatic import Pragmatic
from tests.bench.conftest import FINDINGS, Finding

HIDDEN, INNER, BLOCKS = 4096, 11008, 32
SHAPES = [(HIDDEN, HIDDEN)] * 4 + [(INNER, HIDDEN)] * 2 + [(HIDDEN, INNER)]
GRID = Grid(rows=32, lanes=8)
ROUNDS = 3

Block = list[NDArray[np.int8]]


@pytest.fixture(scope="module")
def block() -> Block:
    """The linear layers of one block: normal weights of 1/4 of the range (one deviation), never beyond it."""
    generator = np.random.default_rng(0)
    return [
        np.clip(np.rint(generator.standard_normal(shape, dtype=np.float32) * 32), -127, 127).astype(np.int8)
        for shape in SHAPES
    ]


def seconds(work: Callable[[], object]) -> float:
    """The fastest of some runs, on the wall."""
    found = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)


def test_simulation_keeps_pace_with_counting_ones(block: Block, request: pytest.FixtureRequest) -> None:
    weights = BLOCKS * sum(tensor.size for tensor in block)
    small = block[0][:64]
    assert lock_step_cycles(small, GRID) == play(Pragmatic(), small, GRID).cycles  # the same engine, and warm

    whole = seconds(lambda: [play(Pragmatic(), tensor, GRID) for tensor in block])
    simulated = seconds(lambda: [lock_step_cycles(tensor, GRID) for _ in range(BLOCKS) for tensor in block])
    counted = seconds(lambda: [np.bitwise_count(tensor).sum(dtype=np.int64) for _ in range(BLOCKS) for tensor in block])
    request.config.stash[FINDINGS].append(
        Finding(
            what="bits of Llama-2-7B's linear layers",
            value=f"{weights / simulated / 1e9:.2f} G weights/s",
            against=f"np.bitwise_count {weights / counted / 1e9:.2f} G bytes/s",
            detail=f"{counted / simulated:.2f} times, {weights / 1e9:.2f} G weights in {simulated:.1f} s; "
            f"with the steps of every group {counted / (BLOCKS * whole):.2f} times",
        )
    )
