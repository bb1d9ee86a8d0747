"""Weights that are not zero move into the places of zeros: the static schedule of one tile of filters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archsim.core.kernels import kernel

Slots = NDArray[np.int32]
Marks = NDArray[np.bool_]


@kernel
def schedule_tile(marks: Marks, ahead: int, aside: int, out: Slots) -> int:
    """Steps of a tile of `marks` [filters, times, lanes] that say which weights are left to do; clears them.

    In a step each lane of a filter takes its weight of this time, else the first it finds at the next `ahead` times in
    its own lane, else the one of the next time in the `aside` lanes before it (lanes are a ring). All filters move on
    together, past the times that are empty everywhere. `out` [steps, filters, lanes] is time x lanes + lane of the
    weight taken, or -1.
    """
    filters, times, lanes = marks.shape
    time, step = 0, 0
    while time < times:
        for f in range(filters):
            for lane in range(lanes):
                out[step, f, lane] = -1
                if marks[f, time, lane]:
                    marks[f, time, lane] = False
                    out[step, f, lane] = time * lanes + lane
            for lane in range(lanes):
                if out[step, f, lane] < 0:
                    out[step, f, lane] = promoted(marks, f, time, lane, ahead, aside)
        step += 1
        time += 1
        while time < times and not marks[:, time].any():
            time += 1
    return step


@kernel
def promoted(marks: Marks, f: int, time: int, lane: int, ahead: int, aside: int) -> int:
    """A later weight that a lane takes in the place of a zero, which is cleared; -1 where there is none."""
    times, lanes = marks.shape[1], marks.shape[2]
    for later in range(time + 1, min(time + ahead, times - 1) + 1):
        if marks[f, later, lane]:
            marks[f, later, lane] = False
            return later * lanes + lane
    if time + 1 < times and ahead > 0:
        for offset in range(1, min(aside, lanes - 1) + 1):
            other = (lane - offset) % lanes
            if marks[f, time + 1, other]:
                marks[f, time + 1, other] = False
                return (time + 1) * lanes + other
    return -1
