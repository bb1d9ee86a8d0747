"""The plain mapper: the best of a small legal set of mappings per dataflow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archsim.arch.accelerator import Accelerator
from archsim.arch.engines.base import Dataflow
from archsim.arch.formats import Format
from archsim.core.errors import InfeasibleError
from archsim.mappers.candidates import Candidates, candidates
from archsim.mappers.search_kernels import EDP, ENERGY, LATENCY, WEIGHTED, build_loops, search
from archsim.sim.conventions import Counting
from archsim.sim.cost import PJ, Costing, cost_mapping, pass_loops
from archsim.sim.kernels import Floats, Ints, empty_nest
from archsim.sim.mapping import Loop, Mapping
from archsim.sim.problem import Problem, build_problem
from archsim.sim.records import OpCost
from archsim.workloads.op import OPERANDS, Op

OBJECTIVES = {"latency": LATENCY, "energy": ENERGY, "edp": EDP, "weighted": WEIGHTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class MapperSettings:
    """What to minimise and which of the hardware's dataflows to try (empty: all)."""

    objective: str = "edp"
    dataflows: tuple[str, ...] = ()
    exponents: tuple[float, float] = (1.0, 1.0)
    """Exponents of latency and energy in the weighted objective."""
    perfect_factors: bool = False
    """Tile sizes and unrollings must divide what they cut."""


def score(cost: OpCost, settings: MapperSettings) -> float:
    """The objective's value for one occurrence: s, J, J s, or their weighted product."""
    match settings.objective:
        case "latency":
            return cost.latency_s
        case "energy":
            return cost.total_energy_j
        case "edp":
            return cost.latency_s * cost.total_energy_j
        case _:
            latency, energy = settings.exponents
            return float(cost.latency_s**latency * cost.total_energy_j**energy)


def best_mapping(
    op: Op,
    accelerator: Accelerator,
    settings: MapperSettings,
    counting: Counting,
    accumulator: Format,
    *,
    resident: frozenset[str] = frozenset(),
    reserved_bits: float = 0.0,
) -> OpCost | None:
    """Cost of the best mapping of `op`, its mapping included; None when no tile fits the memories.

    Ties go to the dataflow the hardware lists first.
    """
    best: OpCost | None = None
    best_key = (np.inf, np.inf)
    for dataflow in _allowed(accelerator, settings):
        problem = build_problem(
            op, accelerator, dataflow, counting, accumulator, resident=resident, reserved_bits=reserved_bits
        )
        costing = Costing.of(accelerator, problem, accumulator, counting)
        if counting.tiling == "whole-layer":
            mapping: Mapping | None = _whole(problem)
        else:
            mapping = _search(problem, costing, settings, best_key[0])
        if mapping is None:
            continue
        cost = cost_mapping(problem, mapping, costing)
        key = (score(cost, settings), cost.latency_s)
        if key < best_key:
            best, best_key = cost, key
    return best


def _allowed(accelerator: Accelerator, settings: MapperSettings) -> list[Dataflow]:
    flows = accelerator.engine.dataflows
    if not settings.dataflows or not flows[0].stream:
        return list(flows)
    chosen = [flow for flow in flows if flow.name in settings.dataflows]
    if not chosen:
        permitted = ", ".join(flow.name for flow in flows)
        raise InfeasibleError(
            f"mapper.dataflows ({', '.join(settings.dataflows)}) and hardware.array.dataflows ({permitted}) "
            "have none in common"
        )
    return chosen


def _whole(problem: Problem) -> Mapping:
    """The whole op as one array tile, whatever the memories hold."""
    tile = {dim: int(size) for dim, size in zip(problem.dims, problem.sizes, strict=True)}
    batch = tuple(Loop(dim, tile[dim]) for dim in problem.op.batch if tile[dim] > 1)
    for dim in problem.op.batch:
        tile[dim] = 1
    tiles = {
        level.name: {
            str(operand): 0 if problem.level_stage[i, j] == 0 else len(batch)
            for j, operand in enumerate(OPERANDS)
            if problem.level_stage[i, j] >= 0
        }
        for i, level in enumerate(problem.levels_used)
    }
    if not problem.flow[0]:
        loops = (*batch, *(Loop(dim, size) for dim, size in tile.items() if size > 1))
        return Mapping(dataflow=problem.dataflow.name, loops=loops, tiles=tiles)
    return Mapping(
        dataflow=problem.dataflow.name,
        loops=batch,
        tiles=tiles,
        array_tile=tile,
        passes=pass_loops(problem, tile),
    )


def _search(problem: Problem, costing: Costing, settings: MapperSettings, bound: float) -> Mapping | None:
    """The best candidate; None when none fits, or none is better than `bound` (the objective in s, J, or J s)."""
    options = candidates(problem, perfect=settings.perfect_factors)
    choice = np.zeros((problem.n_stages, 3), np.int64)
    orders = np.zeros(problem.n_stages, np.int64)
    fixed_pj = costing.fixed_pj(problem)
    elements, held = _held(problem)
    best = search(
        problem.shape, problem.machine, problem.level_stage, problem.resident, options.chains, options.lengths,
        options.slot_stage, options.dims, options.factors, options.slot_axis, len(problem.axis_names),
        OBJECTIVES[settings.objective], np.array(settings.exponents), elements, held, fixed_pj,
        costing.pj_per_cycle(problem), _kernel_bound(bound, costing, settings), choice, orders, np.zeros(3, np.int64),
    )  # fmt: skip
    return None if best < 0 else _mapping(problem, options, int(best), choice, orders)


def _held(problem: Problem) -> tuple[Floats, Ints]:
    """Elements of each operand, and its outermost, second and innermost level (-1: none): shape (3, operands)."""
    elements = np.array([float(problem.op.elements(operand)) for operand in OPERANDS])
    holds = (problem.level_stage >= 0) | problem.resident
    held = np.full((3, 3), -1, np.int64)
    for j in range(3):
        levels = np.flatnonzero(holds[:, j])
        if len(levels):
            held[:, j] = levels[0], levels[1] if len(levels) > 1 else -1, levels[-1]
    return elements, held


def _kernel_bound(bound: float, costing: Costing, settings: MapperSettings) -> float:
    """An objective value in the kernel's units (cycles, pJ), a hair above so that rounding hides no tie."""
    clock = costing.accelerator.clock_hz
    latency, energy = clock, 1 / PJ
    match settings.objective:
        case "latency":
            scale = latency
        case "energy":
            scale = energy
        case "edp":
            scale = latency * energy
        case _:
            scale = float(latency ** settings.exponents[0] * energy ** settings.exponents[1])
    return bound * scale * (1 + 1e-12)


def _mapping(problem: Problem, options: Candidates, option: int, choice: Ints, orders: Ints) -> Mapping:
    """The winning candidate as a Mapping."""
    nest = empty_nest(len(problem.dims))
    position = np.zeros(problem.n_stages, np.int64)
    n = build_loops(
        choice, orders, options.chains, problem.shape.groups, problem.sizes, options.slot_stage, options.dims[option],
        options.factors[option], options.slot_axis, problem.flow[0], position, nest,
    )  # fmt: skip
    loops = tuple(
        Loop(
            problem.dims[nest.dim[i]],
            int(nest.factor[i]),
            problem.axis_names[nest.axis[i]] if nest.axis[i] >= 0 else None,
        )
        for i in range(int(n))
    )
    tiles = {
        level.name: {
            str(operand): 0 if problem.resident[i, j] else int(position[problem.level_stage[i, j]])
            for j, operand in enumerate(OPERANDS)
            if problem.level_stage[i, j] >= 0 or problem.resident[i, j]
        }
        for i, level in enumerate(problem.levels_used)
    }
    passes = bool(problem.flow[0])
    tile = {dim: int(size) for dim, size in zip(problem.dims, nest.base, strict=True)} if passes else {}
    return Mapping(
        dataflow=problem.dataflow.name,
        loops=loops,
        tiles=tiles,
        array_tile=tile,
        passes=pass_loops(problem, tile) if passes else (),
    )
