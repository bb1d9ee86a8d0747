"""MX processing elements and matrix machines of PLENA (ASAP7), built from gates as their RTL builds them.

Structure and widths: the repository's SystemVerilog (mxint_default_pe, mxfp_default_pe, mxint_sum_across,
fp_adder_tree_layer, fp_fix_accumulator, mxint_acc_2_fp). Every register there can be held and cleared.
"""

from __future__ import annotations

import math

from archsim.arch.components.gates import (
    Circuit,
    adder,
    comparator,
    incrementer,
    leading_zeros,
    multiplier,
    negater,
    register,
    selector,
    shifter,
)

SCALE = 8
"""Bits of a shared scale."""
EXPONENT, MANTISSA = 8, 7
"""Format in which FP partial sums leave a PE."""
FIXED = 32
"""Fixed-point accumulator: 16 bits before and 16 after the point."""
HEADROOM = 16
"""Largest alignment of two blocks' integer sums."""


def held(bits: float) -> Circuit:
    return register(bits, enable=True, reset=True)


def integer_width(top: int, left: int, depth: int) -> int:
    """Accumulator of `depth` products, as the PE states it."""
    return top + left + math.ceil(math.log2(depth))


def integer_pe(top: int, left: int, depth: int) -> Circuit:
    """Operands with their scales pass on; product; scales' sum less bias; integer accumulator; counter of products."""
    width, count = integer_width(top, left, depth), math.ceil(math.log2(depth + 1))
    operands = held(top + left + 2 * SCALE)
    scales = adder(SCALE + 1) >> incrementer(SCALE + 1)
    counter = incrementer(count) + held(count) + comparator(count)
    return operands + (multiplier(top, left) >> adder(width)) + held(width) + scales + counter


def normaliser(width: int, exponent: int) -> Circuit:
    """Signed fixed point to sign, exponent and mantissa."""
    return negater(width) >> leading_zeros(width) >> (shifter(width, width) + adder(exponent))


def caster(exponent: int, mantissa: int) -> Circuit:
    """A float to one with other widths: rebias, range checks, a denormal's shift, rounding."""
    range_checks = adder(exponent) + comparator(exponent) * 2 + selector(exponent + mantissa, 3)
    return range_checks + (shifter(mantissa, mantissa) >> incrementer(mantissa))


def fixed_accumulator(exponent: int, mantissa: int) -> Circuit:
    """A float shifted either way into 32 bits, signed, added; the sum normalised to a float again."""
    into = adder(exponent + 2) >> (shifter(FIXED, FIXED) + shifter(mantissa + 1, mantissa + 1)) >> selector(FIXED, 2)
    out = normaliser(FIXED, exponent + 3) + caster(exponent, mantissa)
    return into + negater(FIXED) + adder(FIXED) + held(FIXED) + out + held(1 + exponent + mantissa)


def float_pe(top: tuple[int, int], left: tuple[int, int]) -> Circuit:
    """Operands with their scales; multiplier in four stages; product to FP with the scales; fixed-point accumulator."""
    exponent, mantissa = max(top[0], left[0]), max(top[1], left[1])
    product = top[1] + left[1] + 3
    operands = held(2 + sum(top) + sum(left) + 2 * SCALE)
    split = negater(top[1] + 2) + negater(left[1] + 2) + held(sum(top) + sum(left) + 4)
    multiply = multiplier(top[1] + 2, left[1] + 2) + adder(exponent + 1) + held(exponent + 1 + product)
    normalise = normaliser(product, exponent + 2) + held(exponent + 2 + product)
    cast = caster(exponent + 2, product) + held(exponent + product) + held(1 + exponent + mantissa)
    scales = adder(SCALE) + incrementer(SCALE) + held(3 * SCALE)
    to_float = negater(mantissa + 2) + adder(SCALE + 1) + incrementer(SCALE + 1) + normaliser(mantissa + 2, SCALE + 2)
    to_float += caster(SCALE + 2, MANTISSA) + held(1 + EXPONENT + MANTISSA) * 2
    return operands + split + multiply + normalise + cast + scales + to_float + fixed_accumulator(EXPONENT, MANTISSA)


def integer_array(top: int, left: int, length: int, block: int) -> Circuit:
    """length / block arrays of block x block PEs, shift registers at two edges; aligned sums; conversion; FP sums."""
    arrays, outputs = length // block, block * block
    width = integer_width(top, left, block)
    total = width + HEADROOM + math.ceil(math.log2(arrays + 1))
    feeders = (held(block * (top + left)) + selector(block * (top + left), 2)) * block
    lane = register(width + SCALE + 1) + shifter(total, total) * 2 + selector(total, 2) + adder(total)
    lane += (comparator(SCALE + 1) + selector(SCALE + 1, 2)) * 2 + adder(SCALE + 2)
    convert = normaliser(total, SCALE + 3) + caster(SCALE + 3, total) + register(total + SCALE) * 2
    output = lane * arrays + register(total + SCALE + 1) + convert + fixed_accumulator(EXPONENT, MANTISSA)
    return (integer_pe(top, left, block) * outputs + feeders) * arrays + output * outputs + port(length, top + left)


def float_tree_adder() -> Circuit:
    """One adder of the reduction: both mantissas aligned without loss, added, normalised, rounded; three stages."""
    fixed, wide = MANTISSA + 2, 2 * MANTISSA + 3
    align = negater(fixed) * 2 + adder(EXPONENT + 1) + shifter(wide, wide) * 2 + held(2 * wide + EXPONENT + 1)
    add = adder(wide) + held(wide + EXPONENT)
    return align + add + normaliser(wide, EXPONENT) + caster(EXPONENT + 1, wide) + register(1 + EXPONENT + MANTISSA)


def float_array(top: tuple[int, int], left: tuple[int, int], length: int, block: int) -> Circuit:
    """length / block arrays of block x block PEs, whose FP results a tree of adders sums."""
    arrays, outputs = length // block, block * block
    bits = 2 + sum(top) + sum(left)
    feeders = held(block * bits) * block
    result = register(1 + EXPONENT + MANTISSA)
    reduce = float_tree_adder() * (arrays - 1) + result * (arrays + 1)
    return (float_pe(top, left) * outputs + feeders) * arrays + reduce * outputs + port(length, bits)


def port(length: int, bits: int) -> Circuit:
    """Operands and scales at the edge, a register each."""
    return held(length * (bits + SCALE))
