"""Room for one search: everything that it writes but its result, in as few arrays as there are types.

A search of a small op takes less time than asking for fifty arrays. What they begin with is worked out once for all
searches of the same extents, and copied.
"""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from archsim.core.kernels import kernel, view_of
from archsim.mappers.space_kernels import N_TOTALS, Start
from archsim.mappers.state_kernels import N_PRICES, Lines, Ports, Room, Task, Walk
from archsim.mappers.table_kernels import blocks_of, packed, row_of, table_of
from archsim.sim.kernels import MAX_LOOPS, N_TRAFFIC, Bools, Floats, Ints, Nest, Scratch, scratch


class Extents(NamedTuple):
    """What the room for a search depends on."""

    dims: int
    levels: int
    axes: int
    bounds: int
    slots: int
    nodes: int
    pools: int
    rows: int
    """Of a walk, see `Walk`."""


(
    PORT_ROW, PORT_OWN, BASE, EVERY, NEEDED, SHARED, SLOT_DIM, SLOT_FACTOR, SLOT_AXIS, SLOT_BOUND,
    TILE, COUNTS, STEP, FACTOR, POSITION, TILE_SCRAP, TILES, SEGMENT, NEST_DIM, NEST_FACTOR, NEST_AXIS, NEST_BASE,
    COST_TILE, COST_FOLDS, COST_N_TILES,
) = range(25)  # fmt: skip
"""Tables of integers: of `Ports`, `Start`, `Walk` with its nest, and `Scratch`."""
(
    START_READING, START_WRITING, START_USED, TOTALS,
    LEAST, SLOPES, RATES, BITS, LEAST_PRICES, LEAST_WIDTHS, REFILLS, LEAST_FIRSTS, EXCESS, TRAFFIC,
    ENERGY, NEED, READING, WRITING, FIRSTS, SHARES, ELEMENTS, SENT, VISITS, PRICES, WIDTHS, READ_SCRAP, WRITE_SCRAP,
    SUNK, COST_USED, COST_SHARES, COST_STEPS, COST_TRAFFIC, COST_OUT,
) = range(33)  # fmt: skip
"""Tables of numbers: of `Start`, `Lines`, `Walk` and `Scratch`."""


@lru_cache(maxsize=1024)
def empty_room(of: Extents, own_ports: int) -> tuple[Ints, Floats, Bools]:
    """What the arrays of a search begin with: see `room_in`. To be copied."""
    room = scratch(of.dims, of.levels, of.axes)
    ints, floats = _ints(of, own_ports, room), _floats(of, 2 * of.levels + own_ports, room)
    flags = np.concatenate([np.ones(of.nodes, np.bool_), room.none, room.shared, room.together])
    return (
        packed([ints[table] for table in range(len(ints))], np.int64),
        packed([floats[table] for table in range(len(floats))], np.float64),
        flags,
    )


def _ints(of: Extents, own_ports: int, room: Scratch) -> dict[int, Ints]:
    def ones(*shape: int) -> Ints:
        return np.ones(shape, np.int64)

    def zeros(*shape: int) -> Ints:
        return np.zeros(shape, np.int64)

    return {
        PORT_ROW: zeros(of.levels, 3),
        PORT_OWN: zeros(own_ports, 3),
        BASE: ones(of.dims),
        EVERY: ones(of.bounds, of.dims),
        NEEDED: ones(of.bounds, of.dims),
        SHARED: ones(of.bounds * 3, of.dims),
        SLOT_DIM: zeros(of.slots),
        SLOT_FACTOR: ones(of.slots),
        SLOT_AXIS: zeros(of.slots),
        SLOT_BOUND: zeros(of.slots),
        TILE: ones(of.rows, of.dims),
        COUNTS: ones(of.rows, of.dims),
        STEP: zeros(of.rows),
        FACTOR: ones(of.rows),
        POSITION: zeros(of.nodes),
        TILE_SCRAP: ones(of.dims),
        TILES: -ones(of.levels, 3),
        SEGMENT: zeros(MAX_LOOPS),
        NEST_DIM: zeros(MAX_LOOPS),
        NEST_FACTOR: ones(MAX_LOOPS),
        NEST_AXIS: -ones(MAX_LOOPS),
        NEST_BASE: ones(of.dims),
        COST_TILE: room.tile,
        COST_FOLDS: room.folds,
        COST_N_TILES: room.n_tiles,
    }


def _floats(of: Extents, ports: int, room: Scratch) -> dict[int, Floats]:
    by_row = {ENERGY: (), NEED: (of.levels,), READING: (ports,), WRITING: (ports,), FIRSTS: (), SHARES: (of.levels,)}
    by_node = {
        LEAST: (), SLOPES: (), RATES: (), BITS: (4,), LEAST_PRICES: (N_PRICES,), LEAST_WIDTHS: (N_PRICES,),
        REFILLS: (), LEAST_FIRSTS: (), ELEMENTS: (), SENT: (), VISITS: (), PRICES: (N_PRICES,), WIDTHS: (N_PRICES,),
        SUNK: (),
    }  # fmt: skip
    return {
        **{table: np.zeros(ports) for table in (START_READING, START_WRITING, READ_SCRAP, WRITE_SCRAP)},
        START_USED: np.ones(of.levels),
        TOTALS: np.zeros(N_TOTALS),
        EXCESS: np.zeros(of.pools),
        TRAFFIC: np.zeros(of.pools),
        **{table: np.zeros((of.rows, *each)) for table, each in by_row.items()},
        **{table: np.zeros((of.nodes, *each)) for table, each in by_node.items()},
        COST_USED: room.used,
        COST_SHARES: room.shares,
        COST_STEPS: room.steps,
        COST_TRAFFIC: room.traffic.reshape(-1, 3),
        COST_OUT: room.out,
    }


@kernel
def room_in(task: Task, ints: Ints, floats: Floats, flags: Bools) -> Room:
    """Room for one search of a task in arrays that `empty_room` began."""
    n_nodes = task.space.nodes.shape[0]
    ports = Ports(table_of(PORT_ROW, ints), table_of(PORT_OWN, ints))
    _set_ports(task.space.serial, task.machine.operand_bw, ports)
    return Room(
        ports,
        _start_in(task.space.n_bounds, ints, floats),
        _lines_in(n_nodes, floats, flags),
        _walk_in(ints, floats),
        _scratch_in(n_nodes, task.machine.multicast.shape[1], ints, floats, flags),
    )


@kernel
def _start_in(bounds: int, ints: Ints, floats: Floats) -> Start:
    return Start(
        row_of(BASE, ints),
        table_of(EVERY, ints),
        table_of(NEEDED, ints),
        blocks_of(SHARED, bounds, ints),
        row_of(SLOT_DIM, ints),
        row_of(SLOT_FACTOR, ints),
        row_of(SLOT_AXIS, ints),
        row_of(SLOT_BOUND, ints),
        row_of(START_READING, floats),
        row_of(START_WRITING, floats),
        row_of(START_USED, floats),
        row_of(TOTALS, floats),
    )


@kernel
def _lines_in(n_nodes: int, floats: Floats, flags: Bools) -> Lines:
    return Lines(
        row_of(LEAST, floats),
        row_of(SLOPES, floats),
        view_of(flags, 0, (n_nodes,)),
        row_of(RATES, floats),
        table_of(BITS, floats),
        table_of(LEAST_PRICES, floats),
        table_of(LEAST_WIDTHS, floats),
        row_of(REFILLS, floats),
        row_of(LEAST_FIRSTS, floats),
        row_of(EXCESS, floats),
        row_of(TRAFFIC, floats),
    )


@kernel
def _walk_in(ints: Ints, floats: Floats) -> Walk:
    nest = Nest(row_of(NEST_DIM, ints), row_of(NEST_FACTOR, ints), row_of(NEST_AXIS, ints), row_of(NEST_BASE, ints))
    return Walk(
        table_of(TILE, ints),
        table_of(COUNTS, ints),
        row_of(STEP, ints),
        row_of(FACTOR, ints),
        row_of(ENERGY, floats),
        table_of(NEED, floats),
        table_of(READING, floats),
        table_of(WRITING, floats),
        row_of(FIRSTS, floats),
        table_of(SHARES, floats),
        row_of(ELEMENTS, floats),
        row_of(SENT, floats),
        row_of(VISITS, floats),
        table_of(PRICES, floats),
        table_of(WIDTHS, floats),
        row_of(POSITION, ints),
        row_of(TILE_SCRAP, ints),
        row_of(READ_SCRAP, floats),
        row_of(WRITE_SCRAP, floats),
        table_of(TILES, ints),
        row_of(SEGMENT, ints),
        nest,
        row_of(SUNK, floats),
    )


@kernel
def _scratch_in(n_nodes: int, n_axes: int, ints: Ints, floats: Floats, flags: Bools) -> Scratch:
    return Scratch(
        view_of(flags, n_nodes, (n_axes,)),
        view_of(flags, n_nodes + n_axes, (n_axes,)),
        view_of(flags, n_nodes + 2 * n_axes, (n_axes,)),
        row_of(COST_TILE, ints),
        table_of(COST_FOLDS, ints),
        row_of(COST_N_TILES, ints),
        row_of(COST_USED, floats),
        row_of(COST_SHARES, floats),
        row_of(COST_STEPS, floats),
        blocks_of(COST_TRAFFIC, N_TRAFFIC, floats),
        row_of(COST_OUT, floats),
    )


@kernel
def _set_ports(serial: Ints, operand_bw: Floats, ports: Ports) -> None:
    n_levels, n_own = serial.shape[0], 0
    for level in range(n_levels):
        for operand in range(3):
            ports.row[level, operand] = level + serial[level, operand] * n_levels
            if operand_bw[level, operand] > 0.0:
                ports.row[level, operand] = 2 * n_levels + n_own
                ports.own[n_own] = level, operand, serial[level, operand]
                n_own += 1
