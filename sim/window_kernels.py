"""Inputs of convolutions: what sliding windows fetch, and what neighbouring units' windows have in common."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

from archsim.core.kernels import inlined_kernel
from archsim.sim.kernels import (
    INPUTS,
    Bools,
    Ints,
    Nest,
    Shape,
    count_tiles,
    first_relevant,
    tile_sizes,
    whole_elements,
)


@inlined_kernel
def window_tiles(
    dim: int, end: int, position: int, shape: Shape, nest: Nest, n_loops: int, shared: Bools, none: Bools
) -> int:
    """Tiles of a window's `dim` above loop `end`, those that one access serves together counted as one.

    Neighbouring units share what their windows overlap in; with a loop of the same dimension in time between them and
    their tiles at `position` they stand apart, and each is served alone.
    """
    together = False
    for i in range(position):
        if nest.dim[i] != dim or nest.factor[i] == 1:
            continue
        if nest.axis[i] >= 0:
            together = together or shared[nest.axis[i]]
        elif together:
            return count_tiles(dim, end, shape, nest, n_loops, none)
    return count_tiles(dim, end, shape, nest, n_loops, shared)


@inlined_kernel
def slide_begin(operand: int, position: int, shape: Shape, nest: Nest) -> int:
    """Outermost of the loops in time along which a tile at `position` slides without a break; `position` if none does.

    These are the innermost loop that indexes the operand and those of the same dimension directly above it. Where units
    unrolled along that dimension lie in between, each leaps over its neighbours and nothing slides.
    """
    q = first_relevant(operand, position, shape, nest)
    if q == 0:
        return position
    d = nest.dim[q - 1]
    for i in range(q, position):
        if nest.dim[i] == d and nest.factor[i] > 1:
            return position
    begin = q - 1
    for i in range(q - 2, -1, -1):
        if nest.factor[i] > 1:
            if nest.dim[i] != d or nest.axis[i] >= 0:
                break
            begin = i
    return begin


@inlined_kernel
def _served_together(dim: int, position: int, nest: Nest, shared: Bools) -> bool:
    for i in range(position):
        if nest.dim[i] == dim and nest.factor[i] > 1 and nest.axis[i] >= 0 and shared[nest.axis[i]]:
            return True
    return False


@inlined_kernel
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


@inlined_kernel
def operand_elements(
    operand: int,
    position: int,
    shape: Shape,
    nest: Nest,
    n_loops: int,
    shared: Bools,
    none: Bools,
    tile: Ints,
    whole_halo: bool,
) -> float:
    """Elements of one operand summed over every distinct tile at `position`, each tile once.

    A window that slides brings in only what is new to it (with `whole_halo`: all of it), and the halo again when it
    jumps. Units served together
    along the window's other dimension hand nothing to each other: what one slides onto comes from above, though its
    neighbour has held it. Tiles with gaps (strides above the rows they hold) do not slide.
    """
    total = whole_elements(operand, shape)
    if operand != INPUTS or (shape.windows[0, 0] < 0 and shape.windows[1, 0] < 0):
        return total
    for w in range(shape.windows.shape[0]):
        if shape.windows[w, 0] >= 0:
            total /= float(shape.sizes[shape.windows[w, 0]]) * shape.sizes[shape.windows[w, 2]]
    begin = position if whole_halo else slide_begin(operand, position, shape, nest)
    slides = nest.dim[begin] if begin < position else -1
    tile_sizes(shape, nest, n_loops, position, tile)
    for w in range(shape.windows.shape[0]):
        d1, a, d2, b = shape.windows[w, 0], shape.windows[w, 1], shape.windows[w, 2], shape.windows[w, 3]
        if d1 < 0:
            continue
        end1, end2 = position, position
        solid = a * (tile[d1] - 1) + b * (tile[d2] - 1) + 1 <= tile[d1] * tile[d2]
        if d1 == slides and solid and not _served_together(d2, position, nest, shared):
            end1 = begin
        if d2 == slides and solid and not _served_together(d1, position, nest, shared):
            end2 = begin
        for i in range(min(end1, end2), position):
            if nest.dim[i] == slides:
                tile[slides] = min(tile[slides] * nest.factor[i], shape.sizes[slides])
        n1 = window_tiles(d1, end1, position, shape, nest, n_loops, shared, none)
        n2 = window_tiles(d2, end2, position, shape, nest, n_loops, shared, none)
        s1, s2 = shape.sizes[d1], shape.sizes[d2]
        total *= window_elements(d1, d2, a, b, n1, n2, tile[d1], tile[d2], s1, s2)
    return total


@inlined_kernel
def unequal_share(above: int, position: int, shape: Shape, nest: Nest, n_loops: int, shared: Bools) -> float:
    """Share of the units served together whose windows differ: of n x m at offsets i*A + j*B, the distinct ones.

    Offsets repeat where i grows by B/g while j falls by A/g, g the greatest common divisor.
    """
    share = 1.0
    for w in range(shape.windows.shape[0]):
        d1, a, d2, b = shape.windows[w, 0], shape.windows[w, 1], shape.windows[w, 2], shape.windows[w, 3]
        if d1 < 0:
            continue
        n, first = _units_in_row(d1, above, position, nest, n_loops, shared)
        m, second = _units_in_row(d2, above, position, nest, n_loops, shared)
        first, second = first * a, second * b
        divisor, rest = first, second
        while rest > 0:
            divisor, rest = rest, divisor % rest
        repeated = max(0, n - second // divisor) * max(0, m - first // divisor)
        share *= (n * m - repeated) / (float(n) * m)
    return share


@inlined_kernel
def _units_in_row(dim: int, above: int, position: int, nest: Nest, n_loops: int, shared: Bools) -> tuple[int, int]:
    """Units side by side along `dim` that one access may serve, and how far they are apart; 1 where they are not."""
    units, apart, inside = 1, 0, nest.base[dim]
    for back in range(n_loops - above):
        i = n_loops - 1 - back
        if nest.dim[i] != dim or nest.factor[i] == 1:
            continue
        if i < position and nest.axis[i] >= 0 and shared[nest.axis[i]]:
            if apart > 0 and apart * units != inside:
                return 1, apart
            apart = apart if apart > 0 else inside
            units *= nest.factor[i]
        inside *= nest.factor[i]
    return units, apart if apart > 0 else inside
