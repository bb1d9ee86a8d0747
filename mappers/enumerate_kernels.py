"""Every mapping of a problem, one after the other: loops from the innermost outwards, tiles at every height.

Nests are walked like an odometer: the outermost loops change first. Two loops of one dimension have a tile between
them, and loops over units stand directly above a tile or the PEs, in the order of their axes: what differs only in
that is one mapping.
"""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from archsim.core.kernels import inner_kernel, kernel
from archsim.mappers.enumerate_mix_kernels import Room, Terms, even_mappings, uneven_mappings
from archsim.mappers.enumerate_row_kernels import Hierarchy
from archsim.mappers.enumerate_tally_kernels import NESTS, TRIED, Tally
from archsim.sim.kernels import MAX_LOOPS, Ints, Machine, Shape

NONE = 1 << 30


class Path(NamedTuple):
    """The loops of the nest so far, innermost first; row i is the state before loop i is chosen."""

    next: Ints
    """Which loop is tried next: of units, then of each dimension."""
    factor: Ints
    left: Ints
    """(rows, D): tiles of each dimension that loops outside must make."""
    waiting: Ints
    """Bits of the loops over units that are still to come."""
    dims: Ints
    """Bits of the dimensions of the loops in time since the last height there must be."""
    lowest: Ints
    """Least number of the loops over units since then."""
    heights: Ints
    """Heights there must be at least."""
    loop: Ints
    """(rows, 4): dim, factor, axis chosen, and the number of a loop over units."""


def new_path(n_dims: int) -> Path:
    """Room for a nest."""
    rows = MAX_LOOPS + 1
    return Path(
        next=np.zeros(rows, np.int64),
        factor=np.ones(rows, np.int64),
        left=np.ones((rows, n_dims), np.int64),
        waiting=np.zeros(rows, np.int64),
        dims=np.zeros(rows, np.int64),
        lowest=np.full(rows, NONE, np.int64),
        heights=np.zeros(rows, np.int64),
        loop=np.zeros((rows, 4), np.int64),
    )


@kernel
def walk_all(
    bases: Ints,
    units: Ints,
    n_units: Ints,
    shape: Shape,
    machine: Machine,
    hierarchy: Hierarchy,
    terms: Terms,
    path: Path,
    room: Room,
    tally: Tally,
) -> None:
    """All mappings above each base tile (rows of `bases`) with each way to fill the axes.

    units: (ways, most, 3), the first `n_units` of each way its loops over units: dim, factor, axis.
    """
    for tile in range(bases.shape[0]):
        room.nest.base[:] = bases[tile]
        for way in range(units.shape[0]):
            walk_nests(units[way, : n_units[way]], shape, machine, hierarchy, terms, path, room, tally)
            if tally.counts[TRIED] > terms.most or tally.counts[NESTS] > terms.most:
                return


@inner_kernel
def walk_nests(
    units: Ints,
    shape: Shape,
    machine: Machine,
    hierarchy: Hierarchy,
    terms: Terms,
    path: Path,
    room: Room,
    tally: Tally,
) -> None:
    """All mappings above the base tile in `room.nest` with the loops over `units` (n, 3): dim, factor, axis."""
    for d in range(shape.sizes.shape[0]):
        path.left[0, d] = (shape.sizes[d] + room.nest.base[d] - 1) // room.nest.base[d]
    path.waiting[0] = (1 << units.shape[0]) - 1
    path.dims[0], path.lowest[0], path.heights[0], path.next[0], path.factor[0] = 0, NONE, 0, 0, 1
    if _complete(0, path):
        _mappings_of_nest(0, shape, machine, hierarchy, terms, path, room, tally)
        return
    at = 0
    while at >= 0:
        if tally.counts[TRIED] > terms.most or tally.counts[NESTS] > terms.most:
            return
        if at >= MAX_LOOPS - 2 or not _choose(at, units, hierarchy, terms, path):
            at -= 1
            continue
        at += 1
        if _complete(at, path):
            _mappings_of_nest(at, shape, machine, hierarchy, terms, path, room, tally)
            at -= 1
        else:
            path.next[at], path.factor[at] = 0, 1


@inner_kernel
def _complete(at: int, path: Path) -> bool:
    for d in range(path.left.shape[1]):
        if path.left[at, d] > 1:
            return False
    return bool(path.waiting[at] == 0)


@inner_kernel
def _choose(at: int, units: Ints, hierarchy: Hierarchy, terms: Terms, path: Path) -> bool:
    """Choose the next loop outside row `at`, and fill in the row after it; False when all were tried."""
    n_units, n_dims = units.shape[0], path.left.shape[1]
    while path.next[at] < n_units + n_dims:
        option = path.next[at]
        if option < n_units:
            path.next[at] += 1
            if path.waiting[at] >> option & 1 and _take_units(at, option, units, hierarchy, terms, path):
                return True
            continue
        d = option - n_units
        factor = _next_factor(path.factor[at], path.left[at, d], terms.perfect)
        if factor == 0:
            path.next[at] += 1
            path.factor[at] = 1
            continue
        path.factor[at] = factor
        if _take_loop(at, d, factor, units, hierarchy, terms, path):
            return True
    return False


@inner_kernel
def _next_factor(factor: int, count: int, perfect: bool) -> int:
    """The next larger factor that makes fewer tiles of `count`, the least that does; 0 when there is none."""
    while True:
        tiles = (count + factor - 1) // factor
        if tiles <= 1:
            return 0
        factor = (count + tiles - 2) // (tiles - 1)
        if not perfect or count % factor == 0:
            return factor


@inner_kernel
def _step_out(at: int, path: Path) -> None:
    for d in range(path.left.shape[1]):
        path.left[at + 1, d] = path.left[at, d]
    path.waiting[at + 1] = path.waiting[at]
    path.dims[at + 1], path.lowest[at + 1] = path.dims[at], path.lowest[at]
    path.heights[at + 1] = path.heights[at]


@inner_kernel
def _take_units(at: int, option: int, units: Ints, hierarchy: Hierarchy, terms: Terms, path: Path) -> bool:
    d, factor, axis = units[option, 0], units[option, 1], units[option, 2]
    count = path.left[at, d]
    if count < factor or (terms.perfect and count % factor):
        return False
    _step_out(at, path)
    # Loops over units have no loop in time directly below them, and come in order.
    if path.dims[at] != 0 or path.lowest[at] < option:
        path.heights[at + 1] += 1
        path.dims[at + 1], path.lowest[at + 1] = 0, NONE
    path.lowest[at + 1] = min(path.lowest[at + 1], option)
    path.left[at + 1, d] = (count + factor - 1) // factor
    path.waiting[at + 1] ^= 1 << option
    path.loop[at, 0], path.loop[at, 1], path.loop[at, 2], path.loop[at, 3] = d, factor, axis, option
    return bool(path.heights[at + 1] <= min(hierarchy.n_nodes, hierarchy.depth[axis]))


@inner_kernel
def _take_loop(at: int, d: int, factor: int, units: Ints, hierarchy: Hierarchy, terms: Terms, path: Path) -> bool:
    _step_out(at, path)
    if path.dims[at] >> d & 1:
        path.heights[at + 1] += 1
        path.dims[at + 1], path.lowest[at + 1] = 0, NONE
        if path.heights[at + 1] > hierarchy.n_nodes:
            return False
    path.dims[at + 1] |= 1 << d
    left = (path.left[at, d] + factor - 1) // factor
    path.left[at + 1, d] = left
    path.loop[at, 0], path.loop[at, 1], path.loop[at, 2] = d, factor, -1
    for i in range(units.shape[0]):
        if path.waiting[at] >> i & 1 and units[i, 0] == d:
            if left < units[i, 1] or (terms.perfect and left % units[i, 1]):
                return False
    return not _stuck(at + 1, hierarchy, path)


@inner_kernel
def _stuck(at: int, hierarchy: Hierarchy, path: Path) -> bool:
    """Whether a dimension needs one more loop in time, and no height is left that would part it from its last one."""
    if path.waiting[at] != 0 or path.heights[at] < hierarchy.n_nodes:
        return False
    for d in range(path.left.shape[1]):
        if path.left[at, d] > 1 and path.dims[at] >> d & 1:
            return True
    return False


@inner_kernel
def _mappings_of_nest(
    n_loops: int,
    shape: Shape,
    machine: Machine,
    hierarchy: Hierarchy,
    terms: Terms,
    path: Path,
    room: Room,
    tally: Tally,
) -> None:
    """Lay the path out as a nest, and take all heights of tiles in it."""
    nest = room.nest
    for i in range(n_loops):
        loop = path.loop[n_loops - 1 - i]
        nest.dim[i], nest.factor[i], nest.axis[i] = loop[0], loop[1], loop[2]
    tally.counts[NESTS] += 1
    n_pairs = _pairs(n_loops, path, room)
    if terms.even:
        even_mappings(n_loops, n_pairs, shape, machine, hierarchy, terms, room, tally)
    else:
        uneven_mappings(n_loops, n_pairs, shape, machine, hierarchy, terms, room, tally)


@inner_kernel
def _pairs(n_loops: int, path: Path, room: Room) -> int:
    """Pairs of loops that a tile must lie between, into `room`; how many there are."""
    nest, n = room.nest, 0
    for i in range(n_loops):
        for j in range(i + 1, n_loops):
            if nest.axis[i] < 0:
                apart = nest.axis[j] < 0 and nest.dim[i] == nest.dim[j]
            elif nest.axis[j] < 0:
                apart = True
            else:
                apart = j == i + 1 and path.loop[n_loops - 1 - i, 3] > path.loop[n_loops - 1 - j, 3]
            if apart:
                room.pair_from[n], room.pair_to[n] = i, j
                n += 1
                break
            if nest.axis[i] >= 0 and nest.axis[j] < 0:
                break
    return n
