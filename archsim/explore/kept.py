"""Fixed mappings: what the base design keeps of its own mappings, on other hardware.

The base design maps its ops and keeps some results on chip. Another point has the same ops, and runs each as the base
design does: same loops, same tiles, same results on chip. Where that cannot be, the point is infeasible.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from archsim.api.design import Design
from archsim.api.evaluate import scheduled
from archsim.arch.accelerator import Accelerator
from archsim.arch.engines.base import Dataflow
from archsim.core.errors import InfeasibleError
from archsim.core.spelling import brief
from archsim.sim.cost import Costing, cost_mapping, run_kernel
from archsim.sim.infeasible import check_off_chip
from archsim.sim.mapping import Mapping
from archsim.sim.problem import Problem, build_problem
from archsim.sim.records import OpCost, TraceCost
from archsim.sim.schedule import OpPlacement, dependencies, home_level, output_bits
from archsim.sim.totals import idle_array, trace_cost
from archsim.sim.vector import vector_cost
from archsim.workloads.op import AnyOp, Op, VectorOp
from archsim.workloads.trace import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The mapping of each op of a trace (None for vector operations), and whether its result stays on chip."""

    ops: tuple[AnyOp, ...]
    mappings: tuple[Mapping | None, ...]
    flows: tuple[Dataflow | None, ...]
    """The dataflow of each mapping."""
    on_chip: tuple[bool, ...]
    off_chip: tuple[bool, ...]
    """Of its memories."""

    @classmethod
    def of(cls, design: Design) -> Kept:
        """What a design keeps. Raises InfeasibleError where an op of it has no mapping."""
        placements, costs = scheduled(design)
        mappings = tuple(cost.mapping for cost in costs)
        return cls(
            ops=design.trace.ops,
            mappings=mappings,
            flows=tuple(_flow(design, op, mapping) for op, mapping in zip(design.trace.ops, mappings, strict=True)),
            on_chip=tuple(placement.outputs for placement in placements),
            off_chip=off_chip(design.accelerator),
        )

    def suits(self, trace: Trace) -> bool:
        """Whether a trace has the same ops, whatever their formats."""
        return len(trace.ops) == len(self.ops) and all(
            own is other or _alike(own, other) for own, other in zip(self.ops, trace.ops, strict=True)
        )


def off_chip(accelerator: Accelerator) -> tuple[bool, ...]:
    """Which memories are off chip."""
    return tuple([level.off_chip for level in accelerator.memories])


def _alike(one: AnyOp, other: AnyOp) -> bool:
    if isinstance(one, Op) and isinstance(other, Op):
        return one.name == other.name and one.kind == other.kind and one.loops == other.loops
    if isinstance(one, VectorOp) and isinstance(other, VectorOp):
        return one.name == other.name and one.kind == other.kind and one.elements == other.elements
    return False


def placements_of(trace: Trace, on_chip: Sequence[bool]) -> list[OpPlacement]:
    """The placement of every op when these results stay on chip until their last reader."""
    producers, consumers = dependencies(trace)
    placements = [OpPlacement(inputs=(False,) * len(sources)) for sources in producers]
    for i, readers in enumerate(consumers):
        if not on_chip[i]:
            continue
        bits = output_bits(trace.ops[i])
        placements[i] = replace(placements[i], outputs=True)
        for j in range(i + 1, max(readers) + 1):
            sources, placement = producers[j], placements[j]
            reads = tuple(held or source == i for held, source in zip(placement.inputs, sources, strict=True))
            beside = 0.0 if sources and sources[0] == i else bits
            placements[j] = replace(placement, inputs=reads, reserved_bits=placement.reserved_bits + beside)
    return placements


def kept_cost(design: Design, kept: Kept) -> TraceCost:
    """The cost of a design that runs as another one does. Raises InfeasibleError where it cannot."""
    placements = placements_of(design.trace, kept.on_chip)
    costs = []
    for op, mapping, flow, placement in zip(design.trace.ops, kept.mappings, kept.flows, placements, strict=True):
        if not isinstance(op, Op | VectorOp):
            raise InfeasibleError(f"op {brief(op.name)!r} transfers: no links are defined")
        if design.simulation.switches.tiling != "whole-layer":
            check_off_chip(op, design.accelerator)
        same = off_chip(design.accelerator) == kept.off_chip
        cost = _op_cost(design, op, (mapping, flow), placement) if same else None
        if cost is None:
            raise InfeasibleError(refusal(op))
        costs.append(cost)
    accelerator, accumulator = design.accelerator, design.accumulator
    return trace_cost(design.trace, accelerator, placements, costs, accumulator, warnings=design.warnings)


def refusal(op: AnyOp) -> str:
    """Why a point has no cost."""
    return f"op {brief(op.name)!r}: does not fit as it is mapped on the base design"


def _op_cost(
    design: Design, op: Op | VectorOp, kept: tuple[Mapping | None, Dataflow | None], placement: OpPlacement
) -> OpCost | None:
    accelerator, counting = design.accelerator, design.simulation.switches
    home = home_level(accelerator)
    if placement.outputs and (home is None or output_bits(op) > home.capacity_bits):
        return None
    if isinstance(op, VectorOp):
        return vector_cost(
            op,
            accelerator,
            counting,
            resident_inputs=placement.input_fraction,
            resident_outputs=placement.outputs,
            array=idle_array(design.trace, accelerator, design.accumulator),
        )
    chip = design.accelerator_for(op.phase)
    mapping, base_flow = kept
    flow = None if base_flow is None else flow_of(chip, base_flow)
    if mapping is None or flow is None:
        return None
    problem = build_problem(
        op,
        chip,
        flow,
        counting,
        design.accumulator,
        resident=placement.operands(op),
        reserved_bits=placement.reserved_bits,
    )
    if not stands(problem, mapping):
        return None
    if counting.tiling != "whole-layer" and not run_kernel(problem, mapping).fits:
        return None
    return cost_mapping(problem, mapping, Costing.of(chip, problem, design.accumulator, counting))


def _flow(design: Design, op: AnyOp, mapping: Mapping | None) -> Dataflow | None:
    """The dataflow of a mapping that was found."""
    if mapping is None:
        return None
    return next(flow for flow in design.accelerator_for(op.phase).engine.dataflows if flow.name == mapping.dataflow)


def flow_of(accelerator: Accelerator, flow: Dataflow) -> Dataflow | None:
    """The accelerator's own dataflow of this name and structure, where it has one."""
    same = (own for own in accelerator.engine.dataflows if structure(own) == structure(flow))
    return next(same, None)


def structure(flow: Dataflow) -> tuple[object, ...]:
    """A dataflow without sizes and times."""
    axes = tuple((axis.name, axis.gemm_dims, axis.conv_dims, axis.multicast, axis.reduce) for axis in flow.axes)
    return flow.name, flow.stream, flow.stationary, flow.moving, axes


def stands(problem: Problem, mapping: Mapping) -> bool:
    """Whether a mapping of the same op on other memories and arrays is one here, capacity apart.

    Every axis has the units that its loops take.
    """
    taken: Counter[str] = Counter()
    for loop in mapping.loops:
        if loop.axis is not None:
            taken[loop.axis] = max(1, taken[loop.axis]) * loop.factor
    sizes = dict(zip(problem.axis_names, problem.axis_sizes, strict=True))
    return all(units <= sizes.get(axis, 0) for axis, units in taken.items())
