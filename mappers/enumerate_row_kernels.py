"""Heights of one operand's tiles in a nest, and what each choice of them costs.

With the nest fixed, what an operand moves, and the room it takes, follows from its own tiles alone: a *row* is one
choice of its heights with its share of energy, capacity and port time. The cost of a mapping is then that of three
rows (`mappers.enumerate_kernels`). The shares are those of the closed form, computed by its own functions.
"""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from archsim.core.kernels import inner_kernel
from archsim.sim.cost_kernels import count_words, held_bits, level_energy, link_first, moved_bits
from archsim.sim.kernels import (
    COUNTED,
    DOUBLE_BUFFER,
    ENERGY_PJ,
    LINK_FIRST,
    LOAD_FIRST,
    N_TRAFFIC,
    OUTPUTS,
    READ_BW,
    THROUGHPUT,
    WORDS,
    WRITE_BW,
    Bools,
    Floats,
    Ints,
    Machine,
    Nest,
    Scratch,
    Shape,
)
from archsim.sim.traffic_kernels import child, down, up

MOST_NODES = 8
"""Tiles of one operand, one for each level that holds it."""


class Hierarchy(NamedTuple):
    """Where tiles may stand. L levels, D dimensions."""

    chains: Ints
    """(3, L): the levels that hold each operand, outermost first, then -1."""
    above: Ints
    """(L,): bits of the spatial axes whose units lie outside a level or a level outside it."""
    ranks: Ints
    """(L,): a tile lies no further in than those of levels with a higher rank; all -1 where that says nothing."""
    fixed: Ints
    """(L, 3, D): sizes that tiles must have, 0 where they are free."""
    order: Ints
    """(L, D): places of dimensions in the order of loops below a level's tiles, -1 where they are free."""
    depth: Ints
    """(axes,): tiles that may lie inside the units of each axis."""
    stated: bool
    """Whether `fixed` or `order` say anything."""
    n_nodes: int
    """Heights there can be: tiles that are not an operand's outermost, or levels with such tiles where these share one."""


class Shares(NamedTuple):
    """What rows contribute to the cost of a mapping: (operands, rows, ...)."""

    energy: Floats
    """pJ"""
    first: Floats
    """Cycles of first loads and last write-backs."""
    need: Floats
    """(3, R, L) bits"""
    reads: Floats
    """(3, R, 2 L) bits through shared ports; from L on those into levels without double buffer."""
    writes: Floats
    own: Floats
    """(3, R, 2 L) bits over bandwidth, of operands with a port of their own."""
    following: Ints
    """(3, R, L): loops above the next tile further in, 0 where PEs come next."""


class Rows(NamedTuple):
    """(3, R, ...): choices of the heights of each operand's tiles, and their shares of the cost where `known`."""

    n: Ints
    tiles: Ints
    """(3, R, L): loops above the tile, -1 where there is none."""
    met: Ints
    """(3, R): bits of the pairs of loops that a tile lies between."""
    known: Bools
    shares: Shares


def new_shares(operands: int, rows: int, n_levels: int) -> Shares:
    return Shares(
        energy=np.zeros((operands, rows)),
        first=np.zeros((operands, rows)),
        need=np.zeros((operands, rows, n_levels)),
        reads=np.zeros((operands, rows, 2 * n_levels)),
        writes=np.zeros((operands, rows, 2 * n_levels)),
        own=np.zeros((operands, rows, 2 * n_levels)),
        following=np.zeros((operands, rows, n_levels), np.int64),
    )


def new_rows(most: int, n_levels: int) -> Rows:
    """Room for `most` choices of each operand."""
    return Rows(
        n=np.zeros(3, np.int64),
        tiles=np.full((3, most, n_levels), -1, np.int64),
        met=np.zeros((3, most), np.int64),
        known=np.zeros((3, most), np.bool_),
        shares=new_shares(3, most, n_levels),
    )


@inner_kernel
def height_range(level: int, hierarchy: Hierarchy, nest: Nest, n_loops: int) -> tuple[int, int]:
    """Least and most loops above a tile of a level: all units that it has its own of, none of those that share it."""
    least, most = 0, n_loops
    for i in range(n_loops):
        if nest.axis[i] >= 0:
            if hierarchy.above[level] >> nest.axis[i] & 1:
                least = i + 1
            elif most == n_loops:
                most = i
    return least, most


@inner_kernel
def pairs_met(height: int, pair_from: Ints, pair_to: Ints, n_pairs: int) -> int:
    """Bits of the pairs of loops that `height` lies between."""
    met = 0
    for i in range(n_pairs):
        if pair_from[i] < height <= pair_to[i]:
            met |= 1 << i
    return met


@inner_kernel
def list_rows(
    operand: int,
    hierarchy: Hierarchy,
    shape: Shape,
    nest: Nest,
    n_loops: int,
    pair_from: Ints,
    pair_to: Ints,
    n_pairs: int,
    rows: Rows,
    height: Ints,
    least: Ints,
    most: Ints,
) -> None:
    """All heights of an operand's tiles that the hierarchy and the constraints allow."""
    chain, length = hierarchy.chains[operand], 0
    while length < chain.shape[0] and chain[length] >= 0:
        least[length], most[length] = height_range(chain[length], hierarchy, nest, n_loops)
        length += 1
    rows.n[operand] = 0
    if length == 0:
        _add_row(operand, chain, 0, 0, rows, height)
        return
    least[0], most[0] = 0, 0
    at = 0
    height[0] = -1
    while at >= 0:
        height[at] = max(height[at] + 1, least[at], height[at - 1] if at > 0 else 0)
        if height[at] > most[at]:
            at -= 1
        elif at + 1 < length:
            at += 1
            height[at] = -1
        elif not hierarchy.stated or _allowed(operand, chain, length, hierarchy, shape, nest, n_loops, height):
            met = 0
            for i in range(1, length):
                met |= pairs_met(height[i], pair_from, pair_to, n_pairs)
            _add_row(operand, chain, length, met, rows, height)


@inner_kernel
def _add_row(operand: int, chain: Ints, length: int, met: int, rows: Rows, height: Ints) -> None:
    row = rows.n[operand]
    for level in range(rows.tiles.shape[2]):
        rows.tiles[operand, row, level] = -1
    for i in range(length):
        rows.tiles[operand, row, chain[i]] = height[i]
    rows.met[operand, row] = met
    rows.known[operand, row] = False
    rows.n[operand] = row + 1


@inner_kernel
def _allowed(
    operand: int, chain: Ints, length: int, hierarchy: Hierarchy, shape: Shape, nest: Nest, n_loops: int, height: Ints
) -> bool:
    for i in range(length):
        end = height[i + 1] if i + 1 < length else n_loops
        if not in_order(chain[i], height[i], end, hierarchy, nest):
            return False
        if i > 0 and not of_size(operand, chain[i], height[i], hierarchy, shape, nest, n_loops):
            return False
    return True


@inner_kernel
def in_order(level: int, begin: int, end: int, hierarchy: Hierarchy, nest: Nest) -> bool:
    """Whether the loops in time from `begin` to `end` come in the order stated for a level."""
    last = -1
    for i in range(begin, end):
        rank = hierarchy.order[level, nest.dim[i]]
        if nest.axis[i] < 0 and rank >= 0:
            if rank < last:
                return False
            last = rank
    return True


@inner_kernel
def of_size(
    operand: int, level: int, height: int, hierarchy: Hierarchy, shape: Shape, nest: Nest, n_loops: int
) -> bool:
    """Whether a tile has the sizes stated for it."""
    fixed = hierarchy.fixed[level, operand]
    for d in range(fixed.shape[0]):
        if fixed[d] == 0:
            continue
        size = nest.base[d]
        for i in range(height, n_loops):
            if nest.dim[i] == d:
                size *= nest.factor[i]
        if min(size, shape.sizes[d]) != fixed[d]:
            return False
    return True


@inner_kernel
def cost_row(
    operand: int,
    row: int,
    shape: Shape,
    nest: Nest,
    n_loops: int,
    machine: Machine,
    scratch: Scratch,
    rows: Rows,
    tiles: Ints,
) -> None:
    """Fill in a row's shares of the cost. `scratch` holds the passes of the nest and the instances of each level."""
    shares = rows.shares
    rows.known[operand, row] = True
    for level in range(tiles.shape[0]):
        for other in range(3):
            tiles[level, other] = rows.tiles[operand, row, level] if other == operand else -1
            for plane in range(N_TRAFFIC):
                scratch.traffic[plane, level, other] = 0.0
    if operand == OUTPUTS:
        up(shape, nest, n_loops, tiles, machine, scratch)
    else:
        down(operand, shape, nest, n_loops, tiles, machine, scratch)
    if machine.counting[WORDS] == COUNTED:
        count_words(machine, scratch)
    level_energy(machine, scratch)
    shares.energy[operand, row] = scratch.out[ENERGY_PJ]
    shares.first[operand, row] = 0.0
    for level in range(tiles.shape[0]):
        shares.need[operand, row, level] = 0.0
        if tiles[level, operand] >= 0:
            shares.need[operand, row, level] = held_bits(
                level, operand, shape, nest, n_loops, tiles, machine, scratch
            )
        _add_ports(operand, row, level, tiles, machine, scratch, shares)


@inner_kernel
def _add_ports(
    operand: int, row: int, level: int, tiles: Ints, machine: Machine, scratch: Scratch, shares: Shares
) -> None:
    """What the row keeps a level's ports busy for, and its first transfer from there."""
    n_levels = tiles.shape[0]
    for slot in (level, n_levels + level):
        shares.reads[operand, row, slot] = 0.0
        shares.writes[operand, row, slot] = 0.0
        shares.own[operand, row, slot] = 0.0
    shares.following[operand, row, level] = 0
    if tiles[level, operand] < 0:
        return
    below = child(level, operand, tiles)
    slot = level
    if below >= 0:
        shares.following[operand, row, level] = tiles[below, operand]
        if machine.counting[THROUGHPUT]:
            if machine.counting[THROUGHPUT] == LOAD_FIRST and operand != OUTPUTS:
                shares.first[operand, row] += _first_through(level, below, operand, machine, scratch)
        elif machine.levels[below, DOUBLE_BUFFER] == 0:
            slot = n_levels + level
        else:
            shares.first[operand, row] += link_first(level, operand, machine, scratch)
    reads, writes = moved_bits(level, operand, machine, scratch)
    if machine.operand_bw[level, operand] > 0:
        shares.own[operand, row, slot] = (reads + writes) / machine.operand_bw[level, operand]
    else:
        shares.reads[operand, row, slot] = reads
        shares.writes[operand, row, slot] = writes


@inner_kernel
def _first_through(level: int, below: int, operand: int, machine: Machine, scratch: Scratch) -> float:
    """Cycles of the first tile over the slower end of its link."""
    bits = scratch.traffic[LINK_FIRST, level, operand] * machine.stored_bits[level, operand]
    out = bits / scratch.used[level] / machine.levels[level, READ_BW]
    return max(out, bits / scratch.used[below] / machine.levels[below, WRITE_BW])
