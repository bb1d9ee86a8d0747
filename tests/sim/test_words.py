"""Whole words, packing, ports, reserve and perfect overlap: what the switches of other tools' conventions change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from archsim.arch.engines.base import SpatialAxis
from archsim.arch.formats import format
from archsim.arch.memory import AccessEnergy, EnergyBasis, MemoryLevel
from archsim.sim.conventions import counting
from archsim.sim.cost import Costing, Raw, cost_mapping, run_kernel
from archsim.sim.kernels import ENERGY_PJ, LIMIT, READ_WORDS, READS, TOTAL, WRITE_WORDS
from archsim.sim.mapping import Loop, Mapping
from archsim.sim.problem import Problem, build_problem
from archsim.sim.records import OpCost
from archsim.workloads.op import OPERANDS, Op
from tests.sim.builders import INT32, accelerator, level, spatial

WORD = 16
AXIS = SpatialAxis(name="x", size=4, gemm_dims=(), conv_dims=(), multicast=frozenset({"inputs"}))
LEVELS = (level("dram", off_chip=True), level("glb"))
MAPPING = Mapping(
    dataflow="spatial",
    loops=(Loop("m", 3), Loop("k", 5), Loop("n", 3, "x")),
    tiles={"dram": dict.fromkeys(OPERANDS, 0), "glb": dict.fromkeys(OPERANDS, 1)},
)


def worded(memory: MemoryLevel, pj: float = 10.0) -> MemoryLevel:
    energy = AccessEnergy(value_pj=pj, basis=EnergyBasis.ACCESS, width_bits=WORD)
    return replace(memory, read_energy=energy, write_energy=energy, read_word_bits=WORD, write_word_bits=WORD)


def run(bits: int = 8, memories: tuple[MemoryLevel, ...] = LEVELS, **switches: object) -> tuple[Problem, Raw, OpCost]:
    """m 3, n 3, k 5; the buffer holds one row of inputs and outputs and all weights, three PEs share the inputs."""
    fmt = format(f"int{bits}")
    op = Op.gemm("x", m=3, n=3, k=5).with_formats(inputs=fmt, weights=fmt, outputs=fmt)
    chip = accelerator(spatial(AXIS), *memories)
    counts = counting("archsim", switches)
    problem = build_problem(op, chip, chip.engine.dataflows[0], counts, INT32)
    costing = Costing.of(chip, problem, INT32, counts)
    return problem, run_kernel(problem, MAPPING), cost_mapping(problem, MAPPING, costing)


WORDED = (worded(LEVELS[0]), worded(LEVELS[1], 1.0))


def words(raw: Raw, plane: int, operand: str, at: int = 1) -> float:
    return float(raw.traffic[plane, at, OPERANDS.index(operand)])  # type: ignore[arg-type]


def test_packed_words_cost_their_share() -> None:
    _, raw, cost = run(memories=WORDED)
    assert raw.traffic[READS, 0, 0] == 15
    assert cost.traffic[0].energy_j * 1e12 == pytest.approx(15 * 8 / 16 * 10)
    assert not raw.traffic[READ_WORDS].any()


def test_counted_words_round_each_operand_up_once() -> None:
    _, raw, cost = run(memories=WORDED, words="counted")
    assert words(raw, READ_WORDS, "inputs", 0) == 8  # 15 elements of 8 bits in words of 16
    assert words(raw, WRITE_WORDS, "inputs") == 8
    assert cost.traffic[0].energy_j * 1e12 == pytest.approx(80)
    assert sum(row.energy_j for row in cost.traffic) * 1e12 == pytest.approx(raw.out[ENERGY_PJ])


def test_transferred_words_round_every_transfer_up() -> None:
    _, raw, cost = run(memories=WORDED, words="transferred")
    assert words(raw, READ_WORDS, "inputs", 0) == 3 * 3  # three rows of 5 elements: 40 bits, 3 words each
    assert words(raw, READ_WORDS, "inputs") == 15  # one element to all PEs: half a word, every cycle
    assert words(raw, READ_WORDS, "weights") == 15 * 2  # one element to each of 3 PEs: 24 bits
    assert sum(row.energy_j for row in cost.traffic) * 1e12 == pytest.approx(raw.out[ENERGY_PJ])


def test_partial_sums_take_words_of_their_width() -> None:
    _, raw, _ = run(memories=WORDED, words="transferred")
    # Per row and step of k, 3 sums of 32 bits up (6 words); the last are results of 8 bits (2 words).
    assert words(raw, WRITE_WORDS, "outputs") == 3 * (4 * 6 + 2)
    _, wide, _ = run(memories=WORDED, words="transferred", final_sums="partial", write_back_read=False)
    assert words(wide, WRITE_WORDS, "outputs") == 3 * 5 * 6


def test_levels_without_a_word_are_charged_by_the_element() -> None:
    plain = run()[2].energy_j
    assert run(words="counted")[2].energy_j == plain
    assert run(words="transferred")[2].energy_j == plain


def test_elements_packed_in_words_leave_the_rest_of_them_empty() -> None:
    problem, _, packed = run(6, WORDED, packing="words")
    assert problem.machine.stored_bits[0].tolist() == [8.0, 8.0, 8.0, 32.0]
    assert packed.energy_j["glb"] == pytest.approx(run(8, WORDED)[2].energy_j["glb"])
    assert run(6, WORDED)[2].energy_j["glb"] < packed.energy_j["glb"]
    assert run(4, WORDED, packing="words")[2].energy_j == run(4, WORDED)[2].energy_j


def test_packing_decides_what_fits() -> None:
    bits = (5 + 15) * 6 + 3 * 32
    small = (WORDED[0], replace(WORDED[1], capacity_bits=bits))
    assert run(6, small)[1].fits
    assert not run(6, small, packing="words")[1].fits


def test_reserve_is_the_designs_none_or_everywhere() -> None:
    once, twice = (5 + 15) * 8 + 3 * 32, (2 * 5 + 15) * 8 + 2 * 3 * 32
    for double_buffer, reserve, needed in (
        (False, "design", once),
        (True, "design", twice),
        (True, "none", once),
        (False, "all", twice),
    ):
        for spare in (0, -1):
            memory = replace(LEVELS[1], capacity_bits=needed + spare, double_buffer=double_buffer)
            assert run(8, (LEVELS[0], memory), reserve=reserve)[1].fits == (spare == 0)


def test_shared_ports_add_reads_and_writes() -> None:
    slow = (LEVELS[0], replace(LEVELS[1], read_bits_per_cycle=1.0, write_bits_per_cycle=1.0))
    apart = run(8, slow, latency="throughput", ports="separate")[1].out[LIMIT]
    together = run(8, slow, latency="throughput", ports="shared")[1].out[LIMIT]
    assert run(8, slow, latency="throughput")[1].out[LIMIT] == apart < together


def test_throughput_is_the_slowest_of_array_and_ports() -> None:
    slow = (replace(LEVELS[0], read_bits_per_cycle=8.0, write_bits_per_cycle=8.0), LEVELS[1])
    _, raw, cost = run(8, slow, latency="throughput")
    assert raw.out[TOTAL] == max(15, (15 + 15) * 8 / 8)
    assert (cost.cycles, cost.bound) == (30, "dram")
    assert [stall.cause for stall in cost.stalls] == ["bandwidth"] * len(cost.stalls)
    assert run(8, slow)[2].cycles > 30


def test_ports_may_be_busy_for_whole_words() -> None:
    slow = (WORDED[0], replace(WORDED[1], read_bits_per_cycle=16.0, write_bits_per_cycle=1e9))
    switches = {"latency": "throughput", "words": "transferred", "psum_rereads": False, "write_back_read": False}
    assert run(8, slow, **switches)[1].out[LIMIT] == (15 + 45) * 8 / 16
    assert run(8, slow, **switches, port_time="words")[1].out[LIMIT] == 15 + 30


def test_first_loads_may_come_before_what_overlaps() -> None:
    slow = (replace(LEVELS[0], read_bits_per_cycle=8.0, write_bits_per_cycle=8.0), LEVELS[1])
    _, raw, cost = run(8, slow, latency="first-load")
    # One row of 5 inputs and 15 weights, then 30 elements in and 9 out on ports of their own, 15 steps beside them.
    assert raw.out[TOTAL] == 20 + 30
    assert cost.bound == "dram"
    assert sum(stall.cycles for stall in cost.stalls) == cost.stall_cycles == 35
    assert {stall.cause for stall in cost.stalls} == {"bandwidth", "first-load"}
    assert run(8, latency="first-load")[2].cycles == 15
