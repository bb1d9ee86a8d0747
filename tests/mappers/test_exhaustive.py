"""The search finds what trying every mapping finds, in hundreds of random small spaces.

For arrays with passes the twin takes the array tiles that the search declares (`mappers.starts`) and tries every nest
above them. `ARCHSIM_SWEEP=<count>` tries that many seeds of each kind.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from archsim.mappers.branch import Outcome, search_problem
from archsim.mappers.settings import MapperSettings
from archsim.mappers.starts import choices
from archsim.sim.cost import run_kernel
from tests.mappers.exhaustive import OBJECTIVES, Optimum, enumerate_all, estimate
from tests.mappers.small_spaces import Case, case, scarce

SEEDS = int(os.environ.get("ARCHSIM_SWEEP", "100"))
MOST = 8_000 if SEEDS <= 100 else 200_000
STRIDE = 10


def found(small: Case, objective: str, known: float = np.inf) -> Outcome:
    settings = MapperSettings(objective=objective, perfect_factors=small.perfect, budget_s=60.0)
    return search_problem(small.problem, small.costing, settings, skipped=small.skipped, known=known)


def least(small: Case, perfect: bool) -> Optimum:
    tiles = choices(small.problem, perfect=perfect).tiles if small.problem.flow[0] else None
    return enumerate_all(small.problem, small.costing, perfect=perfect, bases=tiles, skipped=small.skipped)


def optima(small: Case) -> list[Optimum]:
    """Where factors need not divide, array tiles of both kinds of factors are declared."""
    both = not small.perfect and bool(small.problem.flow[0])
    return [least(small, perfect) for perfect in ((False, True) if both else (small.perfect,))]


def check(small: Case) -> None:
    every = optima(small)
    for objective in OBJECTIVES:
        want = min(optimum.values[objective] for optimum in every)
        got = found(small, objective)
        if want[0] == np.inf:
            assert got.mapping is None, small.text
            continue
        assert got.value == pytest.approx(want[0], rel=1e-9), (objective, small.text)
        assert got.bound <= got.value
        assert got.optimal
        if objective == "latency":
            assert got.energy_pj == pytest.approx(want[3], rel=1e-9), ("energy at the least latency", small.text)
        assert got.mapping is not None
        assert run_kernel(small.problem, got.mapping).fits
        # No bound is above it: it is found although only what is as good is looked for.
        again = found(small, objective, want[0] * (1 + 1e-9))
        assert again.value == pytest.approx(want[0], rel=1e-9), (objective, "known", small.text)
        assert again.mapping is not None


def check_some(made: Callable[[int, str], Case], kind: str, first: int) -> None:
    tried = 0
    for seed in range(first, first + STRIDE):
        small = made(seed, kind)
        if estimate(small.problem, small.perfect, small.skipped, MOST) > MOST:
            continue
        check(small)
        tried += 1
    assert tried


@pytest.mark.parametrize("kind", ["gemm", "row", "conv", "windows", "passes"])
@pytest.mark.parametrize("first", range(0, SEEDS, STRIDE))
def test_the_search_finds_the_optimum_of_every_mapping(kind: str, first: int) -> None:
    check_some(case, kind, first)


@pytest.mark.parametrize("kind", ["gemm", "row", "conv", "windows", "passes"])
@pytest.mark.parametrize("first", range(0, SEEDS // 2, STRIDE))
def test_the_search_finds_the_optimum_where_memories_hold_a_few_elements(kind: str, first: int) -> None:
    check_some(scarce, kind, first)


@pytest.mark.parametrize(("kind", "seed"), [("gemm", 2238), ("gemm", 2284), ("gemm", 2332), ("passes", 2347)])
def test_spaces_that_once_lacked_their_optimum(kind: str, seed: int) -> None:
    """Tiles kept only while others stand still; words that an array with passes reads."""
    check(case(seed, kind))


@pytest.mark.parametrize(("kind", "seed"), [("gemm", 572), ("windows", 142), ("windows", 360), ("windows", 590)])
def test_loops_inside_units_make_their_windows_equal(kind: str, seed: int) -> None:
    """Equal windows are sent once: two units along p and two along r, each with two steps, have three, not four."""
    check(case(seed, kind))


def test_all_of_an_operand_may_take_less_room_than_two_tiles() -> None:
    """Two of three rows, and room for the next two, are more than three rows that never change."""
    check(case(5361, "passes"))


@pytest.mark.parametrize("seed", [204, 232, 281, 379, 587])
def test_units_without_work_receive_nothing_wherever_their_loops_stand(seed: int) -> None:
    """Three tiles on two times two units, three on two in two steps: counted alike with and without loops between."""
    check(case(seed, "conv"))


def test_a_larger_tile_with_a_smaller_edge_may_fill_words_better() -> None:
    """Four output rows as three and one, not two and two."""
    check(case(125, "conv"))


def test_a_tile_stands_below_loops_that_reuse_it_where_steps_are_shorter_for_it() -> None:
    """A port is idle for a step of computing: with its weights further in, two halves of one."""
    check(case(5573, "conv", ports=True))


def test_fewer_units_have_work_in_the_last_piece_where_they_keep_their_tiles() -> None:
    """Six rows on two units: two times two, then two for one of them, or three times one for each."""
    check(case(1431, "row"))


def test_loops_of_axes_that_share_a_dimension_stand_in_any_order() -> None:
    """Six on four units by two fill words of four, which two by four cannot: the last of four would have none."""
    check(case(30124, "words"))


@pytest.mark.parametrize("seed", [196, 265])
def test_tiles_kept_while_others_stand_still_are_reused_inside_the_units(seed: int) -> None:
    check(case(seed, "gemm"))


def test_a_tile_of_one_pe_stands_above_tiles_further_out() -> None:
    """One PE at work keeps its inputs whole while its weights and sums pass a smaller memory further out.

    Values of all 12,631,680 mappings, which take the twin half a minute.
    """
    one = case(17, "conv")
    least = {"latency": 178.0, "energy": 2307.584, "edp": 410749.952}
    for objective, value in least.items():
        outcome = found(one, objective)
        assert outcome.value == pytest.approx(value, rel=1e-9)
        assert outcome.optimal


@pytest.mark.parametrize("seed", [5012, 5169, 5264, 5413, 6057, 6480])
def test_one_row_with_factors_that_divide(seed: int) -> None:
    """What is never reused fills words, or fences in the reuse of others, but for tiles that may stand above it."""
    check(replace(case(seed, "row"), perfect=True))


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_whole_words_are_filled_by_the_least_factor_that_fills_them(first: int) -> None:
    tried = 0
    for seed in range(first, first + 20):
        small = replace(case(seed, "words"), perfect=True)
        if estimate(small.problem, True, small.skipped, MOST) <= MOST:
            check(small)
            tried += 1
    assert tried


def test_a_larger_tile_without_gaps_slides_where_the_least_that_makes_as_many_does_not() -> None:
    """Four rows at a stride of 2, filters dilated by 2: as three and one they slide, as two and two they do not."""
    check(scarce(148, "windows"))


@pytest.mark.parametrize(("kind", "seed"), [("row", 170), ("row", 820), ("row", 2288), ("passes", 1337)])
def test_what_is_never_reused_ends_no_reuse_past_other_levels(kind: str, seed: int) -> None:
    """Weights kept below the tiles of the next level alone are reused past a level beside it, with no input between."""
    check(scarce(seed, kind))


def test_sums_that_start_at_zero_do_so_in_all_levels_inside() -> None:
    """Units that add up to the same sums, each with two levels of its own: neither fetches them, nor do PEs."""
    check(scarce(962, "windows"))


@pytest.mark.parametrize(("kind", "seed"), [("passes", 291), ("row", 3373)])
def test_units_that_share_work_unevenly_take_shorter_steps(kind: str, seed: int) -> None:
    """Five array tiles on two units as four and one: what each pass costs besides its work is spread over more."""
    check(scarce(seed, kind))


def test_loops_inside_units_make_windows_equal_that_are_reused_outside_too() -> None:
    """Weights that a PE holds for steps along p, inside units and outside: any number of them inside may be best."""
    check(scarce(2793, "windows"))
