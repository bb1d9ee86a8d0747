"""Sparse engines step by step, on real operands: nothing here knows a density or an expected value.

weights (N, K) and inputs (M, K) are int64, outputs (M, N) their product, filled as the machine makes it. `tally` counts
what happened.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from archsim.core.kernels import kernel

Ints = npt.NDArray[np.int64]

CYCLES, EXECUTED, GATED, WAITING = 0, 1, 2, 3
"""Places in a tally: cycles; MACs of two non-zeros; MACs with a zero that took a step; lane-cycles spent waiting."""
TALLY_SIZE = 4


@kernel
def walk_windows(
    weights: Ints, inputs: Ints, outputs: Ints, rows: Ints, columns: Ints, sees: Ints, shape: Ints, tally: Ints
) -> None:
    """Lanes that walk through windows of the reduction and meet at the end of each.

    Output p, of row rows[p] and column columns[p], belongs to lane p % lanes; sees: whether zeros of weights and of
    inputs are passed over; shape: lanes, window, least cycles of a window.
    """
    lanes, window, least = shape[0], shape[1], shape[2]
    length = weights.shape[1]
    at = np.zeros(lanes, np.int64)
    for first in range(0, rows.size, lanes):
        together = min(lanes, rows.size - first)
        for start in range(0, length, window):
            stop = min(length, start + window)
            at[:] = start
            cycles = 0
            while True:
                busy = 0
                for lane in range(together):
                    i, j = rows[first + lane], columns[first + lane]
                    k = at[lane]
                    while k < stop and ((sees[0] == 1 and weights[j, k] == 0) or (sees[1] == 1 and inputs[i, k] == 0)):
                        k += 1
                    if k < stop:
                        product = weights[j, k] * inputs[i, k]
                        outputs[i, j] += product
                        if product != 0:
                            tally[EXECUTED] += 1
                        else:
                            tally[GATED] += 1
                        busy += 1
                        k += 1
                    at[lane] = k
                if busy == 0:
                    break
                cycles += 1
                tally[WAITING] += together - busy
            if cycles < least:
                tally[WAITING] += together * (least - cycles)
                cycles = least
            tally[CYCLES] += cycles


@kernel
def pack_outer(weights: Ints, inputs: Ints, outputs: Ints, shape: Ints, banks: Ints, tally: Ints) -> None:
    """Outer products of packed vectors, a step of the reduction at a time.

    shape: lanes and gathered elements of weights, then of inputs; banks: products in each bank in this cycle (empty:
    every product has its own).
    """
    weight_lanes, weight_gathered, input_lanes, input_gathered = shape[0], shape[1], shape[2], shape[3]
    packed_weights, packed_inputs = np.zeros(weight_gathered, np.int64), np.zeros(input_gathered, np.int64)
    for j in range(0, weights.shape[0], weight_gathered):
        for i in range(0, inputs.shape[0], input_gathered):
            for k in range(weights.shape[1]):
                kept_weights = _pack(weights, j, k, packed_weights)
                kept_inputs = _pack(inputs, i, k, packed_inputs)
                for a in range(0, kept_weights, weight_lanes):
                    for b in range(0, kept_inputs, input_lanes):
                        banks[:] = 0
                        for x in range(a, min(kept_weights, a + weight_lanes)):
                            for y in range(b, min(kept_inputs, b + input_lanes)):
                                row, column = packed_inputs[y], packed_weights[x]
                                outputs[row, column] += weights[column, k] * inputs[row, k]
                                tally[EXECUTED] += 1
                                if banks.size:
                                    banks[(row * outputs.shape[1] + column) % banks.size] += 1
                        cycles = max(1, banks.max()) if banks.size else 1
                        tally[CYCLES] += cycles


@kernel
def _pack(operand: Ints, first: int, k: int, packed: Ints) -> int:
    """The indices of the non-zeros of one column of `operand` from row `first` on; returns how many there are."""
    kept = 0
    for row in range(first, min(operand.shape[0], first + packed.size)):
        if operand[row, k] != 0:
            packed[kept] = row
            kept += 1
    return kept


@kernel
def select_structured(places: Ints, kept: Ints, inputs: Ints, outputs: Ints, shape: Ints, tally: Ints) -> None:
    """Dot products of N:M weights: each lane multiplies a kept weight with the input that its place selects.

    places, kept: (N, groups * keep), place in its group and value of each kept weight; shape: keep, group, lanes.
    """
    keep, group, lanes = shape[0], shape[1], shape[2]
    for i in range(outputs.shape[0]):
        for j in range(outputs.shape[1]):
            for slot in range(0, kept.shape[1], lanes):
                tally[CYCLES] += 1
                for s in range(slot, min(kept.shape[1], slot + lanes)):
                    k = s // keep * group + places[j, s]
                    if kept[j, s] != 0 and k < inputs.shape[1]:
                        outputs[i, j] += kept[j, s] * inputs[i, k]
                        tally[EXECUTED] += 1
                    else:
                        tally[GATED] += 1
