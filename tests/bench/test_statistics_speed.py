"""Seconds to count the bits of a model of 100 M parameters, beside reading its file.

Reading is three things: `load` is what the safetensors library does to read the file, an array in memory for each
tensor, in the file's type; `bytes` is the least that can be called so, numpy's fromfile of all bytes at once; `floats`
is what any use of the values needs: each tensor an array of float32, all of them held, each summed. Extraction reads
the same file, and counts values and operands with the default groups. The file lies in the page cache. Wall-clock
seconds, fastest of some runs; extraction runs on all processors, reading on one. Where other programs use them, too,
the ratio of CPU time, all processors added up, says more.

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


def load(path: Path) -> int:
    from safetensors.numpy import load_file

    return len(load_file(path))


def floats(path: Path) -> float:
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
    readings = {
        "load": best_s(lambda: load(path)),
        "bytes": best_s(lambda: np.fromfile(path, dtype=np.uint8)),
        "floats": best_s(lambda: floats(path)),
    }
    extract_s, extract_cpu_s = best_s(lambda: extract(path, formats))
    benchmark.pedantic(lambda: None, rounds=1)
    wanted = "wanted < 5x" if len(formats) == 1 else ""
    ratios = [
        f"{name} {wall:.2f} s: {extract_s / wall:.1f}x, CPU {extract_cpu_s / cpu:.1f}x"
        for name, (wall, cpu) in readings.items()
    ]
    detail = f"{extract_s:.2f} s for {path.stat().st_size / 1e6:.0f} MB; {'; '.join(ratios)}"
    value = f"{extract_s / readings['load'][0]:.2f}x"
    finding(Row(what=f"{', '.join(formats)} from {kind}", value=value, against=wanted, detail=detail))
