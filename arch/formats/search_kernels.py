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
def choose(sets: Floats, scales: Floats, nearest: Floats, resolution: float, choice: Ints, errors: Floats) -> None:
    """Fill `choice` with the candidate of the least squared error of each set and `errors` with that error.

    `sets` [s, n], `scales` [s, candidates], `nearest` [candidates, 2, length]. The first of equals is chosen.
    """
    last = float(nearest.shape[2] - 1) / 2.0
    for s in range(sets.shape[0]):
        best = np.inf
        picked = 0
        for c in range(scales.shape[1]):
            scale = scales[s, c]
            if scale == 0.0:
                best = 0.0
                break
            up, down = nearest[c, 0], nearest[c, 1]
            error = 0.0
            for i in range(sets.shape[1]):
                y = sets[s, i] / scale
                z = min(abs(y) * resolution, last)
                index = int(np.floor(z)) + int(np.ceil(z))
                rest = (down[index] if y < 0.0 else up[index]) - y
                error += rest * rest
            error *= scale * scale
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
        up, down = nearest[c, 0], nearest[c, 1]
        for i in range(sets.shape[1]):
            y = sets[s, i] / scale if scale != 0.0 else 0.0
            z = min(abs(y) * resolution, last)
            index = int(np.floor(z)) + int(np.ceil(z))
            out[s, i] = (down[index] if y < 0.0 else up[index]) * scale


@kernel
def largest_magnitudes(sets: Floats, out: Floats) -> None:
    """Fill `out` [s] with the largest magnitude of each set; NaN where a value is NaN."""
    for s in range(sets.shape[0]):
        largest = 0.0
        for i in range(sets.shape[1]):
            magnitude = abs(sets[s, i])
            if not magnitude <= largest:
                largest = magnitude
        out[s] = largest
