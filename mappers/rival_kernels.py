"""What up to three tiles that compete for room cost together, at least."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from archsim.core.kernels import inlined_kernel, inner_kernel


class Rival(NamedTuple):
    """One operand's tile among up to three that compete."""

    further: float
    """Cost of a further visit of all its tiles; below 0: it is not held here."""
    tiles: float
    """Tiles that the dimensions that do not index it make."""
    size: float
    """Bits of its smallest tile."""
    room: float
    """How many times that size its own memory has room for."""
    twice: bool
    """Whether its memory holds two of it while it changes."""
    own: bool
    """Whether it has a memory of its own, beside others that share one."""


@inlined_kernel
def _least_excess(a: Rival, b: Rival, room: float, size2: float, size3: float) -> float:
    """Least of ``a.further (a.tiles/g - 1) + b.further (b.tiles/h - 1)`` over reuses g, h that the room allows.

    The room holds the second tile grown by g and the third grown by g*h. The first term falls with g, the second
    rises, both are convex: the minimum is where their slopes meet, moved into the range.
    """
    slope1, slope2 = max(a.further, 0.0), max(b.further, 0.0)
    most = room / (size2 + size3) if size2 + size3 > 0.0 else np.inf
    if most < 1.0:
        return np.inf
    g = min(a.tiles, most)
    if slope2 > 0.0 and size3 > 0.0:
        flat = room / (size2 + b.tiles * size3)
        meet = 1.0
        if slope1 > 0.0:
            meet = room / (size2 + np.sqrt(slope2 * b.tiles * size3 * room / (slope1 * a.tiles)))
        g = max(1.0, min(g, max(meet, flat)))
    reach = b.tiles
    if size3 > 0.0:
        reach = max(1.0, min(b.tiles, (room - size2 * g) / (size3 * g)))
    return (slope1 * (a.tiles / g - 1.0) + slope2 * (b.tiles / reach - 1.0)) * (1.0 - 1e-9)


@inlined_kernel
def _copies(rival: Rival, left: float) -> float:
    """How many tiles a memory holds of a rival whose data are `left` of its tiles, at least.

    Two while tiles change; one of those that are whole, which takes less than two of more than half.
    """
    return min(2.0, left * (1.0 - 1e-12)) if rival.twice and left > 1.0 else 1.0


@inlined_kernel
def _together(a: Rival, b: Rival, c: Rival, batch: float, room: float) -> float:
    """What three tiles in one memory of `room` bits cost above one visit each, at least, innermost first.

    The last is visited once; the second as often as the room leaves tiles of its group; the first as often as its reuse
    leaves. `batch`: tiles of dimensions that change all three. inf: not even the smallest tiles fit.
    """
    first = a.size * _copies(a, b.tiles * c.tiles * batch) if a.further >= 0.0 else 0.0
    second = b.size * _copies(b, c.tiles * batch) if b.further >= 0.0 else 0.0
    third = c.size if c.further >= 0.0 else 0.0
    alone = np.inf
    if c.twice and third > 0.0:
        # The last tile may be whole, and held once.
        left = room - first - third * a.tiles * b.tiles * batch * (1.0 - 1e-12)
        if second * a.tiles <= left:
            return 0.0
        if second <= left:
            alone = max(a.further, 0.0) * (a.tiles * second / left - 1.0) * (1.0 - 1e-9)
        third *= 2.0
    return min(alone, _least_excess(a, b, room - first, second, third))


@inlined_kernel
def _apart(a: Rival, b: Rival, c: Rival, batch: float) -> float:
    """`_together` of tiles that have memories of their own."""
    if a.further >= 0.0 and a.room < _copies(a, b.tiles * c.tiles * batch):
        return np.inf
    room2, room3 = b.room, c.room
    if b.further < 0.0:
        room2 = np.inf
    elif b.twice and c.tiles * batch > 1.0:
        room2 = np.inf if room2 >= a.tiles * c.tiles * batch * (1.0 - 1e-12) else room2 / 2.0
    if c.further < 0.0:
        room3 = np.inf
    elif c.twice:
        # The last tile may be whole, and held once.
        room3 = np.inf if room3 >= a.tiles * b.tiles * batch * (1.0 - 1e-12) else room3 / 2.0
    return _least_apart(a, b, room2, room3)


@inlined_kernel
def _least_apart(a: Rival, b: Rival, room2: float, room3: float) -> float:
    """`_least_excess` where the second tile may grow `room2` times and the third `room3` times."""
    slope1, slope2 = max(a.further, 0.0), max(b.further, 0.0)
    most = min(a.tiles, room2, room3)
    if most < 1.0:
        return np.inf
    g = most
    if slope2 > 0.0 and room3 < np.inf:
        g = room3 / b.tiles
        if slope1 > 0.0:
            g = max(g, np.sqrt(slope1 * a.tiles * room3 / (slope2 * b.tiles)))
        g = max(1.0, min(g, most))
    reach = max(1.0, min(b.tiles, room3 / g))
    return (slope1 * (a.tiles / g - 1.0) + slope2 * (b.tiles / reach - 1.0)) * (1.0 - 1e-9)


@inlined_kernel
def _in_room(rival: Rival, room: float) -> Rival:
    """A rival that has this room for itself."""
    times = room / rival.size if rival.size > 0.0 else 0.0
    return Rival(rival.further, rival.tiles, rival.size, times, rival.twice, True)


@inner_kernel
def _in_order(a: Rival, b: Rival, c: Rival, batch: float, joint: bool, room: float) -> float:
    """What three tiles cost above one visit each, at least, innermost first."""
    if not joint:
        return _apart(a, b, c, batch)
    if b.own or c.own:
        # The first tile lies in the memory of the other one, which has the rest of it.
        first = 0.0
        if a.further >= 0.0:
            first = a.size * _copies(a, b.tiles * c.tiles * batch)
        if first > room:
            return np.inf
        a = _in_room(a, room)
        if b.own:
            return _apart(a, b, _in_room(c, room - first), batch)
        return _apart(a, _in_room(b, room - first), c, batch)
    if a.own:
        if a.further >= 0.0 and a.room < _copies(a, b.tiles * c.tiles * batch):
            return np.inf
        a = Rival(a.further, a.tiles, 0.0, a.room, False, True)
    return _together(a, b, c, batch, room)


@inner_kernel
def in_any_order(a: Rival, b: Rival, c: Rival, batch: float, joint: bool, room: float) -> float:
    """The least over all orders of the three tiles; inf where none fits."""
    best = _in_order(a, b, c, batch, joint, room)
    if best <= 0.0:
        return 0.0
    best = min(best, _in_order(a, c, b, batch, joint, room))
    best = min(best, _in_order(b, a, c, batch, joint, room))
    best = min(best, _in_order(b, c, a, batch, joint, room))
    best = min(best, _in_order(c, a, b, batch, joint, room))
    return min(best, _in_order(c, b, a, batch, joint, room))


@inner_kernel
def completed_in_any_order(a: Rival, b: Rival, c: Rival, batch: float, joint: bool, room: float, reuse: float) -> float:
    """`in_any_order` where sums come to the third tile complete, from one further in.

    No loop over tiles of other results then stands inside one of the reduction, but for those inside that tile further
    in, which can grow `reuse` times. So a tile of the first or the second operand either holds the whole reduction, or
    its reuse ends with them. Where one tile does hold it, and is reused further, it holds what the other one is reused
    over: a loop outside it that it does not hold would end its reuse. Of the third tile none is visited again. inf: not
    even the smallest tiles fit.
    """
    if not _least_fit(a, b, c, joint, room):
        return np.inf
    slope1, slope2, reduced = max(a.further, 0.0), max(b.further, 0.0), c.tiles
    least = _least_apart(a, b, np.inf, reuse)
    within1 = min(reuse, _times_whole(b, a.tiles * batch, reduced, joint, room))
    if within1 >= 1.0:
        least = min(least, slope1 * (max(1.0, a.tiles / within1) - 1.0) * (1.0 - 1e-9))
    within2 = min(reuse, _times_whole(a, b.tiles * batch, reduced, joint, room))
    if within2 >= 1.0:
        least = min(least, slope2 * (max(1.0, b.tiles / within2) - 1.0) * (1.0 - 1e-9))
    if least <= 0.0:
        return 0.0
    whole = Rival(c.further, 1.0, c.size, c.room, c.twice, c.own)
    return min(least, in_any_order(_grown(a, reduced), _grown(b, reduced), whole, batch, joint, room))


@inlined_kernel
def _least_fit(a: Rival, b: Rival, c: Rival, joint: bool, room: float) -> bool:
    """Whether there is room for one smallest tile of each."""
    taken = 0.0
    for rival in (a, b, c):
        if rival.further >= 0.0:
            if joint and not rival.own:
                taken += rival.size
            elif rival.room * (1.0 + 1e-12) < 1.0:
                return False
    return not joint or taken <= room * (1.0 + 1e-12)


@inlined_kernel
def _grown(rival: Rival, times: float) -> Rival:
    """A rival whose smallest tile is `times` as large."""
    return Rival(rival.further, rival.tiles, rival.size * times, rival.room / times, rival.twice, rival.own)


@inlined_kernel
def _times_whole(rival: Rival, left: float, reduced: float, joint: bool, room: float) -> float:
    """How many times `reduced` of its smallest tiles a memory could hold of a rival alone, at most.

    `left`: how many of these there are.
    """
    if rival.further < 0.0:
        return np.inf
    times = rival.room
    if joint and not rival.own:
        times = room / rival.size
    times = times / reduced * (1.0 + 1e-12)
    if rival.twice and times < left * (1.0 - 1e-12):
        # It changes.
        times /= 2.0
    return float(times)


@inlined_kernel
def in_bits(rival: Rival, rate: float) -> Rival:
    """A rival whose cost is counted in bits, `rate` for a further visit."""
    further = rate if rival.further >= 0.0 else -1.0
    return Rival(further, rival.tiles, rival.size, rival.room, rival.twice, rival.own)
