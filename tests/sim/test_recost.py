"""One mapping on many machines costs what it costs on each of them, to the bit."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.arch.accelerator import Accelerator
from archsim.mappers.search import MapperSettings, best_mapping
from archsim.sim.conventions import Counting, counting
from archsim.sim.cost import Costing, cost_mapping, run_kernel
from archsim.sim.problem import Problem, build_problem
from archsim.sim.recost import machines_of, prices_of, recost
from archsim.workloads.op import Op
from tests.sim.builders import INT32, accelerator, dram, energy, int8, sram, systolic

GEMM = int8(Op.gemm("x", m=24, n=16, k=40))


def problem_on(chip: Accelerator, op: Op = GEMM, counts: Counting | None = None) -> tuple[Problem, Costing]:
    counts = counts or counting()
    problem = build_problem(op, chip, chip.engine.dataflows[0], counts, INT32)
    return problem, Costing.of(chip, problem, INT32, counts)


numbers = st.tuples(
    st.floats(64.0, 1e5),
    st.floats(1.0, 512.0),
    st.floats(0.01, 10.0),
    st.floats(1e8, 2e9),
    st.sampled_from([4, 8, 16]),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(numbers, min_size=1, max_size=6), st.sampled_from(["archsim", "timeloop", "zigzag"]))
def test_a_batch_equals_its_parts(variants: list[tuple[float, float, float, float, int]], convention: str) -> None:
    counts = counting(convention)
    chips = [
        replace(
            accelerator(systolic(rows=rows), dram(bandwidth), replace(sram(capacity), read_energy=energy(pj))),
            clock_hz=clock,
        )
        for capacity, bandwidth, pj, clock, rows in variants
    ]
    mapping = best_mapping(GEMM, accelerator(systolic()), MapperSettings(), counting(), INT32)
    assert mapping is not None
    assert mapping.mapping is not None
    problems, costings = zip(*(problem_on(chip, counts=counts) for chip in chips), strict=True)
    found = recost(problems[0], mapping.mapping, machines_of(problems), prices_of(problems, costings))
    for p, (problem, costing) in enumerate(zip(problems, costings, strict=True)):
        alone = cost_mapping(problem, mapping.mapping, costing)
        assert found.cycles[p] == alone.cycles
        assert found.compute_cycles[p] == alone.compute_cycles
        assert found.latency_s[p] == alone.latency_s
        assert {name: values[p] for name, values in found.energy_j.items()} == alone.energy_j
        assert list(found.energy_j) == list(alone.energy_j)
        assert found.dram_bytes[p] == alone.dram_bytes
        assert found.fits[p] == run_kernel(problem, mapping.mapping).fits


def test_too_small_a_memory_does_not_fit() -> None:
    found = best_mapping(GEMM, accelerator(systolic()), MapperSettings(), counting(), INT32)
    assert found is not None
    assert found.mapping is not None
    problems, costings = zip(
        *(problem_on(accelerator(systolic(), dram(), sram(bits))) for bits in (8.0, 1e9)), strict=True
    )
    batch = recost(problems[0], found.mapping, machines_of(problems), prices_of(problems, costings))
    assert batch.fits.tolist() == [False, True]


def test_other_structures_are_refused() -> None:
    one, _ = problem_on(accelerator(systolic()))
    other, _ = problem_on(accelerator(systolic(), dram(), sram(double_buffer=False)))
    with pytest.raises(ValueError, match="structure"):
        machines_of([one, other])
