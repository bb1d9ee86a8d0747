"""The search of one problem: one op, one dataflow, one choice of what is passed by."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from archsim.mappers.branch_kernels import explore, least_of_starts
from archsim.mappers.constraints import Constraints
from archsim.mappers.goal_kernels import (
    BOUNDED,
    COSTED,
    CYCLES,
    EDP,
    ENERGY,
    ENERGY_OF,
    LATENCY,
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
from archsim.mappers.leaf_kernels import new_walk
from archsim.mappers.settings import MapperSettings
from archsim.mappers.space import layout, program
from archsim.mappers.start_kernels import cost_starts
from archsim.mappers.starts import build_starts, choices
from archsim.sim.cost import Costing, pass_loops
from archsim.sim.kernels import Floats, scratch
from archsim.sim.mapping import Loop, Mapping
from archsim.sim.problem import Problem
from archsim.workloads.op import OPERANDS

_PASSES = ((1, 0.25, 1.0), (0, 0.1, 0.01), (4, 0.1, 0.02), (2, 0.15, 0.05), (1, 1.0, 1.0))
"""(leap, share of the budget, share for each start). Most problems are proven in the first pass. For the others quick
looks at all starts come before the second thorough one: a good mapping known early makes all bounds sharper."""
_LEAST_EACH = 300

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
    chosen = choices(problem, perfect=perfect, constraints=request.constraints)
    where = layout(
        problem, chosen.slot_stage, perfect=perfect, skipped=request.skipped, constraints=request.constraints
    )
    starts = build_starts(problem, where, chosen)
    steps, jumps = program(problem, where, even=settings.even_tiles)
    shape, machine = problem.shape, problem.machine
    n_dims, n_levels = len(problem.dims), len(problem.levels_used)
    room = scratch(n_dims, n_levels, len(problem.axis_names))
    goal = Goal(
        objective=OBJECTIVES[settings.objective],
        weights=np.array(settings.exponents, np.float64),
        fixed_pj=float(costing.fixed_pj(problem)),
        pj_per_cycle=float(costing.pj_per_cycle(problem)),
        cycle_limit=float(request.cycle_limit),
        ties=int(request.ties),
    )
    best = new_best(n_dims, n_levels, request.front, float(known))
    cost_starts(shape, starts, where.space.n_bounds, where.placed, where.innermost, machine, room)
    least = np.zeros((len(starts.base), 2))
    least_of_starts(shape, where.space, starts, machine, where.placed, where.taken, goal, least)
    values = _values(settings.objective, least, settings.exponents)
    if request.constraints.min_utilization > 0:
        used = problem.op.macs / (problem.peak_macs_per_cycle * starts.streamed)
        values[used < request.constraints.min_utilization * (1 - 1e-9)] = np.inf
    order = np.argsort(values, kind="stable").astype(np.int64)
    order = order[: int(np.isfinite(values).sum())]
    walk = new_walk(len(steps) + 1, n_dims, n_levels, len(where.space.nodes))
    at = 0
    for leap, share, each in _PASSES:
        until = min(most_steps, int(best.counters[WALKED] + share * most_steps))
        at = explore(
            order, 0, shape, where.space, starts, steps, jumps, machine, room, where.placed, where.homes, where.taken,
            least, goal, best, walk, leap, max(_LEAST_EACH, int(each * most_steps)), until,
        )  # fmt: skip
        if leap == 1 and at == len(order):
            break
    value = float(best.value[SCORE])
    finished = at == len(order)
    open_bound = np.inf if finished else float(values[order[at]])
    return Outcome(
        mapping=None if best.n_loops[0] < 0 else _mapping(problem, best),
        value=value,
        bound=min(value, open_bound),
        optimal=bool(finished or (request.front == 0 and open_bound >= value)) and chosen.complete,
        cycles=float(best.value[CYCLES]),
        energy_pj=float(best.value[ENERGY_OF]),
        evaluated=int(best.counters[COSTED]),
        reached=int(best.counters[REACHED]),
        pruned=int(best.counters[BOUNDED] + best.counters[OVERFULL]),
        walked=int(best.counters[WALKED]),
        front=best.front[:, : int(best.value[N_FRONT])],
    )


def _values(objective: str, least: Floats, exponents: tuple[float, float]) -> Floats:
    cycles, energy = least[:, 0], least[:, 1]
    match objective:
        case "latency":
            return cycles
        case "energy":
            return energy
        case "edp":
            return np.asarray(cycles * energy)
        case _:
            return np.asarray(cycles ** exponents[0] * energy ** exponents[1])


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
