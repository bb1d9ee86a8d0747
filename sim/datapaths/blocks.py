"""Datapaths of block formats: products shifted by private exponents, added up, scaled once, then accumulated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Elements that share a scale: value = significand * 2^(exponent) * scale, exponents private (0 for integers)."""

    significands: Ints
    exponents: Ints
    scale: Fraction

    def values(self) -> list[Fraction]:
        """The exact values of the elements."""
        pairs = zip(self.significands.tolist(), self.exponents.tolist(), strict=True)
        return [significand * Fraction(2) ** exponent * self.scale for significand, exponent in pairs]


def block_dot(weights: Block, inputs: Block) -> Fraction:
    """The exact product of two blocks as a unit makes it: integer products in fixed point, one product of scales.

    The fixed point reaches from the smallest sum of two private exponents, so that every shift is to the left.
    Source: Rouhani et al., With Shared Microexponents, ISCA 2023, section 3.
    """
    places = (weights.exponents + inputs.exponents).tolist()
    lowest = min(places, default=0)
    total = 0
    for a, b, place in zip(weights.significands.tolist(), inputs.significands.tolist(), places, strict=True):
        total += (a * b) << (place - lowest)
    return total * Fraction(2) ** lowest * weights.scale * inputs.scale


def truncated_block_dot(weights: Block, inputs: Block, tree_bits: int) -> Fraction:
    """`block_dot` in a tree of `tree_bits`: products aligned to the largest, bits below its lowest place cut off.

    The largest product's magnitude takes the word whole. Each product then errs by less than the word's last place.
    """
    products = [a * b for a, b in zip(weights.significands.tolist(), inputs.significands.tolist(), strict=True)]
    places = (weights.exponents + inputs.exponents).tolist()
    reach = max(
        (abs(product).bit_length() + place for product, place in zip(products, places, strict=True) if product),
        default=0,
    )
    last = reach - (tree_bits - 1)
    total = 0
    for product, place in zip(products, places, strict=True):
        total += product << (place - last) if place >= last else product >> (last - place)
    return total * Fraction(2) ** last * weights.scale * inputs.scale


def accumulated(blocks: Sequence[Fraction]) -> float:
    """Blocks added up one after the other in an FP32 accumulator, each sum rounded to nearest, ties to even."""
    total = np.float32(0.0)
    for block in blocks:
        total = _rounded(Fraction(float(total)) + block)
    return float(total)


def _rounded(value: Fraction) -> np.float32:
    """The FP32 number nearest to a rational, for magnitudes in the normal range and zero."""
    if not value:
        return np.float32(0.0)
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    if abs(value) < Fraction(2) ** exponent:
        exponent -= 1
    step = Fraction(2) ** (exponent - 23)
    return np.float32(float(round(value / step) * step))
