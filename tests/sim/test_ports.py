"""Busy times of ports follow from what moves through them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from archsim.mappers.search import MapperSettings, best_mapping
from archsim.sim.conventions import counting
from archsim.sim.ports import PortUse, port_uses
from archsim.sim.problem import build_problem
from archsim.workloads.op import Op
from tests.sim.builders import INT32, accelerator, dram, int8, sram, systolic


def uses(bandwidth: float, op: Op, *, own: float = 0.0) -> tuple[list[PortUse], int]:
    glb = replace(sram(64 * 8192.0, 256.0), operand_bits_per_cycle=(("weights", own),) if own else ())
    chip = accelerator(systolic(8, 16, ("os",)), dram(bandwidth), glb)
    cost = best_mapping(op, chip, MapperSettings(objective="latency"), counting(), INT32)
    assert cost is not None
    assert cost.mapping is not None
    problem = build_problem(op, chip, chip.engine.dataflows[0], counting(), INT32)
    return list(port_uses(problem, cost.mapping)), cost.cycles


def test_the_port_that_binds_is_busy_nearly_all_the_time() -> None:
    found, cycles = uses(64.0, int8(Op.gemm("x", m=8, n=1024, k=1024)))
    at_dram = [use for use in found if use.level == "dram"]
    assert max(use.cycles for use in at_dram) == pytest.approx(cycles, rel=0.02)
    assert all(use.cycles <= cycles for use in found)


def test_bits_are_those_of_the_operands() -> None:
    op = int8(Op.gemm("x", m=16, n=16, k=8))
    found, _ = uses(64.0, op)
    bits = {(use.level, use.port): use.bits for use in found}
    elements = op.elements("inputs") + op.elements("weights") + op.elements("outputs")
    assert sum(count for (level, _), count in bits.items() if level == "dram") == 8 * elements


def test_an_operand_with_bandwidth_of_its_own_has_a_port_of_its_own() -> None:
    found, _ = uses(64.0, int8(Op.gemm("x", m=16, n=16, k=8)), own=128.0)
    ports = {use.port: use for use in found if use.level == "sram"}
    assert set(ports) == {"weights", "read", "write"}
    assert ports["weights"].bits_per_cycle == 128.0


def test_ports_without_a_limit_are_left_out() -> None:
    found, _ = uses(float("inf"), int8(Op.gemm("x", m=16, n=16, k=8)))
    assert {use.level for use in found} == {"sram"}
