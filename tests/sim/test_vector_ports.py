"""Vector operations: lanes, and the ports of the memories they stream through."""

from __future__ import annotations

from dataclasses import replace

import pytest

from archsim.sim.conventions import counting
from archsim.sim.vector import vector_cost
from archsim.workloads.op import VectorOp
from tests.sim.builders import INT8, accelerator, dram, sram, systolic

ADD = VectorOp(name="add", kind="elementwise", elements=4096, reads_per_element=2.0, format=INT8, input_format=INT8)


def test_an_operand_with_its_own_bandwidth_is_held_to_it() -> None:
    """A table of bandwidths leaves the level's own unlimited; it must not make the memory infinitely fast."""
    by_operand = replace(dram(), operand_bits_per_cycle=(("inputs", 16.0), ("outputs", 64.0)))
    cost = vector_cost(ADD, accelerator(systolic(), by_operand, sram()), counting())
    assert (cost.cycles, cost.bound) == (4096 * 2 * 8 / 16, "dram")


@pytest.mark.parametrize("instances", [1, 4])
def test_instances_of_a_memory_work_side_by_side(instances: int) -> None:
    buffer = replace(sram(bandwidth=8.0), per="core", instances=instances)
    cost = vector_cost(ADD, accelerator(systolic(), dram(), buffer, cores=instances), counting())
    bits = {"read": 4096 * (2 + 1) * 8, "written": 4096 * (2 + 1) * 8}
    assert cost.cycles == max(bits.values()) / 8 / instances
    (row,) = [row for row in cost.traffic if row.level == "sram" and row.operand == "inputs"]
    assert (row.reads * row.instances, row.instances) == (4096 * 2, instances)
