"""Cycles of engines that work in passes: an array tile cut in folds of the array, each streamed through it."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

from archsim.core.kernels import inlined_kernel
from archsim.sim.kernels import (
    COMPUTE,
    INPUTS,
    PASSES,
    STREAMED,
    WEIGHTS,
    Bools,
    Floats,
    Ints,
    Machine,
    Nest,
    Scratch,
    Shape,
    count_tiles,
    split,
)


@inlined_kernel
def compute_cycles(shape: Shape, nest: Nest, n_loops: int, machine: Machine, scratch: Scratch) -> None:
    """Cycles without memory stalls into `scratch.out`; fills its `folds` (row, column, stream group) and `n_tiles`."""
    out, folds, together = scratch.out, scratch.folds, scratch.together
    if not machine.flow[0]:
        steps = machine.timing[0]
        for d in range(shape.sizes.shape[0]):
            steps *= count_tiles(d, n_loops, shape, nest, n_loops, together)
        out[COMPUTE], out[STREAMED], out[PASSES] = steps, steps, 1.0
        return
    flow, array, groups = machine.flow, machine.array, shape.groups
    group_folds(groups[flow[1]], array[0], shape, nest, n_loops, together, folds[0])
    group_folds(groups[flow[2]], array[1], shape, nest, n_loops, together, folds[1])
    group_folds(groups[flow[3]], 1, shape, nest, n_loops, together, folds[2])
    for which in range(3):
        scratch.n_tiles[flow[1 + which]] = folds[which, 0]
    batch = 1.0
    for j in range(groups.shape[1]):
        if groups[3, j] >= 0:
            batch *= count_tiles(groups[3, j], n_loops, shape, nest, n_loops, together)
    # folds[2][6] is the last unit piece; the last stream is the sum less the others, exact for one tile.
    last = folds[2, 1] / folds[2, 0]
    total, streamed = pass_cycles(
        folds[0],
        folds[1],
        array[0],
        array[1],
        folds[2, 0],
        folds[2, 1],
        last,
        batch,
        machine.timing,
        machine.counting,
    )
    out[COMPUTE], out[STREAMED] = total, streamed
    out[PASSES] = batch * folds[0, 2] * folds[1, 2] * folds[2, 0]


@inlined_kernel
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


@inlined_kernel
def array_abreast(operand: int, flow: Ints, folds: Ints) -> float:
    """Elements that pass the edge of an array side by side in one cycle: along its rows for the moving operand that its
    columns share, else along its columns (what stays in the PEs is shifted in, and results out, row after row).
    """
    lacking = 1 if operand == INPUTS else (0 if operand == WEIGHTS else 2)
    return float(folds[0 if flow[2] == lacking else 1, 5])


@inlined_kernel
def group_folds(group: Ints, unit: int, shape: Shape, nest: Nest, n_loops: int, shared: Bools, out: Ints) -> None:
    """Cut a flattened group of at most four dimensions, tile by tile, in pieces of `unit`.

    out: [0] tiles, [1] sum of tile sizes, [2] sum of pieces, [3] full pieces, [4] tiles with a partial last piece,
    [5] size of the first piece, [6] size of the last piece.
    """
    out[:] = 0
    n0, s0, e0 = _group_split(group[0], shape, nest, n_loops, shared)
    n1, s1, e1 = _group_split(group[1], shape, nest, n_loops, shared)
    n2, s2, e2 = _group_split(group[2], shape, nest, n_loops, shared)
    fourth = group[3] if group.shape[0] > 3 else -1
    n3, s3, e3 = _group_split(fourth, shape, nest, n_loops, shared)
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


@inlined_kernel
def _group_split(dim: int, shape: Shape, nest: Nest, n_loops: int, shared: Bools) -> tuple[int, int, int]:
    """(full tiles, their size, edge size or 0) of one member of a group; a place without one is a single 1."""
    if dim < 0 or shape.sizes[dim] == 1:
        return 1, 1, 0
    full, edge, size = split(dim, n_loops, shape, nest, n_loops, shared)
    return full, size, edge


@inlined_kernel
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


@inlined_kernel
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
    return float(end)


@inlined_kernel
def column_cycles(
    rows: Ints, array_rows: int, stream_tiles: float, stream_sum: float, timing: Floats, count: Floats
) -> float:
    """Cycles in which one fold of the columns goes through all `rows` (as `group_folds` gives them) and streams.

    Without what the first pass waits for and the last one leaves behind: all passes take the sum over column folds.
    """
    step, load = timing[0], timing[1]
    if timing[8]:
        mean, edge = step * stream_sum / stream_tiles, float(array_rows if count[0] > 0 else rows[6])
        full = _interval(mean, float(array_rows), load, timing[6], timing[7])
        return float((rows[3] * full + rows[4] * _interval(mean, edge, load, timing[6], timing[7])) * stream_tiles)
    used = float(rows[2] * array_rows if count[0] > 0 else rows[1])
    cycles = step * stream_sum * rows[2] + (timing[2] * array_rows + timing[5]) * stream_tiles * rows[2]
    return float(cycles + (timing[3] + (0.0 if timing[7] else load)) * used * stream_tiles)


@inlined_kernel
def _interval(stream: float, used_rows: float, load: float, drain: float, hide_load: float) -> float:
    if hide_load or drain > 0:
        return float(max(stream, max(load, drain) * used_rows))
    return float(stream + load * used_rows)
