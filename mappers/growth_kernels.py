"""How a tile grows along one dimension: by which factors, and how far.

Rows are those of `state_kernels.Walk`: a loop of `row` makes the tile of the row after it.
"""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

from archsim.core.kernels import inlined_kernel
from archsim.mappers.space_kernels import ARG, LEFT, PARENT, PASSED, PLACED, UNEVEN, Space, box, ceil_div
from archsim.mappers.state_kernels import Case, Walk
from archsim.mappers.word_kernels import filling, words_left
from archsim.sim.kernels import CAPACITY, INPUTS, MEMORY_STALLS, OUTPUTS, RESERVED, THROUGHPUT, Ints

FEW_TILES = 32
"""Of a dimension, at most, where every factor is tried."""


@inlined_kernel
def next_factor(count: int, most: int, dim: int, useful: int, space: Space) -> int:
    """The largest useful factor up to `most` for a dimension with `count` tiles; 0 when there is none.

    Useful: the least factor for its number of tiles, or where factors must divide, a divisor. Where whole words are
    moved, of few tiles any: a larger one may fill words better. And all up to `useful`.
    """
    if most < 1:
        return 0
    if most >= count:
        return count
    if not space.perfect:
        any_ = space.edges and count <= FEW_TILES
        return most if any_ else max(min(most, useful), ceil_div(count, ceil_div(count, most)))
    divisors = space.divisors
    for back in range(divisors.shape[1]):
        divisor = divisors[dim, divisors.shape[1] - 1 - back]
        if 0 < divisor <= most and count % divisor == 0:
            return int(divisor)
    return 0


@inlined_kernel
def _all_useful(row: int, step: Ints, case: Case, walk: Walk) -> int:
    """The factor of a loop up to which all may be of use, and not only the least for their number of tiles."""
    dim = step[ARG]
    if _shifts_work(dim, step[PASSED], case):
        return int(walk.counts[row, dim]) if walk.counts[row, dim] <= FEW_TILES else 1
    gapless = _gapless(dim, case.shape.windows)
    return ceil_div(gapless, walk.tile[row, dim]) if gapless > 1 else 1


@inlined_kernel
def _shifts_work(dim: int, passed: int, case: Case) -> bool:
    """Whether larger tiles give more of the array's to some of the units outside, and so shorter steps, on average.

    What passes cost besides their work is spread over more of them, and the level that feeds the array waits for one
    step of computing.
    """
    counting, shared = case.machine.counting, False
    if case.machine.flow[0] == 0 or not counting[MEMORY_STALLS] or counting[THROUGHPUT]:
        return False
    for b in range(passed, case.space.n_bounds):
        shared = shared or case.start.every[b, dim] > 1
    return bool(shared)


@inlined_kernel
def _gapless(dim: int, windows: Ints) -> int:
    """The least size of a tile along a dimension whose windows have no gaps, whatever the other one of the window.

    t rows at a stride of a, with u filter rows at a dilation of b, have none where a (t-1) + b (u-1) + 1 <= t u: a tile
    of this size slides, one that is smaller may have to be fetched whole each time, though there are as many of them.
    """
    least = 1
    for w in range(windows.shape[0]):
        for side in range(0, 4, 2):
            if windows[w, 0] >= 0 and windows[w, side] == dim:
                least = max(least, windows[w, side + 1] * (windows[w, 3 - side] - 1) + 1)
    return int(least)


@inlined_kernel
def most_growth(row: int, dim: int, step: Ints, case: Case, walk: Walk) -> int:
    """The most that a dimension can grow: every node to come must fit, spatial loops above must have their share."""
    space, start = case.space, case.start
    count = walk.counts[row, dim]
    most = count
    for b in range(step[PASSED], space.n_bounds):
        units = start.every[b, dim]
        if units > 1:
            most = min(most, (count - 1) // (start.needed[b, dim] - 1) if not space.perfect else count // units)
    if most > 1 and step[PARENT] >= 0:
        most = min(most, words_left(step[PARENT], case, walk.tile[row]))
    for node in range(space.nodes.shape[0]):
        if most <= 1:
            return int(most)
        if (step[LEFT] >> node) & 1 and case.shape.relevant[space.nodes[node, 1], dim]:
            if space.nodes[node, 0] < 0:
                return 1
            most = _most_that_fits(row, dim, node, most, case, walk)
    return int(most)


@inlined_kernel
def _most_that_fits(row: int, dim: int, node: int, most: int, case: Case, walk: Walk) -> int:
    """The most of `most` for which a node still to come fits its level beside what is there."""
    shape, machine = case.shape, case.machine
    level, operand, tile = case.space.nodes[node, 0], case.space.nodes[node, 1], walk.tile[row]
    stored = machine.stored_bits[level]
    width = stored[operand] if operand != OUTPUTS else min(stored[2], stored[3])
    room = machine.levels[level, CAPACITY] - machine.levels[level, RESERVED] - walk.need[row, level]
    size = box(operand, shape.sizes, shape.relevant, shape.windows, tile) * width
    if size > room:
        return 0
    if operand == INPUTS and _in_window(dim, shape.windows):
        return most
    whole = size / min(tile[dim], shape.sizes[dim]) * shape.sizes[dim]
    if whole > room and size * most > room:
        return int(room / size)
    return most


@inlined_kernel
def _in_window(dim: int, windows: Ints) -> bool:
    inside = False
    for w in range(windows.shape[0]):
        inside = inside or windows[w, 0] == dim or windows[w, 2] == dim
    return bool(inside)


@inlined_kernel
def copy_row(row: int, walk: Walk) -> None:
    """Let the row after `row` begin as `row` is."""
    for d in range(walk.tile.shape[1]):
        walk.tile[row + 1, d] = walk.tile[row, d]
        walk.counts[row + 1, d] = walk.counts[row, d]
    walk.energy[row + 1] = walk.energy[row]
    walk.firsts[row + 1] = walk.firsts[row]
    for level in range(walk.need.shape[1]):
        walk.need[row + 1, level] = walk.need[row, level]
        walk.shares[row + 1, level] = walk.shares[row, level]
    for level in range(walk.reading.shape[1]):
        walk.reading[row + 1, level] = walk.reading[row, level]
        walk.writing[row + 1, level] = walk.writing[row, level]


@inlined_kernel
def grow(row: int, factor: int, dim: int, walk: Walk) -> None:
    """Put in a loop: the row after `row` has a tile `factor` times as large along `dim`."""
    copy_row(row, walk)
    walk.factor[row] = factor
    walk.tile[row + 1, dim] = walk.tile[row, dim] * factor
    walk.counts[row + 1, dim] = ceil_div(walk.counts[row, dim], factor)


@inlined_kernel
def _useful(row: int, factor: int, dim: int, step: Ints, case: Case, walk: Walk) -> int:
    """`factor`, or the next one below, where words are to be filled and a factor of it fills them already.

    The rest of it may as well stand above the node, past the loops that reuse it: what lies inside has been counted,
    and depends on how many loops there are outside, not on their order.
    """
    if step[PARENT] < 0 or not case.space.perfect:
        return factor
    whole = filling(step[PARENT], case, walk.tile[row])
    while whole > 0 and factor > whole and factor % whole == 0:
        factor = next_factor(walk.counts[row, dim], factor - 1, dim, 1, case.space)
    return factor


@inlined_kernel
def _grown_by(row: int, most: int, step: Ints, case: Case, walk: Walk) -> bool:
    """Grow a dimension by its largest useful factor up to `most`; False when there is none."""
    dim, useful = step[ARG], _all_useful(row, step, case, walk)
    factor = _useful(row, next_factor(walk.counts[row, dim], most, dim, useful, case.space), dim, step, case, walk)
    if factor < max(1, step[PLACED]):
        return False
    grow(row, factor, dim, walk)
    return True


@inlined_kernel
def grown_first(row: int, step: Ints, case: Case, walk: Walk) -> bool:
    """Grow a dimension by its largest factor; False when there is none."""
    dim = step[ARG]
    if step[PARENT] == UNEVEN:
        grow(row, 1, dim, walk)
        return True
    return _grown_by(row, most_growth(row, dim, step, case, walk), step, case, walk)


@inlined_kernel
def grown_less(row: int, step: Ints, leap: int, case: Case, walk: Walk) -> bool:
    """Grow a dimension by the factor after the present one; False when there is none."""
    if leap == 0:
        return False
    if step[PARENT] == UNEVEN:
        return leap == 1 and _grown_unevenly(row, step, case, walk)
    most = walk.factor[row] - 1 if leap == 1 else walk.factor[row] // leap
    return _grown_by(row, most, step, case, walk)


@inlined_kernel
def _grown_unevenly(row: int, step: Ints, case: Case, walk: Walk) -> bool:
    """Grow a dimension inside units by the factor after the present one, 1 having been the first; False for none.

    Only a factor for which fewer units have work in the last piece than if they took turns, or which gives some more of
    it: else the loop may as well stand outside the units, where what they have in common is sent in fewer steps.
    """
    dim, count = step[ARG], walk.counts[row, step[ARG]]
    units, most = case.start.every[step[PASSED], dim], walk.factor[row] - 1
    if units == 1:
        return False
    if most == 0:
        most = most_growth(row, dim, step, case, walk)
    useful, shifts = _all_useful(row, step, case, walk), _shifts_work(dim, step[PASSED], case)
    factor = next_factor(count, most, dim, useful, case.space)
    while factor > 1:
        last = count % (factor * units)
        if shifts or ceil_div(last, factor) < min(units, last):
            grow(row, factor, dim, walk)
            return True
        factor = next_factor(count, factor - 1, dim, useful, case.space)
    return False
