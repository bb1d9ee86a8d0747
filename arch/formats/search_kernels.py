"""Choosing a value set per set of elements by squared error, and rounding to it, in one pass each.

Values are found by table (see `candidates.Tables`): index floor(z) + ceil(z) of z = |x / scale| * resolution. A set of
scale 0 holds zeros only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archsim.core.kernels import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@kernel
def choose(sets: Floats, scales: Floats, cells: Floats, resolution: float, choice: Ints, errors: Floats) -> None:
    """Fill `choice` with the candidate of the least squared error of each set and `errors` with that error.

    `sets` [s, n], `scales` [s, candidates], `cells` [candidates, 2 * half]: the nearest value in each cell of a width
    of 1 / resolution, from -half / resolution up. On the edge of a cell both sides are as near. The first candidate of
    equals is chosen. Four sums are kept apart so that additions need not wait for one another.
    """
    half = float(cells.shape[1] // 2)
    last = float(cells.shape[1] - 1)
    for s in range(sets.shape[0]):
        row = sets[s]
        whole = row.shape[0] // 4 * 4
        best = np.inf
        picked = 0
        for c in range(scales.shape[1]):
            scale = scales[s, c]
            if scale == 0.0:
                best = 0.0
                break
            near = cells[c]
            per_unit, unit = resolution / scale, scale
            e0 = e1 = e2 = e3 = 0.0
            for i in range(0, whole, 4):
                a, b, d, e = row[i], row[i + 1], row[i + 2], row[i + 3]
                r0 = near[int(max(min(a * per_unit + half, last), 0.0))] * unit - a
                r1 = near[int(max(min(b * per_unit + half, last), 0.0))] * unit - b
                r2 = near[int(max(min(d * per_unit + half, last), 0.0))] * unit - d
                r3 = near[int(max(min(e * per_unit + half, last), 0.0))] * unit - e
                e0 += r0 * r0
                e1 += r1 * r1
                e2 += r2 * r2
                e3 += r3 * r3
            for i in range(whole, row.shape[0]):
                r0 = near[int(max(min(row[i] * per_unit + half, last), 0.0))] * unit - row[i]
                e0 += r0 * r0
            error = (e0 + e1) + (e2 + e3)
            if error < best:
                best = error
                picked = c
        choice[s] = picked
        errors[s] = best


@kernel
def encode(sets: Floats, scales: Floats, choice: Ints, table: Ints, resolution: float, codes: Ints) -> None:
    """Fill `codes` with the codes of the nearest values of each set's candidate; `scales` [s]."""
    last = float(table.shape[2] - 1) / 2.0
    for s in range(sets.shape[0]):
        scale, c = scales[s], choice[s]
        for i in range(sets.shape[1]):
            y = sets[s, i] / scale if scale != 0.0 else 0.0
            z = min(abs(y) * resolution, last)
            codes[s, i] = table[c, 1 if y < 0.0 else 0, int(np.floor(z)) + int(np.ceil(z))]


@kernel
def round_sets(sets: Floats, scales: Floats, choice: Ints, nearest: Floats, resolution: float, out: Floats) -> None:
    """Fill `out` with the nearest values themselves, scaled back: what encoding and decoding would give."""
    last = float(nearest.shape[2] - 1) / 2.0
    for s in range(sets.shape[0]):
        scale, c = scales[s], choice[s]
        for i in range(sets.shape[1]):
            y = sets[s, i] / scale if scale != 0.0 else 0.0
            z = min(abs(y) * resolution, last)
            index = int(np.floor(z)) + int(np.ceil(z))
            out[s, i] = nearest[c, 1 if y < 0.0 else 0, index] * scale


@kernel
def largest_magnitudes(sets: Floats, out: Floats) -> None:
    """Fill `out` [s] with the largest magnitude of each set; NaN where a value is NaN."""
    for s in range(sets.shape[0]):
        largest = 0.0
        nothing = 0.0
        for i in range(sets.shape[1]):
            magnitude = abs(sets[s, i])
            largest = max(largest, magnitude)
            nothing += magnitude * 0.0
        out[s] = largest + nothing
