"""Other tools' mappings on the machines of `designs/validation`, costed under their conventions."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from archsim.api.design import Design, load_design
from archsim.arch.formats import format
from archsim.sim.cost import Costing, Raw, cost_mapping, run_kernel
from archsim.sim.mapping import Mapping
from archsim.sim.problem import Problem, build_problem
from archsim.sim.records import OpCost
from archsim.workloads.op import Op

DESIGNS = Path(__file__).resolve().parents[2] / "designs" / "validation"


@cache
def machine(name: str, *overrides: str) -> Design:
    return load_design(DESIGNS / f"{name}.toml", overrides, workload_required=False)


def problem_on(design: Design, op: Op) -> Problem:
    """`op`, whose operands have formats, on the design's first dataflow."""
    chip = design.accelerator
    return build_problem(op, chip, chip.engine.dataflows[0], design.simulation.switches, design.accumulator)


def costed(design: Design, op: Op, mapping: Mapping) -> tuple[Raw, OpCost]:
    """Counts and cost of one mapping under the design's convention."""
    problem = problem_on(design, op)
    costing = Costing.of(design.accelerator, problem, design.accumulator, design.simulation.switches)
    return run_kernel(problem, mapping), cost_mapping(problem, mapping, costing)


def with_bits(op: Op, *, inputs: int = 8, weights: int = 8, outputs: int = 8) -> Op:
    return op.with_formats(
        inputs=format(f"int{inputs}"), weights=format(f"int{weights}"), outputs=format(f"int{outputs}")
    )
