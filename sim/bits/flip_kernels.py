"""Bits flipped so that groups have few columns with a one."""

from __future__ import annotations

import numpy as np

from archsim.arch.engines.bit_words import Integers
from archsim.core.kernels import kernel


@kernel
def flip_groups(values: Integers, columns: int, out: Integers) -> None:
    """`values` [groups, lanes] with magnitudes rounded to what the topmost `columns` columns of a group hold.

    To the nearest, ties up, never beyond; groups that have no more columns with a one stay as they are.
    """
    for group in range(values.shape[0]):
        index = np.int64(0)
        for lane in range(values.shape[1]):
            index |= abs(values[group, lane])
        filled, length = np.int64(0), 0
        while index >> length:
            filled += (index >> length) & 1
            length += 1
        low = 0 if filled <= columns else max(length - columns, 0)
        half, most = (np.int64(1) << low) >> 1, ((np.int64(1) << columns) - 1) << low
        for lane in range(values.shape[1]):
            value = values[group, lane]
            if low > 0:
                rounded = min((abs(value) + half) >> low << low, most)
                value = -rounded if value < 0 else rounded
            out[group, lane] = value
