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


@lru_cache(maxsize=1024)
def empty_room(of: Extents, own_ports: int) -> tuple[Ints, Floats, Bools]:
    """What the arrays of a search begin with: see `room_in`. To be copied."""
    room = scratch(of.dims, of.levels, of.axes)
    flags = np.concatenate([np.ones(of.nodes, np.bool_), room.none, room.shared, room.together])
    return packed(_ints(of, own_ports), np.int64), packed(_floats(of, 2 * of.levels + own_ports), np.float64), flags


def _ints(of: Extents, own_ports: int) -> list[Ints]:
    """In the order of `room_in`."""

    def ones(*shape: int) -> Ints:
        return np.ones(shape, np.int64)

    def zeros(*shape: int) -> Ints:
        return np.zeros(shape, np.int64)

    room = scratch(of.dims, of.levels, of.axes)
    return [
        zeros(of.levels, 3),
        zeros(own_ports, 3),
        ones(of.dims),
        ones(of.bounds, of.dims),
        ones(of.bounds, of.dims),
        ones(of.bounds * 3, of.dims),
        zeros(of.slots),
        ones(of.slots),
        zeros(of.slots),
        zeros(of.slots),
        ones(of.rows, of.dims),
        ones(of.rows, of.dims),
        zeros(of.rows),
        ones(of.rows),
        zeros(of.nodes),
        ones(of.dims),
        np.full((of.levels, 3), -1, np.int64),
        zeros(MAX_LOOPS),
        zeros(MAX_LOOPS),
        ones(MAX_LOOPS),
        -ones(MAX_LOOPS),
        ones(of.dims),
        room.tile,
        room.folds,
        room.n_tiles,
    ]


def _floats(of: Extents, ports: int) -> list[Floats]:
    """In the order of `room_in`."""
    room = scratch(of.dims, of.levels, of.axes)
    return [
        np.zeros(ports),
        np.zeros(ports),
        np.ones(of.levels),
        np.zeros(N_TOTALS),
        np.zeros(of.nodes),
        np.zeros(of.nodes),
        np.zeros(of.nodes),
        np.zeros((of.nodes, 4)),
        np.zeros((of.nodes, N_PRICES)),
        np.zeros((of.nodes, N_PRICES)),
        np.zeros(of.nodes),
        np.zeros(of.nodes),
        np.zeros(of.pools),
        np.zeros(of.pools),
        np.zeros(of.rows),
        np.zeros((of.rows, of.levels)),
        np.zeros((of.rows, ports)),
        np.zeros((of.rows, ports)),
        np.zeros(of.rows),
        np.zeros((of.rows, of.levels)),
        np.zeros(of.nodes),
        np.zeros(of.nodes),
        np.zeros(of.nodes),
        np.zeros((of.nodes, N_PRICES)),
        np.zeros((of.nodes, N_PRICES)),
        np.zeros(ports),
        np.zeros(ports),
        room.used,
        room.shares,
        room.steps,
        room.traffic.reshape(-1, 3),
        room.out,
        np.zeros(of.nodes),
    ]


@kernel
def room_in(task: Task, ints: Ints, floats: Floats, flags: Bools) -> Room:
    """Room for one search of a task in arrays that `empty_room` began."""
    bounds, n_nodes, n_axes = task.space.n_bounds, task.space.nodes.shape[0], task.machine.multicast.shape[1]
    ports = Ports(table_of(0, ints), table_of(1, ints))
    _set_ports(task.space.serial, task.machine.operand_bw, ports)
    return Room(
        ports,
        Start(
            row_of(2, ints),
            table_of(3, ints),
            table_of(4, ints),
            blocks_of(5, bounds, ints),
            row_of(6, ints),
            row_of(7, ints),
            row_of(8, ints),
            row_of(9, ints),
            row_of(0, floats),
            row_of(1, floats),
            row_of(2, floats),
            row_of(3, floats),
        ),
        Lines(
            row_of(4, floats),
            row_of(5, floats),
            view_of(flags, 0, (n_nodes,)),
            row_of(6, floats),
            table_of(7, floats),
            table_of(8, floats),
            table_of(9, floats),
            row_of(10, floats),
            row_of(11, floats),
            row_of(12, floats),
            row_of(13, floats),
        ),
        Walk(
            table_of(10, ints),
            table_of(11, ints),
            row_of(12, ints),
            row_of(13, ints),
            row_of(14, floats),
            table_of(15, floats),
            table_of(16, floats),
            table_of(17, floats),
            row_of(18, floats),
            table_of(19, floats),
            row_of(20, floats),
            row_of(21, floats),
            row_of(22, floats),
            table_of(23, floats),
            table_of(24, floats),
            row_of(14, ints),
            row_of(15, ints),
            row_of(25, floats),
            row_of(26, floats),
            table_of(16, ints),
            row_of(17, ints),
            Nest(row_of(18, ints), row_of(19, ints), row_of(20, ints), row_of(21, ints)),
            row_of(32, floats),
        ),
        Scratch(
            view_of(flags, n_nodes, (n_axes,)),
            view_of(flags, n_nodes + n_axes, (n_axes,)),
            view_of(flags, n_nodes + 2 * n_axes, (n_axes,)),
            row_of(22, ints),
            table_of(23, ints),
            row_of(24, ints),
            row_of(27, floats),
            row_of(28, floats),
            row_of(29, floats),
            blocks_of(30, N_TRAFFIC, floats),
            row_of(31, floats),
        ),
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
