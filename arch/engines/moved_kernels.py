"""One step of lanes that take later weights in the place of zeros, on the chances of what each lane has left."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archsim.core.kernels import kernel

Reals = NDArray[np.float64]


@kernel
def move_weights(states: Reals, lookaside: int, taken: Reals) -> None:
    """Turn chances of states [ages, lanes, 2^rows] before a step into those after it, and fill `taken`.

    Bit i of a state says that the lane's weight i rows ahead is left; after a step bit 0 of none is set. `taken` [ages,
    rows, lanes], zeros before: chances that a lane's weight of a row is taken. Lanes choose in turn: their own weight
    of this row was taken first, then each idle lane takes the nearest of its own, else one of the next row from the
    `lookaside` lanes before it. Lanes are taken as independent, given these chances.
    """
    ages, lanes, count = states.shape
    waiting = np.empty((lanes, count))
    done = np.empty((lanes, count))
    for age in range(ages):
        for lane in range(lanes):
            for state in range(0, count, 2):
                waiting[lane, state] = states[age, lane, state]
                done[lane, state] = states[age, lane, state + 1]
                waiting[lane, state + 1] = done[lane, state + 1] = 0.0
                taken[age, 0, lane] += states[age, lane, state + 1]
        for lane in range(lanes):
            idle = waiting[lane, 0]
            done[lane, 0] += idle
            waiting[lane, 0] = 0.0
            for state in range(2, count, 2):
                lowest, row = 2, 1
                while state & lowest == 0:
                    lowest, row = lowest * 2, row + 1
                done[lane, state ^ lowest] += waiting[lane, state]
                taken[age, row, lane] += waiting[lane, state]
                waiting[lane, state] = 0.0
            for offset in range(1, lookaside + 1):
                if count > 2:
                    other = (lane - offset) % lanes
                    there = move_aside(done[other], idle) + move_aside(waiting[other], idle)
                    taken[age, 1, other] += there * idle
                    idle *= 1.0 - there
        states[age] = done


@kernel
def move_aside(chances: Reals, idle: float) -> float:
    """The chance that a weight of the next row is left in `chances` [2^rows]; of it the share `idle` is taken."""
    there = 0.0
    for state in range(2, chances.size, 4):
        there += chances[state]
        moving = chances[state] * idle
        chances[state] -= moving
        chances[state - 2] += moving
    return there
