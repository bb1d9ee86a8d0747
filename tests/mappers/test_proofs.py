"""How many steps a proof takes: bounds that get looser show here first, and on every machine alike."""

from __future__ import annotations

import pytest

from archsim.api.evaluate import mapper_settings
from archsim.mappers.branch import Outcome, search_problem
from archsim.sim.cost import Costing
from archsim.workloads.op import Op
from tests.validation.machines import machine, problem_on, with_bits


def proven(name: str, op: Op) -> Outcome:
    """The search of an op on one of the machines of `designs/validation`, under its convention."""
    design = machine(name)
    problem = problem_on(design, op)
    costing = Costing.of(design.accelerator, problem, design.accumulator, design.simulation.switches)
    outcome = search_problem(problem, costing, mapper_settings(design))
    assert outcome.optimal
    return outcome


@pytest.mark.parametrize(
    ("name", "m", "n", "k", "most"),
    [
        ("zigzag-os8", 4096, 4096, 4096, 18_000),
        ("zigzag-os8", 1, 4096, 4096, 6_000),
        ("zigzag-ws8", 1024, 1024, 1024, 25_000),
        ("accelforge-a", 512, 512, 512, 60_000),
        ("accelforge-b", 4096, 4096, 4096, 500),
    ],
)
def test_proofs_of_gemms_take_few_steps(name: str, m: int, n: int, k: int, most: int) -> None:
    assert proven(name, with_bits(Op.gemm("gemm", m=m, n=n, k=k))).walked <= most


def test_a_convolution_counted_in_words_is_proven() -> None:
    op = Op.conv("conv", n=1, k=64, c=64, p=56, q=56, r=3, s=3)
    assert proven("zigzag-os8", with_bits(op)).walked <= 170_000
