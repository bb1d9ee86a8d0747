"""Optima and fronts under constraints, against every mapping that the constraints allow."""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import replace

import pytest

from archsim.mappers.branch import search_problem
from archsim.mappers.constraints import (
    BypassConstraint,
    Constraints,
    OrderConstraint,
    SpatialConstraint,
    TileConstraint,
)
from archsim.mappers.ordered import search_ordered
from archsim.mappers.search import find_mapping
from archsim.mappers.settings import MapperSettings
from archsim.sim.problem import Problem
from archsim.workloads.op import OPERANDS
from tests.mappers.exhaustive import estimate
from tests.mappers.restricted import restricted_front
from tests.mappers.small_spaces import Case, case

Points = list[tuple[float, float]]
ENOUGH_S = 1e6
SEEDS = range(24)
MOST = 20_000
"""Mappings that a test tries, over all choices of what passes by."""


def settings(
    case: Case, objective: str, constraints: Constraints, *, even: bool = False, front: int = 0
) -> MapperSettings:
    return MapperSettings(
        objective=objective,
        perfect_factors=case.perfect,
        even_tiles=even,
        constraints=constraints,
        budget_s=ENOUGH_S,
        front=front,
    )


def assert_same_optima(case: Case, constraints: Constraints, *, even: bool = False) -> None:
    front = restricted_front(
        case.problem, case.costing, perfect=case.perfect, constraints=constraints, even=even, skipped=case.skipped
    )
    for objective in ("latency", "energy", "edp"):
        found = search_ordered(
            case.problem, case.costing, settings(case, objective, constraints, even=even), skipped=case.skipped
        )
        values = [{"latency": c, "energy": e, "edp": c * e}[objective] for c, e in front]
        assert found.value == pytest.approx(min(values, default=math.inf), rel=1e-9), (case.text, objective)
        assert found.optimal
        assert (found.mapping is None) == (not front)


def long_dims(problem: Problem) -> list[str]:
    return [dim for dim, size in zip(problem.dims, problem.sizes, strict=True) if size > 1]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("least", [0.3, 0.8])
def test_least_utilization(seed: int, least: float) -> None:
    assert_same_optima(case(seed, "gemm"), Constraints(min_utilization=least))


@pytest.mark.parametrize("seed", SEEDS)
def test_what_may_lie_on_each_axis(seed: int) -> None:
    """Some dimensions, none, or exact factors, some of which no mapping has."""
    one, rng = case(seed, "gemm"), random.Random(seed)
    dims = long_dims(one.problem) or ["m"]
    wanted = []
    for name, size in zip(one.problem.axis_names, one.problem.axis_sizes, strict=True):
        if rng.random() < 0.5:
            wanted.append(SpatialConstraint(axis=name, dims=tuple(dim for dim in dims if rng.random() < 0.5)))
        elif size > 1 and rng.random() < 0.7:
            wanted.append(SpatialConstraint(axis=name, exact=((rng.choice(dims), rng.randint(1, size)),)))
    assert_same_optima(one, Constraints(spatial=tuple(wanted)))


@pytest.mark.parametrize("seed", SEEDS)
def test_sizes_of_tiles(seed: int) -> None:
    one, rng = case(seed, "gemm"), random.Random(seed)
    dims = long_dims(one.problem) or ["m"]
    wanted = []
    for level in one.problem.levels_used[1:]:
        dim = rng.choice(dims)
        size = rng.randint(1, int(one.problem.sizes[one.problem.dims.index(dim)]))
        operand = rng.choice(["", *OPERANDS])
        wanted.append(TileConstraint(level=level.name, operand=operand, sizes=((dim, size),)))
    assert_same_optima(one, Constraints(tiles=tuple(wanted)))


@pytest.mark.parametrize("seed", SEEDS)
def test_order_of_loops(seed: int) -> None:
    one = case(seed, "gemm")
    assert_same_optima(one, orders(one, random.Random(seed)))


def orders(one: Case, rng: random.Random) -> Constraints:
    """An order of some dimensions below the tiles of some levels."""
    wanted = []
    for level in one.problem.levels_used:
        dims = list(one.problem.dims)
        rng.shuffle(dims)
        if rng.random() < 0.7:
            wanted.append(OrderConstraint(level=level.name, dims=tuple(dims[: rng.randint(2, len(dims))])))
    return Constraints(order=tuple(wanted))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("forced", [False, True])
def test_what_may_or_must_pass_a_memory_by(seed: int, forced: bool) -> None:
    """Through the search of all choices, against every mapping of each."""
    one, rng = case(seed, "gemm"), random.Random(seed)
    chip, problem = one.costing.accelerator, one.problem
    passing = {
        level.name: frozenset(name for name in sorted(level.operands) if rng.random() < 0.5)
        for level in chip.memories[1:]
    }
    if not forced:
        chip = replace(chip, memories=tuple(replace(m, bypass=passing.get(m.name, frozenset())) for m in chip.memories))
    pairs = [
        (level.name, name)
        for i, level in enumerate(problem.levels_used)
        for j, name in enumerate(OPERANDS)
        if problem.level_stage[i, j] > 0 and name in passing.get(level.name, ())
    ]
    choices = [pairs] if forced else [c for n in range(len(pairs) + 1) for c in itertools.combinations(pairs, n)]
    if sum(estimate(problem, one.perfect, frozenset(skipped), MOST) for skipped in choices) > MOST:
        pytest.skip("too many mappings to try one after the other")
    wanted = tuple(BypassConstraint(level=name, operands=held) for name, held in passing.items() if held and forced)
    given = replace(settings(one, "edp", Constraints(bypass=wanted)))
    found = find_mapping(problem.op, chip, given, one.costing.counting, one.accumulator)
    values = [
        cycles * energy
        for skipped in choices
        for cycles, energy in restricted_front(problem, one.costing, perfect=one.perfect, skipped=frozenset(skipped))
    ]
    assert (found is None) == (not values), one.text
    if found is not None:
        edp = found.cost.cycles * found.cost.total_energy_j * 1e12
        assert edp == pytest.approx(min(values), rel=1e-9), one.text
        assert found.optimal


@pytest.mark.parametrize("seed", range(10))
def test_relaxing_a_constraint_never_worsens_the_optimum(seed: int) -> None:
    one, rng = case(seed, "gemm"), random.Random(seed)
    dims = long_dims(one.problem) or ["m"]
    inner = one.problem.levels_used[-1]
    ordered = orders(one, rng).order
    sized = (TileConstraint(level=inner.name, sizes=((dims[0], 1),)),)
    kinds = [{"order": ordered}, {"tiles": sized}, {"min_utilization": 0.5}]
    for objective in ("latency", "energy"):
        tight: dict[str, object] = {key: value for kind in kinds for key, value in kind.items()}
        worst = math.inf
        while True:
            wanted = settings(one, objective, Constraints(**tight))
            value = search_ordered(one.problem, one.costing, wanted, skipped=one.skipped).value
            assert value <= worst * (1 + 1e-12)
            worst = value
            if not tight:
                break
            tight.pop(rng.choice(sorted(tight)))


@pytest.mark.parametrize("seed", SEEDS)
def test_one_tile_for_all_operands_of_a_level(seed: int) -> None:
    assert_same_optima(case(seed, "gemm"), Constraints(), even=True)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_front_is_the_front_of_all_mappings(seed: int) -> None:
    one = case(seed, "gemm")
    found = search_problem(
        one.problem, one.costing, settings(one, "energy", Constraints(), front=256), skipped=one.skipped
    )
    points: Points = sorted({(float(c), float(e)) for c, e in found.front.T})
    kept = [a for a in points if not any(b != a and b[0] <= a[0] and b[1] <= a[1] * (1 + 1e-12) for b in points)]
    expected = restricted_front(one.problem, one.costing, perfect=one.perfect, skipped=one.skipped)
    assert [c for c, _ in kept] == [c for c, _ in expected]
    assert [e for _, e in kept] == pytest.approx([e for _, e in expected], rel=1e-9)


@pytest.mark.parametrize("tolerance", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("seed", range(12))
def test_a_tolerance_in_time_buys_the_least_energy_within_it(seed: int, tolerance: float) -> None:
    one = case(seed, "gemm")
    costing, problem = one.costing, one.problem
    found = find_mapping(
        problem.op,
        costing.accelerator,
        MapperSettings(objective="latency", perfect_factors=one.perfect, budget_s=ENOUGH_S, tolerance=tolerance),
        costing.counting,
        one.accumulator,
    )
    front = restricted_front(problem, costing, perfect=one.perfect)
    if not front:
        assert found is None
        return
    assert found is not None
    limit = math.floor(front[0][0] * (1 + tolerance) * (1 + 1e-12))
    assert found.cost.cycles <= limit
    least = min(energy for cycles, energy in front if cycles <= limit)
    assert found.cost.total_energy_j * 1e12 == pytest.approx(least, rel=1e-9)
    assert found.gap <= tolerance + 1e-9


def test_a_budget_gives_the_same_mapping_every_time_and_its_bound_holds() -> None:
    one = case(3, "gemm")
    short = MapperSettings(objective="energy", budget_s=2e-5)
    first, again = (search_problem(one.problem, one.costing, short) for _ in range(2))
    best = search_problem(one.problem, one.costing, settings(one, "energy", Constraints()))
    assert (first.mapping, first.value, first.bound) == (again.mapping, again.value, again.bound)
    assert first.bound <= best.value * (1 + 1e-12) <= first.value * (1 + 2e-12)
