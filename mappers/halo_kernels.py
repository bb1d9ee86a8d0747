"""Elements of inputs that are moved, at least: with the halo of windows, less what slides and what units share."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

import numpy as np

from archsim.core.kernels import inlined_kernel
from archsim.mappers.space_kernels import Start, box, ceil_div
from archsim.sim.kernels import EQUAL, HALO_MULTICAST, INPUTS, OVERLAP, WHOLE_HALO, Ints, Machine, Shape

ALONE, SLID_FIRST, SLID_SECOND, SHARED_FIRST, SHARED_SECOND, SHARED_BOTH = range(6)
"""Ways in which the windows of all tiles may be fetched."""


@inlined_kernel
def _window(sizes: Ints, windows: Ints, w: int, n1: int, n2: int, t1: int, t2: int) -> float:
    """Elements that `n1` times `n2` tiles of a window fetch, as in `window_kernels.window_elements`."""
    d1, a, d2, b = windows[w, 0], windows[w, 1], windows[w, 2], windows[w, 3]
    s1, s2 = sizes[d1], sizes[d2]
    every = float(s1) * s2
    if a * (t1 - 1) + b * (t2 - 1) + 1 > t1 * t2:
        return float(every)
    return float(min(float(a * (s1 - n1) * n2 + b * (s2 - n2) * n1 + n1 * n2), every))


@inlined_kernel
def _units(dim: int, begin: int, end: int, start: Start) -> int:
    """Units along `dim` from boundary `begin` to `end` that one access of inputs serves."""
    units = 1
    for b in range(begin, end):
        units *= start.shared[b, INPUTS, dim]
    return units


@inlined_kernel
def least_elements(
    operand: int, begin: int, end: int, shape: Shape, machine: Machine, start: Start, tile: Ints, count: Ints
) -> float:
    """Elements of all tiles of an operand, at least, as units from boundary `begin` to `end` are sent them.

    With the halo of windows, less what the best slide saves and what units that one access serves have in common.
    With `begin` = `end` as many as each unit takes for itself.
    """
    sizes, windows = shape.sizes, shape.windows
    distinct = box(operand, sizes, shape.relevant, windows, sizes)
    if operand != INPUTS or windows[0, 0] < 0:
        return distinct
    total, best = 1.0, 1.0
    for d in range(sizes.shape[0]):
        if shape.relevant[operand, d]:
            total *= sizes[d]
    for w in range(windows.shape[0]):
        d1, d2 = windows[w, 0], windows[w, 2]
        if d1 < 0:
            continue
        units1, units2 = 1, 1
        if machine.counting[HALO_MULTICAST] == OVERLAP:
            units1, units2 = _units(d1, begin, end, start), _units(d2, begin, end, start)
        last = SHARED_BOTH if units1 > 1 or units2 > 1 else SLID_SECOND
        here, slid = np.inf, np.inf
        for way in range(last + 1):
            n1, n2 = count[d1], count[d2]
            t1, t2 = min(tile[d1], sizes[d1]), min(tile[d2], sizes[d2])
            if way == SLID_FIRST:
                n1, t1 = 1, sizes[d1]
            elif way == SLID_SECOND:
                n2, t2 = 1, sizes[d2]
            if way in (SHARED_FIRST, SHARED_BOTH):
                n1 = ceil_div(n1, units1)
            if way in (SHARED_SECOND, SHARED_BOTH):
                n2 = ceil_div(n2, units2)
            fetched = _window(sizes, windows, w, n1, n2, t1, t2)
            if way in (SLID_FIRST, SLID_SECOND):
                slid = min(slid, fetched)
            else:
                here = min(here, fetched)
        total *= here / (float(sizes[d1]) * sizes[d2])
        # Along one dimension of one window alone.
        best = min(best, slid / here)
    if machine.counting[WHOLE_HALO]:
        best = 1.0
    return max(total * best, distinct) * least_share(begin, end, shape, machine, start)


@inlined_kernel
def least_share(begin: int, end: int, shape: Shape, machine: Machine, start: Start) -> float:
    """Share of the windows of units from boundary `begin` to `end` that are not equal to another one, at least.

    1 but where equal windows are sent once: at best, n x m units have windows at n + m - 1 offsets.
    """
    share = 1.0
    if machine.counting[HALO_MULTICAST] != EQUAL:
        return share
    for w in range(shape.windows.shape[0]):
        if shape.windows[w, 0] >= 0:
            n, m = _units(shape.windows[w, 0], begin, end, start), _units(shape.windows[w, 2], begin, end, start)
            share *= (n + m - 1.0) / (float(n) * m)
    return share
