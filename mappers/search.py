"""The best mapping of one op, with its proof: over dataflows, and over what levels may be passed by."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from archsim.arch.accelerator import Accelerator
from archsim.arch.formats import Format
from archsim.mappers.branch import Outcome
from archsim.mappers.bypass import bypasses
from archsim.mappers.found import Found
from archsim.mappers.nodes import Skipped
from archsim.mappers.ordered import search_ordered
from archsim.mappers.settings import MapperSettings, allowed_dataflows, score
from archsim.mappers.whole import whole_layer
from archsim.sim.conventions import Counting
from archsim.sim.cost import PJ, Costing, cost_mapping, cost_of
from archsim.sim.kernels import Floats
from archsim.sim.problem import Problem, build_problem
from archsim.sim.records import OpCost
from archsim.workloads.op import Op

__all__ = ["MapperSettings", "best_mapping", "find_mapping", "score"]


def best_mapping(
    op: Op,
    accelerator: Accelerator,
    settings: MapperSettings,
    counting: Counting,
    accumulator: Format,
    *,
    resident: frozenset[str] = frozenset(),
    reserved_bits: float = 0.0,
    details: bool = True,
) -> OpCost | None:
    """Cost of the best mapping found, its mapping included; None when no tile fits the memories.

    Without `details`, no more than cycles, energies and bytes: see `sim.cost.cost_of`.
    """
    found = find_mapping(
        op,
        accelerator,
        settings,
        counting,
        accumulator,
        resident=resident,
        reserved_bits=reserved_bits,
        details=details,
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
    details: bool = True,
) -> Found | None:
    """The best mapping of `op` with what is proven about it; None when no tile fits the memories.

    Ties go to the dataflow the hardware lists first, then to the mapping that is found first: the order is fixed.
    """
    tally = _Tally()
    parts: list[_Part] = []
    costing: Costing | None = None
    for dataflow in allowed_dataflows(accelerator, settings):
        problem = build_problem(
            op, accelerator, dataflow, counting, accumulator, resident=resident, reserved_bits=reserved_bits
        )
        costing = costing or Costing.of(accelerator, problem, accumulator, counting)
        if counting.tiling == "whole-layer":
            cost = cost_mapping(problem, whole_layer(problem), costing)
            value = score(cost, settings)
            tally.take(cost, value, value, proven=True, evaluated=1, pruned=0, front=np.zeros((2, 0)))
            continue
        for skipped in bypasses(problem, settings.constraints):
            parts.append(_Part(problem=problem, costing=costing, skipped=skipped, details=details))
            _search(parts[-1], settings, tally)
    if settings.objective == "latency" and parts:
        _save_energy(parts, settings, tally)
    return tally.found(settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One dataflow with one choice of what is passed by."""

    problem: Problem
    costing: Costing
    skipped: Skipped
    details: bool


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
        front: Floats,
    ) -> None:
        self.evaluated += evaluated
        self.pruned += pruned
        self.space += evaluated + pruned
        self.proven = self.proven and proven
        self.bound = min(self.bound, bound)
        if front.shape[1]:
            self.points += tuple((energy, cycles) for cycles, energy in front.T.tolist())
        if cost is not None and (self.cost is None or _key(value, cost) < _key(self.value, self.cost)):
            self.cost, self.value = cost, value

    def found(self, settings: MapperSettings) -> Found | None:
        if self.cost is None:
            return None
        # A tolerance in time may have been spent on energy: then the mapping is not the shortest.
        best = self.proven and self.value <= self.bound * (1 + 1e-9)
        return Found(
            cost=self.cost,
            objective=settings.objective,
            value=self.value,
            bound=self.value if best else min(self.bound, self.value),
            optimal=best,
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


def _search(part: _Part, settings: MapperSettings, tally: _Tally) -> None:
    """One part of the space: what it has that is better than what the others had."""
    scale = _scale(part.costing, settings)
    known = tally.value * scale * (1 + 1e-12)
    ties = settings.objective != "latency"
    outcome = search_ordered(part.problem, part.costing, settings, skipped=part.skipped, known=known, ties=ties)
    cost = _cost(part, outcome)
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


def _cost(part: _Part, outcome: Outcome) -> OpCost | None:
    """The record of what a search found."""
    if outcome.mapping is None or outcome.raw is None:
        return None
    return cost_of(part.problem, outcome.mapping, outcome.raw, part.costing, details=part.details)


def _save_energy(parts: list[_Part], settings: MapperSettings, tally: _Tally) -> None:
    """Of all mappings that take no longer than the shortest and the tolerance, the one of least energy."""
    if tally.cost is None:
        return
    limit = math.floor(tally.cost.cycles * (1 + settings.tolerance) * (1 + 1e-12))
    saving = replace(settings, objective="energy")
    for part in parts:
        known = tally.cost.total_energy_j / PJ * (1 - 1e-12)
        outcome = search_ordered(
            part.problem, part.costing, saving, skipped=part.skipped, known=known, cycle_limit=limit, front=0
        )
        tally.evaluated += outcome.evaluated
        tally.pruned += outcome.pruned
        tally.space += outcome.evaluated + outcome.pruned
        if (cost := _cost(part, outcome)) is not None:
            tally.cost = cost
            tally.value = score(tally.cost, settings)


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
