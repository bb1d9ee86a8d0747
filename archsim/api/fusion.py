"""Fusion for a design: the schedule with chains run as one, and `archsim.fuse`, what fusing one chain would do."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.core.errors import InputError, Problem, nearest
from archsim.core.spelling import brief
from archsim.mappers.fusion import ChainResult, Fuser, fuse
from archsim.mappers.fusion_setting import Setting
from archsim.mappers.settings import MapperSettings
from archsim.sim.layers import merged_names
from archsim.sim.records import ChainRow, KeptTensor, OpCost
from archsim.sim.schedule import OpPlacement, Scheduler

if TYPE_CHECKING:
    from archsim.api.design import Design

TILE_BUDGET_S = 0.01
"""Search time of one tile where `mapper.budget` does not say another: a chain asks for hundreds."""
_NUMBER = re.compile(r"\d+")
Additive = Callable[[OpCost, float, float], float]
"""(cost, total latency, total energy) -> what the schedule adds up over ops."""


def tile_settings(settings: MapperSettings) -> MapperSettings:
    """How the tiles of chains are mapped."""
    return replace(settings, budget_s=TILE_BUDGET_S if settings.budget_s is None else settings.budget_s)


def fused_schedule(
    design: Design,
    settings: MapperSettings,
    scheduler: Scheduler,
    placements: Sequence[OpPlacement],
    costs: Sequence[OpCost],
    additive: Additive,
) -> tuple[list[OpPlacement], list[OpCost], tuple[ChainRow, ...]]:
    """A schedule with the chains that are worth it run as one, and what became of every chain.

    `scheduler` costs the tiles of chains; `placements` and `costs` are the schedule of single ops.
    """
    pairs = list(zip(design.trace.ops, costs, strict=True))
    latency = sum(cost.latency_s * op.count for op, cost in pairs)
    energy = sum(cost.total_energy_j * op.count for op, cost in pairs)
    if design.simulation.fidelity == "cycle":
        return list(placements), list(costs), (_NOT_SIMULATED,)
    fuser = Fuser(setting=fusion_setting(design, settings, scheduler))
    placed, fused, results = fuse(design.trace, fuser, placements, costs, lambda cost: additive(cost, latency, energy))
    capacities = {level.name: level.capacity_bits / 8 for level in design.accelerator.memories}
    return placed, fused, chain_rows(results, capacities)


_NOT_SIMULATED = ChainRow(
    name="every chain", names=("every chain",), kind="any", ops=(), count=1, taken=False,
    why_not="fidelity = 'cycle' simulates op by op: chains have the closed form only",
)  # fmt: skip


def fusion_setting(design: Design, settings: MapperSettings, scheduler: Scheduler) -> Setting:
    """What chains of a design share."""
    return Setting(
        accelerator_for=design.accelerator_for,
        counting=design.simulation.switches,
        accumulator=design.accumulator,
        mapper=settings,
        cost_op=scheduler.cost_op,
        array=scheduler.array,
    )


def chain_rows(results: Iterable[ChainResult], capacities: Mapping[str, float]) -> tuple[ChainRow, ...]:
    """One row per distinct chain of a repeated block, in order of first appearance; `capacities` in bytes by level."""
    groups: dict[Hashable, list[ChainRow]] = {}
    for result in results:
        row = _row(result, capacities)
        costs = (row.separate_cycles, row.separate_energy_j, row.fused_cycles, row.fused_energy_j)
        words = (_NUMBER.sub("#", row.name), _NUMBER.sub("#", row.why_not or ""))
        groups.setdefault((*words, row.kind, row.taken, row.tiles, *costs), []).append(row)
    return tuple(_merged(rows) for rows in groups.values())


def _merged(rows: list[ChainRow]) -> ChainRow:
    names = tuple(row.name for row in rows)
    return replace(rows[0], name=", ".join(merged_names(names)), names=names, count=sum(row.count for row in rows))


def _row(result: ChainResult, capacities: Mapping[str, float]) -> ChainRow:
    fused = result.fused
    row = ChainRow(
        name=result.name, names=(result.name,), kind=result.kind, ops=result.ops, count=result.count,
        taken=result.why_not is None, why_not=result.why_not,
    )  # fmt: skip
    if result.ops:
        row = replace(
            row,
            separate_cycles=result.separate_cycles,
            separate_energy_j=result.separate_energy_j,
            separate_dram_bytes=result.separate_dram_bytes,
        )
    if fused is None:
        return row
    return replace(
        row,
        tiles=fused.plan.tiles,
        held=tuple(
            KeptTensor(
                level=item.level,
                tensor=item.tensor,
                bytes=item.bits / 8,
                copies=item.copies,
                capacity_bytes=capacities[item.level],
            )
            for item in fused.plan.kept
        ),
        fused_cycles=fused.cycles,
        fused_energy_j=fused.energy_j,
        fused_dram_bytes=fused.dram_bytes,
        value=fused.value,
        bound=fused.bound,
        optimal=fused.optimal,
        evaluated=fused.evaluated,
        space=fused.space,
    )


def fuse_chains(
    design: Design | Mapping[str, Any] | str | Path, name: str | None = None, *, overrides: Sequence[str] = ()
) -> tuple[ChainRow, ...]:
    """What fusing does to each chain of a design's workload, or to those that `name` (a name or glob) says.

    Raises:
        InputError: the design is wrong, or no chain has the name.
        InfeasibleError: an op has no mapping that fits the memories.
    """
    from archsim.api.evaluate import evaluate

    rows = evaluate(_with_fusion(design, overrides)).cost.chains
    if name is None:
        return rows
    found = tuple(row for row in rows if any(fnmatchcase(one, name) for one in (row.name, *row.names)))
    if not found:
        names = [one for row in rows for one in row.names]
        near = nearest(name, names)
        listed = f"chains: {', '.join(row.name for row in rows[:12])}" if rows else "the workload has no chains"
        hint = f"did you mean '{near}'?" if near else listed
        raise InputError(Problem(message=f"no chain '{brief(name)}'", hint=hint))
    return found


def _with_fusion(design: Design | Mapping[str, Any] | str | Path, overrides: Sequence[str]) -> Design:
    from archsim.api.design import Design, design_from_dict, load_design

    if isinstance(design, Design):
        return replace(design, mapper=design.mapper.model_copy(update={"fusion": "auto"}))
    wanted = (*overrides, 'mapper.fusion="auto"')
    return design_from_dict(design, wanted) if isinstance(design, Mapping) else load_design(design, wanted)
