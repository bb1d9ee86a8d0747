"""What is counted of an integer operand, element by element: definitions over arrays, and the kernels' lookup tables.

An operand of `width` bits is in two's complement, or unsigned. Its magnitude is what sign-magnitude hardware sees.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Words = NDArray[np.uint64]

MEASURES: Mapping[str, str] = MappingProxyType(
    {
        "essential_bits": "ones of the magnitude",
        "ones": "ones of the two's complement",
        "booth_digits": "radix-4 Booth digits that are not zero",
        "signed_digits": "digits of the canonical signed form that are not zero",
        "precision": "bits of the magnitude without leading zeros",
        "span": "bits of the magnitude from its first one to its last",
        "columns": "bits of the magnitude with a one in a lane",
        "slices_2": "slices of 2 bits of the magnitude with a one in a lane",
        "slices_4": "slices of 4 bits of the magnitude with a one in a lane",
        "twos_precision": "bits of the two's complement without repeated signs",
        "twos_columns": "bits of the two's complement with a one in a lane",
        "mixed_columns": "bits of the two's complement with a one in a lane and a zero in another",
    }
)
"""By name, in the order of the kernels. In a group: the largest of the first four; of the others, that of the OR."""

FIRST_OF_OR = 4
"""The first measure that is taken of the OR of a group's lanes."""
BYTE_BITS = 8


def ones(values: Integers) -> Integers:
    """Ones of numbers that are not negative."""
    return np.asarray(np.bitwise_count(values), dtype=np.int64)


def bit_lengths(values: Integers) -> Integers:
    """Bits of numbers from 0 to 2^48 without leading zeros."""
    lengths: Integers = np.frexp(values.astype(np.float64))[1].astype(np.int64)
    return lengths


def booth_digits(values: Integers, width: int, *, signed: bool) -> Integers:
    """Radix-4 Booth digits that are not zero; unsigned operands are read with a zero in front.

    Digit i is b(2i-1) + b(2i) - 2 b(2i+1): zero where the three bits are equal.
    Source: MacSorley, "High-Speed Arithmetic in Binary Computers", Proc. IRE 1961 (recalled).
    """
    digits = (width + 1) // 2 if signed else width // 2 + 1
    changes = values ^ (values << 1)
    places = 0x5555555555555555 & ((1 << (2 * digits)) - 1)
    return ones((changes | (changes >> 1)) & np.int64(places))


def signed_digits(values: Integers) -> Integers:
    """Digits that are not zero in the canonical form with digits -1, 0 and 1: those in which 3 n and n differ."""
    magnitudes: Integers = np.abs(values)
    tripled: Integers = 3 * magnitudes
    return ones(tripled ^ magnitudes)


def spans(magnitudes: Integers) -> Integers:
    """Bits from the first one to the last, 0 for 0."""
    return np.where(magnitudes > 0, bit_lengths(magnitudes) - bit_lengths(magnitudes & -magnitudes) + 1, 0)


def slices(magnitudes: Integers, size: int) -> Integers:
    """Slices of `size` bits, from the lowest up, that have a one in them."""
    count = np.zeros_like(magnitudes)
    for shift in range(0, 48, size):
        count += ((magnitudes >> shift) & ((1 << size) - 1)) > 0
    return count


def sign_changes(values: Integers) -> Integers:
    """The bits that differ from the sign."""
    return values ^ (values >> 63)


def code_measures(values: Integers, width: int, *, signed: bool) -> dict[str, Integers]:
    """Every measure of single operands, by name."""
    magnitudes, twos = np.abs(values), values & ((1 << width) - 1)
    return {
        "essential_bits": ones(magnitudes),
        "ones": ones(twos),
        "booth_digits": booth_digits(values, width, signed=signed),
        "signed_digits": signed_digits(values),
        "precision": bit_lengths(magnitudes),
        "span": spans(magnitudes),
        "columns": ones(magnitudes),
        "slices_2": slices(magnitudes, 2),
        "slices_4": slices(magnitudes, 4),
        "twos_precision": bit_lengths(sign_changes(values)) + int(signed),
        "twos_columns": ones(twos),
        "mixed_columns": np.zeros_like(values),
    }


def byte_values(signed: bool) -> Integers:
    """The operand that each byte stands for."""
    bytes_ = np.arange(256, dtype=np.uint8)
    return (bytes_.view(np.int8) if signed else bytes_).astype(np.int64)


@lru_cache(maxsize=32)
def byte_words(width: int, signed: bool) -> Words:
    """Lookups [256, 4] of `kernels` for operands of `width` bits held in a byte."""
    values = byte_values(signed)
    found = code_measures(values, width, signed=signed)
    mask = (1 << width) - 1
    magnitudes, twos = np.abs(values), values & mask
    thermometers = [(1 << found[name]) - 1 for name in list(MEASURES)[:FIRST_OF_OR]]
    fields = [*thermometers, magnitudes, sign_changes(values), twos, ~values & mask]
    word = np.zeros(256, dtype=np.uint64)
    for place, field in enumerate(fields):
        word |= (field & 255).astype(np.uint64) << np.uint64(BYTE_BITS * place)
    nonzeros = (values != 0).astype(np.uint64)
    words = np.ascontiguousarray(np.stack([word, _spread(twos), _spread(magnitudes), nonzeros], axis=1))
    words.flags.writeable = False
    return words


def _spread(values: Integers) -> Words:
    """Each bit of a byte in a byte of its own."""
    spread = np.zeros(values.shape, dtype=np.uint64)
    for bit in range(BYTE_BITS):
        spread |= ((values >> bit) & 1).astype(np.uint64) << np.uint64(BYTE_BITS * bit)
    return spread
