"""Memories that sit per core, array, row or PE: how many there are, and what each sees."""

from __future__ import annotations

import pytest

from archsim.arch.accelerator import Accelerator
from archsim.arch.engines.base import SpatialAxis
from archsim.arch.engines.systolic import SystolicEngine
from archsim.mappers.search import MapperSettings, best_mapping
from archsim.sim.conventions import counting
from archsim.sim.cost import run_kernel
from archsim.sim.kernels import LIMIT, READS, READS_PARTIAL
from archsim.sim.mapping import Loop, Mapping
from archsim.sim.problem import build_problem
from archsim.sim.records import OpCost, Traffic
from archsim.workloads.op import OPERANDS, Op
from tests.sim.builders import INT32, UNIT, accelerator, dram, int8, level, spatial, sram

ROWS, COLUMNS = 4, 8
GRID = spatial(
    SpatialAxis(name="y", size=ROWS, gemm_dims=("k",), conv_dims=("c",), reduce=frozenset({"outputs"})),
    SpatialAxis(name="x", size=COLUMNS, gemm_dims=("n",), conv_dims=("k",), multicast=frozenset({"inputs"})),
)


def best(op: Op, machine: Accelerator, objective: str = "latency") -> OpCost:
    cost = best_mapping(op, machine, MapperSettings(objective=objective), counting(), INT32)
    assert cost is not None
    return cost


def row(cost: OpCost, level_name: str, operand: str) -> Traffic:
    return next(item for item in cost.traffic if (item.level, item.operand) == (level_name, operand))


@pytest.mark.parametrize(
    ("per", "count"), [("y", ROWS), ("x", COLUMNS), ("row", ROWS), ("column", COLUMNS), ("pe", ROWS * COLUMNS)]
)
def test_a_level_has_as_many_instances_as_its_place(per: str, count: int) -> None:
    local = level("local", 4096.0, per=per, instances=count)
    cost = best(int8(Op.gemm("x", m=16, n=32, k=32)), accelerator(GRID, dram(), sram(), local))
    assert {item.instances for item in cost.traffic if item.level == "local"} == {count}
    assert cost.compute_cycles == 16 * 32 * 32 // (ROWS * COLUMNS)


def test_a_row_s_memory_feeds_its_whole_row_with_one_read_where_the_axis_multicasts() -> None:
    local = level("local", per="y", instances=ROWS, operands=frozenset({"inputs"}))
    cost = best(int8(Op.gemm("x", m=16, n=32, k=32)), accelerator(GRID, dram(), sram(), local))
    assert row(cost, "local", "inputs").reads * ROWS == 16 * 32 * 32 / COLUMNS


@pytest.mark.parametrize("per", ["array", "row", "column"])
def test_banks_of_each_array_belong_to_it(per: str) -> None:
    """Two arrays with accumulators of their own take half the work each."""
    engine = SystolicEngine(rows=8, columns=8, permitted=("ws",), count=2, unit=UNIT)
    banks = {"array": 2, "row": 16, "column": 16}[per]
    local = level("accumulators", 2.0**20, per=per, instances=banks, operands=frozenset({"outputs"}))
    cost = best(int8(Op.gemm("x", m=64, n=64, k=64)), accelerator(engine, dram(), sram(), local))
    assert row(cost, "accumulators", "outputs").instances == 2
    assert row(cost, "sram", "outputs").instances == 1


def test_cores_with_memories_of_their_own_share_what_the_chip_s_reads_once() -> None:
    local = level("local", per="core", instances=2)
    machine = accelerator(GRID, dram(), sram(), local, cores=2)
    cost = best(int8(Op.gemm("x", m=16, n=64, k=32)), machine, "energy")
    assert cost.compute_cycles == 16 * 64 * 32 // (2 * ROWS * COLUMNS)
    assert row(cost, "local", "inputs").instances == 2
    assert row(cost, "sram", "inputs").reads == 16 * 32


def test_the_busiest_unit_sets_the_time_of_local_memories() -> None:
    """Five columns on four cores, two each: three work, and the busiest has two fifths."""
    machine = accelerator(GRID, dram(), sram(), level("local", per="core", instances=4, bandwidth=8.0), cores=4)
    problem = build_problem(int8(Op.gemm("x", m=64, n=5, k=4)), machine, GRID.dataflows[0], counting(), INT32)
    loops = (Loop("n", 4, "core"), Loop("m", 64), Loop("k", 4, "y"), Loop("n", 2, "x"))
    tiles = {name: dict.fromkeys(OPERANDS, at) for name, at in (("dram", 0), ("sram", 0), ("local", 1))}
    raw = run_kernel(problem, Mapping(dataflow="spatial", loops=loops, tiles=tiles))
    reads = raw.traffic[READS, 2, 0] + raw.traffic[READS, 2, 1] + raw.traffic[READS_PARTIAL, 2, 2] * 4
    reads += raw.traffic[READS, 2, 2] - raw.traffic[READS_PARTIAL, 2, 2]
    assert raw.out[LIMIT] == pytest.approx(reads * 8 / 8 * 2 / 5)
