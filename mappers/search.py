"""The best mapping of one op, with its proof: over dataflows, and over what levels may be passed by."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from archsim.arch.accelerator import Accelerator
from archsim.arch.formats import Format
from archsim.mappers.branch import Outcome, search_problem
from archsim.mappers.constraints import Constraints
from archsim.mappers.found import Found
from archsim.mappers.settings import MapperSettings, allowed_dataflows, score
from archsim.mappers.whole import whole_layer
from archsim.sim.conventions import Counting
from archsim.sim.cost import PJ, Costing, cost_mapping
from archsim.sim.mapping import Mapping
from archsim.sim.problem import Problem, build_problem
from archsim.sim.records import OpCost
from archsim.workloads.op import Op

__all__ = ["MapperSettings", "best_mapping", "find_mapping", "score"]

Skipped = frozenset[tuple[str, str]]
"""Pairs of level and operand that are passed by."""


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
    """Cost of the best mapping found, its mapping included; None when no tile fits the memories."""
    found = find_mapping(
        op, accelerator, settings, counting, accumulator, resident=resident, reserved_bits=reserved_bits
    )
    return None if found is None else found.cost


def find_mapping(
    op: Op,
    accelerator: Accelerator,
    settings: MapperSettings,
    counting: Counting,
    accumulator: Format,
    *,
    resident: frozenset[str] = frozenset(),
    reserved_bits: float = 0.0,
) -> Found | None:
    """The best mapping of `op` with what is proven about it; None when no tile fits the memories.

    Ties go to the dataflow the hardware lists first, then to the mapping that is found first: the order is fixed.
    """
    tally = _Tally()
    for dataflow in allowed_dataflows(accelerator, settings):
        problem = build_problem(
            op, accelerator, dataflow, counting, accumulator, resident=resident, reserved_bits=reserved_bits
        )
        costing = Costing.of(accelerator, problem, accumulator, counting)
        if counting.tiling == "whole-layer":
            cost = cost_mapping(problem, whole_layer(problem), costing)
            value = score(cost, settings)
            tally.take(cost, value, value, proven=True, evaluated=1, pruned=0, front=np.zeros((2, 0)))
            continue
        for skipped in _bypasses(problem, settings.constraints.of(op)):
            _search(problem, costing, settings, skipped, tally)
    return tally.found(settings)


@dataclass
class _Tally:
    """The best of several searches, and what they prove together."""

    cost: OpCost | None = None
    value: float = math.inf
    bound: float = math.inf
    proven: bool = True
    evaluated: int = 0
    pruned: int = 0
    space: float = 0.0
    points: tuple[tuple[float, float], ...] = ()

    def take(
        self,
        cost: OpCost | None,
        value: float,
        bound: float,
        *,
        proven: bool,
        evaluated: int,
        pruned: int,
        front: object,
    ) -> None:
        self.evaluated += evaluated
        self.pruned += pruned
        self.space += evaluated + pruned
        self.proven = self.proven and proven
        self.bound = min(self.bound, bound)
        cycles_energy = np.asarray(front)
        self.points += tuple((float(energy), float(cycles)) for cycles, energy in cycles_energy.T)
        if cost is not None and (self.cost is None or _key(value, cost) < _key(self.value, self.cost)):
            self.cost, self.value = cost, value

    def found(self, settings: MapperSettings) -> Found | None:
        if self.cost is None:
            return None
        return Found(
            cost=self.cost,
            objective=settings.objective,
            value=self.value,
            bound=self.value if self.proven else min(self.bound, self.value),
            optimal=self.proven,
            evaluated=self.evaluated,
            pruned=self.pruned,
            space=self.space,
            pareto=_front(self.points),
        )


def _key(value: float, cost: OpCost) -> tuple[float, float, float]:
    return value, cost.latency_s, cost.total_energy_j


def _front(points: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    """Those that no other is at most as dear and as slow as, by rising energy."""
    kept: list[tuple[float, float]] = []
    for energy, cycles in sorted(set(points)):
        if not kept or cycles < kept[-1][1]:
            kept.append((energy, cycles))
    return tuple(kept)


def _bypasses(problem: Problem, constraints: Constraints) -> Iterator[Skipped]:
    """What may be passed by: forced by a constraint, else every choice that the hardware leaves."""
    forced: set[tuple[str, str]] = set()
    free: list[tuple[str, str]] = []
    for i, level in enumerate(problem.levels_used):
        for j, operand in enumerate(("inputs", "weights", "outputs")):
            if problem.level_stage[i, j] <= 0:
                continue
            if operand in constraints.bypassed(level.name):
                forced.add((level.name, operand))
            elif operand in level.bypass:
                free.append((level.name, operand))
    for n in range(len(free) + 1):
        for chosen in itertools.combinations(free, n):
            yield frozenset((*forced, *chosen))


def _search(problem: Problem, costing: Costing, settings: MapperSettings, skipped: Skipped, tally: _Tally) -> None:
    """One problem: for latency its shortest time first, then the least energy within the tolerance of it."""
    scale = _scale(costing, settings)
    known = tally.value * scale * (1 + 1e-12)
    if settings.objective == "latency":
        outcome = search_problem(problem, costing, settings, skipped=skipped, known=known, ties=False)
        # A mapping of another dataflow may be the shortest: the tolerance counts from it.
        shortest = min(outcome.cycles, tally.value * scale)
        if math.isfinite(shortest):
            limit = math.floor(shortest * (1 + settings.tolerance) * (1 + 1e-12))
            within = search_problem(
                problem, costing, replace(settings, objective="energy"), skipped=skipped, cycle_limit=limit, front=0
            )
            outcome = _joined(outcome, within)
    else:
        outcome = search_problem(problem, costing, settings, skipped=skipped, known=known)
    cost = None if outcome.mapping is None else cost_mapping(problem, outcome.mapping, costing)
    value = math.inf if cost is None else score(cost, settings)
    tally.take(
        cost,
        value,
        outcome.bound / scale,
        proven=outcome.optimal,
        evaluated=outcome.evaluated,
        pruned=outcome.pruned,
        front=outcome.front,
    )


def _joined(shortest: Outcome, saving: Outcome) -> Outcome:
    """The mapping that saves energy, with what is proven about the shortest time."""
    mapping: Mapping | None = saving.mapping or shortest.mapping
    return replace(
        shortest,
        mapping=mapping,
        evaluated=shortest.evaluated + saving.evaluated,
        pruned=shortest.pruned + saving.pruned,
    )


def _scale(costing: Costing, settings: MapperSettings) -> float:
    """What turns an objective in s, J or J s into cycles and pJ."""
    clock = costing.accelerator.clock_hz
    match settings.objective:
        case "latency":
            return clock
        case "energy":
            return 1 / PJ
        case "edp":
            return clock / PJ
        case _:
            return float(clock ** settings.exponents[0] / PJ ** settings.exponents[1])
