"""Mappings that an enumeration counts and costs per CPU second, beside a loop of multiplications in the same run.

Published rates (docs of this comparison: docs/mapper.md): Timeloop's mapper evaluates 700 to 2,850 mappings per CPU
second, ZigZag's 291.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pytest_benchmark")

from archsim.arch.accelerator import Accelerator
from archsim.arch.engines.base import SpatialAxis
from archsim.arch.formats import format
from archsim.arch.memory import UNLIMITED, AccessEnergy, MemoryLevel
from archsim.core.kernels import kernel
from archsim.mappers.enumerate import WholeSpace, enumerate_space
from archsim.mappers.settings import MapperSettings
from archsim.sim.conventions import counting
from archsim.workloads.op import OPERANDS, Op
from tests.sim.builders import accelerator, spatial

WANTED_PER_S = 1e7
FLOPS_A_MAPPING = 100
"""Dependent multiplications and additions that stand for a mapping: some 130 ns where a mapping may take 100."""


def level(name: str, capacity_bits: float, bits_per_cycle: float, pj: float) -> MemoryLevel:
    energy = AccessEnergy(value_pj=pj)
    return MemoryLevel(
        name=name,
        technology="sram",
        capacity_bits=capacity_bits,
        operands=frozenset(OPERANDS),
        per="chip",
        read_bits_per_cycle=bits_per_cycle,
        write_bits_per_cycle=bits_per_cycle,
        double_buffer=name != "dram",
        read_energy=energy,
        write_energy=energy,
        off_chip=name == "dram",
    )


SMALL = (1024.0, 256.0, 64.0)
"""Bits of l2, l1 and rf: one mapping in 24 fits."""
AMPLE = (1e6, 1e6, 1e6)
"""All fit, so that each is costed."""


def machine(bits: tuple[float, float, float]) -> Accelerator:
    axis = SpatialAxis(name="x", size=2, gemm_dims=("n",), conv_dims=("k",), multicast=frozenset({"inputs"}))
    return accelerator(
        spatial(axis),
        level("dram", UNLIMITED, 8.0, 64.0),
        level("l2", bits[0], 16.0, 4.0),
        level("l1", bits[1], 32.0, 1.0),
        level("rf", bits[2], 64.0, 0.1),
    )


def gemm(m: int, n: int, k: int) -> Op:
    int8 = format("int8")
    return Op.gemm("gemm", m=m, n=n, k=k).with_formats(inputs=int8, weights=int8, outputs=int8)


def enumerated(op: Op, bits: tuple[float, float, float]) -> WholeSpace:
    settings = MapperSettings(perfect_factors=True)
    return enumerate_space(op, machine(bits), settings, counting("archsim"), format("int16"), limit=10**9)


@kernel
def multiply(turns: int, steps: int) -> float:
    total = 0.0
    for i in range(turns):
        value = 1.0 + i * 1e-9
        for _ in range(steps):
            value = value * 1.0000001 + 1e-9
        total += value
    return total


@pytest.mark.parametrize("bits", [SMALL, AMPLE], ids=["few fit", "all fit"])
def test_mappings_per_second(
    benchmark: Any, finding: Callable[..., None], Row: Any, bits: tuple[float, float, float]
) -> None:
    op = gemm(4, 4, 4)
    enumerated(gemm(2, 2, 2), bits)
    multiply(10, FLOPS_A_MAPPING)
    begin = time.process_time()
    space = benchmark.pedantic(enumerated, (op, bits), rounds=1, iterations=1)
    ours_s = (time.process_time() - begin) / space.mappings
    turns = 1_000_000
    begin = time.process_time()
    assert np.isfinite(multiply(turns, FLOPS_A_MAPPING))
    loop_s = (time.process_time() - begin) / turns
    assert space.mappings > 1e6
    finding(
        Row(
            what="mappings enumerated, counted and costed",
            value=f"{1 / ours_s:.3g} a second",
            against=f"wanted > {WANTED_PER_S:.0e}",
            detail=f"{ours_s / loop_s:.2f} of a loop of {FLOPS_A_MAPPING} dependent multiply-adds; "
            f"{space.mappings:,} mappings, {space.legal:,} legal",
        )
    )
