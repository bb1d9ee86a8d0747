"""A mapping that is best with a whole level serves the tensors it leaves room for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.mappers.search import MapperSettings, best_mapping
from archsim.sim.conventions import counting
from archsim.sim.cost import run_kernel
from archsim.sim.problem import build_problem
from archsim.sim.records import OpCost, Room
from archsim.sim.room import best_beside, room_left
from archsim.workloads.op import Op
from tests.sim.builders import INT32, accelerator, dram, int8, sram, systolic

CHIP = accelerator(systolic(8, 8, ("ws", "os")), dram(16.0), sram(4 * 8192.0, 128.0))
GEMM = int8(Op.gemm("x", m=48, n=64, k=72))


def searched(reserved_bits: float) -> OpCost | None:
    return best_mapping(GEMM, CHIP, MapperSettings(), counting(), INT32, reserved_bits=reserved_bits)


@given(st.floats(0.0, 4 * 8192.0))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_what_a_mapping_leaves_is_what_it_fits_beside(reserved_bits: float) -> None:
    alone = searched(0.0)
    assert alone is not None
    assert alone.room is not None
    assert alone.mapping is not None
    flow = next(flow for flow in CHIP.engine.dataflows if flow.name == alone.mapping.dataflow)
    exact = alone.room.capacity_bits - alone.room.needed_bits
    for bits in (reserved_bits, exact, exact + 1.0):
        beside = build_problem(GEMM, CHIP, flow, counting(), INT32, reserved_bits=bits)
        assert alone.room.leaves(bits) == run_kernel(beside, alone.mapping).fits


def test_without_a_level_for_others_nothing_is_taken_of_any() -> None:
    assert Room().leaves(1e300)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9, 0.99])
def test_it_is_as_good_as_what_a_search_beside_the_tensors_finds(share: float) -> None:
    bits = share * 4 * 8192.0
    asked: list[float] = []

    def found(reserved_bits: float) -> OpCost | None:
        asked.append(reserved_bits)
        return searched(reserved_bits)

    best, own = best_beside(found, room_left, bits), searched(bits)
    assert (best is None) == (own is None)
    if best is not None and own is not None:
        assert best.cycles * best.total_energy_j == pytest.approx(own.cycles * own.total_energy_j, rel=1e-12)
    alone = searched(0.0)
    assert alone is not None
    assert alone.room is not None
    assert asked == ([0.0] if bits == 0.0 or alone.room.leaves(bits) else [0.0, bits])


def test_what_no_level_holds_is_searched_for_once() -> None:
    asked: list[float] = []

    def nothing(reserved_bits: float) -> OpCost | None:
        asked.append(reserved_bits)
        return None

    assert best_beside(nothing, room_left, 8.0) is None
    assert asked == [0.0]


def test_a_cost_that_does_not_say_what_it_leaves_is_searched_again() -> None:
    asked: list[float] = []

    def found(reserved_bits: float) -> str:
        asked.append(reserved_bits)
        return "cost"

    assert best_beside(found, lambda _: None, 8.0) == "cost"
    assert asked == [0.0, 8.0]


def test_beside_tensors_that_fill_a_level_only_what_passes_it_by_fits() -> None:
    full = 4 * 8192.0
    assert searched(full) is None
    assert searched(full + 1.0) is None
    open_level = replace(sram(full, 128.0), bypass=frozenset({"inputs", "weights", "outputs"}))
    chip = accelerator(systolic(8, 8, ("ws", "os")), dram(16.0), open_level)
    beside = best_mapping(GEMM, chip, MapperSettings(), counting(), INT32, reserved_bits=full)
    assert beside is not None
    assert beside.mapping is not None
    assert not beside.mapping.tiles.get("sram")
