"""Vector operations: lanes or memory, whichever is slower, and what passes through which level."""

from __future__ import annotations

from dataclasses import replace

import pytest

from archsim.arch.accelerator import Accelerator
from archsim.sim.conventions import Counting, counting
from archsim.sim.records import OpCost
from archsim.sim.vector import vector_cost
from archsim.workloads.op import VectorOp
from tests.sim.builders import INT8, INT32, accelerator, dram, sram, systolic


def chip(dram_bits: float = 64.0, sram_bits: float = 1024.0, *, cores: int = 1, per: str = "chip") -> Accelerator:
    local = replace(sram(bandwidth=sram_bits), per=per, instances=cores if per == "core" else 1)
    return accelerator(systolic(), dram(dram_bits), local, cores=cores)


def cost(
    machine: Accelerator,
    *,
    reads: float = 2.0,
    operations: float = 1.0,
    resident: float = 0.0,
    stays: bool = False,
    counts: Counting | None = None,
) -> OpCost:
    op = VectorOp(
        name="x",
        kind="elementwise",
        elements=1600,
        reads_per_element=reads,
        operations_per_element=operations,
        format=INT32,
        input_format=INT8,
    )
    counts = counts or counting()
    return vector_cost(op, machine, counts, resident_inputs=resident, resident_outputs=stays)


def test_lanes_decide_where_memory_keeps_up() -> None:
    """16 lanes on 1,600 elements of 10 operations; the bytes need 2 x 8 + 32 bits an element."""
    result = cost(chip(), operations=10.0)
    assert (result.cycles, result.compute_cycles, result.bound) == (1000 + 200, 1000, "dram")
    assert cost(chip(1024.0), operations=10.0).bound == "vector"
    assert cost(chip(1024.0), operations=10.0).cycles == 1000


@pytest.mark.parametrize(
    ("resident", "stays", "bits"), [(0, False, 48), (0.5, False, 40), (1, False, 32), (1, True, 0)]
)
def test_what_is_on_chip_already_does_not_pass_the_dram(resident: float, stays: bool, bits: int) -> None:
    result = cost(chip(), resident=resident, stays=stays)
    assert result.dram_bytes == 1600 * bits / 8
    assert result.cycles == max(100, 1600 * bits / 64)
    assert sum(stall.cycles for stall in result.stalls) == result.stall_cycles == result.cycles - result.compute_cycles


def test_stalls_can_be_left_out() -> None:
    assert cost(chip(), counts=counting("scale-sim")).cycles == 100


def test_energy_counts_every_pass_through_every_level() -> None:
    """DRAM 8 pJ a bit either way; SRAM 0.1 to read and 0.12 to write; both directions of both operands."""
    result = cost(chip())
    assert result.energy_j["dram"] == pytest.approx(8e-12 * 1600 * 48)
    assert result.energy_j["sram"] == pytest.approx(1e-12 * 1600 * 48 * (0.1 + 0.12))
    assert result.energy_j["vector"] == pytest.approx(1600e-12)
    assert result.total_energy_j == pytest.approx(sum(result.energy_j.values()))


def test_cores_bring_their_lanes_and_their_memories() -> None:
    one, two = chip(float("inf"), 16.0), chip(float("inf"), 16.0, cores=2, per="core")
    shared = chip(float("inf"), 16.0, cores=2)
    assert cost(one).cycles == 2 * cost(two).cycles
    assert cost(shared).cycles == cost(one).cycles
    assert cost(two).energy_j == pytest.approx(cost(one).energy_j)
    assert {row.instances for row in cost(two).traffic if row.level == "sram"} == {2}
