"""Pairs of products that run as one: what moves, what is held, and that no cut is better."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.arch.engines.base import SpatialAxis
from archsim.mappers.chains import Chain
from archsim.mappers.fusion import Fused
from archsim.mappers.fusion_kernels import Pair, pair_fits, pair_held, pair_moves
from archsim.mappers.fusion_pairs import block_sizes, pair_of, pair_plan, pair_space_of
from archsim.mappers.fusion_setting import ALONE, Around, find_homes
from archsim.sim.conventions import counting
from tests.mappers.fusion_builders import KIB, attention, chip, fuser, mlp, setting, the_chain
from tests.mappers.fusion_twin import walk_pair
from tests.sim.builders import accelerator, dram, level, spatial, sram

sizes_of = st.tuples(*(st.integers(1, most) for most in (2, 9, 9, 6, 6)))


def pair(sizes: tuple[int, ...], *, softmax: bool = False, read_first: bool = False, room: float = np.inf) -> Pair:
    return Pair(
        sizes=np.array(sizes, np.int64), firsts=1, softmax=softmax, read_first=read_first, bits=np.full(7, 8.0),
        room=np.array([room, room]), double=np.zeros(2, np.int64), weight_level=0, x_stays=False, y_stays=False,
    )  # fmt: skip


@given(sizes_of, st.data(), st.booleans(), st.booleans(), st.booleans())
@settings(max_examples=300, deadline=None, derandomize=True)
def test_moves_equal_a_walk_of_the_nest(
    sizes: tuple[int, ...], data: st.DataObject, rows_outside: bool, softmax: bool, read_first: bool
) -> None:
    tiles = [data.draw(st.integers(1, size)) for size in sizes]
    moved = np.zeros(8, np.int64)
    taken = pair(sizes, softmax=softmax, read_first=read_first)
    pair_moves(taken, np.array(tiles, np.int64), int(not rows_outside), moved)
    walked = walk_pair(sizes, tiles, rows_outside=rows_outside, softmax=softmax, read_first=read_first)
    assert moved.tolist() == walked


def least(chain: Chain, capacity: float, around: Around = ALONE) -> Fused:
    found = fuser(chip(capacity), most=4000).best(chain, around, "traffic")
    assert isinstance(found, Fused), found
    return found


@given(st.integers(1, 14), st.integers(1, 14), st.integers(1, 4), st.integers(40, 900), st.booleans(), st.booleans())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_no_cut_at_all_moves_less_than_the_best_of_the_space(
    rows: int, columns: int, d: int, capacity: int, double_buffer: bool, gated: bool
) -> None:
    """Every tile of every loop tried, all sizes of it, against those of the space."""
    ops = mlp(m=rows, k=d, f=columns, n=d, gated=True) if gated else attention(rows=rows, columns=columns, d=d)
    chain, machine = the_chain(ops), chip(capacity * 8.0, double_buffer=double_buffer)
    homes = find_homes(chain, machine)
    assert not isinstance(homes, str)
    space = pair_space_of(chain, machine, homes, setting(machine), ALONE, "traffic")
    taken = space.pair
    moved, held = np.zeros(8, np.int64), np.zeros((6, 2), np.int64)
    fewest = np.inf
    ranges = [range(1, int(size) + 1) for size in taken.sizes]
    for tiles in itertools.product(*ranges):
        cut = np.array(tiles, np.int64)
        if not pair_fits(taken, cut, held):
            continue
        for order in (0, 1):
            pair_moves(taken, cut, order, moved)
            first, rest = taken.firsts * moved[1], moved[4:].sum() * 32
            fewest = min(fewest, (moved[0] + first + moved[2] + moved[3]) * 8.0 + rest)
    assert (space.bounds[0] if len(space.bounds) else np.inf) == fewest


@given(st.integers(1, 300))
def test_block_sizes_give_every_number_of_blocks_with_the_smallest_block(size: int) -> None:
    counts = {-(-size // block) for block in range(1, size + 1)}
    assert block_sizes(size) == sorted((-(-size // count) for count in counts), reverse=True)


@given(st.integers(1, 80), st.integers(1, 80), st.integers(1, 3), st.sampled_from([0.5, 1, 4, 32]), st.booleans())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_nothing_is_held_beyond_capacity(rows: int, columns: int, heads: int, kib: float, gated: bool) -> None:
    ops = (
        mlp(m=rows, k=heads * 8, f=columns, n=heads * 8, gated=True)
        if gated
        else attention(heads=heads, rows=rows, columns=columns, d=16)
    )
    chain, machine = the_chain(ops), chip(kib * KIB)
    found = fuser(machine, most=8).best(chain, Around(taken_bits=100.0))
    if isinstance(found, str):
        assert "too small" in found or "room" in found
        return
    assert found.plan.held_bits("sram") + 100.0 <= machine.memory("sram").capacity_bits
    assert found.bound <= found.value
    assert found.cycles == sum(cost.cycles for cost in found.costs)
    assert found.dram_bytes == pytest.approx(sum(cost.dram_bytes for cost in found.costs))


@given(st.integers(1, 200), st.integers(1, 200), st.sampled_from([16, 32]), st.sampled_from([1.1, 2.0, 8.0]))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_a_larger_buffer_never_moves_more(rows: int, columns: int, d: int, factor: float) -> None:
    chain = the_chain(attention(rows=rows, columns=columns, d=d))
    small, large = (fuser(chip(size), most=4000).best(chain, ALONE, "traffic") for size in (4 * KIB, factor * 4 * KIB))
    if isinstance(small, Fused):
        assert isinstance(large, Fused)
        assert large.dram_bytes <= small.dram_bytes


def test_kept_bytes_are_those_the_kernel_counts() -> None:
    chain, machine = the_chain(mlp(m=40, k=24, f=30, n=20, gated=True)), chip()
    homes = find_homes(chain, machine)
    assert not isinstance(homes, str)
    space = pair_space_of(chain, machine, homes, setting(machine), ALONE, "latency")
    for tiles in itertools.product((1,), (40, 7), (30, 8), (24, 5), (20, 6)):
        cut = np.array(tiles, np.int64)
        plan = pair_plan(space, 0, cut)
        held = np.zeros((6, 2), np.int64)
        pair_held(space.pair, cut, held)
        elements = sum(item.elements * item.copies for item in plan.kept)
        assert elements == int((held[:, 0] * held[:, 1]).sum())
        bits = plan.held_bits("sram")
        assert pair_fits(space.pair._replace(room=np.full(2, bits)), cut, held)
        assert not pair_fits(space.pair._replace(room=np.full(2, bits - 1.0)), cut, held)


def test_scores_never_leave_the_chip() -> None:
    found = least(the_chain(attention(rows=256, columns=256, d=16)), 8 * KIB)
    assert [moved.operand for moved in found.plan.moved] == ["inputs", "weights", "weights", "outputs"]
    qk, softmax, av = found.costs
    assert {row.operand for row in qk.traffic if row.level == "dram"} == {"inputs", "weights"}
    assert not [row for row in softmax.traffic if row.level == "dram" and row.reads + row.updates]
    assert {row.operand for row in av.traffic if row.level == "dram"} == {"weights", "outputs"}
    assert softmax.energy_j["vector"] > 0


def test_queries_that_share_keys_read_them_once_a_group() -> None:
    """Grouped queries are rows of one product: the keys of a group come once for all of its heads."""
    apart = least(the_chain(attention(heads=4, rows=64, columns=64, d=16)), 256 * KIB)
    grouped = least(the_chain(attention(heads=1, rows=256, columns=64, d=16)), 256 * KIB)
    keys = 2 * 64 * 16
    rows = 2 * 256 * 16
    assert (apart.dram_bytes, grouped.dram_bytes) == (rows + 4 * keys, rows + keys)


def test_a_queries_block_takes_what_room_the_buffer_leaves() -> None:
    """Rows outside: queries and results once, keys and values once for every block of queries, and no cut is better."""
    n, d = 256, 16
    found = least(the_chain(attention(rows=n, columns=n, d=d)), 4 * KIB)
    tiles = {dim: tile for dim, _, tile in found.plan.tiles.loops}
    assert found.plan.tiles.choice == "rows outside"
    assert found.dram_bytes == 2 * n * d + 2 * n * d * -(-n // tiles["m"])


def test_an_input_that_stays_is_not_read_and_takes_its_room() -> None:
    chain = the_chain(attention(rows=64, columns=64, d=16))
    alone, inside = least(chain, 64 * KIB), least(chain, 64 * KIB, Around(input_stays=True, output_stays=True))
    assert alone.dram_bytes - inside.dram_bytes == 2 * 64 * 16
    held = {item.tensor: item for item in inside.plan.kept}
    assert (held["l.qk.inputs"].elements, held["l.qk.inputs"].copies) == (64 * 16, 1)


def test_macs_energy_and_stalls_add_up() -> None:
    chain = the_chain(mlp(m=100, k=40, f=90, n=30, gated=True))
    found = fuser(chip(8 * KIB, bandwidth=8.0)).best(chain)
    assert isinstance(found, Fused)
    for cost, op in zip(found.costs, chain.members, strict=True):
        assert cost.macs == op.macs
        assert cost.cycles == cost.compute_cycles + cost.stall_cycles
        assert sum(stall.cycles for stall in cost.stalls) == cost.stall_cycles
        for name in ("dram", "sram"):
            rows = sum(row.energy_j for row in cost.traffic if row.level == name)
            assert cost.energy_j.get(name, 0.0) == pytest.approx(rows)
    assert found.cycles >= found.dram_bytes * 8 / 8.0


def test_without_double_buffer_transfers_add_to_the_work() -> None:
    chain = the_chain(mlp(m=100, k=40, f=90, n=30))
    found = fuser(chip(8 * KIB, bandwidth=8.0, double_buffer=False)).best(chain)
    assert isinstance(found, Fused)
    stalls = sum(cost.stall_cycles for cost in found.costs)
    assert stalls >= found.dram_bytes * 8 / 8.0


@pytest.mark.parametrize("objective", ["latency", "energy", "edp"])
def test_the_bound_holds_for_every_cut(objective: str) -> None:
    """All cuts of a small space costed: none is below its own bound, and the search finds the best of them."""
    chain, machine = the_chain(attention(rows=24, columns=20, d=8)), chip(2 * KIB)
    every = fuser(machine, objective, most=10**6)
    found = every.best(chain)
    assert isinstance(found, Fused)
    assert found.optimal
    homes = find_homes(chain, machine)
    assert not isinstance(homes, str)
    space = pair_space_of(chain, machine, homes, every.setting, ALONE, objective)
    from archsim.mappers.fusion import _scale, chain_value, machine_of

    facts, scale = machine_of(chain, machine, homes, every.setting), _scale(objective, every.setting, machine)
    values = []
    for i in range(len(space.bounds)):
        costed = every._costed(space, i, facts)
        if costed is not None:
            values.append(chain_value(objective, costed[1], (1.0, 1.0)))
            assert space.bounds[i] * scale <= values[-1] * (1 + 1e-12)
    assert found.value == min(values)


def test_whole_words_are_not_counted_in_chains() -> None:
    machine = chip()
    chain = the_chain(attention())
    maker = fuser(machine)
    maker.setting = setting(machine, switches=counting("timeloop"))
    assert "whole words" in str(maker.best(chain))


def test_pair_of_takes_the_widths_of_the_formats() -> None:
    chain, machine = the_chain(attention()), chip()
    homes = find_homes(chain, machine)
    assert not isinstance(homes, str)
    taken = pair_of(chain, homes, setting(machine), ALONE)
    assert taken.bits.tolist() == [8, 8, 8, 8, 8, 32, 8]


def test_a_spatial_array_with_registers_runs_chains_too() -> None:
    """Its bound holds for every cut that is tried, and what is held fits beside the registers' own tiles."""
    axes = (
        SpatialAxis(name="x", size=4, gemm_dims=("n",), conv_dims=("k",), multicast=frozenset({"inputs"})),
        SpatialAxis(name="y", size=4, gemm_dims=("m",), conv_dims=("c",), multicast=frozenset({"weights"})),
    )
    registers = level("rf", 64 * 8.0, per="pe", instances=16)
    machine = accelerator(spatial(*axes), dram(32.0), sram(2 * KIB, 256.0), registers)
    chain = the_chain(attention(rows=24, columns=24, d=8))
    found = fuser(machine, "edp", most=12).best(chain)
    assert isinstance(found, Fused)
    assert found.bound <= found.value
    assert found.plan.held_bits("sram") <= 2 * KIB
    assert {row.level for row in found.costs[0].traffic} == {"dram", "sram", "rf"}
    assert found.dram_bytes == 24 * 8 * 4
