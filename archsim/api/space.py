"""`archsim.mapping_space`: every mapping of one op, counted and costed, and where the optimum found lies among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from archsim.api.dataflows import work_text
from archsim.api.design import Design
from archsim.api.evaluate import mapper_settings
from archsim.api.map import chosen_design, chosen_work, given_cost, search
from archsim.core.errors import InputError, Problem
from archsim.mappers.enumerate import USUAL_LIMIT, Ranked, enumerate_space
from archsim.mappers.settings import MapperSettings
from archsim.reports.mapping import PJ_PER_J
from archsim.reports.mapping_space import MappingSpace, Placed
from archsim.sim.records import OpCost
from archsim.workloads.op import Op


def mapping_space(
    design: Design | Mapping[str, Any] | str | Path,
    *,
    layer: str | None = None,
    op: Op | None = None,
    mapping: str | Path | None = None,
    limit: int = USUAL_LIMIT,
    overrides: Sequence[str] = (),
) -> MappingSpace:
    """Every mapping of one op that `[mapper]` declares: tiles even or uneven, factors, constraints.

    `mapping` is a file with a mapping whose place among them is told too.

    Raises:
        InputError: wrong input, or several ops.
        InfeasibleError: nothing fits, or there are more mappings than `limit`.
    """
    chosen = chosen_design(design, overrides, workload_required=op is None)
    work = chosen_work(chosen, layer, op)
    if len(work) > 1:
        message = f"takes one op, the workload has {len(work)} distinct ones"
        raise InputError(Problem(key="--enumerate", message=message, hint="choose one with --layer or --gemm"))
    item, settings = work[0].op, mapper_settings(chosen)
    if chosen.simulation.switches.tiling == "whole-layer":
        message = "says nothing where layers stream whole (simulation.convention): there is one mapping"
        raise InputError(Problem(key="--enumerate", message=message))
    found = search(chosen, item)
    given = None if mapping is None else given_cost(chosen, work[0], mapping)
    space = enumerate_space(
        item,
        chosen.accelerator_for(item.phase),
        settings,
        chosen.simulation.switches,
        chosen.accumulator,
        limit=limit,
        ranked=[_ranked(cost) for cost in (found.cost, given) if cost is not None],
        histogram=True,
    )
    placed = _placed(found.cost, settings, space.below[0][settings.objective])
    return MappingSpace(
        design_name=chosen.name,
        work=work_text(chosen, work),
        objective=settings.objective,
        tiles="even" if settings.even_tiles else "uneven",
        factors="perfect" if settings.perfect_factors else "any",
        constrained=bool(settings.constraints.of(item)),
        clock_hz=chosen.accelerator.clock_hz,
        space=space,
        found=replace(placed, optimal=found.optimal),
        given=None
        if given is None
        else replace(_placed(given, settings, space.below[1][settings.objective]), file=str(mapping)),
    )


def _ranked(cost: OpCost) -> Ranked:
    return Ranked(cycles=float(cost.cycles), energy_pj=cost.total_energy_j * PJ_PER_J)


def _placed(cost: OpCost, settings: MapperSettings, better: int) -> Placed:
    one = _ranked(cost)
    values: dict[str, float] = dict(
        zip(("latency", "energy", "edp", "weighted"), one.values(settings.exponents), strict=True)
    )
    return Placed(cycles=one.cycles, energy_pj=one.energy_pj, value=values[settings.objective], better=better)
