"""Placement of activations between ops, and what must hold for whole networks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from archsim.arch.accelerator import Accelerator
from archsim.mappers.search import MapperSettings, best_mapping
from archsim.sim.conventions import counting
from archsim.sim.records import OpCost
from archsim.sim.schedule import OpPlacement, Scheduler, dependencies, home_level, place
from archsim.workloads.op import AnyOp, Op, Role, VectorOp
from archsim.workloads.trace import Trace
from tests.sim.builders import INT8, INT32, accelerator, dram, int8, level, sram, systolic

KIB = 8192.0


def chip(capacity: float = 1024 * KIB, bandwidth: float = 64.0) -> Accelerator:
    return accelerator(systolic(8, 8, ("ws", "os")), dram(bandwidth), sram(capacity, 1024.0))


def add(name: str, elements: int, *after: str) -> VectorOp:
    return VectorOp(
        name=name,
        kind="elementwise",
        elements=elements,
        reads_per_element=2,
        after=after,
        format=INT8,
        input_format=INT8,
    )


def gemm(name: str, after: tuple[str, ...] | None = None, *, m: int = 64, n: int = 64, k: int = 64) -> Op:
    return int8(Op.gemm(name, m=m, n=n, k=k, after=after))


def placed(
    *ops: AnyOp, machine: Accelerator | None = None, objective: str = "latency"
) -> tuple[list[OpPlacement], list[OpCost]]:
    machine = machine or chip()
    settings = MapperSettings(objective=objective)

    def cost(op: Op, resident: frozenset[str], reserved_bits: float) -> OpCost | None:
        return best_mapping(op, machine, settings, counting(), INT32, resident=resident, reserved_bits=reserved_bits)

    scheduler = Scheduler(accelerator=machine, counting=counting(), cost_op=cost)
    trace = Trace(name="t", ops=ops, parameters=0)
    value = {"latency": lambda c, _l, _e: c.latency_s, "energy": lambda c, _l, _e: c.total_energy_j}[objective]
    return place(trace, scheduler, value)


def test_an_op_reads_the_one_before_it_unless_told_otherwise() -> None:
    trace = Trace(name="t", ops=(gemm("a"), gemm("b"), gemm("c", ("a",)), gemm("d", ())), parameters=0)
    producers, consumers = dependencies(trace)
    assert producers == [(), (0,), (0,), ()]
    assert consumers == [(1, 2), (), (), ()]


def test_a_chain_stays_on_chip_but_for_its_ends() -> None:
    placements, costs = placed(gemm("a"), gemm("b"), gemm("c"))
    assert [placement.operands(gemm("x")) for placement in placements] == [
        {"outputs"},
        {"inputs", "outputs"},
        {"inputs"},
    ]
    weights, tensor = 64 * 64, 64 * 64
    assert [cost.dram_bytes for cost in costs] == [weights + tensor, weights, weights + tensor]


def test_nothing_stays_where_it_does_not_fit() -> None:
    large = 64 * 1024
    placements, _ = placed(gemm("a", m=1024), gemm("b", m=1024), machine=chip(large * 8.0 - 1))
    assert [placement.operands(gemm("x")) for placement in placements] == [set(), set()]


def test_a_residual_is_held_beside_the_ops_between() -> None:
    ops = (gemm("a"), gemm("b"), gemm("c"), add("sum", 64 * 64, "c", "a"))
    placements, costs = placed(*ops)
    bits = 64 * 64 * 8.0
    assert [placement.reserved_bits for placement in placements] == [0.0, 0.0, bits, bits]
    assert placements[3].inputs == (True, True)
    assert costs[3].dram_bytes == 64 * 64


def test_half_of_a_sum_on_chip_leaves_half_of_its_reads() -> None:
    """The first addend is too old to have been made here: only the second comes from DRAM."""
    ops = (gemm("a"), add("sum", 64 * 64, "a", "outside"))
    placements, costs = placed(*ops)
    assert placements[1].inputs == (True,)
    assert costs[1].dram_bytes == 64 * 64, "the result alone: an unknown source has no place"


def test_keys_and_values_are_written_for_the_cache() -> None:
    """The product reads its second source as weights, from DRAM: its maker must have put it there."""
    query, key = gemm("q"), gemm("k", ("x",))
    scores = int8(Op.gemm("qk", m=64, n=64, k=64, weight_role=Role.KV, after=("q", "k")))
    placements, costs = placed(query, key, scores)
    assert [placement.outputs for placement in placements] == [True, False, False]
    assert costs[1].dram_bytes >= 3 * 64 * 64


def test_equal_ops_under_equal_placement_are_costed_once() -> None:
    calls = []

    def cost(op: Op, resident: frozenset[str], reserved_bits: float) -> OpCost | None:
        calls.append((op.name, resident, reserved_bits))
        return best_mapping(op, chip(), MapperSettings(), counting(), INT32, resident=resident)

    scheduler = Scheduler(accelerator=chip(), counting=counting(), cost_op=cost)
    place(
        Trace(name="t", ops=tuple(gemm(f"l{i}") for i in range(20)), parameters=0),
        scheduler,
        lambda c, _l, _e: c.latency_s,
    )
    assert len(calls) == 4, "off chip, and three placements, for twenty ops"


def test_the_order_of_sibling_memories_does_not_matter() -> None:
    activations = level("unified", 1024 * KIB, operands=frozenset({"inputs", "outputs"}))
    weights = level("fifo", 64 * KIB, operands=frozenset({"weights"}))
    engine = systolic(8, 8)
    for memories in ((activations, weights), (weights, activations)):
        machine = accelerator(engine, dram(64.0), *memories)
        home = home_level(machine)
        assert home is not None
        assert home.name == "unified"
    costs = [
        placed(gemm("a"), gemm("b"), add("s", 4096, "b", "a"), machine=accelerator(engine, dram(64.0), *memories))[1]
        for memories in ((activations, weights), (weights, activations))
    ]
    assert [cost.cycles for cost in costs[0]] == [cost.cycles for cost in costs[1]]


def test_a_split_home_keeps_nothing() -> None:
    inputs = level("in", operands=frozenset({"inputs", "weights"}))
    outputs = level("out", operands=frozenset({"outputs"}))
    assert home_level(accelerator(systolic(), dram(), inputs, outputs)) is None
    assert home_level(accelerator(systolic(), dram(), replace(sram(), per="core"), cores=2)) is None


RESIDUAL = (
    gemm("a", m=128),
    gemm("b", m=128, n=256),
    gemm("c", m=128, k=256),
    add("s", 128 * 64, "c", "a"),
    gemm("d", m=128, n=512),
    gemm("e", m=128, k=512),
    add("t", 128 * 64, "e", "s"),
)


@pytest.mark.parametrize("objective", ["latency", "energy"])
def test_more_capacity_never_worsens_a_network(objective: str) -> None:
    totals = []
    for kib in (6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512):
        _, costs = placed(*RESIDUAL, machine=chip(kib * KIB, 32.0), objective=objective)
        totals.append(sum(cost.latency_s if objective == "latency" else cost.total_energy_j for cost in costs))
    assert totals == sorted(totals, reverse=True)
    assert totals[-1] < totals[0]


def test_more_bandwidth_never_slows_a_network() -> None:
    totals = [
        sum(cost.cycles for cost in placed(*RESIDUAL, machine=chip(64 * KIB, bandwidth))[1])
        for bandwidth in (8.0, 12.0, 16.0, 32.0, 64.0, 100.0, 256.0, 1024.0)
    ]
    assert totals == sorted(totals, reverse=True)
