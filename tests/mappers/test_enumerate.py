"""An enumeration counts and costs every mapping: against mappings written out one by one, and against the search."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.mappers.branch import search_problem
from archsim.mappers.enumerate import (
    Ranked,
    TooManyMappingsError,
    WholeSpace,
    count_mappings,
    enumerate_problem,
    enumerate_space,
    merged,
)
from archsim.mappers.settings import MapperSettings
from archsim.mappers.starts import choices
from archsim.sim.cost import cost_mapping
from archsim.sim.raw import run_kernel
from tests.mappers.exhaustive import estimate
from tests.mappers.small_spaces import Case, case
from tests.mappers.spelled import every_point

MOST = 6_000
SEEDS = range(12)


def small(kind: str, seed: int) -> Case | None:
    one = case(seed, kind)
    return None if estimate(one.problem, one.perfect, one.skipped, MOST) > MOST else one


def whole(one: Case, *, even: bool = False, ranked: tuple[Ranked, ...] = ()) -> WholeSpace:
    wanted = MapperSettings(objective="edp", perfect_factors=one.perfect, even_tiles=even)
    return enumerate_problem(one.problem, one.costing, wanted, skipped=one.skipped, ranked=ranked, histogram=True)


@pytest.mark.parametrize("even", [False, True])
@pytest.mark.parametrize("kind", ["gemm", "conv", "passes"])
def test_every_mapping_is_counted_and_costed_as_by_the_closed_form(kind: str, even: bool) -> None:
    tried = 0
    for seed in SEEDS:
        one = small(kind, seed)
        if one is None:
            continue
        n, points = every_point(one.problem, one.costing, perfect=one.perfect, even=even, skipped=one.skipped)
        cycles, energy = points
        middle = (Ranked(cycles=float(cycles[-1]), energy_pj=float(energy[-1])),) if len(cycles) else ()
        found = whole(one, even=even, ranked=middle)
        assert (found.mappings, found.legal) == (n, len(cycles)), one.text
        tried += 1
        if not len(cycles):
            assert not found.best
            continue
        assert found.histogram is not None
        assert found.histogram.counts.sum() == len(cycles)
        assert found.mean_cycles == pytest.approx(cycles.mean(), rel=1e-12)
        assert found.mean_energy_pj == pytest.approx(energy.mean(), rel=1e-12)
        assert (found.least_cycles, found.most_cycles) == (cycles.min(), cycles.max())
        assert (found.least_energy_pj, found.most_energy_pj) == pytest.approx((energy.min(), energy.max()), rel=1e-12)
        assert found.best["edp"].value == pytest.approx((cycles * energy).min(), rel=1e-12)
        assert found.below[0]["energy"] == (energy < energy[-1] * (1 - 1e-9)).sum()
        assert found.below[0]["latency"] == (cycles < cycles[-1]).sum()
    assert tried > 2


@given(st.sampled_from(["gemm", "conv", "passes"]), st.integers(0, 400), st.booleans())
@settings(max_examples=20, deadline=None, derandomize=True)
def test_the_best_fits_and_costs_what_it_says(kind: str, seed: int, even: bool) -> None:
    one = small(kind, seed)
    if one is None:
        return
    for best in whole(one, even=even).best.values():
        assert run_kernel(one.problem, best.mapping).fits
        cost = cost_mapping(one.problem, best.mapping, one.costing)
        assert cost.cycles == best.cycles
        assert cost.total_energy_j * 1e12 == pytest.approx(best.energy_pj, rel=1e-12)


@given(st.sampled_from(["gemm", "conv", "passes"]), st.integers(0, 400))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_nothing_in_the_space_is_better_than_what_the_search_finds(kind: str, seed: int) -> None:
    one = small(kind, seed)
    if one is None:
        return
    best = whole(one).best
    for objective in ("latency", "energy", "edp"):
        wanted = MapperSettings(objective=objective, perfect_factors=one.perfect, budget_s=60.0)
        found = search_problem(one.problem, one.costing, wanted, skipped=one.skipped)
        assert found.value <= (best[objective].value if best else math.inf) * (1 + 1e-9), one.text


@pytest.mark.parametrize("seed", range(6))
def test_counting_alone_gives_the_same_number(seed: int) -> None:
    one = case(seed, "gemm")
    wanted = MapperSettings(perfect_factors=True, even_tiles=True)
    counted = count_mappings(one.problem, one.costing, wanted, skipped=one.skipped, limit=10**9)
    assert counted == enumerate_problem(one.problem, one.costing, wanted, skipped=one.skipped).mappings


def test_a_space_above_the_limit_is_refused() -> None:
    one = case(3, "gemm")
    arguments = (one.problem.op, one.costing.accelerator, MapperSettings(), one.costing.counting, one.accumulator)
    size = enumerate_space(*arguments).mappings
    with pytest.raises(TooManyMappingsError, match=f"more than {size - 1:,} mappings"):
        enumerate_space(*arguments, limit=size - 1)
    assert enumerate_space(*arguments, limit=size).mappings == size


@pytest.mark.parametrize("seed", range(40))
def test_array_tiles_that_divide_are_among_those_that_need_not(seed: int) -> None:
    problem = case(seed, "passes").problem
    any_, perfect = (choices(problem, perfect=flag).tiles for flag in (False, True))
    assert {tuple(row) for row in perfect.tolist()} <= {tuple(row) for row in any_.tolist()}


def test_of_equally_fast_mappings_of_several_dataflows_the_one_of_less_energy_is_the_best() -> None:
    made = whole(case(3, "gemm"))
    fast = made.best["latency"]
    wasteful = replace(made, best=made.best | {"latency": replace(fast, energy_pj=2 * fast.energy_pj)})
    assert merged([wasteful, made]).best["latency"] == fast
    assert merged([made, wasteful]).best["latency"] == fast


@pytest.mark.parametrize("seed", range(4))
def test_the_front_is_that_of_all_mappings(seed: int) -> None:
    one = case(seed, "gemm")
    _, (cycles, energy) = every_point(one.problem, one.costing, perfect=one.perfect, skipped=one.skipped)
    order = np.lexsort((energy, cycles))
    front: list[tuple[float, float]] = []
    for i in order[::1]:
        if not front or energy[i] < front[-1][0] * (1 - 1e-12):
            front.append((float(energy[i]), float(cycles[i])))
    found = whole(one).front
    assert [point[1] for point in found] == [point[1] for point in reversed(front)]
    assert [point[0] for point in found] == pytest.approx([point[0] for point in reversed(front)], rel=1e-12)
