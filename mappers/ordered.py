"""The search where the order of loops is fixed (`[mapper.constraints.order]`).

The search of `mappers.branch` chooses orders by what each tile is reused over. Where an order is stated, its optimum
without it bounds what is possible: a mapping in order that costs as little is optimal. Where there is none, the
mappings in order are tried one after the other if they are few, else improved step by step from the best found.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from archsim.mappers.branch import Outcome, search_problem
from archsim.mappers.breaches import breaches, keeps_order, regions
from archsim.mappers.constraints import Constraints
from archsim.mappers.settings import MapperSettings
from archsim.sim.cost import PJ, Costing, cost_mapping
from archsim.sim.mapping import Loop, Mapping
from archsim.sim.problem import Problem
from archsim.sim.raw import run_kernel

FEW = 2_000_000
"""Mappings that are tried one after the other."""
MOST_TRIALS = 3_000
"""Mappings that are costed on the way from the best found to a better one."""

Values = tuple[float, float]
"""Cycles and energy in pJ."""


def search_ordered(
    problem: Problem,
    costing: Costing,
    settings: MapperSettings,
    *,
    skipped: frozenset[tuple[str, str]] = frozenset(),
    known: float = math.inf,
    cycle_limit: float = math.inf,
    ties: bool = True,
    front: int | None = None,
    spelled: bool = True,
) -> Outcome:
    """As `search_problem`, with loops in the order that the constraints state."""
    said = settings.constraints.of(problem.op)
    freed = settings
    if settings.constraints.order:
        freed = replace(settings, constraints=replace(settings.constraints, order=()))
    free = search_problem(
        problem,
        costing,
        freed,
        skipped=skipped,
        known=known,
        cycle_limit=cycle_limit,
        ties=ties,
        front=front,
        spelled=spelled or bool(said.order),
    )
    if not said.order or free.mapping is None:
        return free
    sorted_ = _sorted(problem, free.mapping, said)
    free = free._replace(front=free.front[:, :0])
    values = _values(problem, costing, settings, sorted_, said, cycle_limit)
    if values is not None and _score(values, settings) <= free.value * (1 + 1e-12):
        cycles, energy = values
        raw = partial(run_kernel, problem, sorted_)
        return free._replace(mapping=sorted_, cycles=cycles, energy_pj=energy, raw=raw)
    from archsim.mappers.enumerate import count_mappings

    room = count_mappings(problem, costing, settings, skipped=skipped, limit=FEW)
    if room <= FEW:
        return _enumerated(problem, costing, settings, skipped, known, cycle_limit, free)
    start = sorted_ if values is not None else _all_outside(problem, sorted_, said)
    return _improved(problem, costing, settings, said, cycle_limit, known, free, start)


def _enumerated(
    problem: Problem,
    costing: Costing,
    settings: MapperSettings,
    skipped: frozenset[tuple[str, str]],
    known: float,
    cycle_limit: float,
    free: Outcome,
) -> Outcome:
    from archsim.mappers.enumerate import enumerate_problem

    space = enumerate_problem(problem, costing, settings, skipped=skipped, cycle_limit=cycle_limit)
    best = space.best.get(settings.objective)
    evaluated = free.evaluated + space.legal
    if best is None or best.value > known * (1 + 1e-12):
        return free._replace(mapping=None, raw=None, value=known, bound=known, optimal=True, evaluated=evaluated)
    return free._replace(
        mapping=best.mapping,
        value=best.value,
        bound=best.value,
        optimal=True,
        cycles=best.cycles,
        energy_pj=best.energy_pj,
        evaluated=evaluated,
        raw=partial(run_kernel, problem, best.mapping),
    )


def _improved(
    problem: Problem,
    costing: Costing,
    settings: MapperSettings,
    said: Constraints,
    cycle_limit: float,
    known: float,
    free: Outcome,
    start: Mapping,
) -> Outcome:
    """Factors moved from loop to loop as long as that makes the mapping better; the bound stays that of any order."""
    best, trials = start, 0
    values = _values(problem, costing, settings, start, said, cycle_limit)
    value = math.inf if values is None else _score(values, settings)
    moved = True
    while moved and trials < MOST_TRIALS:
        moved = False
        for trial in _neighbours(problem, best, said):
            trials += 1
            found = _values(problem, costing, settings, trial, said, cycle_limit)
            if found is not None and _score(found, settings) < value * (1 - 1e-12):
                best, values, value, moved = trial, found, _score(found, settings), True
                break
            if trials >= MOST_TRIALS:
                break
    evaluated = free.evaluated + trials
    if values is None or value > known * (1 + 1e-12):
        bound = min(free.bound, known)
        return free._replace(mapping=None, raw=None, value=known, bound=bound, optimal=False, evaluated=evaluated)
    cycles, energy = values
    return free._replace(
        mapping=best,
        value=value,
        optimal=False,
        cycles=cycles,
        energy_pj=energy,
        evaluated=evaluated,
        raw=partial(run_kernel, problem, best),
    )


def _values(
    problem: Problem,
    costing: Costing,
    settings: MapperSettings,
    mapping: Mapping,
    said: Constraints,
    cycle_limit: float,
) -> Values | None:
    """Cost of a mapping that fits and keeps to the constraints; None for others."""
    if not keeps_order(problem, mapping, said) or not run_kernel(problem, mapping).fits:
        return None
    cost = cost_mapping(problem, mapping, costing)
    if cost.cycles > cycle_limit or breaches(problem, mapping, said, cost.mapping_utilization or 0.0):
        return None
    return float(cost.cycles), cost.total_energy_j / PJ


def _score(values: Values, settings: MapperSettings) -> float:
    cycles, energy = values
    match settings.objective:
        case "latency":
            return cycles
        case "energy":
            return energy
        case "edp":
            return cycles * energy
        case _:
            latency, exponent = settings.exponents
            return float(cycles**latency * energy**exponent)


def _sorted(problem: Problem, mapping: Mapping, said: Constraints) -> Mapping:
    """The mapping with loops between tiles put in order, as far as that moves no loop past a tile."""
    loops = list(mapping.loops)
    heights = sorted({position for held in mapping.tiles.values() for position in held.values()} | {len(loops)})
    for item in said.order:
        for _, begin, end in regions(problem, mapping, item.level):
            borders = [height for height in heights if begin <= height <= end]
            for first, last in itertools.pairwise(borders):
                _sort(loops, first, last, item.dims)
    return replace(mapping, loops=tuple(loops))


def _sort(loops: list[Loop], begin: int, end: int, order: tuple[str, ...]) -> None:
    """Sort the loops in time that `order` names among the places they take."""
    places = [i for i in range(begin, end) if loops[i].axis is None and loops[i].dim in order]
    there = sorted((loops[i] for i in places), key=lambda loop: order.index(loop.dim))
    for place, loop in zip(places, there, strict=True):
        loops[place] = loop


def _all_outside(problem: Problem, mapping: Mapping, said: Constraints) -> Mapping:
    """All loops in time above the tiles of every level but the outermost ones: what fits most easily."""
    inside = tuple(loop for loop in mapping.loops if loop.axis is not None)
    outside = tuple(loop for loop in mapping.loops if loop.axis is None)
    shift = {i: sum(loop.axis is not None for loop in mapping.loops[:i]) for i in range(len(mapping.loops) + 1)}
    tiles = {
        name: {
            operand: len(outside) + shift[position] if _outer(problem, mapping, name, operand) else 0
            for operand, position in held.items()
        }
        for name, held in mapping.tiles.items()
    }
    return _sorted(problem, replace(mapping, loops=(*outside, *inside), tiles=tiles), said)


def _outer(problem: Problem, mapping: Mapping, level: str, operand: str) -> bool:
    """Whether a level further out holds the operand too."""
    names = [memory.name for memory in problem.levels_used]
    return any(operand in mapping.tiles.get(name, {}) for name in names[: names.index(level)])


def _neighbours(problem: Problem, mapping: Mapping, said: Constraints) -> Iterator[Mapping]:
    """Mappings with a factor of one loop in time moved between two other tiles."""
    heights = sorted({position for held in mapping.tiles.values() for position in held.values()})
    for i, loop in enumerate(mapping.loops):
        if loop.axis is not None:
            continue
        for part in _parts(loop.factor):
            for height in (*heights, len(mapping.loops)):
                for above in (True, False):
                    yield _sorted(problem, _moved(problem, mapping, i, part, height, above=above), said)


def _parts(factor: int) -> list[int]:
    """Divisors that may be moved: the smallest, and all of a loop."""
    least = next((step for step in range(2, math.isqrt(factor) + 1) if factor % step == 0), factor)
    return sorted({least, factor}) if factor > 1 else []


def _moved(problem: Problem, mapping: Mapping, index: int, part: int, height: int, *, above: bool) -> Mapping:
    """The mapping with a factor of a loop as a loop of its own, just above or below the tiles at a height."""
    loops = list(mapping.loops)
    taken = loops[index]
    tiles = {name: dict(held) for name, held in mapping.tiles.items()}
    loops.insert(height, Loop(taken.dim, part))
    for name, held in tiles.items():
        for operand, position in mapping.tiles[name].items():
            if position > height or (position == height and above):
                held[operand] = position + _outer(problem, mapping, name, operand)
    old = index + (index >= height)
    if taken.factor > part:
        loops[old] = replace(taken, factor=taken.factor // part)
        return replace(mapping, loops=tuple(loops), tiles=tiles)
    del loops[old]
    for held in tiles.values():
        for operand in held:
            held[operand] -= held[operand] > old
    return replace(mapping, loops=tuple(loops), tiles=tiles)
