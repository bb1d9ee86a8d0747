"""`archsim.evaluate`: a design on its workload."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import archsim
from archsim.api.design import Design, design_from_dict, load_design
from archsim.mappers.options import MapperOptions
from archsim.mappers.search import MapperSettings, best_mapping
from archsim.reports.evaluation import Evaluation
from archsim.sim.published import PublishedSimulator, published_simulator
from archsim.sim.records import ChainRow, OpCost, TraceCost
from archsim.sim.schedule import CostOp, OpPlacement, Scheduler, place
from archsim.sim.totals import idle_array, trace_cost

if TYPE_CHECKING:
    from archsim.arch.memory import MemoryLevel
    from archsim.core.errors import InfeasibleError
    from archsim.workloads.op import Op


def evaluate(design: Design | Mapping[str, Any] | str | Path, *, overrides: Sequence[str] = ()) -> Evaluation:
    """What `design` (a Design, the path of a design.toml, or its values) costs on its workload.

    `overrides` are ``dotted.key=value`` texts as of ``--set``; they do not apply to a Design.

    Raises:
        InputError: the design is wrong (every problem at once).
        InfeasibleError: an op has no mapping that fits the memories.
    """
    chosen = _chosen(design, overrides)
    simulator = published_simulator(chosen.simulation.convention)
    if simulator is not None:
        return _published(chosen, simulator)
    settings = mapper_settings(chosen)
    if chosen.simulation.fidelity == "cycle":
        from archsim.sim.fidelity import check_cycle_fidelity

        check_cycle_fidelity(chosen.accelerator, chosen.simulation.switches)
    scheduler = scheduler_of(chosen, settings)
    additive = _additive(settings)
    placements, costs = place(chosen.trace, scheduler, additive)
    chains: tuple[ChainRow, ...] = ()
    if chosen.mapper.fusion == "auto":
        from archsim.api.fusion import fused_schedule, tile_settings

        of_tiles = replace(scheduler, cost_op=_cost_op(chosen, tile_settings(settings)), memo={})
        placements, costs, chains = fused_schedule(chosen, settings, of_tiles, placements, costs, additive)
    cost = trace_cost(chosen.trace, chosen.accelerator, placements, costs, chosen.accumulator, warnings=chosen.warnings)
    cost = replace(cost, chains=chains) if chains else cost
    return _evaluation(chosen, cost)


def _published(chosen: Design, simulator: PublishedSimulator) -> Evaluation:
    """The design under a published simulator's cost model, which knows neither mappings nor placement."""
    costs = simulator.costs(chosen.trace, chosen.accelerator_for, chosen.accumulator)
    placements = [OpPlacement() for _ in costs]
    warnings = (*chosen.warnings, simulator.warning)
    cost = trace_cost(chosen.trace, chosen.accelerator, placements, costs, chosen.accumulator, warnings=warnings)
    return _evaluation(chosen, cost)


def _evaluation(chosen: Design, cost: TraceCost) -> Evaluation:
    return Evaluation(
        design_name=chosen.name,
        resolved=chosen.resolved,
        files=chosen.files,
        accelerator=chosen.accelerator,
        cost=cost,
        archsim_version=archsim.__version__,
    )


def scheduled(design: Design) -> tuple[list[OpPlacement], list[OpCost]]:
    """Placement and cost of every op of a design's trace, each op by itself."""
    settings = mapper_settings(design)
    return place(design.trace, scheduler_of(design, settings), _additive(settings))


def scheduler_of(design: Design, settings: MapperSettings) -> Scheduler:
    """What costs the ops of a design under placements."""
    return Scheduler(
        accelerator=design.accelerator,
        phases=frozenset(design.phases),
        counting=design.simulation.switches,
        cost_op=_cost_op(design, settings),
        fits=_fits(design, settings),
        unmet=_unmet(design, settings),
        array=idle_array(design.trace, design.accelerator, design.accumulator),
    )


def _chosen(design: Design | Mapping[str, Any] | str | Path, overrides: Sequence[str]) -> Design:
    if isinstance(design, Design):
        return design
    return design_from_dict(design, overrides) if isinstance(design, Mapping) else load_design(design, overrides)


def mapper_settings(design: Design) -> MapperSettings:
    """The `[mapper]` table as the mapper takes it."""
    return mapper_settings_of(design.mapper)


def mapper_settings_of(options: MapperOptions) -> MapperSettings:
    """A `[mapper]` table as the mapper takes it."""
    flows = () if "any" in options.dataflows else options.dataflows
    weights = (1.0, 1.0) if options.weights is None else (options.weights.latency, options.weights.energy)
    return MapperSettings(
        objective=options.objective,
        dataflows=flows,
        exponents=weights,
        perfect_factors=options.factors == "perfect",
        even_tiles=options.tiles == "even",
        tolerance=options.tolerance,
        budget_s=options.budget_s,
        constraints=options.constraints.record(),
    )


def _cost_op(design: Design, settings: MapperSettings) -> CostOp:
    counting = design.simulation.switches
    simulate = design.simulation.fidelity == "cycle"

    def cost(op: Op, resident: frozenset[str], reserved_bits: float) -> OpCost | None:
        accelerator = design.accelerator_for(op.phase)
        best = best_mapping(
            op,
            accelerator,
            settings,
            counting,
            design.accumulator,
            resident=resident,
            reserved_bits=reserved_bits,
        )
        if not simulate or best is None:
            return best
        from archsim.sim.fidelity import cycle_cost

        return cycle_cost(op, accelerator, best)

    return cost


def _fits(design: Design, settings: MapperSettings) -> Callable[[Op, tuple[MemoryLevel, ...]], bool]:
    def fits(op: Op, memories: tuple[MemoryLevel, ...]) -> bool:
        accelerator = replace(design.accelerator_for(op.phase), memories=memories)
        return best_mapping(op, accelerator, settings, design.simulation.switches, design.accumulator) is not None

    return fits


def _unmet(design: Design, settings: MapperSettings) -> Callable[[Op], InfeasibleError | None]:
    def error(op: Op) -> InfeasibleError | None:
        from archsim.mappers.unmet import unmet

        accelerator, counting = design.accelerator_for(op.phase), design.simulation.switches

        def has(other: MapperSettings) -> bool:
            return best_mapping(op, accelerator, other, counting, design.accumulator) is not None

        return unmet(op, settings, has)

    return error


def _additive(settings: MapperSettings) -> Callable[[OpCost, float, float], float]:
    """What placement adds up over ops: latency, energy, or for products of both the relative sum (first order)."""

    def value(cost: OpCost, latency_s: float, energy_j: float) -> float:
        latency = cost.latency_s / latency_s if latency_s else 0.0
        energy = cost.total_energy_j / energy_j if energy_j else 0.0
        match settings.objective:
            case "latency":
                return latency
            case "energy":
                return energy
            case "edp":
                return latency + energy
            case _:
                return settings.exponents[0] * latency + settings.exponents[1] * energy

    return value
