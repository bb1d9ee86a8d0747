"""Laws of the search: never an illegal mapping, never worse for more freedom, bounds below optima, always the same."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.arch.accelerator import Accelerator
from archsim.arch.engines.base import SpatialAxis
from archsim.arch.formats import format
from archsim.mappers.branch import Outcome, search_problem
from archsim.mappers.search import best_mapping
from archsim.mappers.settings import MapperSettings, score
from archsim.sim.conventions import counting
from archsim.sim.cost import Costing, run_kernel
from archsim.sim.problem import Problem, build_problem
from archsim.workloads.op import Op
from tests.mappers.exhaustive import OBJECTIVES, enumerate_all, estimate
from tests.mappers.small_spaces import Case, case
from tests.sim.builders import INT32, accelerator, dram, int8, level, spatial, sram

KIB = 8192.0
objectives = st.sampled_from(OBJECTIVES)
kinds = st.sampled_from(["gemm", "conv", "passes"])


def outcome(problem: Problem, costing: Costing, objective: str, **options: object) -> Outcome:
    given_ = {"objective": objective, "budget_s": 20.0} | options
    return search_problem(problem, costing, MapperSettings(**given_))  # type: ignore[arg-type]


def of_chip(op: Op, chip: Accelerator, objective: str, **options: object) -> Outcome:
    problem = build_problem(op, chip, chip.engine.dataflows[0], counting(), INT32)
    return outcome(problem, Costing.of(chip, problem, INT32, counting()), objective, **options)


def of_case(small: Case, objective: str, **options: object) -> Outcome:
    wanted = MapperSettings(objective=objective, perfect_factors=small.perfect, budget_s=20.0)
    return search_problem(small.problem, small.costing, replace(wanted, **options), skipped=small.skipped)  # type: ignore[arg-type]


def gemms() -> st.SearchStrategy[Op]:
    size = st.integers(1, 40)
    return st.builds(lambda m, n, k: int8(Op.gemm("x", m=m, n=n, k=k)), size, size, size)


def grid(x: int = 4, y: int = 2) -> tuple[SpatialAxis, SpatialAxis]:
    return (
        SpatialAxis(name="x", size=x, gemm_dims=("n",), conv_dims=("k",), multicast=frozenset({"inputs"})),
        SpatialAxis(name="y", size=y, gemm_dims=("k",), conv_dims=("c",), reduce=frozenset({"outputs"})),
    )


def small_chip(
    capacity: float = 4 * KIB, registers: float = 64.0, *, x: int = 4, bandwidth: float = 64.0
) -> Accelerator:
    local = level("registers", registers, per="pe", instances=2 * x)
    return accelerator(spatial(*grid(x)), dram(bandwidth), sram(capacity, 4 * bandwidth), local)


@given(st.integers(0, 400), kinds, objectives)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_a_mapping_is_legal_and_its_loops_cover_the_op(seed: int, kind: str, objective: str) -> None:
    small = case(seed, kind)
    found = of_case(small, objective)
    if found.mapping is None:
        return
    assert run_kernel(small.problem, found.mapping).fits
    for dim, size in zip(small.problem.dims, small.problem.sizes, strict=True):
        covered = found.mapping.array_tile.get(dim, 1)
        for loop in reversed(found.mapping.loops):
            if loop.dim == dim:
                assert covered < size, "a loop without work"
                covered *= loop.factor
        assert covered >= size


@given(st.integers(0, 400), kinds, objectives)
@settings(max_examples=25, deadline=None, derandomize=True)
def test_the_same_problem_gives_the_same_mapping_to_the_bit(seed: int, kind: str, objective: str) -> None:
    first, second = (of_case(case(seed, kind), objective) for _ in range(2))
    assert (first.mapping, first.value, first.bound) == (second.mapping, second.value, second.bound)


@given(gemms(), objectives, st.sampled_from([3, 30, 300]))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_with_a_budget_the_bound_is_below_and_the_value_above_the_optimum(op: Op, objective: str, steps: int) -> None:
    optimum = of_chip(op, small_chip(), objective)
    cut = of_chip(op, small_chip(), objective, budget_s=steps / 4e6)
    assert optimum.bound == optimum.value
    assert cut.bound <= optimum.value * (1 + 1e-9)
    assert optimum.value <= cut.value * (1 + 1e-9)


@given(st.integers(0, 400), kinds, objectives)
@settings(max_examples=30, deadline=None, derandomize=True)
def test_factors_that_need_not_divide_are_never_worse(seed: int, kind: str, objective: str) -> None:
    small = replace(case(seed, kind), perfect=False)
    free, perfect = of_case(small, objective), of_case(replace(small, perfect=True), objective)
    assert free.value <= perfect.value * (1 + 1e-9)


@given(gemms(), objectives, st.sampled_from([1.25, 2.0, 8.0]), st.booleans())
@settings(max_examples=25, deadline=None, derandomize=True)
def test_more_capacity_is_never_worse(op: Op, objective: str, factor: float, inner: bool) -> None:
    larger = small_chip(registers=64.0 * factor) if inner else small_chip(4 * KIB * factor)
    assert of_chip(op, larger, objective).value <= of_chip(op, small_chip(), objective).value * (1 + 1e-9)


@given(gemms(), st.sampled_from(["latency", "energy"]), st.sampled_from([1, 2]))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_more_units_are_never_worse(op: Op, objective: str, fewer: int) -> None:
    assert of_chip(op, small_chip(), objective).value <= of_chip(op, small_chip(x=fewer), objective).value * (1 + 1e-9)


@given(gemms(), objectives, st.sampled_from(["inputs", "weights", "outputs"]))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_being_free_to_pass_a_level_by_is_never_worse(op: Op, objective: str, operand: str) -> None:
    chip = small_chip()
    outer, middle, inner = chip.memories
    free = replace(chip, memories=(outer, middle, replace(inner, bypass=frozenset({operand}))))
    wanted = MapperSettings(objective=objective, budget_s=20.0)
    kept, either = (best_mapping(op, machine, wanted, counting(), INT32) for machine in (chip, free))
    assert kept is not None
    assert either is not None
    assert score(either, wanted) <= score(kept, wanted) * (1 + 1e-9)


@pytest.mark.parametrize("seed", range(40))
def test_narrower_operands_have_no_fewer_mappings_and_no_more_energy(seed: int) -> None:
    """Every mapping that fits still fits, and moves fewer bits."""
    rng = random.Random(seed)
    op = Op.gemm("x", m=rng.randint(1, 4), n=rng.randint(1, 4), k=rng.randint(1, 4))
    chip = accelerator(
        spatial(*grid(2)),
        dram(16.0),
        sram(rng.choice([100.0, 200.0, 400.0]), 64.0),
        level("r", 40.0, per="pe", instances=4),
    )
    counts, energies = [], []
    for name in ("int8", "int4", "int2"):
        fmt = format(name)
        narrow = op.with_formats(inputs=fmt, weights=fmt, outputs=fmt)
        problem = build_problem(narrow, chip, chip.engine.dataflows[0], counting(), format("int16"))
        costing = Costing.of(chip, problem, format("int16"), counting())
        if estimate(problem, True, frozenset(), 60_000) > 60_000:
            pytest.skip("too many mappings to count")
        every = enumerate_all(problem, costing, perfect=True)
        found = outcome(problem, costing, "energy", perfect_factors=True)
        assert every.values["energy"][0] == pytest.approx(found.value, rel=1e-9) or not np.isfinite(found.value)
        counts.append(every.legal)
        energies.append(found.value)
    assert counts == sorted(counts)
    assert energies == sorted(energies, reverse=True)
