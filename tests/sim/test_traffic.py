"""The closed form's traffic against a walk over the loop nest."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.arch.engines.base import SpatialAxis
from archsim.sim.conventions import counting
from archsim.sim.cost import Costing, Raw, cost_mapping, run_kernel
from archsim.sim.kernels import FILLS, READS, UPDATES
from archsim.sim.mapping import Loop, Mapping
from archsim.sim.problem import Problem, build_problem
from archsim.workloads.op import OPERANDS, Op
from tests.sim.builders import INT32, accelerator, dram, int8, spatial, sram, systolic
from tests.sim.traffic_twin import fetches

pytestmark = pytest.mark.filterwarnings("error")
ONE_PE = spatial(SpatialAxis(name="x", size=1, gemm_dims=(), conv_dims=()))


def problem_of(op: Op) -> Problem:
    chip = accelerator(ONE_PE, dram(), sram())
    return build_problem(int8(op), chip, ONE_PE.dataflows[0], counting(), INT32)


def run(op: Op, loops: tuple[Loop, ...], above_sram: int) -> Raw:
    tiles = {"dram": dict.fromkeys(OPERANDS, 0), "sram": dict.fromkeys(OPERANDS, above_sram)}
    return run_kernel(problem_of(op), Mapping(dataflow="spatial", loops=loops, tiles=tiles))


@st.composite
def nests(draw: st.DrawFn, sizes: dict[str, int], *, dividing: bool) -> tuple[tuple[Loop, ...], int]:
    """Loops that cover `sizes` in two or three cuts per dimension, shuffled with the cuts' order kept; a position."""
    cuts: list[list[Loop]] = []
    for dim, size in sizes.items():
        options = [f for f in range(1, size + 1) if size % f == 0] if dividing else list(range(1, size + 1))
        inner = draw(st.sampled_from(options))
        cuts.append([Loop(dim, -(-size // inner)), Loop(dim, inner)])
    order = draw(st.permutations([i for i in range(len(cuts)) for _ in range(2)]))
    queues = [list(cut) for cut in cuts]
    loops = tuple(queues[i].pop(0) for i in order)
    return loops, draw(st.integers(0, len(loops)))


GEMM = {"m": 4, "n": 6, "k": 5}


@given(st.data())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_gemm_reads_from_dram_equal_a_walk_when_factors_divide(data: st.DataObject) -> None:
    sizes = {dim: data.draw(st.sampled_from([1, 2, 3, 4, 6])) for dim in GEMM}
    op = Op.gemm("x", **sizes)
    loops, position = data.draw(nests(sizes, dividing=True))
    raw = run(op, loops, position)
    for j, name in enumerate(OPERANDS):
        walked, _ = fetches(op, op.operand(name), loops, position, {})
        if name == "outputs":
            assert raw.traffic[UPDATES, 0, j] == walked
            assert raw.traffic[READS, 0, j] == walked - sizes["m"] * sizes["n"]
        else:
            assert raw.traffic[READS, 0, j] == walked
            assert raw.traffic[FILLS, 1, j] == walked


@given(st.data())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_gemm_traffic_with_edge_tiles_is_at_least_what_a_walk_counts(data: st.DataObject) -> None:
    sizes = {dim: data.draw(st.integers(1, 7)) for dim in GEMM}
    op = Op.gemm("x", **sizes)
    loops, position = data.draw(nests(sizes, dividing=False))
    raw = run(op, loops, position)
    for j, name in enumerate(OPERANDS):
        walked, _ = fetches(op, op.operand(name), loops, position, {})
        counted = raw.traffic[UPDATES if name == "outputs" else READS, 0, j]
        assert counted >= walked
        assert counted >= op.elements(name)


@given(st.data())
@settings(max_examples=80, deadline=None, derandomize=True)
def test_conv_input_traffic_with_halos_equals_a_walk(data: st.DataObject) -> None:
    stride = data.draw(st.integers(1, 2))
    sizes = {"k": 2, "c": 2, "p": data.draw(st.sampled_from([2, 4, 6])), "q": 2, "r": 3, "s": 1}
    op = Op.conv("x", **sizes, stride_h=stride, stride_w=1)
    loops, position = data.draw(nests(sizes, dividing=True))
    whole_filter = all(loop.dim not in "rs" or loop.factor == 1 for loop in loops[:position])
    raw = run(op, loops, position)
    walked, _ = fetches(op, op.inputs, loops, position, {})
    if whole_filter:
        assert raw.traffic[READS, 0, 0] == walked
    else:
        assert raw.traffic[READS, 0, 0] >= walked
    assert raw.traffic[READS, 0, 1] == fetches(op, op.weights, loops, position, {})[0]


@given(st.data())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_3d_conv_input_traffic_with_halos_equals_a_walk(data: st.DataObject) -> None:
    """The third window slides as the other two do."""
    stride = data.draw(st.integers(1, 2))
    sizes = {"k": 2, "c": 2, "d": data.draw(st.sampled_from([2, 4])), "p": 2, "q": 1, "t": 3, "r": 2, "s": 1}
    op = Op.conv3d("x", **sizes, stride_d=stride)
    loops, position = data.draw(nests(sizes, dividing=True))
    whole_filter = all(loop.dim not in "tr" or loop.factor == 1 for loop in loops[:position])
    raw = run(op, loops, position)
    walked, _ = fetches(op, op.inputs, loops, position, {})
    if whole_filter:
        assert raw.traffic[READS, 0, 0] == walked
    else:
        assert raw.traffic[READS, 0, 0] >= walked
    assert raw.traffic[READS, 0, 1] == fetches(op, op.weights, loops, position, {})[0]


def test_every_mac_reads_its_operands_in_a_spatial_engine() -> None:
    op = Op.gemm("x", m=3, n=4, k=5)
    raw = run(op, (Loop("m", 3), Loop("n", 4), Loop("k", 5)), 0)
    assert raw.traffic[READS, 1, 0] == op.macs
    assert raw.traffic[READS, 1, 1] == op.macs
    assert raw.traffic[UPDATES, 1, 2] == op.macs


def test_multicast_reads_once_for_all_units_and_reduction_writes_once() -> None:
    engine = spatial(
        SpatialAxis(name="x", size=4, gemm_dims=("n",), conv_dims=("k",), multicast=frozenset({"inputs"})),
        SpatialAxis(name="y", size=5, gemm_dims=("k",), conv_dims=("c",), reduce=frozenset({"outputs"})),
    )
    op = int8(Op.gemm("x", m=3, n=4, k=5))
    problem = build_problem(op, accelerator(engine), engine.dataflows[0], counting(), INT32)
    tiles = {"dram": dict.fromkeys(OPERANDS, 0), "sram": dict.fromkeys(OPERANDS, 0)}
    loops = (Loop("n", 4, "x"), Loop("k", 5, "y"), Loop("m", 3))
    raw = run_kernel(problem, Mapping(dataflow="spatial", loops=loops, tiles=tiles))
    assert raw.traffic[READS, 1, 0] == 3 * 5
    assert raw.traffic[READS, 1, 1] == 3 * 4 * 5
    assert raw.traffic[UPDATES, 1, 2] == 3 * 4


@pytest.mark.parametrize(
    ("dataflow", "inputs", "weights", "outputs"),
    [
        ("os", 2 * 20 * 30, 3 * 30 * 12, 20 * 12),
        ("ws", 2 * 20 * 30, 30 * 12, 4 * 20 * 12),
        ("is", 20 * 30, 3 * 30 * 12, 4 * 20 * 12),
    ],
)
def test_systolic_sram_traffic_is_one_visit_per_fold(dataflow: str, inputs: int, weights: int, outputs: int) -> None:
    """20 x 12 x 30 on 8 x 8: 3 folds of m, 2 of n, 4 of k."""
    engine = systolic(8, 8, (dataflow,))
    op = int8(Op.gemm("x", m=20, n=12, k=30))
    problem = build_problem(op, accelerator(engine), engine.dataflows[0], counting(), INT32)
    tiles = {"dram": dict.fromkeys(OPERANDS, 0), "sram": dict.fromkeys(OPERANDS, 0)}
    mapping = Mapping(dataflow=dataflow, loops=(), tiles=tiles, array_tile=dict(op.loops))
    raw = run_kernel(problem, mapping)
    assert (raw.traffic[READS, 1, 0], raw.traffic[READS, 1, 1]) == (inputs, weights)
    assert raw.traffic[UPDATES, 1, 2] == outputs
    assert raw.traffic[READS, 1, 2] == (outputs - 20 * 12) + 20 * 12, "read back for accumulation, then drained"


def test_energy_is_the_sum_of_its_parts() -> None:
    engine = systolic(8, 8, ("ws",))
    op = int8(Op.gemm("x", m=20, n=12, k=30))
    chip = accelerator(engine)
    problem = build_problem(op, chip, engine.dataflows[0], counting(), INT32)
    tiles = {"dram": dict.fromkeys(OPERANDS, 0), "sram": dict.fromkeys(OPERANDS, 0)}
    mapping = Mapping(dataflow="ws", loops=(), tiles=tiles, array_tile=dict(op.loops))
    cost = cost_mapping(problem, mapping, Costing.of(chip, problem, INT32, counting()))
    levels = sum(row.energy_j for row in cost.traffic)
    assert cost.energy_j["mac"] == pytest.approx(0.5e-12 * op.macs)
    assert cost.energy_j["dram"] + cost.energy_j["sram"] == pytest.approx(levels)
    assert cost.energy_j["dram"] == pytest.approx(8e-12 * 8 * (20 * 30 + 30 * 12 + 20 * 12))
    assert cost.cycles == cost.compute_cycles + cost.stall_cycles
