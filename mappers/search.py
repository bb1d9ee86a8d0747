"""The mapper: the best mapping of one op over the whole space, with its proof."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from archsim.arch.accelerator import Accelerator
from archsim.arch.formats import Format
from archsim.mappers.branch_kernels import (
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
    SECOND,
    WALKED,
    WEIGHTED,
    Best,
    Goal,
    explore,
    least_of_starts,
    new_walk,
)
from archsim.mappers.space import layout, program
from archsim.mappers.start_kernels import cost_starts
from archsim.mappers.starts import build_starts, choices
from archsim.sim.kernels import MAX_LOOPS, Floats, scratch
from archsim.sim.mapping import Loop, Mapping
from archsim.sim.problem import Problem
from archsim.sim.cost import Costing, pass_loops
from archsim.workloads.op import OPERANDS

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
    objective: str,
    exponents: tuple[float, float] = (1.0, 1.0),
    *,
    perfect: bool = False,
    skipped: frozenset[tuple[str, str]] = frozenset(),
    known: float = np.inf,
    cycle_limit: float = np.inf,
    most_steps: int = 2**62,
    front: int = 0,
) -> Outcome:
    chosen = choices(problem, perfect=perfect)
    where = layout(problem, chosen.slot_stage, perfect=perfect, skipped=skipped)
    starts = build_starts(problem, where, chosen)
    steps, jumps = program(problem, where)
    shape, machine = problem.shape, problem.machine
    n_dims, n_levels = len(problem.dims), len(problem.levels_used)
    room = scratch(n_dims, n_levels, len(problem.axis_names))
    goal = Goal(
        objective=OBJECTIVES[objective],
        weights=np.array(exponents, np.float64),
        fixed_pj=float(costing.fixed_pj(problem)),
        pj_per_cycle=float(costing.pj_per_cycle(problem)),
        cycle_limit=float(cycle_limit),
    )
    best = Best(
        value=np.array([known, np.inf, np.inf, np.inf, 0.0]),
        loops=np.zeros((3, MAX_LOOPS), np.int64),
        tiles=np.full((n_levels, 3), -1, np.int64),
        base=np.ones(n_dims, np.int64),
        n_loops=np.full(1, -1, np.int64),
        counters=np.zeros(5, np.int64),
        front=np.zeros((2, front)),
    )
    cost_starts(shape, starts, where.space.n_bounds, where.placed, where.innermost, machine, room)
    least = np.zeros((len(starts.base), 2))
    least_of_starts(shape, where.space, starts, machine, where.placed, where.taken, goal, least)
    values = _values(objective, least, exponents)
    order = np.argsort(values, kind="stable").astype(np.int64)
    at = explore(
        order, 0, shape, where.space, starts, steps, jumps, machine, room, where.placed, where.homes,
        where.taken, least, goal, best,
        new_walk(len(steps) + 1, n_dims, n_levels, len(where.space.nodes)), most_steps,
    )  # fmt: skip
    value = float(best.value[SCORE])
    bound = value if at == len(order) else min(value, float(values[order[at]]))
    return Outcome(
        mapping=None if best.n_loops[0] < 0 else _mapping(problem, best),
        value=value,
        bound=bound,
        optimal=at == len(order) and chosen.complete,
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
        level.name: {
            str(operand): int(best.tiles[i, j]) for j, operand in enumerate(OPERANDS) if best.tiles[i, j] >= 0
        }
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
