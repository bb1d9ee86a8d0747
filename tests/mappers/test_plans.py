"""Plans and problems that searches share are what each would have made for itself."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from archsim.mappers import branch, plan
from archsim.mappers.branch_kernels import search
from archsim.mappers.constraints import BypassConstraint, Constraints, SpatialConstraint, TileConstraint
from archsim.mappers.plan import Plan, plans_of
from archsim.mappers.search import find_mapping
from archsim.mappers.settings import MapperSettings
from archsim.sim.conventions import counting
from archsim.sim.problem import Problem, build_problem
from archsim.workloads.op import Op
from tests.mappers.small_spaces import Case, case
from tests.sim.builders import INT32, accelerator, dram, energy, int8, sram, systolic

GEMM = int8(Op.gemm("x", m=12, n=8, k=6))
CONSTRAINTS = (
    Constraints(),
    Constraints(tiles=(TileConstraint(level="m1", sizes=(("m", 2),)),)),
    Constraints(tiles=(TileConstraint(level="m1", operand="weights", sizes=(("n", 2), ("k", 1))),)),
    Constraints(spatial=(SpatialConstraint(axis="x"),)),
    Constraints(spatial=(SpatialConstraint(axis="x", exact=(("n", 2),)),)),
)


def alike(one: Plan, other: Plan) -> bool:
    arrays = ((one.packed, other.packed), (one.flags, other.flags))
    rest = [(plan.complete, plan.whole, plan.idle, plan.extents) for plan in (one, other)]
    return all(np.array_equal(a, b) for a, b in arrays) and rest[0] == rest[1]


def problem(**numbers: float) -> Problem:
    memory = replace(
        sram(numbers.get("capacity", 4096.0), double_buffer=bool(numbers.get("double", 1))),
        read_energy=energy(numbers.get("pj", 0.1)),
    )
    chip = accelerator(systolic(), dram(numbers.get("bandwidth", 64.0)), memory)
    return build_problem(
        GEMM, chip, chip.engine.dataflows[0], counting(), INT32, reserved_bits=numbers.get("reserved", 0.0)
    )


def plan_for(of: Problem, constraints: Constraints = Constraints(), *, perfect: bool = True) -> Plan:  # noqa: B008
    return plans_of(of, constraints, frozenset(), perfect=perfect, even=False)[0]


def test_kept_plans_are_those_that_would_be_made_anew() -> None:
    rng = random.Random(5)
    cases = [case(seed, kind) for seed in range(12) for kind in ("gemm", "conv", "passes")]
    for small in rng.sample(cases * 3, k=len(cases) * 3):
        said = rng.choice(CONSTRAINTS).of(small.problem.op)
        perfect, even = rng.random() < 0.5, rng.random() < 0.2
        kept = plans_of(small.problem, said, small.skipped, perfect=perfect, even=even)
        anew = plan._planned(small.problem, said, small.skipped, perfect=perfect, even=even)
        assert all(map(alike, kept, anew)), small.text
        assert len(kept) == len(anew)


def test_problems_of_other_searches_do_not_show() -> None:
    """A case is built alone and among others: the same arrays."""
    seeds = [(seed, kind) for seed in range(10) for kind in ("gemm", "conv", "passes")]
    first = {key: _arrays(case(*key)) for key in seeds}
    for key in reversed(seeds):
        assert all(np.array_equal(a, b) for a, b in zip(first[key], _arrays(case(*key)), strict=True))


def _arrays(small: Case) -> list[np.ndarray]:
    of = small.problem
    return [np.array(item, copy=True) for item in (*of.shape, *of.machine, of.level_stage, of.resident)]


@pytest.mark.parametrize("name", ["capacity", "bandwidth", "pj", "reserved"])
def test_numbers_of_the_machine_share_a_plan(name: str) -> None:
    assert plan_for(problem(**{name: 1024.0})) is plan_for(problem())
    assert any(
        not np.array_equal(a, b) for a, b in zip(problem(**{name: 1024.0}).machine, problem().machine, strict=True)
    )


def test_what_changes_the_space_makes_another_plan() -> None:
    usual = plan_for(problem())
    assert plan_for(problem(double=0)) is not usual
    assert plan_for(problem(), perfect=False) is not usual
    assert plan_for(problem(), Constraints(tiles=(TileConstraint(level="sram", sizes=(("m", 2),)),))) is not usual


def test_operands_kept_whole_take_room_at_their_own_width() -> None:
    assert plan_for(problem()).taken(problem()).tolist() == [8.0 * (12 * 6 + 6 * 8 + 12 * 8), 0.0]


def test_constraints_without_loops_are_their_own() -> None:
    stated = Constraints(bypass=(BypassConstraint(level="sram", operands=frozenset({"weights"})),))
    assert stated.of(GEMM) is stated


def test_whatever_is_asked_one_kernel_is_compiled() -> None:
    """A number of another type would have it compiled again, for a minute."""
    wanted = (
        MapperSettings(objective="latency", tolerance=0.1),
        MapperSettings(objective="weighted", exponents=(1, 2)),
        MapperSettings(objective="edp", front=4, constraints=Constraints(min_utilization=0.01)),
    )
    chip = accelerator(systolic(), dram(), sram(8192))
    for settings in wanted:
        assert find_mapping(GEMM, chip, settings, counting(), INT32) is not None
    assert len(search.signatures) == 1  # type: ignore[attr-defined]


def test_searches_known_to_find_nothing_are_not_kept_for_ever() -> None:
    nothing = branch._Settled([], True, 0)
    assert branch._SETTLED.most / branch._SETTLED.size_of(nothing) < 100_000
