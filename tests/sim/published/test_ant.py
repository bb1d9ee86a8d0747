"""ANT's search over tilings against a plain loop over them, and its slips."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.api.design import design_from_dict
from archsim.arch.formats import format
from archsim.core.errors import InfeasibleError, InputError
from archsim.sim.published.ant import ANT_2022
from archsim.sim.published.ant_search import Array, Layer, Prices, best_counts
from archsim.sim.records import OpCost
from archsim.workloads.op import Op
from archsim.workloads.trace import Trace

PRICES = Prices(
    core_cycle_pj=3.0,
    buffer_read_pj=(0.5, 0.7, 0.3),
    buffer_write_pj=(0.6, 0.9, 0.4),
    dram_read_pj=5.0,
    dram_write_pj=6.0,
)


def twin(layer: Layer, array: Array) -> tuple[int, int] | None:
    """(total cycles, compute cycles) of the best tiling, from the rules in words, one tiling and order at a time."""
    sizes = (layer.batch, layer.output, layer.input_channels, layer.output_channels)
    found = []
    for tile in itertools.product(*([min(2**n, s) for n in range(math.ceil(math.log2(s)) + 1)] for s in sizes)):
        for order in itertools.permutations(("b", "w", "h", "i", "c")):
            counted = one(layer, array, tile, order)
            if counted is not None:
                found.append(counted)
    return min(found)[0::2] if found else None  # type: ignore[return-value]


def one(layer: Layer, array: Array, tile: tuple[int, ...], order: tuple[str, ...]) -> tuple[int, float, int] | None:
    """(total cycles, energy, compute cycles) of one tiling under one order of the loops, outermost first."""
    b, o, i, c = tile
    up = [
        -(-size // part)
        for size, part in zip(
            (layer.batch, layer.output, layer.input_channels, layer.output_channels), tile, strict=True
        )
    ]
    number = {"b": up[0], "w": up[1], "h": up[1], "i": up[2], "c": up[3]}
    taps, tiles = layer.kernel**2, math.prod(number.values())
    down, across = array.rows * array.more_columns, array.columns * array.more_rows
    bits = [
        -(-taps * i // down) * down * c * layer.weight_bits,
        o * o * -(-taps * i // across) * across * b * layer.input_bits,
        o * o * c * b * array.result_bits,
    ]
    half = [capacity / 2 for capacity in array.buffer_bits]
    if bits[0] > half[0] or bits[1] > half[1]:
        return None
    uses = ("ic", "bwhi", "bwhc")
    moved, kept = list(bits), list(bits)
    for operand in range(3):
        resident = True
        for loop in reversed(order):
            if not resident:
                moved[operand] *= number[loop]
            elif loop in uses[operand]:
                moved[operand] *= number[loop]
                resident = moved[operand] <= half[operand]
                if resident:
                    kept[operand] = 0 if operand == 2 else moved[operand]
    width = int(array.bits_per_cycle)
    if array.weight_stationary:
        cycles = (
            b * o * o * -(-c // (array.columns * array.more_columns)) * -(-taps * i // (array.rows * array.more_rows))
        )
    else:
        cycles = (
            -(-b * o * o // (array.rows * array.more_rows)) * -(-c // (array.columns * array.more_columns)) * taps * i
        )
    compute = tiles * cycles
    latency = -(-(kept[0] + kept[1]) // width) + -(-kept[2] // width)
    stalls = max(0, -(-(sum(moved) - sum(kept)) // width) - compute) + latency
    macs = tiles * b * o * o * c * taps * i
    outputs = tiles * b * o * o * c
    reads = [macs * layer.weight_bits, macs * layer.input_bits, outputs * array.result_bits + moved[2]]
    writes = [moved[0], moved[1], outputs * array.result_bits]
    if array.weight_stationary:
        reads = [tiles * c * taps * i * layer.weight_bits, reads[1], macs * array.result_bits + moved[2]]
        writes[2] = macs * array.result_bits
    energy = (
        compute * PRICES.core_cycle_pj + (moved[0] + moved[1]) * PRICES.dram_read_pj + moved[2] * PRICES.dram_write_pj
    )
    energy += sum(r * e for r, e in zip(reads, PRICES.buffer_read_pj, strict=True))
    energy += sum(w * e for w, e in zip(writes, PRICES.buffer_write_pj, strict=True))
    return compute + stalls, energy, compute


@settings(max_examples=15, deadline=None)
@given(
    batch=st.integers(1, 9),
    output=st.integers(1, 5),
    kernel=st.sampled_from([1, 3]),
    channels=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    bits=st.sampled_from([4, 8]),
    weight_stationary=st.booleans(),
    capacity=st.sampled_from([4e3, 2e4]),
)
def test_the_search_finds_what_a_loop_over_everything_finds(
    batch: int,
    output: int,
    kernel: int,
    channels: tuple[int, int],
    bits: int,
    weight_stationary: bool,
    capacity: float,
) -> None:
    layer = Layer(
        batch=batch,
        output=output,
        kernel=kernel,
        input_channels=channels[0],
        output_channels=channels[1],
        input_bits=bits,
        weight_bits=bits,
    )
    array = Array(
        rows=4,
        columns=2,
        more_rows=8 // bits,
        more_columns=8 // bits,
        weight_stationary=weight_stationary,
        buffer_bits=(capacity, capacity, capacity),
        bits_per_cycle=64.0,
        result_bits=16,
    )
    found = best_counts(layer, array, PRICES)
    expected = twin(layer, array)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert (found.compute + found.stalls, found.compute) == expected


def cost(op: Op, base: str = "ant-2022", bits: int = 4) -> OpCost:
    design = design_from_dict({"hardware": {"base": base}}, workload_required=False)
    fmt = format(f"int{bits}")
    settled = op.with_formats(inputs=fmt, weights=fmt, outputs=fmt)
    trace = Trace(name="x", ops=(settled,), parameters=0)
    return ANT_2022.costs(trace, lambda phase: design.accelerator, format("int32"))[0]


def test_kernels_are_taken_for_squares_of_their_height() -> None:
    flat, tall = (cost(Op.conv("x", n=1, k=64, c=64, p=8, q=8, r=r, s=s)) for r, s in ((1, 7), (7, 1)))
    assert tall.compute_cycles == 49 * flat.compute_cycles


def test_six_bit_operands_gain_nothing() -> None:
    op = Op.gemm("x", m=512, n=512, k=512)
    assert cost(op, bits=6).compute_cycles == cost(op, bits=8).compute_cycles == 4 * cost(op, bits=4).compute_cycles


def test_grouped_convolutions_are_refused() -> None:
    with pytest.raises(InputError, match="knows neither grouped nor 3-D"):
        cost(Op.conv("x", n=1, k=64, c=64, p=8, q=8, r=3, s=3, groups=64))


def test_layers_without_a_tile_that_fits_are_infeasible() -> None:
    with pytest.raises(InfeasibleError, match="not one tile fits"):
        cost(Op.conv("x", n=1, k=1, c=1, p=1, q=1, r=1024, s=1024))


def test_other_kinds_of_array_are_refused() -> None:
    with pytest.raises(InputError, match="bit-composable"):
        cost(Op.gemm("x", m=1, n=1, k=1), base="bitmod-28nm")


@pytest.mark.parametrize(
    ("op", "cycles"),
    [
        (Op.gemm("AlexNet fc1", m=16, n=8192, k=18432), 1179648),
        (Op.gemm("AlexNet fc2", m=16, n=8192, k=8192), 524288),
        (Op.gemm("RNN", m=16, n=4096, k=4096), 131072),
        (Op.conv("ResNet-18 conv4_1_b", n=16, k=512, c=512, p=14, q=14, r=3, s=3), 3612672),
        (Op.conv("ResNet-18 conv2_1_b", n=16, k=128, c=128, p=56, q=56, r=3, s=3), 3612672),
    ],
    ids=lambda value: value.name if isinstance(value, Op) else "",
)
def test_bitfusions_own_layers_take_the_compute_cycles_of_its_simulator(op: Op, cycles: int) -> None:
    """Networks of 4 bits at batch 16; source: bitfusion-eyeriss-sim-sweep.csv of its repository."""
    int4 = format("int4")
    op = op.with_formats(inputs=int4, weights=int4, outputs=int4)
    chip = design_from_dict({"hardware": {"base": "bitfusion-45nm"}}, workload_required=False).accelerator
    (cost,) = ANT_2022.costs(Trace(name="one", ops=(op,), parameters=0), lambda phase: chip, format("int32"))
    assert cost.compute_cycles == cycles


def test_formats_with_metadata_are_refused() -> None:
    op = Op.gemm("fc", m=4, n=4, k=64).with_formats(
        inputs=format("int4"), weights=format("mxfp4"), outputs=format("int8")
    )
    chip = design_from_dict({"hardware": {"base": "ant-2022"}}, workload_required=False).accelerator
    with pytest.raises(InputError, match=r"weights of 'fc' are mxfp4, 4\.25 bits"):
        ANT_2022.costs(Trace(name="one", ops=(op,), parameters=0), lambda phase: chip, format("int32"))
