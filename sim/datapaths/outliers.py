"""Datapaths with outliers: sums by centroid (GOBO), narrow MACs with a wide one (OLAccel), pairs (OliVe), OverQ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outliers:
    """Weights that are kept apart: flat positions along the reduction, and their exact values."""

    positions: Ints
    values: Sequence[Fraction | int]


def centroid_dot(
    codes: Ints, centroids: Sequence[Fraction], outliers: Outliers, inputs: Sequence[Fraction]
) -> Fraction:
    """The dot product of coded weights: activations added up by code, each sum multiplied by its centroid once.

    An outlier's activation passes its sum by and is multiplied exactly. `codes` are [k] indices into `centroids`.
    Source: Zadeh et al., GOBO, MICRO 2020, section 5.
    """
    sums = [Fraction(0)] * len(centroids)
    apart = set(outliers.positions.tolist())
    for position, code in enumerate(codes.tolist()):
        if position not in apart:
            sums[code] += inputs[position]
    dense = sum((total * centroid for total, centroid in zip(sums, centroids, strict=True)), Fraction(0))
    exact = zip(outliers.positions.tolist(), outliers.values, strict=True)
    return dense + sum((inputs[position] * value for position, value in exact), Fraction(0))


def narrow_and_wide_dot(weights: Ints, inputs: Ints, bits: int, lanes: int) -> tuple[int, int]:
    """(dot product, cycles) of `lanes` narrow MACs with one wide MAC beside, which takes what `bits` do not hold.

    A step of `lanes` weights lasts as long as the wide MAC has outliers to multiply, and at least a cycle. Raises
    ValueError where an input does not fit the narrow MACs.
    Source: Park et al., OLAccel, ISCA 2018, section 4.
    """
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    if inputs.size and not low <= int(inputs.min()) <= int(inputs.max()) <= high:
        raise ValueError(f"inputs must fit {bits} bits (got {inputs.min()} to {inputs.max()})")
    total = cycles = 0
    for start in range(0, weights.size, lanes):
        w, x = weights[start : start + lanes].tolist(), inputs[start : start + lanes].tolist()
        wide = [lane for lane, weight in enumerate(w) if not low <= weight <= high]
        total += sum(weight * x[lane] for lane, weight in enumerate(w) if lane not in wide)
        total += sum(w[lane] * x[lane] for lane in wide)
        cycles += max(1, len(wide))
    return total, cycles


def shifted(value: int) -> tuple[int, int]:
    """A decoded operand <exponent, integer> of an integer value: the odd integer and its shift; <0, 0> for 0.

    >>> shifted(96), shifted(-7)
    ((5, 3), (0, -7))
    """
    exponent = (value & -value).bit_length() - 1 if value else 0
    return exponent, value >> exponent


def shifted_product(a: tuple[int, int], b: tuple[int, int]) -> int:
    """The product of two decoded operands <exponent, integer>: <ea + eb, ia * ib>, the integer shifted once.

    Source: Guo et al., ANT, MICRO 2022, section V, and OliVe, ISCA 2023, section 4.
    """
    return (a[1] * b[1]) << (a[0] + b[0])


def shifted_dot(a: Sequence[tuple[int, int]], b: Sequence[tuple[int, int]], accumulator_bits: int = 32) -> int:
    """The dot product of decoded operands in an integer accumulator. Raises OverflowError where it does not fit."""
    total = sum(shifted_product(x, y) for x, y in zip(a, b, strict=True))
    if not -(1 << (accumulator_bits - 1)) <= total < 1 << (accumulator_bits - 1):
        raise OverflowError(f"{total} does not fit an accumulator of {accumulator_bits} bits")
    return total


def overwrite_dot(slots: Ints, flags: Ints, weights: Ints, bits: int) -> int:
    """The dot product of OverQ's slots, each multiplied by its own weight, or as high bits by the weight before.

    `slots` are unsigned codes of `bits`; a slot after a flagged one holds the high bits of the flagged outlier, so that
    its PE takes the neighbour's weight and shifts the product up. A flag on the last slot has no neighbour: ValueError.
    Source: Zhao et al., OverQ, 2019, section 4.
    """
    if slots.size and flags[-1]:
        raise ValueError("the last slot has no neighbour to overwrite")
    total = 0
    for position, slot in enumerate(slots.tolist()):
        overwritten = position > 0 and bool(flags[position - 1])
        weight = int(weights[position - 1] if overwritten else weights[position])
        total += (slot * weight) << (bits if overwritten else 0)
    return total
