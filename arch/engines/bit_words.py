"""Operands as words of bits: magnitudes, two's complement and recoded digits, and what is counted of them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

WIDEST = 16
"""Bits of an operand at most: tables over all words of it are made."""


class Words(StrEnum):
    """How an integer is written in the bits that a lane steps through."""

    MAGNITUDE = "magnitude"
    """The magnitude; its sign is known beside it."""
    STORED = "stored"
    """Sign and magnitude as they are stored: the sign of a negative number is one more one."""
    TWOS = "twos"
    """Two's complement."""
    BOOTH = "booth"
    """A one for each radix-4 Booth digit that is not zero, at the place of its power of two."""


def values_of(width: int, *, signed: bool) -> Integers:
    """The operand that each word of two's complement, or unsigned word, of `width` bits stands for [2^width]."""
    values = np.arange(1 << width, dtype=np.int64)
    if signed:
        values[values >= 1 << (width - 1)] -= 1 << width
    return values


def words_of(values: NDArray[Any], words: Words, width: int, *, signed: bool) -> Integers:
    """The word of each operand of `width` bits."""
    numbers = np.asarray(values, dtype=np.int64)
    match words:
        case Words.MAGNITUDE:
            found = np.abs(numbers)
        case Words.STORED:
            found = np.abs(numbers) | (np.where(numbers < 0, 1, 0) << width)
        case Words.TWOS:
            found = numbers & ((1 << width) - 1)
        case Words.BOOTH:
            digits = booth_digits(numbers, width, signed=signed)
            found = np.zeros_like(numbers)
            for place in range(digits.shape[-1]):
                digit = np.abs(digits[..., place])
                found |= np.where(digit == 2, 2, digit) << (2 * place)
    return np.asarray(found, dtype=np.int64)


def word_width(words: Words, width: int, *, signed: bool) -> int:
    """Bits of a word of an operand of `width` bits.

    Magnitudes have them all: the lowest number of two's complement has no counterpart above zero.
    """
    match words:
        case Words.STORED:
            return width + 1
        case Words.BOOTH:
            return 2 * booth_places(width, signed=signed)
        case _:
            return width


def booth_places(width: int, *, signed: bool) -> int:
    """Radix-4 Booth digits of an operand; unsigned ones are read with a zero in front."""
    return (width + 1) // 2 if signed else width // 2 + 1


def booth_digits(values: NDArray[Any], width: int, *, signed: bool) -> Integers:
    """Digits from -2 to 2 [..., places], the lowest first: their sum times 4^place is the operand.

    Source: MacSorley, "High-Speed Arithmetic in Binary Computers", Proc. IRE 1961 (recalled).
    """
    numbers = np.asarray(values, dtype=np.int64)
    shifted = numbers << 1
    places = np.arange(booth_places(width, signed=signed), dtype=np.int64)
    window = (shifted[..., None] >> (2 * places)) & 7
    lookup = np.array([0, 1, 1, 2, -2, -1, -1, 0], dtype=np.int64)
    return np.asarray(lookup[window], dtype=np.int64)


def ones(words: NDArray[Any]) -> Integers:
    """Ones of words that are not negative."""
    return np.asarray(np.bitwise_count(np.asarray(words, dtype=np.int64)), dtype=np.int64)


def bit_lengths(words: NDArray[Any]) -> Integers:
    """Bits of words that are not negative, without leading zeros."""
    return np.asarray(np.frexp(np.asarray(words, dtype=np.float64))[1], dtype=np.int64)


def spans(words: NDArray[Any]) -> Integers:
    """Bits from the first one to the last, 0 for 0."""
    numbers = np.asarray(words, dtype=np.int64)
    return np.where(numbers > 0, bit_lengths(numbers) - bit_lengths(numbers & -numbers) + 1, 0)


def unsigned_changes(values: NDArray[Any]) -> Integers:
    """The bits that differ from the sign: their length and one more bit hold the number in two's complement."""
    numbers = np.asarray(values, dtype=np.int64)
    return np.asarray(numbers ^ (numbers >> 63), dtype=np.int64)
