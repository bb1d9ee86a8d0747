"""Laws that hold whatever the numbers: bounds, monotony, conservation, determinism."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.arch.accelerator import Accelerator
from archsim.arch.engines.base import SpatialAxis
from archsim.arch.formats import format
from archsim.core.errors import InfeasibleError
from archsim.mappers.search import MapperSettings, best_mapping, score
from archsim.sim.conventions import counting
from archsim.sim.records import OpCost
from archsim.workloads.op import Op
from tests.sim.builders import INT32, accelerator, dram, int8, spatial, sram, systolic

OBJECTIVES = ("latency", "energy", "edp")
FLOWS = ("os", "ws", "is")
KIB = 8192.0


@pytest.mark.parametrize("flow", FLOWS)
def test_a_larger_array_is_no_worse_beside_a_small_memory(flow: str) -> None:
    """Passes fill a part of it where more would leave no room: only filling and draining it takes longer."""
    op, last = int8(Op.gemm("x", m=64, n=64, k=64)), math.inf
    for side in (4, 8, 16, 32, 64):
        memories = dram(64.0), sram(KIB, 64.0)
        engine = systolic(side, side, (flow,), fold_overlap=True, weight_double_buffer=True)
        cost = best(op, accelerator(engine, *memories), "latency", (flow,))
        assert cost.cycles <= last + 4 * side
        last = cost.cycles


def best(op: Op, chip: Accelerator, objective: str = "edp", dataflows: tuple[str, ...] = ()) -> OpCost:
    cost = best_mapping(op, chip, MapperSettings(objective=objective, dataflows=dataflows), counting(), INT32)
    assert cost is not None
    return cost


@st.composite
def ops(draw: st.DrawFn) -> Op:
    if draw(st.booleans()):
        m, n, k = (draw(st.integers(1, 300)) for _ in range(3))
        return int8(Op.gemm("x", m=m, n=n, k=k, b=draw(st.integers(1, 3))))
    groups = draw(st.sampled_from([1, 1, 2]))
    if draw(st.integers(0, 3)) == 0:
        sizes = {dim: draw(st.integers(1, 6)) for dim in "dpq"} | {dim: draw(st.integers(1, 3)) for dim in "trs"}
        return int8(Op.conv3d("x", k=groups * draw(st.integers(1, 12)), c=groups * 4, groups=groups, **sizes))
    return int8(
        Op.conv(
            "x",
            n=draw(st.integers(1, 2)),
            k=groups * draw(st.integers(1, 24)),
            c=groups * draw(st.integers(1, 24)),
            p=draw(st.integers(1, 20)),
            q=draw(st.integers(1, 20)),
            r=draw(st.integers(1, 3)),
            s=draw(st.integers(1, 3)),
            stride_h=draw(st.integers(1, 2)),
            groups=groups,
        )
    )


def chip(bandwidth: float = 128.0, capacity: float = 64 * KIB, *, engine_kind: str = "systolic") -> Accelerator:
    if engine_kind == "systolic":
        engine = systolic(8, 16, FLOWS)
        return accelerator(engine, dram(bandwidth), sram(capacity, 4 * bandwidth))
    axes = (
        SpatialAxis(name="x", size=8, gemm_dims=("n",), conv_dims=("k",), multicast=frozenset({"inputs"})),
        SpatialAxis(name="y", size=8, gemm_dims=("k",), conv_dims=("c",), reduce=frozenset({"outputs"})),
    )
    return accelerator(spatial(*axes), dram(bandwidth), sram(capacity, 16 * bandwidth))


kinds = st.sampled_from(["systolic", "spatial"])


@given(ops(), kinds)
@settings(max_examples=30, deadline=None, derandomize=True)
def test_a_single_memory_feeds_the_whole_op(op: Op, kind: str) -> None:
    """With one level there is nothing to tile: all of the op must still run."""
    machine = chip(engine_kind=kind)
    cost = best(op, replace(machine, memories=machine.memories[:1]))
    compulsory = sum(op.elements(name) for name in ("inputs", "weights", "outputs"))
    assert cost.compute_cycles >= op.macs / machine.units
    assert cost.dram_bytes >= compulsory * (1 - 1e-12)
    assert cost.mapping_utilization is not None
    assert cost.mapping_utilization <= 1


@given(ops(), kinds)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_cycles_and_bytes_respect_every_bound(op: Op, kind: str) -> None:
    machine = chip(engine_kind=kind)
    cost = best(op, machine)
    compulsory = sum(op.elements(name) for name in ("inputs", "weights", "outputs"))
    assert cost.macs == op.macs == math.prod(op.loops.values())
    assert cost.compute_cycles >= op.macs / machine.units
    assert cost.cycles >= cost.dram_bytes * 8 / 128.0
    assert cost.dram_bytes >= compulsory * (1 - 1e-12)
    assert cost.cycles == cost.compute_cycles + cost.stall_cycles
    assert sum(stall.cycles for stall in cost.stalls) == cost.stall_cycles
    assert cost.utilization is not None
    assert 0 < cost.utilization <= (cost.compute_utilization or 0) + 1e-12
    assert (cost.compute_utilization or 0) <= (cost.mapping_utilization or 0) + 1e-9 <= 1 + 2e-9
    assert cost.total_energy_j == pytest.approx(sum(cost.energy_j.values()))
    traffic_j = sum(row.energy_j for row in cost.traffic)
    assert traffic_j == pytest.approx(cost.energy_j["dram"] + cost.energy_j["sram"])


@pytest.mark.parametrize("kind", ["systolic", "spatial"])
@pytest.mark.parametrize("depth", ["dt", "pr", "qs"])
def test_a_3d_conv_that_slides_along_two_axes_costs_what_the_2d_one_does(kind: str, depth: str) -> None:
    """Whichever axis has one output and one tap."""
    sizes = dict.fromkeys("dpq", 6) | dict.fromkeys("trs", 3) | dict.fromkeys(depth, 1)
    flat = int8(Op.conv("x", k=20, c=6, p=6, q=6, r=3, s=3))
    deep = int8(Op.conv3d("x", k=20, c=6, **sizes))
    costs = [best(op, chip(engine_kind=kind)) for op in (flat, deep)]
    assert costs[0].cycles == costs[1].cycles
    assert costs[0].total_energy_j == pytest.approx(costs[1].total_energy_j)


@given(ops(), kinds, st.sampled_from([1.5, 2.0, 8.0]))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_more_bandwidth_is_never_slower(op: Op, kind: str, factor: float) -> None:
    slow, fast = chip(engine_kind=kind), chip(128.0 * factor, engine_kind=kind)
    assert best(op, fast, "latency").cycles <= best(op, slow, "latency").cycles


@given(ops(), kinds, st.sampled_from(OBJECTIVES), st.sampled_from([1.25, 2.0, 16.0]))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_more_capacity_never_worsens_the_objective(op: Op, kind: str, objective: str, factor: float) -> None:
    wanted = MapperSettings(objective=objective)
    small, large = chip(engine_kind=kind), chip(capacity=64 * KIB * factor, engine_kind=kind)
    assert score(best(op, large, objective), wanted) <= score(best(op, small, objective), wanted) * (1 + 1e-12)


@given(ops(), st.sampled_from(OBJECTIVES), st.sampled_from(FLOWS))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_more_dataflows_never_worsen_the_objective(op: Op, objective: str, only: str) -> None:
    wanted = MapperSettings(objective=objective)
    free, bound = best(op, chip(), objective), best(op, chip(), objective, (only,))
    assert score(free, wanted) <= score(bound, wanted)


@given(ops(), st.sampled_from(["int4", "int2"]))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_narrower_weights_are_never_slower(op: Op, narrow: str) -> None:
    int8_ = format("int8")
    thin = op.with_formats(inputs=int8_, weights=format(narrow), outputs=int8_)
    assert best(thin, chip(), "latency").cycles <= best(op, chip(), "latency").cycles


@given(ops(), st.sampled_from([2, 3, 4]))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_more_pes_on_an_axis_are_never_slower(op: Op, factor: int) -> None:
    def machine(size: int) -> Accelerator:
        axis = SpatialAxis(name="x", size=size, gemm_dims=("n",), conv_dims=("k",), multicast=frozenset({"inputs"}))
        return accelerator(spatial(axis), dram(), sram(64 * KIB))

    assert best(op, machine(4 * factor), "latency").cycles <= best(op, machine(4), "latency").cycles


@given(ops(), kinds)
@settings(max_examples=20, deadline=None, derandomize=True)
def test_the_same_input_gives_the_same_output_to_the_bit(op: Op, kind: str) -> None:
    assert best(op, chip(engine_kind=kind)) == best(op, chip(engine_kind=kind))


@pytest.mark.parametrize("factor", [2, 4])
def test_memory_bound_decode_follows_bandwidth_and_bits(factor: int) -> None:
    """A GEMV's time is its weights' bits over the bandwidth, but for the first tile and the last compute."""
    op = int8(Op.gemm("x", m=1, n=4096, k=4096))

    def machine(bandwidth: float) -> Accelerator:
        return accelerator(systolic(32, 32, ("os",)), dram(bandwidth), sram(1024 * KIB))

    base = best(op, machine(64.0), "latency")
    assert base.bound == "dram"
    slower = best(op, machine(64.0 / factor), "latency")
    assert slower.cycles / base.cycles == pytest.approx(factor, rel=0.02)
    narrow = op.with_formats(inputs=format("int8"), weights=format(f"int{8 // factor}"), outputs=format("int8"))
    assert base.cycles / best(narrow, machine(64.0), "latency").cycles == pytest.approx(factor, rel=0.05)


def test_nothing_that_fits_means_no_mapping() -> None:
    op = int8(Op.gemm("x", m=64, n=64, k=64))
    tiny = accelerator(systolic(8, 8, ("ws",)), dram(), sram(16.0))
    assert best_mapping(op, tiny, MapperSettings(), counting(), INT32) is None


def test_dataflows_outside_the_hardware_are_refused() -> None:
    op = int8(Op.gemm("x", m=8, n=8, k=8))
    with pytest.raises(InfeasibleError, match="have none in common"):
        best_mapping(op, accelerator(systolic()), MapperSettings(dataflows=("os",)), counting(), INT32)


def test_without_double_buffering_loads_and_compute_do_not_overlap() -> None:
    op = int8(Op.gemm("x", m=256, n=256, k=256))
    single = replace(sram(64 * KIB), double_buffer=False)
    serial = best(op, accelerator(systolic(8, 8, ("ws",)), dram(64.0), single), "latency")
    assert {stall.cause for stall in serial.stalls} == {"unbuffered"}
    assert serial.cycles >= serial.compute_cycles + serial.dram_bytes * 8 / 64.0 - 1
