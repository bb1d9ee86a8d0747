"""Fusion: chains kept on chip, the best cut of each with its proof, and which chains of a trace are worth it."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace

from archsim.arch.accelerator import Accelerator
from archsim.mappers.chains import Chain, find_chains
from archsim.mappers.fusion_convs import ConvSpace, conv_space_of
from archsim.mappers.fusion_pairs import PairSpace, pair_space_of
from archsim.mappers.fusion_setting import ALONE, Around, Setting, find_homes, machine_of
from archsim.sim.cost import PJ
from archsim.sim.fused import Machine, Plan, TileWork, fused_costs
from archsim.sim.records import OpCost
from archsim.sim.schedule import OpPlacement, dependencies, output_bits, signature
from archsim.workloads.trace import Trace

Space = PairSpace | ConvSpace
NO_ROOM = "no cut that was tried leaves room for the tiles inside the array"
EVERYTHING: frozenset[str] = frozenset({"inputs", "weights", "outputs"})
Value = Callable[[OpCost], float]
"""What the schedule adds up over ops and minimises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fused:
    """The best cut found of a chain: cost of each of its ops, what is held, and what is proven.

    `value` and `bound` are the objective of one run of the chain: s, J, J s, their weighted product, or bytes.
    """

    plan: Plan
    costs: tuple[OpCost, ...]
    value: float
    bound: float
    optimal: bool
    evaluated: int
    """Cuts whose tiles were mapped."""
    space: int
    """Cuts that fit."""

    @property
    def cycles(self) -> int:
        return sum(cost.cycles for cost in self.costs)

    @property
    def energy_j(self) -> float:
        return sum(cost.total_energy_j for cost in self.costs)

    @property
    def dram_bytes(self) -> float:
        return self.plan.dram_bits / 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainResult:
    """One chain of a trace: what it costs as one, what its ops cost one by one, and which was taken."""

    name: str
    kind: str
    ops: tuple[str, ...]
    count: int
    why_not: str | None = None
    """Why it does not run as one; None when it does."""
    fused: Fused | None = None
    separate_cycles: int = 0
    separate_energy_j: float = 0.0
    separate_dram_bytes: float = 0.0
    gain: float = 0.0
    """What fusing takes off the schedule's objective, for all its runs; negative where it would add."""


@dataclass(slots=True)
class Fuser:
    """Finds the best cut of chains, remembering tiles and chains it has costed."""

    setting: Setting
    tiles: dict[Hashable, OpCost | None] = field(default_factory=dict)
    chains: dict[Hashable, Fused | str] = field(default_factory=dict)

    def best(self, chain: Chain, around: Around = ALONE, objective: str | None = None) -> Fused | str:
        """The best cut of a chain, or why there is none; `objective` defaults to the mapper's."""
        wanted = objective or self.setting.mapper.objective
        members = tuple(signature(op) for op in chain.members)
        key = (chain.kind, chain.last.phase, members, around, wanted)
        if key not in self.chains:
            self.chains[key] = self._best(chain, around, wanted)
        return self.chains[key]

    def _best(self, chain: Chain, around: Around, objective: str) -> Fused | str:
        accelerator = self.setting.accelerator_for(chain.last.phase)
        why = unsupported(self.setting)
        homes = why or find_homes(chain, accelerator)
        if isinstance(homes, str):
            return homes
        for wide in (False, True):
            found = self._search(chain, accelerator, replace(self.setting, wide_results=wide), around, objective)
            if not isinstance(found, str):
                break
        return found

    def _search(
        self, chain: Chain, accelerator: Accelerator, setting: Setting, around: Around, objective: str
    ) -> Fused | str:
        """Cuts from the least bound up, until no bound is below the best found."""
        homes = find_homes(chain, accelerator)
        assert not isinstance(homes, str)
        make = conv_space_of if chain.kind == "conv-conv" else pair_space_of
        space = make(chain, accelerator, homes, setting, around, objective)
        bounds = space.bounds * _scale(objective, setting, accelerator)
        machine = machine_of(chain, accelerator, homes, setting)
        best: tuple[float, Plan, tuple[OpCost, ...]] | None = None
        at = 0
        while at < min(len(bounds), setting.most_tilings) and (best is None or bounds[at] < best[0] * (1 - 1e-12)):
            found = self._costed(space, at, machine)
            at += 1
            if found is not None:
                value = chain_value(objective, found[1], setting.mapper.exponents)
                if best is None or value < best[0]:
                    best = (value, *found)
        if best is None:
            beside = "" if around == ALONE else ", beside what stays on chip"
            return NO_ROOM if len(bounds) else f"{homes.home.name} is too small for its smallest tiles{beside}"
        bound = min(best[0], float(bounds[at])) if at < len(bounds) else best[0]
        return Fused(
            plan=best[1], costs=best[2], value=best[0], bound=bound, optimal=bound >= best[0] * (1 - 1e-12),
            evaluated=at, space=len(bounds),
        )  # fmt: skip

    def _costed(self, space: Space, index: int, machine: Machine) -> tuple[Plan, tuple[OpCost, ...]] | None:
        """One cut with the cost of its ops; None when a tile has no mapping, or its sums no room."""
        plan = space.plan(index)
        tiles = self._tile_costs(plan, space.chain.last.phase)
        if tiles is None:
            return None
        plan = widened(plan, tiles, machine, [op.name for op in space.chain.members])
        if not holds(plan, space):
            return None
        return plan, fused_costs(plan, space.chain.members, tiles, machine)

    def _tile_costs(self, plan: Plan, phase: str) -> list[OpCost] | None:
        """Cost of each of a plan's tiles, all operands on chip; None when one has no mapping."""
        costs = []
        for work in plan.works:
            cost = self._tile_cost(work, phase)
            if cost is None:
                return None
            costs.append(cost)
        return costs

    def _tile_cost(self, work: TileWork, phase: str) -> OpCost | None:
        key = (signature(work.op), phase)
        if key not in self.tiles:
            self.tiles[key] = self.setting.cost_op(work.op, EVERYTHING, 0.0)
        return self.tiles[key]


def unsupported(setting: Setting) -> str | None:
    """Why chains are not costed under some counting conventions."""
    counting = setting.counting
    if counting.tiling == "whole-layer":
        return "the convention runs every layer as one tile"
    if setting.mapper.constraints:
        return "mapper.constraints are of single ops"
    if counting.words != "packed" or counting.packing != "bits" or counting.port_time != "bits":
        return "the convention counts whole words, which chains do not"
    return None


def widened(plan: Plan, tiles: Sequence[OpCost], machine: Machine, names: Sequence[str]) -> Plan:
    """The plan with results at the width of sums where the array reads incomplete ones back from their home."""
    wide = {
        f"{names[work.member]}.outputs"
        for work, cost in zip(plan.works, tiles, strict=True)
        for row in cost.traffic
        if row.level == work.level and row.operand == "outputs" and row.reads > 0
    }
    kept = tuple(
        replace(item, element_bits=max(item.element_bits, machine.partial_bits)) if item.tensor in wide else item
        for item in plan.kept
    )
    return replace(plan, kept=kept)


def holds(plan: Plan, space: Space) -> bool:
    """Whether every level has room for all that the plan says it holds."""
    taken = {space.homes.home.name: space.around.taken_bits}
    return all(
        plan.held_bits(level.name) + taken.get(level.name, 0.0) <= level.capacity_bits
        for level in (space.homes.home, space.homes.weights)
    )


def chain_value(objective: str, costs: Sequence[OpCost], exponents: tuple[float, float]) -> float:
    """The objective of one run of a chain: s, J, J s, their weighted product, or bytes."""
    latency, energy = sum(cost.latency_s for cost in costs), sum(cost.total_energy_j for cost in costs)
    match objective:
        case "latency":
            return latency
        case "energy":
            return energy
        case "edp":
            return latency * energy
        case "traffic":
            return sum(cost.dram_bytes for cost in costs)
        case _:
            return float(latency ** exponents[0] * energy ** exponents[1])


def _scale(objective: str, setting: Setting, accelerator: Accelerator) -> float:
    """From a bound's cycles and pJ (bits) to s and J (bytes)."""
    latency, energy = 1 / accelerator.clock_hz, PJ
    match objective:
        case "latency":
            return latency
        case "energy":
            return energy
        case "edp":
            return latency * energy
        case "traffic":
            return 1 / 8
        case _:
            return float(latency ** setting.mapper.exponents[0] * energy ** setting.mapper.exponents[1])


def fuse(
    trace: Trace, fuser: Fuser, placements: Sequence[OpPlacement], costs: Sequence[OpCost], value: Value
) -> tuple[list[OpPlacement], list[OpCost], tuple[ChainResult, ...]]:
    """A schedule with the chains that are worth it run as one: placements, costs, and what became of every chain.

    Of overlapping chains the set with the largest gain is taken. What stays on chip around a chain stays there.
    """
    chains, refusals = find_chains(trace)
    results = [_result(trace, fuser, chain, placements, costs, value) for chain in chains]
    taken = _worth_most(chains, [result.gain for result in results])
    new_placements, new_costs = list(placements), list(costs)
    for i in taken:
        chain, fused = chains[i], results[i].fused
        assert fused is not None
        for at, cost in zip(range(chain.at, chain.end), fused.costs, strict=True):
            new_costs[at] = cost
            new_placements[at] = _inside(placements[at], at > chain.at, at < chain.end - 1)
    settled = [result if i in taken else _refused(result) for i, result in enumerate(results)]
    refused = [ChainResult(name=r.name, kind=r.kind, ops=(), count=0, why_not=r.why) for r in refusals]
    return new_placements, new_costs, (*settled, *refused)


def _inside(placement: OpPlacement, reads: bool, writes: bool) -> OpPlacement:
    """The placement of an op of a chain: what it reads from or gives to the chain is on chip."""
    inputs = (True, *placement.inputs[1:]) if reads and placement.inputs else placement.inputs
    return replace(placement, inputs=inputs, outputs=placement.outputs or writes)


def _refused(result: ChainResult) -> ChainResult:
    if result.why_not is not None:
        return result
    better = "its ops cost less one by one" if result.gain <= 0 else "a chain that shares its ops gains more"
    return replace(result, why_not=better)


def _result(
    trace: Trace, fuser: Fuser, chain: Chain, placements: Sequence[OpPlacement], costs: Sequence[OpCost], value: Value
) -> ChainResult:
    """A chain in the schedule as it stands."""
    own = costs[chain.at : chain.end]
    result = ChainResult(
        name=chain.name,
        kind=chain.kind,
        ops=tuple(op.name for op in chain.members),
        count=chain.last.count,
        separate_cycles=sum(cost.cycles for cost in own),
        separate_energy_j=sum(cost.total_energy_j for cost in own),
        separate_dram_bytes=sum(cost.dram_bytes for cost in own),
    )
    best = fuser.best(chain, around(trace, chain, placements))
    if isinstance(best, str):
        return replace(result, why_not=best)
    gain = (sum(map(value, own)) - sum(map(value, best.costs))) * chain.last.count
    return replace(result, fused=best, gain=gain)


def around(trace: Trace, chain: Chain, placements: Sequence[OpPlacement]) -> Around:
    """What a schedule keeps on chip while a chain runs, besides what is the chain's own."""
    producers, readers = dependencies(trace)
    source = producers[chain.at][0] if producers[chain.at] else None
    taken = 0.0
    for i in range(chain.at):
        if placements[i].outputs and i != source and any(j >= chain.at for j in readers[i]):
            taken += output_bits(trace.ops[i])
    stays = source is not None and bool(placements[chain.at].inputs) and placements[chain.at].inputs[0]
    return Around(input_stays=stays, output_stays=placements[chain.end - 1].outputs, taken_bits=taken)


def _worth_most(chains: Sequence[Chain], gains: Sequence[float]) -> frozenset[int]:
    """The chains, no two of which share an op, whose gains sum to the most (weighted interval scheduling)."""
    order = sorted(range(len(chains)), key=lambda i: chains[i].end)
    most: list[tuple[float, frozenset[int]]] = [(0.0, frozenset())]
    for position, i in enumerate(order):
        before = sum(1 for j in order[:position] if chains[j].end <= chains[i].at)
        gain, chosen = most[before]
        with_it = (gain + gains[i], chosen | {i}) if gains[i] > 0 else (-math.inf, chosen)
        most.append(max(most[-1], with_it, key=lambda item: item[0]))
    return most[-1][1]
