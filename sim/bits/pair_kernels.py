"""Both operands serial: steps of pairs of groups, where every input meets every weight of a tile."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archsim.core.kernels import kernel

Terms = NDArray[np.uint8]
Counts = NDArray[np.int64]


@kernel
def most_of_tiles(terms: Terms, rows: int, out: Terms) -> None:
    """The most terms of each place of the reduction over each tile of `rows` rows: [tiles, length]."""
    for tile in range(out.shape[0]):
        for row in range(tile * rows, min((tile + 1) * rows, terms.shape[0])):
            for i in range(terms.shape[1]):
                out[tile, i] = max(out[tile, i], terms[row, i])


@kernel
def pair_cycles(inputs: Terms, weights: Terms, lanes: int, per_step: int, by_lane: bool, out: Counts) -> None:
    """Cycles of each pair of tiles [input tiles, weight tiles], whose most terms are given by place of the reduction.

    A lane takes its weight's terms times its input's (`per_step` of these at once), at least 1. With `by_lane` the
    slowest lane is waited for; else every lane takes as long as the group's widest input and weight do.
    """
    for i in range(inputs.shape[0]):
        for j in range(weights.shape[0]):
            total = np.int64(0)
            for start in range(0, inputs.shape[1], lanes):
                most, widest_input, widest_weight = np.int64(1), np.int64(1), np.int64(1)
                for place in range(start, min(start + lanes, inputs.shape[1])):
                    of_input, of_weight = np.int64(inputs[i, place]), np.int64(weights[j, place])
                    most = max(most, (of_input + per_step - 1) // per_step * of_weight)
                    widest_input = max(widest_input, of_input)
                    widest_weight = max(widest_weight, of_weight)
                if by_lane:
                    total += most
                else:
                    total += (widest_input + per_step - 1) // per_step * widest_weight
            out[i, j] = total
