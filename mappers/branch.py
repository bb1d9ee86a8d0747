"""The search of one problem: one op, one dataflow, one choice of what is passed by."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

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
    N_FRONT,
    OVERFULL,
    REACHED,
    SCORE,
    WALKED,
    WEIGHTED,
    Best,
    Goal,
    new_best,
)
from archsim.mappers.settings import MapperSettings
from archsim.mappers.space import layout, program
from archsim.mappers.starts import choices, ways_to_begin
from archsim.mappers.state_kernels import Task
from archsim.sim.cost import Costing, pass_loops
from archsim.sim.kernels import Floats
from archsim.sim.mapping import Loop, Mapping
from archsim.sim.problem import Problem
from archsim.workloads.op import OPERANDS

_PASSES = np.array([(1, 0.25, 1.0), (0, 0.1, 0.01), (4, 0.1, 0.02), (2, 0.15, 0.05), (1, 1.0, 1.0)])
"""(leap, share of the budget, share for each start). Most problems are proven in the first pass. For the others quick
looks at all starts come before the second thorough one: a good mapping known early makes all bounds sharper."""

OBJECTIVES = {"latency": LATENCY, "energy": ENERGY, "edp": EDP, "weighted": WEIGHTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a search of one problem found: values in cycles and pJ."""

    mapping: Mapping | None
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
    skipped: frozenset[tuple[str, str]] = frozenset(),
    known: float = np.inf,
    cycle_limit: float = np.inf,
    ties: bool = True,
    front: int | None = None,
) -> Outcome:
    """The best mapping of a problem that is better than `known` (in cycles and pJ) and within `cycle_limit`.

    Where factors need not divide, those that do are searched first, with half the budget: what they find bounds the
    rest, and the larger space is never worse. `ties`: of equal mappings the one that is better otherwise.
    """
    constraints = settings.constraints.of(problem.op)
    request = _Request(
        settings=settings,
        constraints=constraints,
        skipped=skipped,
        cycle_limit=cycle_limit,
        ties=ties,
        front=settings.front if front is None else front,
    )
    if settings.perfect_factors:
        return _search(problem, costing, request, True, known, settings.most_steps)
    first = _search(problem, costing, request, True, known, settings.most_steps // 2)
    rest = _search(problem, costing, request, False, min(known, first.value), settings.most_steps - first.walked)
    better = rest if rest.mapping is not None else first
    return replace(
        rest,
        mapping=better.mapping,
        value=better.value,
        cycles=better.cycles,
        energy_pj=better.energy_pj,
        bound=min(rest.bound, better.value),
        evaluated=first.evaluated + rest.evaluated,
        reached=first.reached + rest.reached,
        pruned=first.pruned + rest.pruned,
        walked=first.walked + rest.walked,
        front=np.hstack([first.front, rest.front]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    settings: MapperSettings
    constraints: Constraints
    skipped: frozenset[tuple[str, str]]
    cycle_limit: float
    ties: bool
    front: int


def _search(
    problem: Problem, costing: Costing, request: _Request, perfect: bool, known: float, most_steps: int
) -> Outcome:
    settings = request.settings
    constraints = request.constraints
    chosen = choices(problem, perfect=perfect, constraints=constraints)
    where = layout(problem, chosen.slot_stage, perfect=perfect, skipped=request.skipped, constraints=constraints)
    steps, jumps = program(problem, where, even=settings.even_tiles)
    goal = Goal(
        objective=OBJECTIVES[settings.objective],
        weights=np.array(settings.exponents, np.float64),
        fixed_pj=float(costing.fixed_pj(problem)),
        pj_per_cycle=float(costing.pj_per_cycle(problem)),
        cycle_limit=float(request.cycle_limit),
        ties=int(request.ties),
    )
    task = Task(
        shape=problem.shape,
        machine=problem.machine,
        space=where.space,
        ways=ways_to_begin(where, chosen),
        steps=steps,
        jumps=jumps,
        goal=goal,
        passes=_PASSES,
        most_steps=most_steps,
        most_streamed=_most_streamed(problem, constraints.min_utilization),
    )
    best = new_best(len(problem.dims), len(problem.levels_used), request.front, float(known))
    search(task, best)
    value = float(best.value[SCORE])
    left_over = float(best.value[LEFT_OVER])
    return Outcome(
        mapping=None if best.n_loops[0] < 0 else _mapping(problem, best),
        value=value,
        bound=min(value, left_over),
        optimal=bool(left_over == np.inf or (request.front == 0 and left_over >= value)) and chosen.complete,
        cycles=float(best.value[CYCLES]),
        energy_pj=float(best.value[ENERGY_OF]),
        evaluated=int(best.counters[COSTED]),
        reached=int(best.counters[REACHED]),
        pruned=int(best.counters[BOUNDED] + best.counters[OVERFULL]),
        walked=int(best.counters[WALKED]),
        front=best.front[:, : int(best.value[N_FRONT])],
    )


def _most_streamed(problem: Problem, min_utilization: float) -> float:
    """Cycles of streaming that leave the array this utilization."""
    if min_utilization <= 0:
        return np.inf
    return problem.op.macs / (problem.peak_macs_per_cycle * min_utilization * (1 - 1e-9))


def _mapping(problem: Problem, best: Best) -> Mapping:
    n = int(best.n_loops[0])
    loops = tuple(
        Loop(
            problem.dims[best.loops[0, i]],
            int(best.loops[1, i]),
            problem.axis_names[best.loops[2, i]] if best.loops[2, i] >= 0 else None,
        )
        for i in range(n)
    )
    tiles = {
        level.name: {str(operand): int(best.tiles[i, j]) for j, operand in enumerate(OPERANDS) if best.tiles[i, j] >= 0}
        for i, level in enumerate(problem.levels_used)
    }
    passes = bool(problem.flow[0])
    tile = {dim: int(size) for dim, size in zip(problem.dims, best.base, strict=True)} if passes else {}
    return Mapping(
        dataflow=problem.dataflow.name,
        loops=loops,
        tiles=tiles,
        array_tile=tile,
        passes=pass_loops(problem, tile) if passes else (),
    )
