"""Datapaths without multipliers: shifts by powers of two, and Booth digits of integers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def shift_add_dot(signs: Ints, shifts: Ints, inputs: Ints) -> int:
    """The dot product with weights sign * 2^shift (a sign of 0 for a weight of 0): shifts and additions only.

    Raises ValueError for negative shifts.
    Source: You et al., ShiftAddNet, NeurIPS 2020.
    """
    if shifts.size and shifts.min() < 0:
        raise ValueError(f"shifts must be at least 0 (got {shifts.min()})")
    total = 0
    for sign, shift, value in zip(signs.tolist(), shifts.tolist(), inputs.tolist(), strict=True):
        moved = value << shift
        total += moved if sign > 0 else -moved if sign < 0 else 0
    return total


def booth_digits(weight: int, bits: int) -> list[int]:
    """The ceil(bits / 2) radix-4 Booth digits (-2 to 2) of a two's-complement integer, lowest first.

    Raises ValueError where it does not fit.

    >>> booth_digits(-3, 4), booth_digits(6, 4)
    ([1, -1], [-2, 2])
    """
    if not -(1 << (bits - 1)) <= weight < 1 << (bits - 1):
        raise ValueError(f"{weight} does not fit {bits} bits")
    below, digits = 0, []
    for place in range(0, bits, 2):
        low, high = weight >> place & 1, weight >> (place + 1) & 1
        digits.append(low + below - 2 * high)
        below = high
    return digits


def booth_dot(weights: Sequence[int], inputs: Sequence[int], bits: int) -> tuple[int, int]:
    """(dot product, steps) where each weight's Booth digits take a step each, zero digits too."""
    total = steps = 0
    for weight, value in zip(weights, inputs, strict=True):
        for place, digit in enumerate(booth_digits(weight, bits)):
            total += (digit * value) << (2 * place)
            steps += 1
    return total, steps
