"""The cycle simulator in the closed form's place: same work, tile by tile."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.arch.engines.base import SpatialAxis
from archsim.arch.engines.bit_composable import ComposableEngine
from archsim.arch.formats import format
from archsim.core.errors import InputError
from archsim.mappers.search import MapperSettings, best_mapping
from archsim.sim.conventions import counting
from archsim.sim.fidelity import array_tiles, check_cycle_fidelity, cycle_cost
from archsim.workloads.op import Op
from tests.sim.builders import INT8, INT32, accelerator, dram, int8, spatial, sram, systolic


@given(
    st.sampled_from(["os", "ws", "is"]),
    st.tuples(*[st.integers(1, 60)] * 3),
    st.integers(1, 3),
    st.booleans(),
    st.sampled_from([1024.0, 4096.0, 65536.0]),
)
@settings(max_examples=60, derandomize=True)
def test_without_overlap_the_simulator_takes_the_closed_forms_cycles(
    dataflow: str, sizes: tuple[int, int, int], batch: int, double: bool, capacity: float
) -> None:
    """Also for mappings of several array tiles, whose passes then stand apart."""
    m, n, k = sizes
    double = double and dataflow == "os"
    op = int8(Op.gemm("x", m=m, n=n, k=k, b=batch))
    machine = accelerator(systolic(4, 4, (dataflow,), weight_double_buffer=double), dram(64.0), sram(capacity * 8))
    cost = best_mapping(op, machine, MapperSettings(), counting(), INT32)
    assert cost is not None
    simulated = cycle_cost(op, machine, cost)
    assert simulated.compute_cycles == cost.compute_cycles
    assert simulated.cycles == cost.cycles
    assert simulated.energy_j == pytest.approx(dict(cost.energy_j))
    assert sum(times * a * b * c for (a, b, c), times in array_tiles(op, cost.mapping).items()) == op.macs


@given(
    st.sampled_from(["os", "ws", "is"]),
    st.tuples(*[st.integers(1, 60)] * 3),
    st.integers(1, 3),
    st.booleans(),
    st.sampled_from([512.0, 1024.0, 65536.0]),
)
@settings(max_examples=60, derandomize=True)
def test_where_folds_overlap_single_tiles_take_at_most_their_drain_longer(
    dataflow: str, sizes: tuple[int, int, int], batch: int, double: bool, capacity: float
) -> None:
    """The bound that docs/cycle-simulation.md states: 3R + C for each tile but the last."""
    m, n, k = sizes
    op = int8(Op.gemm("x", m=m, n=n, k=k, b=batch))
    engine = systolic(4, 5, (dataflow,), fold_overlap=True, weight_double_buffer=double)
    machine = accelerator(engine, dram(64.0), sram(capacity * 8))
    cost = best_mapping(op, machine, MapperSettings(), counting(), INT32)
    assert cost is not None
    assert cost.mapping is not None
    tiles = sum(array_tiles(op, cost.mapping).values())
    simulated = cycle_cost(op, machine, cost).compute_cycles
    assert cost.compute_cycles <= simulated <= cost.compute_cycles + (tiles - 1) * (3 * 4 + 5)


@pytest.mark.parametrize(
    "conv",
    [
        Op.conv("x", k=6, c=4, p=5, q=5, r=3, s=3, groups=2),
        Op.conv3d("x", k=6, c=4, d=3, p=4, q=3, t=2, r=3, s=3, groups=2),
    ],
)
def test_a_conv_is_simulated_as_the_gemm_it_flattens_to(conv: Op) -> None:
    op = int8(conv)
    machine = accelerator(systolic(4, 4, ("ws",)), dram(64.0), sram(65536.0))
    cost = best_mapping(op, machine, MapperSettings(), counting(), INT32)
    assert cost is not None
    assert cycle_cost(op, machine, cost).compute_cycles == cost.compute_cycles


@pytest.mark.parametrize("dataflow", ["os", "ws", "is"])
@pytest.mark.parametrize(("weights", "inputs"), [("int4", "int8"), ("int4", "int4"), ("int8", "int2")])
def test_composed_units_are_simulated_as_the_larger_array_that_they_make(
    dataflow: str, weights: str, inputs: str
) -> None:
    op = Op.gemm("x", m=37, n=41, k=29)
    op = op.with_formats(inputs=format(inputs), weights=format(weights), outputs=format("int8"))
    engine = ComposableEngine(array=systolic(4, 5, (dataflow,)), unit_bits=8, brick_bits=4)
    machine = accelerator(engine, dram(64.0), sram(65536.0))
    cost = best_mapping(op, machine, MapperSettings(), counting(), INT32)
    assert cost is not None
    assert cycle_cost(op, machine, cost).compute_cycles == cost.compute_cycles


def test_operands_wider_than_a_unit_are_not_simulated() -> None:
    op = Op.gemm("x", m=8, n=8, k=8).with_formats(inputs=INT8, weights=format("int16"), outputs=INT8)
    engine = ComposableEngine(array=systolic(4, 4, ("os",)), unit_bits=8, brick_bits=4)
    machine = accelerator(engine, dram(64.0), sram(65536.0))
    cost = best_mapping(op, machine, MapperSettings(), counting(), INT32)
    assert cost is not None
    with pytest.raises(InputError, match="'x' has wider ones"):
        cycle_cost(op, machine, cost)


@pytest.mark.parametrize(("kind", "command"), [("bit-serial", "archsim bits"), ("sparse", "archsim zeros")])
def test_who_cannot_be_simulated_learns_what_plays_the_operands(kind: str, command: str) -> None:
    engine = spatial(SpatialAxis(name="x", size=4, gemm_dims=("n",), conv_dims=("k",)))
    with pytest.raises(InputError) as caught:
        check_cycle_fidelity(replace(accelerator(engine), kind=kind), counting())
    assert command in str(caught.value)


def test_what_the_simulator_cannot_play_is_refused_with_every_reason() -> None:
    engine = spatial(SpatialAxis(name="x", size=4, gemm_dims=("n",), conv_dims=("k",)))
    with pytest.raises(InputError) as caught:
        check_cycle_fidelity(accelerator(engine), counting("scale-sim"))
    assert [problem.key for problem in caught.value.problems] == ["simulation.fidelity"] * 2
    check_cycle_fidelity(accelerator(systolic()), counting())
