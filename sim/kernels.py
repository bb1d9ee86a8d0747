"""The closed form on flat arrays: one function costs one mapping; the mapper and the evaluator call that same one.

A mapping is a list of loops, outermost first: `loop_dim[i]` iterates `loop_factor[i]` times, in time (`loop_axis[i]`
below 0) or side by side on a spatial axis. Below the last loop lies the base tile, `base[d]` of each dimension: 1 for
engines that unroll single loops, one array tile for engines that work in passes. A dimension of size D cut in tiles of
t has ceil(D / t) of them, the last one partial: nothing is padded. docs/cost-model.md derives each formula.

Operands are numbered 0 inputs, 1 weights, 2 outputs. `tiles[level, operand]` is how many loops lie above that tile, -1
for a level the operand does not use. Levels are outermost first.
"""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archsim.core.kernels import kernel

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

INPUTS, WEIGHTS, OUTPUTS = 0, 1, 2
MAX_DIMS = 10
MAX_LOOPS = 64


@kernel
def tile_sizes(
    position: int, sizes: Ints, base: Ints, loop_dim: Ints, loop_factor: Ints, n_loops: int, out: Ints
) -> None:
    """Fill `out[d]` with the full tile size of each dimension inside `position`, at most the dimension itself."""
    for d in range(sizes.shape[0]):
        out[d] = base[d]
    for i in range(position, n_loops):
        out[loop_dim[i]] *= loop_factor[i]
    for d in range(sizes.shape[0]):
        if out[d] > sizes[d]:
            out[d] = sizes[d]


@kernel
def split(
    dim: int,
    begin: int,
    end: int,
    size: int,
    base: Ints,
    loop_dim: Ints,
    loop_factor: Ints,
    loop_axis: Ints,
    n_loops: int,
    shared: Bools,
) -> tuple[int, int, int]:
    """Tiles of `dim` that loops `begin`..`end` make of `size`: (number of full ones, edge size or 0, full size).

    Spatial loops whose axis is set in `shared` make their tiles at once: they count as one, the largest.
    The walk follows the remainder: every other tile on the way is full.
    """
    inside = base[dim]
    for i in range(end, n_loops):
        if loop_dim[i] == dim:
            inside *= loop_factor[i]
    span = inside
    per_full = 1
    for i in range(begin, end):
        if loop_dim[i] == dim:
            span *= loop_factor[i]
            if loop_axis[i] < 0 or not shared[loop_axis[i]]:
                per_full *= loop_factor[i]
    full = 0
    rest = size
    for i in range(begin, end):
        if loop_dim[i] != dim:
            continue
        span //= loop_factor[i]
        together = loop_axis[i] >= 0 and shared[loop_axis[i]]
        if not together:
            per_full //= loop_factor[i]
        if together:
            if rest > span:
                rest = span
        else:
            whole = (rest - 1) // span
            full += whole * per_full
            rest -= whole * span
    if rest >= inside:
        return full + 1, 0, inside
    return full, rest, inside


@kernel
def count_tiles(
    dim: int,
    end: int,
    sizes: Ints,
    base: Ints,
    loop_dim: Ints,
    loop_factor: Ints,
    loop_axis: Ints,
    n_loops: int,
    shared: Bools,
) -> int:
    """Tiles of `dim` above loop `end`; spatial loops set in `shared` count once."""
    if sizes[dim] == 1:
        return 1
    full, edge, _ = split(dim, 0, end, sizes[dim], base, loop_dim, loop_factor, loop_axis, n_loops, shared)
    return full + (1 if edge > 0 else 0)


@kernel
def window_tiles(
    dim: int,
    end: int,
    position: int,
    sizes: Ints,
    base: Ints,
    loop_dim: Ints,
    loop_factor: Ints,
    loop_axis: Ints,
    n_loops: int,
    shared: Bools,
) -> int:
    """Tiles of a window's `dim` above loop `end`, those that one access serves together counted as one.

    Neighbouring units share what their windows overlap in; with a loop of the same dimension in time between them and
    their tiles at `position` they stand apart, and each is served alone.
    """
    together = False
    for i in range(position):
        if loop_dim[i] != dim or loop_factor[i] == 1:
            continue
        if loop_axis[i] >= 0:
            together = together or shared[loop_axis[i]]
        elif together:
            return count_tiles(dim, end, sizes, base, loop_dim, loop_factor, loop_axis, n_loops, np.zeros_like(shared))
    return count_tiles(dim, end, sizes, base, loop_dim, loop_factor, loop_axis, n_loops, shared)


@kernel
def slide_begin(
    operand: int,
    position: int,
    sizes: Ints,
    base: Ints,
    loop_dim: Ints,
    loop_factor: Ints,
    loop_axis: Ints,
    n_loops: int,
    relevant: Bools,
) -> int:
    """Outermost of the loops in time along which a tile at `position` slides without a break; `position` if none does.

    These are the innermost loop that indexes the operand and those of the same dimension directly above it. Where units
    unrolled along that dimension lie in between, each leaps over its neighbours and nothing slides.
    """
    q = first_relevant(operand, position, sizes, base, loop_dim, loop_factor, loop_axis, n_loops, relevant)
    if q == 0:
        return position
    d = loop_dim[q - 1]
    for i in range(q, position):
        if loop_dim[i] == d and loop_factor[i] > 1:
            return position
    begin = q - 1
    for i in range(q - 2, -1, -1):
        if loop_factor[i] > 1:
            if loop_dim[i] != d or loop_axis[i] >= 0:
                break
            begin = i
    return begin


@kernel
def _served_together(
    dim: int, position: int, loop_dim: Ints, loop_factor: Ints, loop_axis: Ints, shared: Bools
) -> bool:
    for i in range(position):
        if loop_dim[i] == dim and loop_factor[i] > 1 and loop_axis[i] >= 0 and shared[loop_axis[i]]:
            return True
    return False


@kernel
def window_elements(
    first: int,
    second: int,
    a: int,
    b: int,
    n_first: int,
    n_second: int,
    t_first: int,
    t_second: int,
    size_first: int,
    size_second: int,
) -> float:
    """Elements of a sliding-window axis a*first + b*second, summed over all its tiles.

    A tile of t1 x t2 spans a*(t1-1) + b*(t2-1) + 1; where that is more than the t1*t2 it touches, the latter counts.
    """
    if a * (t_first - 1) + b * (t_second - 1) + 1 > t_first * t_second:
        return float(size_first) * size_second
    span = a * (size_first - n_first) * n_second + b * (size_second - n_second) * n_first + n_first * n_second
    return min(float(span), float(size_first) * size_second)


@kernel
def operand_elements(
    operand: int,
    position: int,
    sizes: Ints,
    base: Ints,
    loop_dim: Ints,
    loop_factor: Ints,
    loop_axis: Ints,
    n_loops: int,
    relevant: Bools,
    windows: Ints,
    shared: Bools,
    tile: Ints,
) -> float:
    """Elements of one operand summed over every distinct tile at `position`, each tile once.

    A window that slides brings in only what is new to it, and the halo again when it jumps. Units served together
    along the window's other dimension hand nothing to each other: what one slides onto comes from above, though its
    neighbour has held it. Tiles with gaps (strides above the rows they hold) do not slide.
    """
    total = 1.0
    for d in range(sizes.shape[0]):
        if relevant[operand, d]:
            total *= sizes[d]
    if operand != INPUTS:
        return total
    begin = slide_begin(operand, position, sizes, base, loop_dim, loop_factor, loop_axis, n_loops, relevant)
    slides = loop_dim[begin] if begin < position else -1
    tile_sizes(position, sizes, base, loop_dim, loop_factor, n_loops, tile)
    for w in range(windows.shape[0]):
        d1, a, d2, b = windows[w, 0], windows[w, 1], windows[w, 2], windows[w, 3]
        if d1 < 0:
            continue
        end1, end2 = position, position
        solid = a * (tile[d1] - 1) + b * (tile[d2] - 1) + 1 <= tile[d1] * tile[d2]
        if d1 == slides and solid and not _served_together(d2, position, loop_dim, loop_factor, loop_axis, shared):
            end1 = begin
        if d2 == slides and solid and not _served_together(d1, position, loop_dim, loop_factor, loop_axis, shared):
            end2 = begin
        for i in range(min(end1, end2), position):
            if loop_dim[i] == slides:
                tile[slides] = min(tile[slides] * loop_factor[i], sizes[slides])
        n1 = window_tiles(d1, end1, position, sizes, base, loop_dim, loop_factor, loop_axis, n_loops, shared)
        n2 = window_tiles(d2, end2, position, sizes, base, loop_dim, loop_factor, loop_axis, n_loops, shared)
        elements = window_elements(d1, d2, a, b, n1, n2, tile[d1], tile[d2], sizes[d1], sizes[d2])
        total *= elements / (float(sizes[d1]) * sizes[d2])
    return total


@kernel
def box_elements(operand: int, relevant: Bools, windows: Ints, tile: Ints) -> float:
    """Elements of an operand that index ranges of the sizes in `tile` touch."""
    total = 1.0
    for d in range(tile.shape[0]):
        if relevant[operand, d]:
            total *= tile[d]
    if operand == INPUTS:
        for w in range(windows.shape[0]):
            d1, a, d2, b = windows[w, 0], windows[w, 1], windows[w, 2], windows[w, 3]
            if d1 >= 0:
                span = a * (tile[d1] - 1) + b * (tile[d2] - 1) + 1
                touched = tile[d1] * tile[d2]
                total *= min(span, touched) / float(touched)
    return total


@kernel
def tile_elements(
    operand: int,
    position: int,
    sizes: Ints,
    base: Ints,
    loop_dim: Ints,
    loop_factor: Ints,
    n_loops: int,
    relevant: Bools,
    windows: Ints,
    tile: Ints,
) -> float:
    """Elements of one full tile of an operand at `position`."""
    tile_sizes(position, sizes, base, loop_dim, loop_factor, n_loops, tile)
    return box_elements(operand, relevant, windows, tile)


@kernel
def first_relevant(
    operand: int,
    position: int,
    sizes: Ints,
    base: Ints,
    loop_dim: Ints,
    loop_factor: Ints,
    loop_axis: Ints,
    n_loops: int,
    relevant: Bools,
) -> int:
    """Loops from here outwards refetch the operand's tile at `position`: irrelevant ones directly above it do not."""
    q = position
    while q > 0:
        i = q - 1
        if loop_axis[i] < 0 and loop_factor[i] > 1 and relevant[operand, loop_dim[i]]:
            break
        q -= 1
    return q


@kernel
def revisits(
    operand: int,
    position: int,
    sizes: Ints,
    base: Ints,
    loop_dim: Ints,
    loop_factor: Ints,
    loop_axis: Ints,
    n_loops: int,
    relevant: Bools,
    shared: Bools,
) -> float:
    """How often each tile of the operand at `position` is transferred: tiles of the loops that do not index it.

    Loops in time directly above the tile that do not index it are reuse; spatial ones count unless in `shared`.
    """
    q = first_relevant(operand, position, sizes, base, loop_dim, loop_factor, loop_axis, n_loops, relevant)
    times = 1.0
    for d in range(sizes.shape[0]):
        if relevant[operand, d]:
            continue
        times *= count_tiles(d, q, sizes, base, loop_dim, loop_factor, loop_axis, n_loops, shared)
        for i in range(q, position):
            if loop_dim[i] == d and loop_axis[i] >= 0 and not shared[loop_axis[i]]:
                times *= loop_factor[i]
    return times


@kernel
def group_folds(
    group: Ints,
    unit: int,
    sizes: Ints,
    base: Ints,
    loop_dim: Ints,
    loop_factor: Ints,
    loop_axis: Ints,
    n_loops: int,
    shared: Bools,
    out: Ints,
) -> None:
    """Cut a flattened group of at most four dimensions, tile by tile, in pieces of `unit`.

    out: [0] tiles, [1] sum of tile sizes, [2] sum of pieces, [3] full pieces, [4] tiles with a partial last piece,
    [5] size of the first piece, [6] size of the last piece.
    """
    out[:] = 0
    n0, s0, e0 = _group_split(group[0], sizes, base, loop_dim, loop_factor, loop_axis, n_loops, shared)
    n1, s1, e1 = _group_split(group[1], sizes, base, loop_dim, loop_factor, loop_axis, n_loops, shared)
    n2, s2, e2 = _group_split(group[2], sizes, base, loop_dim, loop_factor, loop_axis, n_loops, shared)
    fourth = group[3] if group.shape[0] > 3 else -1
    n3, s3, e3 = _group_split(fourth, sizes, base, loop_dim, loop_factor, loop_axis, n_loops, shared)
    for x in range(2 if e0 > 0 else 1):
        for y in range(2 if e1 > 0 else 1):
            for z in range(2 if e2 > 0 else 1):
                for w in range(2 if e3 > 0 else 1):
                    n = (1 if x else n0) * (1 if y else n1) * (1 if z else n2) * (1 if w else n3)
                    if n == 0:
                        continue
                    size = (e0 if x else s0) * (e1 if y else s1) * (e2 if z else s2) * (e3 if w else s3)
                    pieces = (size + unit - 1) // unit
                    out[0] += n
                    out[1] += n * size
                    out[2] += n * pieces
                    out[3] += n * (size // unit)
                    out[4] += n * (1 if size % unit else 0)
                    if out[5] == 0:
                        out[5] = min(unit, size)
                    out[6] = size - (pieces - 1) * unit


@kernel
def _group_split(
    dim: int,
    sizes: Ints,
    base: Ints,
    loop_dim: Ints,
    loop_factor: Ints,
    loop_axis: Ints,
    n_loops: int,
    shared: Bools,
) -> tuple[int, int, int]:
    """(full tiles, their size, edge size or 0) of one member of a group; a place without one is a single 1."""
    if dim < 0 or sizes[dim] == 1:
        return 1, 1, 0
    full, edge, size = split(dim, 0, n_loops, sizes[dim], base, loop_dim, loop_factor, loop_axis, n_loops, shared)
    return full, size, edge


@kernel
def pass_cycles(
    rows: Ints,
    columns: Ints,
    array_rows: int,
    array_columns: int,
    stream_tiles: int,
    stream_sum: float,
    stream_last: float,
    batch: float,
    timing: Floats,
    count: Floats,
) -> tuple[float, float]:
    """Cycles of all passes, and the streaming share of them, as (total, streamed).

    `rows` and `columns` are `group_folds` results; `stream_sum` steps over `stream_tiles` streams per fold.
    timing: step, load_r, skew_R, skew_r, skew_c, skew_constant, drain_r, hide_load, hide_skew.
    count: [0] 1 where a partial fold pays the whole array, [1] cycles taken off the end (a convention).
    """
    step, load = timing[0], timing[1]
    row_folds, column_folds = rows[2], columns[2]
    used_rows = float(rows[1])
    used_columns = float(columns[1])
    if count[0]:
        used_rows = float(row_folds * array_rows)
        used_columns = float(column_folds * array_columns)
    passes = float(stream_tiles) * row_folds * column_folds
    streamed = step * stream_sum * row_folds * column_folds
    loads = load * used_rows * stream_tiles * column_folds
    skews = (timing[2] * array_rows + timing[5]) * passes
    skews += timing[3] * used_rows * stream_tiles * column_folds
    skews += timing[4] * used_columns * stream_tiles * row_folds
    first_r = float(array_rows if count[0] else rows[5])
    if not timing[8]:
        total = streamed + skews + (load * first_r if timing[7] else loads)
        if timing[7]:
            total = total * batch - (batch - 1) * load * first_r
        else:
            total *= batch
        return total - count[1], streamed * batch
    total = _overlapped(
        rows, columns, array_rows, array_columns, stream_tiles, stream_sum, stream_last, batch, timing, count
    )
    return total - count[1], streamed * batch


@kernel
def _overlapped(
    rows: Ints,
    columns: Ints,
    array_rows: int,
    array_columns: int,
    stream_tiles: int,
    stream_sum: float,
    stream_last: float,
    batch: float,
    timing: Floats,
    count: Floats,
) -> float:
    """Total cycles where a pass starts while the one before drains (fold overlap). Exact for one stream tile."""
    step, load, drain, hide_load = timing[0], timing[1], timing[6], timing[7]
    whole = count[0] > 0
    full_r = float(array_rows)
    edge_r = full_r if whole else float(rows[6])
    last_r = full_r if whole else float(rows[6])
    first_r = full_r if whole else float(rows[5])
    last_c = float(array_columns) if whole else float(columns[6])
    first_c = float(array_columns) if whole else float(columns[5])
    mean_stream = step * stream_sum / stream_tiles
    full_interval = _interval(mean_stream, full_r, load, drain, hide_load)
    edge_interval = _interval(mean_stream, edge_r, load, drain, hide_load)
    per_column = rows[3] * full_interval + rows[4] * edge_interval
    everything = per_column * columns[2] * stream_tiles * batch
    # Starts of the last pass of all, and of the last pass of the column fold before it (it may be wider).
    if drain > 0:
        start_last = everything - _interval(mean_stream, last_r, load, drain, hide_load)
    else:
        start_last = everything - _interval(mean_stream, first_r, load, drain, hide_load) + load * first_r
        if not hide_load:
            start_last = everything - mean_stream
    stream_end = step * stream_last + timing[2] * array_rows + timing[3] * last_r + timing[5]
    end = start_last + stream_end + timing[4] * last_c
    if columns[2] > 1:
        end = max(end, start_last - per_column + stream_end + timing[4] * first_c)
    return end


@kernel
def _interval(stream: float, used_rows: float, load: float, drain: float, hide_load: float) -> float:
    if hide_load or drain > 0:
        return max(stream, max(load, drain) * used_rows)
    return stream + load * used_rows


# Columns of `levels`.
CAPACITY, READ_BW, WRITE_BW, SHARED_PORTS, DOUBLE_BUFFER, OFF_CHIP, RESERVED = 0, 1, 2, 3, 4, 5, 6
# Entries of `count` (conventions; see sim/conventions.py).
WHOLE_FOLDS, LAST_CYCLE, PSUM_REREADS, STRAY_WRITES, MEMORY_STALLS, FIRST_PARTIAL_READ = 0, 1, 2, 3, 4, 5
# Entries of `out`.
TOTAL, COMPUTE, STREAMED, PASSES, ENERGY_PJ, DRAM_BITS, FIRST_LOAD, WRITE_BACK, LIMIT_LEVEL, UNBUFFERED, LIMIT = range(
    11
)
N_OUT = 11
# Planes of `traffic[plane, level, operand]`, totals over all instances; the partial-sum planes belong to outputs.
READS, FILLS, UPDATES, READS_PARTIAL, WRITES_PARTIAL, LINK_FIRST, LINK_TIME = range(7)
N_TRAFFIC = 7


@kernel
def shared_below(operand: int, position: int, loop_axis: Ints, n_loops: int, multicast: Bools, out: Bools) -> None:
    """Axes on which a level at `position` serves all units of an operand with one access."""
    for a in range(out.shape[0]):
        out[a] = False
    for i in range(position, n_loops):
        if loop_axis[i] >= 0:
            out[loop_axis[i]] = multicast[operand, loop_axis[i]]


@kernel
def array_factor(operand: int, flow: Ints, folds: Ints, n_tiles: Ints) -> float:
    """Times an engine with passes moves each element of an operand's array tiles, per operand.

    The operand is cut along the group it lacks: by row or column folds where that group lies on an axis, else once.
    """
    lacking = 1 if operand == INPUTS else (0 if operand == WEIGHTS else 2)
    if operand == flow[4]:
        return float(n_tiles[lacking])
    if flow[1] == lacking:
        return float(folds[0, 2])
    if flow[2] == lacking:
        return float(folds[1, 2])
    return float(n_tiles[lacking])


@kernel
def mac_revisits(
    operand: int,
    sizes: Ints,
    base: Ints,
    loop_dim: Ints,
    loop_factor: Ints,
    loop_axis: Ints,
    n_loops: int,
    relevant: Bools,
    shared: Bools,
) -> float:
    """Accesses a PE makes per element of an operand: every MAC takes its operands anew."""
    times = 1.0
    for d in range(sizes.shape[0]):
        if not relevant[operand, d]:
            times *= count_tiles(d, n_loops, sizes, base, loop_dim, loop_factor, loop_axis, n_loops, shared)
    return times


@kernel
def spatial_loops(begin: int, end: int, loop_factor: Ints, loop_axis: Ints) -> float:
    """Product of the spatial factors among loops begin..end: instances used below `begin`."""
    product = 1.0
    for i in range(begin, end):
        if loop_axis[i] >= 0:
            product *= loop_factor[i]
    return product
