"""What is searched for, the best that is known, and whether something can still be better."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

from typing import NamedTuple

from archsim.core.kernels import inlined_kernel
from archsim.sim.kernels import Floats, Ints

LATENCY, ENERGY, EDP, WEIGHTED = 0, 1, 2, 3
SCORE, SECOND, CYCLES, ENERGY_OF, N_FRONT, LEFT_OVER = range(6)
N_VALUES = 6
COSTED, BOUNDED, OVERFULL, WALKED, REACHED = range(5)
N_COUNTERS = 5
TIE = 1e-3
"""Of mappings that are as good, one shorter by less than this share is taken when met, and not looked for."""


class Goal(NamedTuple):
    """What is minimised, and what no mapping changes."""

    objective: int
    weights: Floats
    fixed_pj: float
    pj_per_cycle: float
    cycle_limit: float
    ties: int
    """Whether a mapping that is as good counts if it is better otherwise: less time, or for latency less energy."""


class Best(NamedTuple):
    """The best mapping known: its loops (outermost first) and tiles."""

    value: Floats
    """Score, second criterion, cycles, energy in pJ; points on the front; the least bound of what was left over, inf
    where nothing was."""
    loops: Ints
    """(3, MAX_LOOPS): dim, factor, axis."""
    tiles: Ints
    base: Ints
    n_loops: Ints
    counters: Ints
    """[0] costed, [1] left by a bound, [2] over capacity, [3] steps walked, [4] complete mappings reached."""
    front: Floats
    """(2, points): cycles and energy of the Pareto front, where one is asked for; no columns otherwise."""
    traffic: Floats
    """As in `Scratch`, like the next two: what the closed form gave for the best mapping."""
    out: Floats
    used: Floats


@inlined_kernel
def score(objective: int, cycles: float, energy_pj: float, weights: Floats) -> float:
    """What is minimised, in cycles and pJ."""
    if objective == LATENCY:
        return cycles
    if objective == ENERGY:
        return energy_pj
    if objective == EDP:
        return cycles * energy_pj
    return float(cycles ** weights[0] * energy_pj ** weights[1])


@inlined_kernel
def hopeless(cycles: float, energy_pj: float, goal: Goal, best: Best) -> bool:
    """Whether no mapping that takes at least this can be better than what is known."""
    if cycles > goal.cycle_limit:
        return True
    n_front = int(best.value[N_FRONT])
    if best.front.shape[1] > 0:
        for i in range(n_front):
            if best.front[0, i] <= cycles * (1 + 1e-12) and best.front[1, i] <= energy_pj * (1 + 1e-12):
                return True
        return False
    value = score(goal.objective, cycles, energy_pj, goal.weights)
    if value > best.value[SCORE] * (1 + 1e-12):
        return True
    if not goal.ties:
        return bool(value >= best.value[SCORE] * (1 - 1e-12))
    second, tie = (energy_pj, 1e-12) if goal.objective == LATENCY else (cycles, TIE)
    return bool(value > best.value[SCORE] * (1 - 1e-12) and second > best.value[SECOND] * (1 - tie))


@inlined_kernel
def admit(cycles: float, energy_pj: float, goal: Goal, best: Best) -> bool:
    """Take a mapping in as the best one (or into the front) if it is better; whether it was."""
    if cycles > goal.cycle_limit:
        return False
    if best.front.shape[1] > 0:
        n = int(best.value[N_FRONT])
        for i in range(n):
            if best.front[0, i] <= cycles and best.front[1, i] <= energy_pj:
                return False
        kept = 0
        for i in range(n):
            if not (cycles <= best.front[0, i] and energy_pj <= best.front[1, i]):
                best.front[0, kept], best.front[1, kept] = best.front[0, i], best.front[1, i]
                kept += 1
        if kept < best.front.shape[1]:
            best.front[0, kept], best.front[1, kept] = cycles, energy_pj
            kept += 1
        best.value[N_FRONT] = float(kept)
    value = score(goal.objective, cycles, energy_pj, goal.weights)
    second = energy_pj if goal.objective == LATENCY else cycles
    if value > best.value[SCORE] or (value == best.value[SCORE] and second >= best.value[SECOND]):
        return False
    best.value[SCORE], best.value[SECOND] = value, second
    best.value[CYCLES], best.value[ENERGY_OF] = cycles, energy_pj
    return True
