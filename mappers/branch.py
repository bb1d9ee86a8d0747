"""The search of one problem: one op, one dataflow, one choice of what is passed by."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np

from archsim.core.memo import ByIdentity
from archsim.mappers.branch_kernels import search
from archsim.mappers.constraints import Constraints
from archsim.mappers.goal_kernels import (
    BOUNDED,
    COSTED,
    CYCLES,
    EDP,
    ENERGY,
    ENERGY_OF,
    LATENCY,
    LEFT_OVER,
    N_COUNTERS,
    N_FRONT,
    N_VALUES,
    OVERFULL,
    REACHED,
    SCORE,
    WALKED,
    WEIGHTED,
    Goal,
)
from archsim.mappers.nodes import Skipped
from archsim.mappers.pack_kernels import found_of, nothing_found, packed_machine
from archsim.mappers.plan import MOST_BYTES, plans_of
from archsim.mappers.room_kernels import empty_room
from archsim.mappers.settings import MapperSettings
from archsim.mappers.state_kernels import AS_PLACED, LIFTED, SUNK
from archsim.sim.cost import Costing, Raw, pass_loops
from archsim.sim.kernels import CAPACITY, MEMORY_STALLS, NESTED_REUSE, RESERVED, THROUGHPUT, Bools, Floats, Ints, Nest
from archsim.sim.mapping import Loop, Mapping
from archsim.sim.problem import Problem
from archsim.workloads.op import OPERANDS

_PASSES = np.array(
    [(1, 0.05, 0.0), (1, 0.05, 1.0), (0, 0.1, 0.01), (16, 0.2, 0.05), (8, 0.2, 0.05), (4, 0.5, 0.1), (1, 1.0, 1.0)]
)
"""(leap, share of the budget, share for each start). The first pass looks at one start. Most problems are proven in the
second. For the others quick looks at all starts come before another thorough one: a good mapping known early makes all
bounds sharper. Leaps of 16, 8 and 4 found better mappings of ResNet-50 and MobileNet on `eyeriss` and `simba` than
smaller ones."""

OBJECTIVES = {"latency": LATENCY, "energy": ENERGY, "edp": EDP, "weighted": WEIGHTED}
_NO_FRONT: Floats = np.zeros((2, 0))


class Outcome(NamedTuple):
    """What a search of one problem found: values in cycles and pJ."""

    mapping: Mapping | None
    """None where nothing was found, or where it was not to be spelled out: see `spelled`."""
    raw: Callable[[], Raw] | None
    """What the closed form gave for the mapping; None where nothing was found."""
    value: float
    bound: float
    optimal: bool
    cycles: float
    energy_pj: float
    evaluated: int
    reached: int
    pruned: int
    walked: int
    front: Floats


def search_problem(
    problem: Problem,
    costing: Costing,
    settings: MapperSettings,
    *,
    skipped: Skipped = frozenset(),
    known: float = np.inf,
    cycle_limit: float = np.inf,
    ties: bool = True,
    front: int | None = None,
    spelled: bool = True,
) -> Outcome:
    """The best mapping of a problem that is better than `known` (in cycles and pJ) and within `cycle_limit`.

    Where factors need not divide, those that do are searched first, with half the budget: what they find bounds the
    rest, and the larger space is never worse. `ties`: of equal mappings the one that is better otherwise. Without
    `spelled`, what is found stays in arrays (`raw`), see `mapping_of`.
    """
    points = settings.front if front is None else front
    request = _Request(
        problem,
        settings.constraints.of(problem.op),
        skipped,
        settings.even_tiles,
        _goal(problem, costing, settings, cycle_limit, ties),
        _Best(
            *nothing_found(len(problem.dims), len(problem.levels_used), known),
            np.zeros((2, points)) if points else _NO_FRONT,
        ),
    )
    if not settings.perfect_factors:
        _search(request, True, settings.most_steps // 2)
    complete = _search(request, settings.perfect_factors, settings.most_steps)
    return _outcome(request, complete=complete, spelled=spelled)


class _Best(NamedTuple):
    """What the search writes: see `pack_kernels.found_of`."""

    ints: Ints
    floats: Floats
    front: Floats


class _Request(NamedTuple):
    """What the searches of one problem have in common."""

    problem: Problem
    constraints: Constraints
    skipped: Skipped
    even: bool
    goal: Goal
    best: _Best


def _goal(problem: Problem, costing: Costing, settings: MapperSettings, cycle_limit: float, ties: bool) -> Goal:
    """Numbers of one type, whatever was stated: of others the kernel would be compiled again."""
    return Goal(
        OBJECTIVES[settings.objective],
        _weights(settings.exponents),
        float(costing.fixed_pj(problem)),
        float(costing.pj_per_cycle(problem)),
        float(cycle_limit),
        int(ties),
    )


@lru_cache(maxsize=256)
def _weights(exponents: tuple[float, float]) -> Floats:
    return np.array(exponents, np.float64)


def _search(request: _Request, perfect: bool, most_steps: int) -> bool:
    """Search for what is better than the best until `most_steps` are walked in all; whether the plans are complete."""
    problem, constraints, skipped, even, goal, best = request
    settled = _SETTLED.get(
        (problem.frame, problem.machine, constraints, skipped),
        (tuple(problem.op.loops.values()), perfect, even),
        lambda: _settled(request, perfect),
    )
    most_streamed = _most_streamed(problem, constraints.min_utilization)
    left_over = np.inf
    for fixed, (ints, floats, flags) in settled.searches:
        room = ints.copy(), floats.copy(), flags.copy()
        search(*fixed, _PASSES, goal, most_steps, most_streamed, *room, *best)
        left_over = min(left_over, float(best.floats[LEFT_OVER]))
    best.floats[LEFT_OVER] = left_over
    return settled.complete


_Fixed = tuple[Ints, Bools, Floats, Floats, int]


class _Settled(NamedTuple):
    """What does not depend on what is asked."""

    searches: list[tuple[_Fixed, tuple[Ints, Floats, Bools]]]
    """What the search of each plan is given, and what the room for it begins with."""
    complete: bool
    """Whether the plans are."""
    nbytes: int


RECORDS = 4096
"""Bytes that are counted for what one entry keeps besides its plans: problem, machine and key."""
_SETTLED: ByIdentity[_Settled] = ByIdentity(MOST_BYTES, lambda settled: RECORDS + settled.nbytes)


def _settled(request: _Request, perfect: bool) -> _Settled:
    problem, even = request.problem, request.even
    plans = plans_of(problem, request.constraints, request.skipped, perfect=perfect, even=even)
    if _overfull(problem, request.skipped, plans[0].taken(problem)):
        return _Settled([], True, 0)
    machine = packed_machine(problem.machine)
    own_ports = int(np.count_nonzero(problem.machine.operand_bw > 0.0))
    stand = _stand(problem.machine.counting, even=even)
    return _Settled(
        [
            ((plan.packed, plan.flags, machine, plan.taken(problem), stand), empty_room(plan.extents, own_ports))
            for plan in plans
        ],
        all(plan.complete for plan in plans),
        sum(plan.packed.nbytes for plan in plans),
    )


def _overfull(problem: Problem, skipped: Skipped, taken: Floats) -> bool:
    """Whether other tensors and operands kept whole, of `taken` bits, leave nothing of a level that tiles must have."""
    levels, frame = problem.machine.levels, problem.frame
    for i in np.flatnonzero(taken >= levels[:, CAPACITY] - levels[:, RESERVED]).tolist():
        tiles = (frame.level_stage[i] >= 0) & ~frame.resident[i]
        if any(
            held and (frame.places[i].name, name) not in skipped for name, held in zip(OPERANDS, tiles, strict=True)
        ):
            return True
    return False


def _stand(counting: Floats, *, even: bool) -> int:
    """Where tiles stand: those of a level all at one place, as far out or in as pays, or wherever they are placed.

    Only where a port waits for a step of computing it matters how far in they stand.
    """
    if even:
        return AS_PLACED
    if counting[NESTED_REUSE]:
        return LIFTED
    return SUNK if counting[MEMORY_STALLS] and not counting[THROUGHPUT] else AS_PLACED


def _outcome(request: _Request, *, complete: bool, spelled: bool) -> Outcome:
    problem, best = request.problem, request.best
    values: list[float] = best.floats[:N_VALUES].tolist()
    counters: list[int] = best.ints[: N_COUNTERS + 1].tolist()
    value, left_over = values[SCORE], values[LEFT_OVER]
    finished = left_over == np.inf or (best.front.shape[1] == 0 and left_over >= value)
    found = counters[N_COUNTERS] >= 0
    return Outcome(
        mapping_of(problem, _raw(problem, best)) if found and spelled else None,
        partial(_raw, problem, best) if found else None,
        value,
        min(value, left_over),
        finished and complete,
        values[CYCLES],
        values[ENERGY_OF],
        counters[COSTED],
        counters[REACHED],
        counters[BOUNDED] + counters[OVERFULL],
        counters[WALKED],
        best.front[:, : int(values[N_FRONT])] if values[N_FRONT] else _NO_FRONT,
    )


def _raw(problem: Problem, written: _Best) -> Raw:
    best = found_of(*written, len(problem.dims), len(problem.levels_used))
    dims, factors, axes = best.loops
    return Raw(
        traffic=best.traffic,
        out=best.out,
        used=best.used,
        tiles=best.tiles,
        fits=True,
        nest=Nest(dims, factors, axes, best.base),
        n_loops=int(best.n_loops[0]),
    )


def _most_streamed(problem: Problem, min_utilization: float) -> float:
    """Cycles of streaming that leave the array this utilization."""
    if min_utilization <= 0:
        return np.inf
    return problem.op.macs / (problem.peak_macs_per_cycle * min_utilization * (1 - 1e-9))


def mapping_of(problem: Problem, raw: Raw) -> Mapping:
    """What the arrays of a search say."""
    dims, axes = problem.dims, problem.axis_names
    columns: list[list[int]] = [column[: raw.n_loops].tolist() for column in raw.nest[:3]]
    rows: list[list[int]] = raw.tiles.tolist()
    tiles = {
        level.name: {str(operand): position for operand, position in zip(OPERANDS, row, strict=True) if position >= 0}
        for level, row in zip(problem.levels_used, rows, strict=True)
    }
    passes = bool(problem.flow[0])
    tile = dict(zip(dims, raw.nest.base.tolist(), strict=True)) if passes else {}
    return Mapping(
        dataflow=problem.dataflow.name,
        loops=tuple([Loop(dims[d], n, axes[axis] if axis >= 0 else None) for d, n, axis in zip(*columns, strict=True)]),
        tiles=tiles,
        array_tile=tile,
        passes=pass_loops(problem, tile) if passes else (),
    )
