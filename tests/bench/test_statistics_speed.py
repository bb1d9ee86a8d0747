"""Seconds to count the bits of a model of 100 M parameters, beside reading its file.

Reading is what any use of the weights needs at least: every tensor of the safetensors file becomes an array of float32
in memory, of which all are held, and each is summed, so that every value is looked at. Extraction reads the same file,
and counts values and operands with the default groups. The file lies in the page cache. Wall-clock seconds, fastest of
some runs; extraction runs on all processors. Where other programs use them, too, the ratio of CPU time, all processors
added up, says more.

Run: ``python -m pytest tests/bench/test_statistics_speed.py -s``. Nothing here is a timed assertion.
"""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from archsim.arch.formats import format
from archsim.workloads.statistics.tensor import tensor_statistics
from archsim.workloads.weights import iter_weights

HIDDEN = 2048
LAYERS = 24
"""Matrices of 2048 x 2048: 100,663,296 parameters."""
ROUNDS = 5
TYPES = {"F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16}


def write_model(path: Path, kind: str) -> Path:
    """A safetensors file of Laplace weights, as projections have them."""
    random = np.random.default_rng(0)
    size = HIDDEN * HIDDEN * np.dtype(TYPES[kind]).itemsize
    header = {
        f"layers.{i}.weight": {
            "dtype": kind,
            "shape": [HIDDEN, HIDDEN],
            "data_offsets": [i * size, (i + 1) * size],
        }
        for i in range(LAYERS)
    }
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _ in range(LAYERS):
            file.write(random.laplace(size=(HIDDEN, HIDDEN)).astype(TYPES[kind]).tobytes())
    return path


def read(path: Path) -> float:
    held = {name: array.astype(np.float32) for name, array in iter_weights(path)}
    return sum(float(array.sum()) for array in held.values())


def extract(path: Path, formats: tuple[str, ...]) -> int:
    chosen = [format(name) for name in formats]
    found = [tensor_statistics(array, chosen, layer=name, source=path.name) for name, array in iter_weights(path)]
    return sum(item.formats[0].zero_values for item in found)


def best_s(work: Callable[[], object]) -> tuple[float, float]:
    """Wall-clock and CPU seconds, each of the fastest of some runs."""
    walls, processors = [], []
    for _ in range(ROUNDS):
        wall, processor = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
    return min(walls), min(processors)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("formats", [("int8",), ("int4:g128",), ("int8", "int4:g128")], ids=" and ".join)
def test_extraction_beside_reading(
    benchmark: Any, finding: Any, Row: Any, tmp_path: Path, kind: str, formats: tuple[str, ...]
) -> None:
    path = write_model(tmp_path / "model.safetensors", kind)
    extract(path, formats)
    read_s, read_cpu_s = best_s(lambda: read(path))
    extract_s, extract_cpu_s = best_s(lambda: extract(path, formats))
    benchmark.pedantic(lambda: None, rounds=1)
    wanted = "wanted < 5x" if len(formats) == 1 else ""
    size_mb, of_cpu = path.stat().st_size / 1e6, extract_cpu_s / read_cpu_s
    detail = f"{extract_s:.2f} s over {read_s:.2f} s to read {size_mb:.0f} MB; of CPU time {of_cpu:.2f}x"
    value = f"{extract_s / read_s:.2f}x"
    finding(Row(what=f"{', '.join(formats)} from {kind}", value=value, against=wanted, detail=detail))
