"""The best mapping of one op, with its proof: over dataflows, and over what levels may be passed by."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple, cast

from archsim.arch.accelerator import Accelerator
from archsim.arch.formats import Format
from archsim.core.memo import ByIdentity
from archsim.mappers.branch import Outcome, mapping_of, search_problem
from archsim.mappers.bypass import bypasses
from archsim.mappers.found import Found
from archsim.mappers.nodes import Skipped
from archsim.mappers.ordered import search_ordered
from archsim.mappers.settings import MapperSettings, allowed_dataflows, score
from archsim.mappers.whole import whole_layer
from archsim.sim.conventions import Counting
from archsim.sim.cost import PJ, Costing, cost_mapping, cost_of
from archsim.sim.problem import Fit, Problem, alike, fit_of, problem_of
from archsim.sim.records import OpCost
from archsim.sim.room import room_of
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
    """Cost of the best mapping found, with the mapping and the room it leaves; None when no tile fits the memories.

    Without `details`, no more than cycles, energies, bytes and room: see `sim.cost.cost_of`.
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
        room=True,
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
    room: bool = False,
) -> Found | None:
    """The best mapping of `op` with what is proven about it; None when no tile fits the memories.

    `room`: its cost says what it leaves to other tensors too.

    Ties go to the dataflow the hardware lists first, then to the mapping that is found first: the order is fixed.
    """
    flows = _FLOWS.get(
        (accelerator, alike(op, accelerator.engine), accumulator),
        (counting, settings.dataflows, settings.constraints.bypass, resident, reserved_bits),
        lambda: _flows(op, accelerator, settings, counting, accumulator, resident, reserved_bits),
    )
    tally = _Tally()
    parts: list[_Part] = []
    for flow in flows:
        problem = problem_of(op, flow.fit)
        if counting.tiling == "whole-layer":
            tally.take_whole(cost_mapping(problem, whole_layer(problem), flow.costing), settings)
            continue
        for skipped in flow.skips:
            parts.append(_Part(problem, flow.costing, skipped, details, room))
            _search(parts[-1], settings, tally)
    if settings.objective == "latency" and parts:
        _save_energy(parts, settings, tally)
    return tally.found(settings)


class _Flow(NamedTuple):
    """One dataflow of a machine, for all ops that differ in their sizes alone."""

    fit: Fit
    costing: Costing
    skips: tuple[Skipped, ...]
    """What may be passed by."""


_FLOWS: ByIdentity[list[_Flow]] = ByIdentity(512)


def _flows(
    op: Op,
    accelerator: Accelerator,
    settings: MapperSettings,
    counting: Counting,
    accumulator: Format,
    resident: frozenset[str],
    reserved_bits: float,
) -> list[_Flow]:
    flows = []
    for dataflow in allowed_dataflows(accelerator, settings):
        fit = fit_of(op, accelerator, dataflow, counting, accumulator, resident=resident, reserved_bits=reserved_bits)
        problem = problem_of(op, fit)
        costing = Costing.of(accelerator, problem, accumulator, counting)
        flows.append(_Flow(fit, costing, bypasses(problem, settings.constraints)))
    return flows


class _Part(NamedTuple):
    """One dataflow with one choice of what is passed by."""

    problem: Problem
    costing: Costing
    skipped: Skipped
    details: bool
    room: bool


@dataclass
class _Tally:
    """The best of several searches, and what they prove together. Values are those of `score`."""

    cost: OpCost | None = None
    best: tuple[_Part, Outcome] | None = None
    value: float = math.inf
    bound: float = math.inf
    proven: bool = True
    evaluated: int = 0
    pruned: int = 0
    space: float = 0.0
    points: tuple[tuple[float, float], ...] = ()

    def take(self, part: _Part, outcome: Outcome, scale: float) -> None:
        self.count(outcome)
        self.proven = self.proven and outcome.optimal
        self.bound = min(self.bound, outcome.bound / scale)
        if outcome.front.shape[1]:
            self.points += tuple((energy, cycles) for cycles, energy in outcome.front.T.tolist())
        if outcome.raw is not None and (self.best is None or _key(outcome) < _key(self.best[1])):
            self.best, self.value = (part, outcome), outcome.value / scale

    def take_whole(self, cost: OpCost, settings: MapperSettings) -> None:
        """Take in a layer that runs as one tile: there is no other mapping of its dataflow."""
        value = score(cost, settings)
        self.evaluated, self.space, self.bound = self.evaluated + 1, self.space + 1, min(self.bound, value)
        if self.cost is None or (value, cost.latency_s, cost.total_energy_j) < (
            self.value,
            self.cost.latency_s,
            self.cost.total_energy_j,
        ):
            self.cost, self.value = cost, value

    def count(self, outcome: Outcome) -> None:
        self.evaluated += outcome.evaluated
        self.pruned += outcome.pruned
        self.space += outcome.evaluated + outcome.pruned

    def found(self, settings: MapperSettings) -> Found | None:
        whole = self.cost
        if self.best is None and whole is None:
            return None
        return Found(
            record=partial(_cost, *self.best) if self.best is not None else lambda: cast(OpCost, whole),
            score=partial(score, settings=settings),
            objective=settings.objective,
            least=min(self.bound, self.value),
            # A tolerance in time may have been spent on energy: then the mapping is not the shortest.
            optimal=self.proven and self.value <= self.bound * (1 + 1e-9),
            evaluated=self.evaluated,
            pruned=self.pruned,
            space=self.space,
            pareto=_front(self.points) if self.points else (),
        )


def _key(outcome: Outcome) -> tuple[float, float, float]:
    return outcome.value, outcome.cycles, outcome.energy_pj


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
    look = search_ordered if settings.constraints.order else search_problem
    outcome = look(part.problem, part.costing, settings, skipped=part.skipped, known=known, ties=ties, spelled=False)
    tally.take(part, outcome, scale)


def _cost(part: _Part, outcome: Outcome) -> OpCost:
    """The record of what a search found."""
    assert outcome.raw is not None
    raw, mapping = outcome.raw(), outcome.mapping
    if mapping is None and part.details:
        mapping = mapping_of(part.problem, raw)
    room = room_of(part.problem, raw) if part.room else None
    return cost_of(part.problem, mapping, raw, part.costing, details=part.details, room=room)


def _save_energy(parts: list[_Part], settings: MapperSettings, tally: _Tally) -> None:
    """Of all mappings that take no longer than the shortest and the tolerance, the one of least energy."""
    if tally.best is None:
        return
    limit = math.floor(tally.best[1].cycles * (1 + settings.tolerance) * (1 + 1e-12))
    saving = replace(settings, objective="energy")
    for part in parts:
        known = tally.best[1].energy_pj * (1 - 1e-12)
        outcome = search_ordered(
            part.problem,
            part.costing,
            saving,
            skipped=part.skipped,
            known=known,
            cycle_limit=limit,
            front=0,
            spelled=False,
        )
        tally.count(outcome)
        if outcome.raw is not None:
            tally.best, tally.value = (part, outcome), outcome.cycles / _scale(part.costing, settings)


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
