"""A design space that costs nothing: the shape of an accelerator's costs in closed form, not their size."""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SIDES = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96)
CARDINALITIES = (10, 10, 5, 4, 5)
"""Rows, columns, buffer, bandwidth, format: 10,000 points."""
GEMMS = ((48, 384, 160), (48, 640, 160), (1, 1000, 160))
FAILING_PE_BITS_PER_BYTE = 8.0
"""Arrays of more PE bits than this for each byte of their buffer fail."""


@cache
def grid() -> NDArray[np.int64]:
    """Genes of every point, in the order of the grid."""
    return np.array(list(itertools.product(*map(range, CARDINALITIES))))


def costs(genes: NDArray[np.int64]) -> Floats:
    """Latency, energy and area, (N, 3); NaN where the buffer is too small for the array."""
    sides = np.array(SIDES, float)
    rows, columns = sides[genes[:, 0]], sides[genes[:, 1]]
    size_bytes, bandwidth = 4096 * 4.0 ** genes[:, 2], 4 * 2.0 ** genes[:, 3]
    bits = np.array([2.0, 3.0, 4.0, 6.0, 8.0])[genes[:, 4]]
    latency, energy = np.zeros(len(genes)), np.zeros(len(genes))
    for m, n, k in GEMMS:
        cycles = np.ceil(k / rows) * np.ceil(n / columns) * (m + rows + columns)
        passes = np.ceil(np.maximum(1, n * k * bits / 8 / size_bytes))
        moved = n * k * bits / 8 + m * k * (1 + passes) + m * n
        latency += np.maximum(cycles, moved / bandwidth)
        energy += 0.05 * cycles * rows * columns * bits / 8 + 20 * moved
        energy += m * n * k * (0.1 * bits / 8 + 8e-6 * np.sqrt(size_bytes))
    area = 6e-4 * rows * columns * (0.3 + bits / 8) + 1.2e-6 * size_bytes + 0.01 * bandwidth
    found = np.stack([latency, energy, area], axis=1)
    found[rows * columns * bits > FAILING_PE_BITS_PER_BYTE * size_bytes] = np.nan
    return found
