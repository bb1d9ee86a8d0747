"""Hardware and operands that can do more, or need less, never make an optimum worse: on random machines."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.arch.accelerator import Accelerator
from archsim.arch.formats import format
from archsim.arch.memory import MemoryLevel
from archsim.mappers.branch import search_problem
from archsim.mappers.settings import MapperSettings
from archsim.sim.cost import Costing
from archsim.sim.problem import build_problem
from archsim.workloads.op import OPERANDS, Op, OperandName
from tests.mappers.exhaustive import OBJECTIVES
from tests.mappers.small_spaces import Case, case

objectives = st.sampled_from(OBJECTIVES)
kinds = st.sampled_from(["gemm", "conv", "passes"])
seeds = st.integers(0, 2000)


def optimum(one: Case, objective: str, *, chip: Accelerator | None = None, op: Op | None = None) -> float:
    """The least value on the case's machine, or on another one, of its op or of another one."""
    machine, work, switches = chip or one.costing.accelerator, op or one.problem.op, one.costing.counting
    problem = build_problem(work, machine, machine.engine.dataflows[0], switches, one.accumulator)
    costing = Costing.of(machine, problem, one.accumulator, switches)
    wanted = MapperSettings(objective=objective, perfect_factors=one.perfect, budget_s=20.0)  # type: ignore[arg-type]
    found = search_problem(problem, costing, wanted, skipped=one.skipped)
    assert found.optimal
    return found.value


def in_format(op: Op, operand: OperandName, name: str) -> Op:
    formats = {other: op.operand(other).format for other in OPERANDS}
    return op.with_formats(**formats | {operand: format(name)})


def with_level(one: Case, at: int, **changes: object) -> Accelerator:
    chip = one.costing.accelerator
    levels: list[MemoryLevel] = list(chip.memories)
    levels[at] = replace(levels[at], **changes)  # type: ignore[arg-type]
    return replace(chip, memories=tuple(levels))


@given(seeds, kinds, objectives, st.sampled_from(OPERANDS))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_one_narrower_operand_is_never_worse(seed: int, kind: str, objective: str, operand: OperandName) -> None:
    one = case(seed, kind)
    values = [optimum(one, objective, op=in_format(one.problem.op, operand, f"int{bits}")) for bits in (16, 8, 6, 4, 2)]
    assert all(narrow <= wide * (1 + 1e-9) for wide, narrow in pairwise(values)), one.text


def test_an_operand_is_reused_past_tiles_of_others_with_loops_between_them() -> None:
    """Narrower sums once took longer: weights in one memory stand below inputs in another, a loop between them."""
    one = case(87907, "gemm")
    values = [optimum(one, "latency", op=in_format(one.problem.op, "outputs", f"int{bits}")) for bits in (6, 4, 2)]
    assert values == [31.0, 31.0, 31.0]


@given(seeds, kinds, objectives, st.integers(0, 3), st.sampled_from([1.5, 2.0, 16.0]))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_more_room_is_never_worse(seed: int, kind: str, objective: str, at: int, factor: float) -> None:
    one = case(seed, kind)
    levels = one.costing.accelerator.memories
    at %= len(levels)
    larger = with_level(one, at, capacity_bits=levels[at].capacity_bits * factor)
    assert optimum(one, objective, chip=larger) <= optimum(one, objective) * (1 + 1e-9), one.text


@given(seeds, kinds, objectives, st.integers(0, 3), st.booleans())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_more_bandwidth_is_never_worse(seed: int, kind: str, objective: str, at: int, write: bool) -> None:
    one = case(seed, kind)
    levels = one.costing.accelerator.memories
    at %= len(levels)
    key = "write_bits_per_cycle" if write and not levels[at].shared_ports else "read_bits_per_cycle"
    faster = with_level(one, at, **{key: 2 * getattr(levels[at], key)})
    assert optimum(one, objective, chip=faster) <= optimum(one, objective) * (1 + 1e-9), one.text
