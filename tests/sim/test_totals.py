"""What only the whole trace says: sums, footprint, serving times, merged rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from archsim.arch.formats import format
from archsim.mappers.search import MapperSettings, best_mapping
from archsim.sim.conventions import counting
from archsim.sim.layers import layer_rows
from archsim.sim.records import OpCost, TraceCost
from archsim.sim.schedule import OpPlacement
from archsim.sim.totals import decode_steps, peak_macs, peak_memory_bytes, trace_cost
from archsim.sim.vector import vector_cost
from archsim.workloads.models import model
from archsim.workloads.op import AnyOp, Op, Role, VectorOp
from archsim.workloads.trace import Trace
from tests.sim.builders import INT8, INT32, accelerator, dram, int8, sram, systolic

CHIP = accelerator(systolic(), dram(64.0), sram(2.0**20, 1024.0))


def vector(name: str, elements: int, **options: object) -> VectorOp:
    return VectorOp(name=name, kind="softmax", elements=elements, format=INT8, input_format=INT8, **options)  # type: ignore[arg-type]


def costed(op: AnyOp) -> OpCost:
    if isinstance(op, VectorOp):
        return vector_cost(op, CHIP, counting())
    assert isinstance(op, Op)
    cost = best_mapping(op, CHIP, MapperSettings(), counting(), INT32)
    assert cost is not None
    return cost


def totals(ops: Sequence[AnyOp], **trace: int) -> TraceCost:
    placements = [OpPlacement() for _ in ops]
    whole = Trace(name="t", ops=tuple(ops), **{"parameters": 0, **trace})  # type: ignore[arg-type]
    return trace_cost(whole, CHIP, placements, [costed(op) for op in ops], INT32)


def gemm(name: str, **options: object) -> Op:
    return int8(Op.gemm(name, m=16, n=24, k=32, **options))  # type: ignore[arg-type]


OPS = (gemm("layers.0.a", count=3), vector("layers.0.s", 640), gemm("layers.1.a", count=2), vector("layers.1.s", 640))


def test_totals_are_counts_times_layers() -> None:
    result = totals(OPS)
    costs = [costed(op) for op in OPS]
    pairs = list(zip(OPS, costs, strict=True))
    assert result.cycles == sum(cost.cycles * op.count for op, cost in pairs)
    assert result.latency_s == result.cycles / CHIP.clock_hz
    assert result.macs == 5 * 16 * 24 * 32
    assert result.dram_bytes == sum(cost.dram_bytes * op.count for op, cost in pairs)
    assert sum(value or 0.0 for value in result.energy_j.values()) == pytest.approx(
        sum(cost.total_energy_j * op.count for op, cost in pairs)
    )
    assert result.utilization == pytest.approx(result.macs / (64 * result.cycles))
    assert sum(layer.count * layer.cost.cycles for layer in result.layers) == result.cycles


def test_vector_operations_take_time_at_the_mean_peak_of_the_products() -> None:
    fast, slow = OPS[0], replace(OPS[0], weights=replace(OPS[0].weights, format=format("fp16")))
    rated = replace(CHIP, engine=replace(CHIP.engine, unit=replace(CHIP.engine.unit, rates={"int8": 4.0})))
    ops, macs = (fast, slow, OPS[1]), (1000, 3000, 0)
    peaks = peak_macs(ops, macs, rated)
    assert peaks[0] > peaks[1]
    assert peaks[2] == pytest.approx(4000 / (1000 / peaks[0] + 3000 / peaks[1]))
    assert peak_macs([OPS[1]], [0], rated) == [rated.units]


def test_area_is_pes_memories_and_lanes() -> None:
    area = totals(OPS).area_mm2
    assert area == pytest.approx({"mac": 64e-3, "dram": None, "sram": 0.5, "vector": 16 * 500e-6, "network": None})


def test_equal_ops_of_blocks_are_one_row_and_others_are_not() -> None:
    names = [(layer.name, layer.count) for layer in totals(OPS).layers]
    assert names == [("layers.0-1.a", 5), ("layers.0-1.s", 2)]
    other = (*OPS, gemm("layers.2.b"), vector("layers.3.s", 641))
    assert [layer.name for layer in totals(other).layers] == [
        "layers.0-1.a",
        "layers.0-1.s",
        "layers.2.b",
        "layers.3.s",
    ]


def test_equal_ops_in_different_places_keep_their_rows() -> None:
    ops = OPS[::2]
    places = [OpPlacement(), OpPlacement(outputs=True)]
    rows = layer_rows(ops, places, [costed(op) for op in ops])
    assert [row.name for row in rows] == ["layers.0.a", "layers.1.a"]


def test_a_generation_is_a_prefill_and_steps() -> None:
    ops = (
        gemm("lm_head", phase="prefill"),
        gemm("decode1.lm_head", phase="decode", count=3),
        gemm("decode2.lm_head", phase="decode", count=4),
    )
    one = costed(ops[0]).latency_s
    result = totals(ops, output_tokens=8, batch=2)
    assert (result.ttft_s, result.tpot_s) == (pytest.approx(one), pytest.approx(one))
    assert result.throughput_per_s == pytest.approx(2 * 8 / (8 * one))
    assert result.latency_s == pytest.approx((result.ttft_s or 0) + 7 * (result.tpot_s or 0))


def test_a_forward_pass_has_no_serving_times_but_a_throughput() -> None:
    result = totals(OPS, batch=4)
    assert (result.ttft_s, result.tpot_s) == (None, None)
    assert result.throughput_per_s == pytest.approx(4 / result.latency_s)


@pytest.mark.parametrize("tokens", [2, 5, 33])
def test_decode_steps_of_a_model_are_its_tokens_but_the_first(tokens: int) -> None:
    trace = model("opt-1.3b", phase="generate", context=64, output_tokens=tokens)
    assert decode_steps(trace) == tokens - 1


@pytest.mark.parametrize(("phases", "tokens", "steps"), [("d", 0, 1), ("d", 8, 8), ("pd", 8, 7), ("p", 8, 0)])
def test_decode_steps_do_not_hang_on_what_ops_are_called(phases: str, tokens: int, steps: int) -> None:
    ops = tuple(
        int8(Op.gemm(f"any{i}", m=1, n=4, k=4, phase="decode" if letter == "d" else "prefill"))
        for i, letter in enumerate(phases)
    )
    assert decode_steps(Trace(name="t", ops=ops, parameters=0, output_tokens=tokens)) == steps


def test_peak_memory_is_weights_cache_and_the_largest_op() -> None:
    product = int8(Op.gemm("qk", m=4, n=100, k=8, weight_role=Role.KV))
    largest = int8(Op.gemm("a", m=1000, n=4, k=8))
    trace = Trace(name="t", ops=(product, largest), parameters=5000, kv_elements_per_token=16, kv_tokens=100)
    assert peak_memory_bytes(trace) == 5000 + 1600 + 1000 * (4 + 8)


def test_what_the_dram_cannot_hold_is_said() -> None:
    machine = replace(CHIP, memories=(replace(dram(64.0), capacity_bits=8.0 * 1023), sram(2.0**20, 1024.0)))
    trace = Trace(name="net", ops=OPS, parameters=0)
    costs = [costed(op) for op in OPS]
    assert totals(OPS).warnings == ()
    (warning,) = trace_cost(trace, machine, [OpPlacement()] * len(OPS), costs, INT32).warnings
    assert warning.startswith("net needs 0.00 GiB, more than dram holds")
