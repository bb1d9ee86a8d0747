"""Two convolutions that run as one: halos kept or made again, with strides, dilation and padding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.mappers.chains import Chain
from archsim.mappers.fusion import Fused, chain_value, machine_of
from archsim.mappers.fusion_convs import (
    ConvCut,
    ConvRoom,
    ConvSpace,
    conv_kept,
    conv_moved,
    conv_plan,
    conv_space_of,
    made,
)
from archsim.mappers.fusion_halo import axis_cut, halo_axes
from archsim.mappers.fusion_setting import ALONE, Around, find_homes
from archsim.workloads.op import AnyOp, Op
from tests.mappers.fusion_builders import KIB, chip, convs, fuser, setting, the_chain
from tests.mappers.fusion_twin import walk_convs


@st.composite
def pairs(draw: st.DrawFn) -> tuple[AnyOp, ...]:
    r2 = draw(st.integers(1, 3))
    dilation2 = draw(st.integers(1, 2))
    reach = dilation2 * (r2 - 1) + 1
    stride2 = draw(st.integers(1, reach))
    sizes = [draw(st.integers(3, 9)) for _ in range(2)]
    most = min((stride2 * (min(sizes) - 1) + reach - 1) // 2, (reach - 1) // 2)
    return convs(
        n=draw(st.integers(1, 2)), c=draw(st.integers(1, 3)), k1=draw(st.integers(1, 5)), k2=draw(st.integers(1, 5)),
        p=sizes[0], q=sizes[1], r1=draw(st.integers(1, 3)), r2=r2, stride1=draw(st.integers(1, 3)), stride2=stride2,
        padding=draw(st.integers(0, most)), dilation2=dilation2,
    )  # fmt: skip


def space_of(chain: Chain, capacity: float = np.inf, objective: str = "latency", around: Around = ALONE) -> ConvSpace:
    machine = chip(capacity)
    homes = find_homes(chain, machine)
    assert not isinstance(homes, str)
    return conv_space_of(chain, machine, homes, setting(machine, objective), around, objective)


def dims(op: Op) -> dict[str, int]:
    return {**op.dims, "stride": op.dims["stride_h"], "dilation": op.dims["dilation_h"]}


def cut_of(chain: Chain, rows: int, columns: int, channels: tuple[int, int], *, keep: bool) -> ConvCut:
    height, width = halo_axes(chain.firsts[0], chain.last)
    return ConvCut(
        rows=axis_cut(height, rows, keep=keep), columns=axis_cut(width, columns, keep=False), keep=keep,
        first_channels=channels[0], last_channels=channels[1],
    )  # fmt: skip


@given(pairs(), st.data(), st.booleans())
@settings(max_examples=300, deadline=None, derandomize=True)
def test_moves_and_made_rows_equal_a_walk(ops: tuple[AnyOp, ...], data: st.DataObject, keep: bool) -> None:
    chain = the_chain(ops)
    first, last = chain.firsts[0], chain.last
    rows, columns = (data.draw(st.integers(1, last.dims[dim])) for dim in ("p", "q"))
    channels = (data.draw(st.integers(1, first.dims["k"])), data.draw(st.integers(1, last.dims["k"])))
    space = space_of(chain)
    cut = cut_of(chain, rows, columns, channels, keep=keep)
    walked = walk_convs(
        dims(first), dims(last), images=first.dims["n"], rows=rows, columns=columns, first_channels=channels[0],
        last_channels=channels[1], keep=keep,
    )  # fmt: skip
    inputs, w1, w2, outputs = conv_moved(space, cut)
    assert (inputs.reads, w1.reads, w2.reads) == (walked["inputs"], walked["first weights"], walked["last weights"])
    assert outputs.writes == walked["outputs"] == last.elements("outputs")
    assert made(space, cut) == walked["made"]
    macs = {member: sum(work.op.macs * work.times for work in conv_plan(space, cut).works if work.member == member)
            for member in (0, 2)}  # fmt: skip
    assert macs[0] == walked["made"] * first.macs // first.elements("outputs")
    assert macs[2] == last.macs


def test_kept_halos_make_every_row_once_and_remade_ones_again() -> None:
    """3x3 over 8x8 in strips of two rows: every strip needs four rows, of which two were there before."""
    chain = the_chain(convs(p=8, q=8, r2=3, padding=1))
    space = space_of(chain)
    kept, remade = (cut_of(chain, 2, 8, (4, 4), keep=keep) for keep in (True, False))
    assert made(space, kept) == chain.firsts[0].elements("outputs")
    assert made(space, remade) == (3 + 4 + 4 + 3) * 8 * 4
    assert (kept.rows.window, remade.rows.window) == (4, 4)


def test_a_halo_that_is_kept_is_fetched_once_under_two_3x3() -> None:
    chain = the_chain(convs(p=8, q=8, r1=3, r2=3, padding=1))
    space = space_of(chain)
    inputs = conv_moved(space, cut_of(chain, 2, 8, (4, 4), keep=True))[0]
    assert inputs.reads == chain.firsts[0].elements("inputs")


@given(pairs(), st.sampled_from([0.05, 0.1, 0.25, 1.0, 8.0]))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_nothing_is_held_beyond_capacity(ops: tuple[AnyOp, ...], kib: float) -> None:
    chain, machine = the_chain(ops), chip(kib * KIB)
    found = fuser(machine, most=4).best(chain, Around(taken_bits=64.0))
    if isinstance(found, str):
        assert "too small" in found or "room" in found
        return
    assert found.plan.held_bits("sram") + 64.0 <= machine.memory("sram").capacity_bits
    assert found.bound <= found.value


@given(pairs(), st.integers(100, 9000), st.booleans())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_what_fits_is_what_the_table_holds(ops: tuple[AnyOp, ...], capacity: int, stays: bool) -> None:
    chain = the_chain(ops)
    space = space_of(chain, float(capacity), around=Around(input_stays=stays, taken_bits=64.0))
    room = ConvRoom.of(space)
    height, width = halo_axes(chain.firsts[0], chain.last)
    for rows in range(1, height.last + 1):
        down, across = axis_cut(height, rows, keep=True), axis_cut(width, 1 + rows % width.last, keep=False)
        for channels in ((1, chain.last.dims["k"]), (chain.firsts[0].dims["k"], 1)):
            cut = ConvCut(rows=down, columns=across, keep=True, first_channels=channels[0], last_channels=channels[1])
            held = sum(item.bits for item in conv_kept(space, cut)) + 64.0
            assert room.fits(down, across, *channels) == (held <= capacity)


@given(pairs(), st.sampled_from([0.1, 0.25, 0.5]), st.sampled_from([1.1, 1.5, 4.0]))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_a_larger_buffer_never_moves_more(ops: tuple[AnyOp, ...], kib: float, factor: float) -> None:
    chain = the_chain(ops)
    small, large = (space_of(chain, size * KIB, "traffic") for size in (kib, factor * kib))
    if len(small.bounds):
        assert large.bounds[0] <= small.bounds[0]


@given(pairs())
@settings(max_examples=25, deadline=None, derandomize=True)
def test_no_cut_at_all_moves_less_than_the_best_of_the_space(ops: tuple[AnyOp, ...]) -> None:
    """All rows, columns and channels of both convolutions tried, not only those of the space."""
    chain = the_chain(ops)
    space = space_of(chain, 0.15 * KIB, "traffic")
    height, width = halo_axes(chain.firsts[0], chain.last)
    fewest = np.inf
    channels = [(a, b) for a in range(1, chain.firsts[0].dims["k"] + 1) for b in range(1, chain.last.dims["k"] + 1)]
    for keep in (False, True):
        for down in (axis_cut(height, rows, keep=keep) for rows in range(1, height.last + 1)):
            for across in (axis_cut(width, columns, keep=False) for columns in range(1, width.last + 1)):
                for a, b in channels:
                    cut = ConvCut(rows=down, columns=across, keep=keep, first_channels=a, last_channels=b)
                    if sum(item.bits for item in conv_kept(space, cut)) <= 0.15 * KIB:
                        moved = conv_moved(space, cut)
                        fewest = min(fewest, sum(item.read_bits + item.written_bits for item in moved))
    assert (space.bounds[0] if len(space.bounds) else np.inf) == fewest


@pytest.mark.parametrize("objective", ["latency", "energy", "edp"])
def test_the_bound_holds_for_every_cut(objective: str) -> None:
    chain, machine = the_chain(convs(p=6, q=6, r1=3, stride2=2, padding=1)), chip(1 * KIB)
    every = fuser(machine, objective, most=10**6)
    homes = find_homes(chain, machine)
    assert not isinstance(homes, str)
    space = space_of(chain, 1 * KIB, objective)
    facts = machine_of(chain, machine, homes, every.setting)
    values = []
    for i in range(len(space.bounds)):
        costed = every._costed(space, i, facts)
        if costed is not None:
            values.append(chain_value(objective, costed[1], (1.0, 1.0)))
            scale = {"latency": 1e-9, "energy": 1e-12, "edp": 1e-21}[objective]
            assert space.bounds[i] * scale <= values[-1] * (1 + 1e-12)
    found = every.best(chain)
    assert isinstance(found, Fused)
    assert found.value == min(values)


def test_the_activation_runs_on_what_is_made_again_too() -> None:
    chain = the_chain(convs(p=8, q=8, r2=3, padding=1))
    space = space_of(chain)
    kept, remade = (conv_plan(space, cut_of(chain, 2, 8, (4, 4), keep=keep)) for keep in (True, False))
    once, again = (
        sum(row.updates for row in plan.vectors[0][1].traffic if row.level == "sram") for plan in (kept, remade)
    )
    assert again / once == (3 + 4 + 4 + 3) / 8
