"""What a level must hold: exactly the bits a mapping needs fit, one bit less does not."""

from __future__ import annotations

import pytest

from archsim.arch.engines.base import Engine, SpatialAxis
from archsim.arch.memory import MemoryLevel
from archsim.sim.conventions import counting
from archsim.sim.cost import run_kernel
from archsim.sim.mapping import Loop, Mapping
from archsim.sim.problem import build_problem
from archsim.workloads.op import OPERANDS, Op
from tests.sim.builders import INT32, accelerator, int8, level, spatial, systolic

ONE_PE = spatial(SpatialAxis(name="x", size=1, gemm_dims=(), conv_dims=()))
OUTPUTS = frozenset({"outputs"})


def fits(
    op: Op,
    loops: tuple[Loop, ...],
    *levels: tuple[MemoryLevel, int],
    engine: Engine = ONE_PE,
    array_tile: dict[str, int] | None = None,
    reserved_bits: float = 0.0,
) -> bool:
    """Whether `levels`, each with its tiles' position, hold the nest under an unlimited DRAM."""
    chip = accelerator(engine, level("dram", off_chip=True), *(entry for entry, _ in levels))
    flow = engine.dataflows[0]
    problem = build_problem(int8(op), chip, flow, counting(), INT32, reserved_bits=reserved_bits)
    tiles = {entry.name: {name: at for name in OPERANDS if name in entry.operands} for entry, at in levels}
    tiles["dram"] = dict.fromkeys(OPERANDS, 0)
    mapping = Mapping(dataflow=flow.name, loops=loops, tiles=tiles, array_tile=array_tile or {})
    return run_kernel(problem, mapping).fits


GEMM = Op.gemm("x", m=4, n=6, k=10)


@pytest.mark.parametrize(
    ("outer", "bits"),
    [
        # n outside: a 4 x 10 input stays, one column of weights and of results at a time; results are complete.
        (("n",), 8 * 40 + 8 * 10 + 32 * 4),
        # k outside: all 24 sums wait for more, at the accumulator's width.
        (("k",), 8 * 4 + 8 * 6 + 32 * 24),
        (("m", "k"), 8 * 1 + 8 * 6 + 32 * 6),
    ],
)
def test_tiles_of_one_level(outer: tuple[str, ...], bits: int) -> None:
    """The sums of the innermost level are always partial for a while."""
    inner = tuple(dim for dim in "mnk" if dim not in outer)
    loops = tuple(Loop(dim, GEMM.loops[dim]) for dim in (*outer, *inner))
    assert fits(GEMM, loops, (level("sram", float(bits)), len(outer)))
    assert not fits(GEMM, loops, (level("sram", bits - 1.0), len(outer)))


def test_double_buffering_doubles_only_what_changes_over_time() -> None:
    loops = (Loop("n", 6), Loop("m", 4), Loop("k", 10))
    bits = 8 * 40 + 2 * (8 * 10 + 32 * 4)
    assert fits(GEMM, loops, (level("sram", float(bits), double_buffer=True), 1))
    assert not fits(GEMM, loops, (level("sram", bits - 1.0, double_buffer=True), 1))


def test_a_level_above_the_accumulators_holds_results_at_their_own_width() -> None:
    loops = (Loop("m", 4), Loop("n", 6), Loop("k", 10))
    buffer, accumulators = 8 * (10 + 60 + 6), 32.0
    inner = level("accumulators", accumulators, operands=OUTPUTS)
    assert fits(GEMM, loops, (level("buffer", float(buffer)), 1), (inner, 2))
    assert not fits(GEMM, loops, (level("buffer", buffer - 1.0), 1), (inner, 2))
    assert not fits(GEMM, loops, (level("buffer"), 1), (level("accumulators", 31.0, operands=OUTPUTS), 2))


def test_a_level_that_takes_partial_sums_back_holds_them_at_the_accumulators_width() -> None:
    loops = (Loop("m", 4), Loop("k", 10), Loop("n", 6))
    buffer = 8 * (10 + 60) + 32 * 6
    inner = level("accumulators", 32.0, operands=OUTPUTS)
    assert fits(GEMM, loops, (level("buffer", float(buffer)), 1), (inner, 3))
    assert not fits(GEMM, loops, (level("buffer", buffer - 1.0), 1), (inner, 3))


@pytest.mark.parametrize(("dataflow", "width"), [("ws", 32), ("is", 32), ("os", 8)])
def test_row_folds_leave_partial_sums_below_the_array(dataflow: str, width: int) -> None:
    bits = 8 * (40 + 60) + width * 24
    engine = systolic(8, 8, (dataflow,))
    tile = dict(GEMM.loops)
    assert fits(GEMM, (), (level("sram", float(bits)), 0), engine=engine, array_tile=tile)
    assert not fits(GEMM, (), (level("sram", bits - 1.0), 0), engine=engine, array_tile=tile)


def test_results_that_the_array_completes_take_their_own_width() -> None:
    bits = 8 * (40 + 60 + 24)
    tile = dict(GEMM.loops)
    assert fits(GEMM, (), (level("sram", float(bits)), 0), engine=systolic(10, 8), array_tile=tile)


def test_other_tensors_take_their_room() -> None:
    loops = (Loop("n", 6), Loop("m", 4), Loop("k", 10))
    bits = 8 * 40 + 8 * 10 + 32 * 4
    assert fits(GEMM, loops, (level("sram", bits + 100.0), 1), reserved_bits=100.0)
    assert not fits(GEMM, loops, (level("sram", bits + 99.0), 1), reserved_bits=100.0)


def test_a_conv_tile_holds_the_rows_its_window_spans() -> None:
    op = Op.conv("x", k=2, c=3, p=8, q=1, r=3, s=1, stride_h=2)
    loops = (Loop("p", 2), Loop("k", 2), Loop("c", 3), Loop("p", 4), Loop("r", 3))
    rows = 2 * 3 + 2 + 1
    bits = 8 * 3 * rows + 8 * 2 * 3 * 3 + 32 * 2 * 4
    assert fits(op, loops, (level("sram", float(bits)), 1))
    assert not fits(op, loops, (level("sram", bits - 1.0), 1))
