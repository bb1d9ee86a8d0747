"""Engines that make use of their data: time, energy, storage and warnings follow from what they answer."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from archsim.arch.accelerator import Accelerator
from archsim.arch.engines.base import SpatialAxis
from archsim.arch.engines.data import DataRate, OperandData, OperandName
from archsim.arch.engines.spatial import SpatialEngine
from archsim.arch.formats import format
from archsim.sim.conventions import counting
from archsim.sim.cost import Costing, cost_mapping
from archsim.sim.infeasible import tensor_bits
from archsim.sim.mapping import Loop, Mapping
from archsim.sim.problem import build_problem
from archsim.sim.records import OpCost
from archsim.sim.schedule import OpPlacement, signature
from archsim.sim.totals import figure_warnings, peak_memory_bytes, trace_cost
from archsim.workloads.op import Op
from archsim.workloads.trace import Trace
from tests.sim.builders import INT32, UNIT, accelerator, dram, int8, spatial, sram

AXIS = SpatialAxis(name="row", size=4, gemm_dims=("n",), conv_dims=("k",), multicast=frozenset({"inputs"}))
IDLE = 0.2
GEMM = int8(Op.gemm("a", m=8, n=8, k=16))
HALF = replace(GEMM, weights=replace(GEMM.weights, sparsity="random:0.5"))


@dataclass(frozen=True, kw_only=True)
class WeightSkipper(SpatialEngine):
    """Skips three quarters of the zero weights, gates the rest, and stores non-zeros with a bit each."""

    def data_rate(self, weights: OperandData, inputs: OperandData) -> DataRate:
        zeros = 1.0 - weights.density
        return DataRate(
            macs_per_unit_cycle=1.0 / (1.0 - 0.75 * zeros),
            executed=weights.density,
            gated=0.25 * zeros,
            exploited=frozenset({"weights"}),
            estimates=("estimate: lanes never wait",) if zeros else (),
        )

    def stored_bits(self, operand: OperandName, data: OperandData) -> float:
        dense = super().stored_bits(operand, data)
        return dense if operand != "weights" or not data.sparse else data.density * dense + 1.0


CHIP = replace(accelerator(WeightSkipper(axes=(AXIS,), unit=UNIT), dram(16.0), sram()), idle_energy_fraction=IDLE)
PLAIN = replace(accelerator(spatial(AXIS), dram(16.0), sram()), idle_energy_fraction=IDLE)

MAPPING = Mapping(
    dataflow="spatial",
    loops=(Loop("m", 8), Loop("n", 2), Loop("k", 16), Loop("n", 4, axis="row")),
    tiles={"dram": {"inputs": 0, "weights": 0, "outputs": 0}, "sram": {"inputs": 0, "weights": 0, "outputs": 0}},
)


def costed(op: Op, chip: Accelerator = CHIP) -> OpCost:
    problem = build_problem(op, chip, chip.engine.dataflows[0], counting(), INT32)
    return cost_mapping(problem, MAPPING, Costing.of(chip, problem, INT32, counting()))


def test_dense_data_costs_what_an_engine_costs_that_knows_nothing_of_data() -> None:
    assert costed(GEMM) == costed(GEMM, PLAIN)


def test_compute_time_and_energy_of_macs_follow_the_data() -> None:
    cost, dense = costed(HALF), costed(GEMM)
    assert cost.compute_cycles == pytest.approx(dense.compute_cycles * (1 - 0.75 * 0.5), abs=1)
    share = 0.5 + 0.25 * 0.5 * IDLE
    assert cost.energy_j["mac"] == pytest.approx(dense.energy_j["mac"] * share)


def test_memories_hold_and_move_what_is_stored() -> None:
    cost, dense = costed(HALF), costed(GEMM)
    assert dense.dram_bytes - cost.dram_bytes == pytest.approx(8 * 16 * (1.0 - (0.5 + 1 / 8)))
    bits = tensor_bits(HALF, CHIP.memories[0], CHIP.engine)
    assert bits["weights"] == 8 * 16 * 5.0
    assert tensor_bits(HALF, CHIP.memories[0])["weights"] == 8 * 16 * 8.0
    trace = Trace(name="t", ops=(HALF,), parameters=128)
    saved = peak_memory_bytes(trace) - peak_memory_bytes(trace, CHIP.engine)
    assert saved == 128 * (8.0 - 5.0) / 8


def test_assumptions_are_listed_and_zeros_that_are_used_are_not_warned_of() -> None:
    trace = Trace(name="t", ops=(HALF,), parameters=128)
    used, ignored = (trace_cost(trace, chip, [OpPlacement()], [costed(HALF, chip)], INT32) for chip in (CHIP, PLAIN))
    assert "estimate: lanes never wait" in used.estimates
    assert not used.warnings
    assert ignored.warnings == (
        "a spatial array does not exploit sparsity: 1 ops, such as a, are computed and stored dense",
    )


def test_ops_with_counted_tensors_are_alike_only_where_they_share_them() -> None:
    first, second = (replace(GEMM, name=name, stats="s.parquet") for name in ("a", "b"))
    assert signature(first) != signature(second)
    assert signature(first) == signature(replace(first, name="decode1.a"))
    assert signature(GEMM) == signature(replace(GEMM, name="b"))


def test_floats_on_pes_whose_figures_are_for_integers_are_told() -> None:
    floats = replace(GEMM, inputs=replace(GEMM.inputs, format=format("fp16")))
    stated = replace(PLAIN, integer_figures=True)
    assert figure_warnings(Trace(name="t", ops=(GEMM,), parameters=0), stated) == []
    assert figure_warnings(Trace(name="t", ops=(floats,), parameters=0), PLAIN) == []
    (warning,) = figure_warnings(Trace(name="t", ops=(GEMM, floats), parameters=0), stated)
    assert "are for integers: fp16" in warning


def test_looked_up_values_on_pes_whose_figures_are_for_integers_are_told() -> None:
    looked_up = replace(GEMM, weights=replace(GEMM.weights, format=format("nf4")))
    trace = Trace(name="t", ops=(looked_up,), parameters=0)
    (warning,) = figure_warnings(trace, replace(PLAIN, integer_figures=True))
    assert "are for integers: nf4 would need tables" in warning


def test_sums_take_at_least_the_bits_of_the_results_that_they_become() -> None:
    chip = accelerator(spatial(AXIS), dram(), sram(8192.0))
    flow = chip.engine.dataflows[0]
    for accumulator, bits in (("int4", 8.0), ("int8", 8.0), ("int32", 32.0)):
        problem = build_problem(GEMM, chip, flow, counting(), format(accumulator))
        assert problem.bits.tolist() == [8.0, 8.0, 8.0, bits]
        assert problem.machine.stored_bits[1].tolist() == [8.0, 8.0, 8.0, bits]
