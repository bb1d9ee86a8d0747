"""What `occupancy` says a level needs is exactly what the kernel that decides whether it fits demands."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.arch.accelerator import Accelerator
from archsim.arch.engines.base import SpatialAxis
from archsim.mappers.search import MapperSettings, best_mapping
from archsim.sim.conventions import counting
from archsim.sim.cost import run_kernel
from archsim.sim.mapping import Loop, Mapping
from archsim.sim.occupancy import Occupancy, occupancy
from archsim.sim.problem import Problem, build_problem
from archsim.workloads.op import Op
from tests.sim.builders import INT32, accelerator, dram, int8, spatial, sram, systolic

KIB = 8192.0


def machine(kind: str, *, reduce: bool = True) -> Accelerator:
    outer, inner = sram(1e12), replace(sram(1e12, double_buffer=False), name="buf")
    if kind != "spatial":
        return accelerator(systolic(8, 16, (kind,)), dram(), outer, inner)
    sums = frozenset({"outputs"} if reduce else ())
    axes = (
        SpatialAxis(name="x", size=64, gemm_dims=("n",), conv_dims=("k",), multicast=frozenset({"inputs"})),
        SpatialAxis(name="y", size=64, gemm_dims=("k",), conv_dims=("c",), reduce=sums),
    )
    return accelerator(spatial(*axes), dram(), outer, inner)


@st.composite
def mappings(draw: st.DrawFn) -> tuple[Accelerator, Op, Mapping]:
    """Any nest over the op with tiles anywhere in it, on three levels."""
    kind = draw(st.sampled_from(["spatial", "spatial", "ws", "os"]))
    chip = machine(kind, reduce=draw(st.booleans()))
    if draw(st.booleans()):
        op = int8(Op.gemm("x", m=draw(st.integers(1, 9)), n=draw(st.integers(1, 9)), k=draw(st.integers(1, 9))))
    else:
        op = int8(Op.conv("x", k=4, c=3, p=draw(st.integers(1, 7)), q=3, r=3, s=2, stride_h=2))
    axes = [None, None, "x", "y"] if kind == "spatial" else [None]
    dims = [dim for dim, size in op.loops.items() if size > 1] or ["m"]
    one = st.builds(Loop, st.sampled_from(dims), st.integers(2, 3), st.sampled_from(axes))
    loops = tuple(draw(st.lists(one, max_size=6)))
    places = [0, *sorted(draw(st.tuples(st.integers(0, len(loops)), st.integers(0, len(loops)))))]
    tiles = {
        name: {operand: place for operand in ("inputs", "weights", "outputs") if name == "dram" or draw(st.booleans())}
        for name, place in zip(("dram", "sram", "buf"), places, strict=True)
    }
    base = {dim: draw(st.integers(1, size)) for dim, size in op.loops.items()} if kind != "spatial" else {}
    return chip, op, Mapping(dataflow=kind, loops=loops, tiles=tiles, array_tile=base)


def fits(chip: Accelerator, op: Op, mapping: Mapping, level: str, capacity_bits: float, convention: str) -> bool:
    memories = tuple(
        replace(memory, capacity_bits=capacity_bits) if memory.name == level else memory for memory in chip.memories
    )
    return run_kernel(problem_of(replace(chip, memories=memories), op, convention), mapping).fits


def problem_of(chip: Accelerator, op: Op, convention: str = "archsim") -> Problem:
    return build_problem(op, chip, chip.engine.dataflows[0], counting(convention), INT32)


CONVENTIONS = ("archsim", "accelforge", "timeloop", "zigzag")


@given(mappings(), st.sampled_from(CONVENTIONS))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_the_need_is_the_least_capacity_with_which_a_mapping_fits(
    drawn: tuple[Accelerator, Op, Mapping], convention: str
) -> None:
    chip, op, mapping = drawn
    for level in occupancy(problem_of(chip, op, convention), mapping)[1:]:
        assert fits(chip, op, mapping, level.level, level.bits or 1.0, convention)
        if level.bits > 0:
            assert not fits(chip, op, mapping, level.level, level.bits - 0.5, convention)


@pytest.mark.parametrize("kind", ["spatial", "ws", "os"])
def test_the_mappers_choice_fits_by_its_own_account(kind: str) -> None:
    chip = machine(kind)
    limited = replace(chip, memories=(chip.memories[0], replace(chip.memories[1], capacity_bits=16 * KIB)))
    op = int8(Op.gemm("x", m=200, n=100, k=300))
    cost = best_mapping(op, limited, MapperSettings(), counting(), INT32)
    assert cost is not None
    assert cost.mapping is not None
    held: tuple[Occupancy, ...] = occupancy(problem_of(limited, op), cost.mapping)
    assert [level.level for level in held] == ["dram", "sram"]
    assert held[1].excess_bits == 0
    assert held[1].fraction is not None
    assert 0.3 < held[1].fraction <= 1


def test_reserved_bits_count_against_the_first_memory_on_chip() -> None:
    chip = machine("spatial")
    op = int8(Op.gemm("x", m=2, n=2, k=2))
    tiles = {name: {"inputs": 0, "weights": 0, "outputs": 0} for name in ("dram", "sram", "buf")}
    mapping = Mapping(dataflow="spatial", loops=tuple(Loop(dim, 2) for dim in "mnk"), tiles=tiles)
    held = occupancy(problem_of(chip, op), mapping, reserved_bits=1e12)
    assert [level.excess_bits for level in held] == [0.0, held[1].bits, 0.0]
