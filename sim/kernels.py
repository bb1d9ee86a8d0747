"""Geometry of one mapping on flat arrays: tiles, their numbers and sizes, and how often each is moved.

A mapping is a nest of loops, outermost first: `nest.dim[i]` iterates `nest.factor[i]` times, in time (`nest.axis[i]`
below 0) or side by side on a spatial axis. Below the last of its `n_loops` loops lies the base tile, `nest.base[d]` of
each dimension: 1 for engines that unroll single loops, one array tile for engines that work in passes. A dimension of
size D cut in tiles of t has ceil(D / t) of them, the last one partial: nothing is padded. docs/cost-model.md derives
each formula.

Operands are numbered 0 inputs, 1 weights, 2 outputs. `tiles[level, operand]` is how many loops lie above that tile, -1
for a level the operand does not use. Levels are outermost first.
"""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from archsim.core.kernels import inlined_kernel, kernel

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

INPUTS, WEIGHTS, OUTPUTS = 0, 1, 2
MAX_DIMS = 10
MAX_LOOPS = 64

# Columns of `machine.levels`.
CAPACITY, READ_BW, WRITE_BW, SHARED_PORTS, DOUBLE_BUFFER, OFF_CHIP, RESERVED = 0, 1, 2, 3, 4, 5, 6
# Entries of `machine.counting` (conventions; see sim/conventions.py).
(
    WHOLE_FOLDS,
    LAST_CYCLE,
    PSUM_REREADS,
    STRAY_WRITES,
    MEMORY_STALLS,
    FIRST_PARTIAL_READ,
    REFILL_ALL,
    WRITE_BACK_READ,
    WIDE_FINALS,
    MAC_HOLDS,
    WHOLE_HALO,
    HALO_MULTICAST,
    WORDS,
    PORT_WORDS,
    RESERVE,
    THROUGHPUT,
    NESTED_REUSE,
) = range(17)
# Values of entries that take more than two.
ALWAYS, RETURNING = 1, 2  # FIRST_PARTIAL_READ
OVERLAP, EQUAL = 1, 2  # HALO_MULTICAST
COUNTED, TRANSFERRED = 1, 2  # WORDS
NO_RESERVE, ALL_RESERVE = 1, 2  # RESERVE
LOAD_FIRST = 2  # THROUGHPUT
# Entries of `scratch.out`.
TOTAL, COMPUTE, STREAMED, PASSES, ENERGY_PJ, DRAM_BITS, FIRST_LOAD, WRITE_BACK, LIMIT_LEVEL, UNBUFFERED, LIMIT = range(
    11
)
N_OUT = 11
# Planes of `scratch.traffic[plane, level, operand]`, totals over all instances; the partial-sum planes belong to
# outputs. Words are counted where the convention rounds them.
READS, FILLS, UPDATES, READS_PARTIAL, WRITES_PARTIAL, LINK_FIRST, LINK_TIME, READ_WORDS, WRITE_WORDS = range(9)
N_TRAFFIC = 9


class Shape(NamedTuple):
    """What is computed: `sizes` (D,), `relevant` (3 operands, D), and how inputs slide and dimensions group.

    windows: (W, 4) with W at least 2, rows of (dim, coefficient, dim, coefficient), dim -1 where there is none; groups:
    (4, G) with G at least 3, the dimensions of GEMM rows, columns, reduction and batch, -1 where there are fewer.
    """

    sizes: Ints
    relevant: Bools
    windows: Ints
    groups: Ints


class Nest(NamedTuple):
    """The loops of a mapping, outermost first (MAX_LOOPS,), and the base tile below them (D,)."""

    dim: Ints
    factor: Ints
    axis: Ints
    base: Ints


class Machine(NamedTuple):
    """What computes it. L levels, A spatial axes, 4 widths: the operands' and that of partial sums.

    flow: [engine with passes?, row group, column group, stream group, stationary operand]; array: its rows and columns;
    timing: see `pass_cycles`; counting: the conventions; multicast: (3, A), one access serves all units of the axis;
    levels: (L, 7); bits: (4,) of an element; stored_bits: (L, 4), with what a packed word leaves empty; read_pj,
    write_pj: (L, 4) of an element; words: (L, 2) width of a read and of a write, word_pj: (L, 2) their energy, 0 where
    the design states none; operand_bw: (L, 3) bits per cycle of an operand's own port, 0 where it has none.
    """

    flow: Ints
    array: Ints
    timing: Floats
    counting: Floats
    multicast: Bools
    levels: Floats
    bits: Floats
    stored_bits: Floats
    read_pj: Floats
    write_pj: Floats
    words: Floats
    word_pj: Floats
    operand_bw: Floats


class Scratch(NamedTuple):
    """Room for one costing at a time, and its results: `traffic` (planes, L, 3) and `out` (N_OUT,).

    `used` (L,): instances at work. The rest is of no use to the caller.
    """

    none: Bools
    shared: Bools
    together: Bools
    tile: Ints
    folds: Ints
    n_tiles: Ints
    used: Floats
    shares: Floats
    steps: Floats
    traffic: Floats
    out: Floats


def scratch(n_dims: int, n_levels: int, n_axes: int) -> Scratch:
    """Room for costing mappings of `n_dims` dimensions on `n_levels` levels and `n_axes` spatial axes."""
    return Scratch(
        np.zeros(n_axes, np.bool_),
        np.zeros(n_axes, np.bool_),
        np.ones(n_axes, np.bool_),
        np.ones(n_dims, np.int64),
        np.zeros((3, 7), np.int64),
        np.ones(3, np.int64),
        np.ones(n_levels),
        np.ones(n_levels),
        np.ones(n_levels),
        np.zeros((N_TRAFFIC, n_levels, 3)),
        np.zeros(N_OUT),
    )


@kernel
def empty_nest(n_dims: int) -> Nest:
    """A nest without loops over a base tile of 1."""
    return Nest(
        np.zeros(MAX_LOOPS, np.int64),
        np.ones(MAX_LOOPS, np.int64),
        np.full(MAX_LOOPS, -1, np.int64),
        np.ones(n_dims, np.int64),
    )


@inlined_kernel
def tile_sizes(shape: Shape, nest: Nest, n_loops: int, position: int, out: Ints) -> None:
    """Fill `out[d]` with the full tile size of each dimension inside `position`, at most the dimension itself."""
    for d in range(shape.sizes.shape[0]):
        out[d] = nest.base[d]
    for i in range(position, n_loops):
        out[nest.dim[i]] *= nest.factor[i]
    for d in range(shape.sizes.shape[0]):
        if out[d] > shape.sizes[d]:
            out[d] = shape.sizes[d]


@inlined_kernel
def split(dim: int, end: int, shape: Shape, nest: Nest, n_loops: int, shared: Bools) -> tuple[int, int, int]:
    """Tiles of `dim` that the loops above `end` make: (number of full ones, edge size or 0, full size).

    Spatial loops whose axis is set in `shared` make their tiles at once: they count as one, the largest.
    Where factors do not divide, the walk follows the remainder: every other tile on the way is full.
    """
    size = shape.sizes[dim]
    inside = nest.base[dim]
    for i in range(end, n_loops):
        if nest.dim[i] == dim:
            inside *= nest.factor[i]
    span = inside
    per_full = 1
    for i in range(end):
        if nest.dim[i] == dim:
            span *= nest.factor[i]
            if nest.axis[i] < 0 or not shared[nest.axis[i]]:
                per_full *= nest.factor[i]
    if span == size:
        return per_full, 0, inside
    full = 0
    rest = size
    for i in range(end):
        if nest.dim[i] != dim or nest.factor[i] == 1:
            continue
        span //= nest.factor[i]
        if nest.axis[i] >= 0 and shared[nest.axis[i]]:
            rest = min(rest, span)
        else:
            per_full //= nest.factor[i]
            whole = (rest - 1) // span
            full += whole * per_full
            rest -= whole * span
    if rest >= inside:
        return full + 1, 0, inside
    return full, rest, inside


@inlined_kernel
def count_tiles(dim: int, end: int, shape: Shape, nest: Nest, n_loops: int, shared: Bools) -> int:
    """Tiles of `dim` above loop `end`; spatial loops set in `shared` count once."""
    if shape.sizes[dim] == 1:
        return 1
    full, edge, _ = split(dim, end, shape, nest, n_loops, shared)
    return full + (1 if edge > 0 else 0)


@inlined_kernel
def tiles_apart(dim: int, still: int, end: int, shape: Shape, nest: Nest, n_loops: int, shared: Bools) -> int:
    """Tiles of `dim` above loop `end` that are moved one by one.

    As `count_tiles`, but what loops in time from `still` on run through counts as one tile too: in each unit that has
    any of it.
    """
    size = shape.sizes[dim]
    if size == 1:
        return 1
    span, tiles = nest.base[dim], 1
    for i in range(n_loops):
        if nest.dim[i] == dim:
            span *= nest.factor[i]
            if i < end and ((nest.axis[i] < 0 and i < still) or (nest.axis[i] >= 0 and not shared[nest.axis[i]])):
                tiles *= nest.factor[i]
    if span == size:
        return tiles
    full, rest = 0, size
    for i in range(end):
        if nest.dim[i] != dim or nest.factor[i] == 1:
            continue
        span //= nest.factor[i]
        if (nest.axis[i] < 0 and i >= still) or (nest.axis[i] >= 0 and shared[nest.axis[i]]):
            rest = min(rest, span)
        else:
            tiles //= nest.factor[i]
            whole = (rest - 1) // span
            full += whole * tiles
            rest -= whole * span
    return full + 1


@inlined_kernel
def whole_elements(operand: int, shape: Shape) -> float:
    """Product of the dimensions that index an operand."""
    total = 1.0
    for d in range(shape.sizes.shape[0]):
        if shape.relevant[operand, d]:
            total *= shape.sizes[d]
    return total


@inlined_kernel
def box_elements(operand: int, shape: Shape, tile: Ints) -> float:
    """Elements of an operand that index ranges of the sizes in `tile` touch."""
    total = 1.0
    for d in range(tile.shape[0]):
        if shape.relevant[operand, d]:
            total *= tile[d]
    if operand == INPUTS:
        for w in range(shape.windows.shape[0]):
            d1, a, d2, b = shape.windows[w, 0], shape.windows[w, 1], shape.windows[w, 2], shape.windows[w, 3]
            if d1 >= 0:
                span = a * (tile[d1] - 1) + b * (tile[d2] - 1) + 1
                touched = tile[d1] * tile[d2]
                total *= min(span, touched) / float(touched)
    return total


@inlined_kernel
def tile_elements(operand: int, position: int, shape: Shape, nest: Nest, n_loops: int, tile: Ints) -> float:
    """Elements of one full tile of an operand at `position`."""
    tile_sizes(shape, nest, n_loops, position, tile)
    return box_elements(operand, shape, tile)


@inlined_kernel
def first_relevant(operand: int, position: int, shape: Shape, nest: Nest) -> int:
    """Loops from here outwards refetch the operand's tile at `position`: irrelevant ones directly above it do not."""
    q = position
    while q > 0:
        i = q - 1
        if nest.axis[i] < 0 and nest.factor[i] > 1 and shape.relevant[operand, nest.dim[i]]:
            break
        q -= 1
    return q


@inlined_kernel
def revisits(operand: int, position: int, shape: Shape, nest: Nest, n_loops: int, shared: Bools, limit: int) -> float:
    """How often each tile of the operand at `position` is transferred: tiles of the loops that do not index it.

    Loops in time directly above the tile (from `limit` on) that do not index it are reuse; spatial ones count unless in
    `shared`, with the units that have work: to those beyond the edge nothing is sent.
    """
    q = min(position, max(limit, first_relevant(operand, position, shape, nest)))
    times = 1.0
    for d in range(shape.sizes.shape[0]):
        if not shape.relevant[operand, d]:
            times *= tiles_apart(d, q, position, shape, nest, n_loops, shared)
    return times


@inlined_kernel
def reuse_limit(parent: int, tiles: Ints, shape: Shape, nest: Nest) -> int:
    """Loops above the innermost tile of any operand at level `parent`, where none stand still directly above it."""
    limit = 0
    for operand in range(3):
        if tiles[parent, operand] >= 0:
            limit = max(limit, first_relevant(operand, tiles[parent, operand], shape, nest))
    return limit


@inlined_kernel
def shared_between(
    operand: int, above: int, position: int, nest: Nest, n_loops: int, multicast: Bools, out: Bools
) -> None:
    """Axes that lie between tiles at `above` and at `position`, on which one access serves all units of an operand."""
    for a in range(out.shape[0]):
        out[a] = False
    for i in range(above, position):
        if nest.axis[i] >= 0:
            out[nest.axis[i]] = multicast[operand, nest.axis[i]]
    for i in range(max(above, position), n_loops):
        if nest.axis[i] >= 0:
            out[nest.axis[i]] = False


@inlined_kernel
def mac_revisits(operand: int, shape: Shape, nest: Nest, n_loops: int, shared: Bools, holds: bool) -> float:
    """Accesses a PE makes per element of an operand: every MAC takes its operands anew, unless it `holds` them."""
    if holds:
        return revisits(operand, n_loops, shape, nest, n_loops, shared, 0)
    times = 1.0
    for d in range(shape.sizes.shape[0]):
        if not shape.relevant[operand, d]:
            times *= count_tiles(d, n_loops, shape, nest, n_loops, shared)
    return times


@inlined_kernel
def units_apart(operand: int, begin: int, end: int, shape: Shape, nest: Nest, shared: Bools) -> float:
    """Units among loops begin..end that are not served by one access: one instance's distinct tiles below `begin`."""
    product = 1.0
    for i in range(begin, end):
        if nest.axis[i] >= 0 and (shape.relevant[operand, nest.dim[i]] or not shared[nest.axis[i]]):
            product *= nest.factor[i]
    return product


@inlined_kernel
def spatial_loops(begin: int, end: int, nest: Nest) -> float:
    """Product of the spatial factors among loops begin..end: instances used below `begin`."""
    product = 1.0
    for i in range(begin, end):
        if nest.axis[i] >= 0:
            product *= nest.factor[i]
    return product
