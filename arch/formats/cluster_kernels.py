"""Lloyd's algorithm: on sorted numbers, and on vectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archsim.core.kernels import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@kernel
def cluster_sorted(values: Floats, centroids: Floats, rounds: int) -> int:
    """Move ascending `centroids` to the means of their clusters of ascending `values`; the rounds taken.

    A value on a boundary belongs to the lower cluster; an empty cluster's centroid stays. Ends when nothing moves.
    """
    count, k = values.shape[0], centroids.shape[0]
    sums = np.zeros(count + 1)
    for i in range(count):
        sums[i + 1] = sums[i] + values[i]
    for turn in range(rounds):
        moved = False
        low = 0
        for c in range(k):
            high = count
            if c + 1 < k:
                boundary = 0.5 * (centroids[c] + centroids[c + 1])
                high = np.searchsorted(values, boundary, side="right")
            if high > low:
                mean = (sums[high] - sums[low]) / (high - low)
                mean = min(max(mean, values[low]), values[high - 1])
                if mean != centroids[c]:
                    centroids[c] = mean
                    moved = True
            low = max(low, high)
        if not moved:
            return turn + 1
    return rounds


@kernel
def nearest_vectors(vectors: Floats, codebook: Floats, out: Ints) -> None:
    """Fill `out` with the entry of `codebook` nearest to each vector, the first of equals."""
    for i in range(vectors.shape[0]):
        best = np.inf
        for k in range(codebook.shape[0]):
            distance = 0.0
            for d in range(vectors.shape[1]):
                rest = vectors[i, d] - codebook[k, d]
                distance += rest * rest
                if distance >= best:
                    break
            if distance < best:
                best = distance
                out[i] = k


@kernel
def nearest_sorted(sets: Floats, tables: Floats, out: Ints) -> None:
    """Fill `out` with the position of the nearest entry of each set's ascending table, the lower of two as near."""
    k = tables.shape[1]
    for s in range(sets.shape[0]):
        for i in range(sets.shape[1]):
            low, high = 0, k - 1
            while low < high:
                middle = (low + high) // 2
                if sets[s, i] <= 0.5 * (tables[s, middle] + tables[s, middle + 1]):
                    high = middle
                else:
                    low = middle + 1
            out[s, i] = low
