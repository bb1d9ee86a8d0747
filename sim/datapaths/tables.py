"""Datapaths of lookup tables: sums of a few activations, picked by the bits or the trits of as many weights."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def sign_table(activations: list[int]) -> list[int]:
    """The 2^(g-1) sums of `g` activations whose first sign is plus; the others are their negatives."""
    first, rest = activations[0], activations[1:]
    return [
        first + sum(sign * value for sign, value in zip(signs, rest, strict=True))
        for signs in itertools.product((-1, 1), repeat=len(rest))
    ]


def bit_plane_dot(weights: Ints, inputs: Ints, bits: int, group: int) -> int:
    """The dot product of odd weights sum (2 b_i - 1) 2^i, a look for each place of each `group` of them.

    A place's bits of a group are a sign pattern: the first sign decides whether the entry that the others pick is
    negated. Lengths that `group` does not divide are filled up with activations of 0. Raises ValueError for weights
    that are even or beyond 2^bits - 1.
    Source: Mo et al., LUT Tensor Core, ISCA 2025 (recalled): weights of {0, 1} read as {-1, +1}.
    """
    largest = (1 << bits) - 1
    if weights.size and (np.any(weights % 2 == 0) or np.abs(weights).max() > largest):
        raise ValueError(f"weights must be odd, from {-largest} to {largest}")
    planes = (weights + largest) // 2
    filled = -weights.size % group
    planes, inputs = np.pad(planes, (0, filled)), np.pad(inputs, (0, filled))
    total = 0
    for start in range(0, planes.size, group):
        table = sign_table(inputs[start : start + group].tolist())
        for place in range(bits):
            pattern = (planes[start : start + group] >> place & 1).tolist()
            total += _look(table, pattern) << place
    return total


def _look(table: list[int], pattern: list[int]) -> int:
    """The entry that a pattern of signs (bits) picks: where the first is minus, the negated entry of the others."""
    negated = pattern[0] == 0
    index = 0
    for bit in pattern[1:]:
        index = 2 * index + (bit ^ negated)
    return -table[index] if negated else table[index]


def trit_table(activations: list[int]) -> dict[tuple[int, ...], int]:
    """The (3^g - 1) / 2 sums of ternary patterns whose first trit that is not zero is plus one."""
    patterns = itertools.product((-1, 0, 1), repeat=len(activations))
    return {
        pattern: sum(trit * value for trit, value in zip(pattern, activations, strict=True))
        for pattern in patterns
        if next((trit for trit in pattern if trit), 0) == 1
    }


def ternary_dot(weights: Ints, inputs: Ints, group: int) -> int:
    """The dot product of weights of -1, 0 and 1: one look, one sign and one addition for each `group` of them.

    Raises ValueError for other weights.
    Source: Qiao et al., TeLLMe, 2025; Wang et al., bitnet.cpp, arXiv 2502.11880 (TL kernels).
    """
    if weights.size and np.abs(weights).max() > 1:
        raise ValueError(f"weights must be -1, 0 or 1 (got {weights[np.abs(weights).argmax()]})")
    total = 0
    for start in range(0, weights.size, group):
        pattern = tuple(weights[start : start + group].tolist())
        table = trit_table(inputs[start : start + group].tolist())
        sign = next((trit for trit in pattern if trit), 0)
        total += sign * table[tuple(sign * trit for trit in pattern)] if sign else 0
    return total


def pattern_index(pattern: tuple[int, ...]) -> int:
    """The code of a ternary pattern: its trits as digits of base 3, below 3^g.

    >>> pattern_index((0, 0, 0)), pattern_index((1, 1, 1))
    (13, 26)
    """
    index = 0
    for trit in pattern:
        index = 3 * index + trit + 1
    return index
