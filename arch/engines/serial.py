"""Terms: into how many steps a bit-serial unit takes one element apart, from its arithmetic alone."""

from __future__ import annotations

import math
from enum import StrEnum

from archsim.arch.formats import Arithmetic, ArithmeticKind

BOOTH_RADIX_BITS = 2
"""Bits of an operand that one digit of a radix-4 Booth recoding stands for."""


class Terms(StrEnum):
    """How an element becomes terms: a bit a time, radix-4 Booth digits, or as its format says."""

    BITS = "bits"
    BOOTH = "booth"
    FORMAT = "format"


def terms(arithmetic: Arithmetic, how: Terms) -> int:
    """Terms of one element, zero ones included; at least 1.

    A float has those of its significand: its exponent shifts them. A looked-up value with terms of its own (a sum of
    two powers of two) keeps those, however integers are recoded.

    >>> from archsim.arch.formats import format
    >>> [terms(format(name).arithmetic, Terms.BOOTH) for name in ("bitmod-fp3:g128", "int6", "int8", "fp16")]
    [2, 3, 4, 6]
    """
    width = arithmetic.integer_bits or arithmetic.significand_bits
    own = arithmetic.serial_terms
    match arithmetic.kind:
        case ArithmeticKind.POWER_OF_TWO:
            return 1
        case ArithmeticKind.LOOKUP:
            return max(1, own or width)
        case _ if how is Terms.FORMAT and own:
            return own
        case _:
            return max(1, math.ceil(width / BOOTH_RADIX_BITS) if how is Terms.BOOTH else width)


def operand_bits(arithmetic: Arithmetic) -> int:
    """Width in which an element enters a multiplier that is made of bricks: its integer, or its significand.

    >>> from archsim.arch.formats import format
    >>> [operand_bits(format(name).arithmetic) for name in ("int4", "flint4", "fp16")]
    [4, 4, 11]
    """
    return max(1, arithmetic.integer_bits or arithmetic.significand_bits or arithmetic.serial_terms)
