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

NEAR_EDGE = 1e-9
"""Fraction of a cell within which the cell number is not trusted: far above rounding errors, far below any use."""


@kernel
def error_of_one(row: Floats, near: Floats, per_unit: float, unit: float) -> float:
    """Squared error of `row` rounded to one candidate; four sums, so that additions need not wait for one another."""
    half, last = float(near.shape[0] // 2), float(near.shape[0] - 1)
    whole = row.shape[0] // 4 * 4
    e0 = e1 = e2 = e3 = 0.0
    for i in range(0, whole, 4):
        a, b, c, d = row[i], row[i + 1], row[i + 2], row[i + 3]
        r0 = near[int(max(min(a * per_unit + half, last), 0.0))] * unit - a
        r1 = near[int(max(min(b * per_unit + half, last), 0.0))] * unit - b
        r2 = near[int(max(min(c * per_unit + half, last), 0.0))] * unit - c
        r3 = near[int(max(min(d * per_unit + half, last), 0.0))] * unit - d
        e0 += r0 * r0
        e1 += r1 * r1
        e2 += r2 * r2
        e3 += r3 * r3
    for i in range(whole, row.shape[0]):
        r0 = near[int(max(min(row[i] * per_unit + half, last), 0.0))] * unit - row[i]
        e0 += r0 * r0
    return (e0 + e1) + (e2 + e3)


@kernel
def errors_of_two(row: Floats, near: Floats, other: Floats, per_unit: float, unit: float) -> tuple[float, float]:
    """Squared errors of `row` rounded to two candidates of one scale, which share the way to the cell."""
    half, last = float(near.shape[0] // 2), float(near.shape[0] - 1)
    whole = row.shape[0] // 4 * 4
    e0 = e1 = e2 = e3 = f0 = f1 = f2 = f3 = 0.0
    for i in range(0, whole, 4):
        a, b, c, d = row[i], row[i + 1], row[i + 2], row[i + 3]
        k0 = int(max(min(a * per_unit + half, last), 0.0))
        k1 = int(max(min(b * per_unit + half, last), 0.0))
        k2 = int(max(min(c * per_unit + half, last), 0.0))
        k3 = int(max(min(d * per_unit + half, last), 0.0))
        e0 += (near[k0] * unit - a) ** 2
        e1 += (near[k1] * unit - b) ** 2
        e2 += (near[k2] * unit - c) ** 2
        e3 += (near[k3] * unit - d) ** 2
        f0 += (other[k0] * unit - a) ** 2
        f1 += (other[k1] * unit - b) ** 2
        f2 += (other[k2] * unit - c) ** 2
        f3 += (other[k3] * unit - d) ** 2
    for i in range(whole, row.shape[0]):
        k0 = int(max(min(row[i] * per_unit + half, last), 0.0))
        e0 += (near[k0] * unit - row[i]) ** 2
        f0 += (other[k0] * unit - row[i]) ** 2
    return (e0 + e1) + (e2 + e3), (f0 + f1) + (f2 + f3)


@kernel
def choose(sets: Floats, scales: Floats, cells: Floats, resolution: float, choice: Ints, errors: Floats) -> None:
    """Fill `choice` with the candidate of the least squared error of each set and `errors` with that error.

    `sets` [s, n], `scales` [s, candidates], `cells` [candidates, 2 * half]: the nearest value in each cell of a width
    of 1 / resolution, from -half / resolution up. On the edge of a cell both sides are as near. The first candidate of
    equals is chosen. Neighbouring candidates of one scale are tried together.
    """
    count = scales.shape[1]
    for s in range(sets.shape[0]):
        row = sets[s]
        best = np.inf
        picked = 0
        c = 0
        while c < count:
            scale = scales[s, c]
            if scale == 0.0:
                best = 0.0
                break
            if c + 1 < count and scales[s, c + 1] == scale:
                error, second = errors_of_two(row, cells[c], cells[c + 1], resolution / scale, scale)
            else:
                error, second = error_of_one(row, cells[c], resolution / scale, scale), np.inf
            if error < best:
                best, picked = error, c
            if second < best:
                best, picked = second, c + 1
            c += 1 if second == np.inf else 2
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
def round_sets(
    sets: Floats, scales: Floats, choice: Ints, nearest: Floats, cells: Floats, resolution: float, out: Floats
) -> None:
    """Fill `out` with the nearest values themselves, scaled back: what encoding and decoding would give.

    The cell tells the value, but for elements so near its edge that rounding errors or a tie decide: those take the
    table of `encode`.
    """
    half = float(cells.shape[1] // 2)
    top = float(cells.shape[1] - 1)
    last = float(nearest.shape[2] - 1) / 2.0
    for s in range(sets.shape[0]):
        scale, c = scales[s], choice[s]
        if scale == 0.0:
            out[s] = 0.0
            continue
        per_unit = resolution / scale
        for i in range(sets.shape[1]):
            place = max(min(sets[s, i] * per_unit + half, top), 0.0)
            cell = int(place)
            within = place - cell
            if within < NEAR_EDGE or within > 1.0 - NEAR_EDGE:
                y = sets[s, i] / scale
                z = min(abs(y) * resolution, last)
                index = int(np.floor(z)) + int(np.ceil(z))
                out[s, i] = nearest[c, 1 if y < 0.0 else 0, index] * scale
            else:
                out[s, i] = cells[c, cell] * scale


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
