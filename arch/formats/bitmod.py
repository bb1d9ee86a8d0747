"""BitMoD: `bitmod-fp4`, `bitmod-fp3`, `bitmod-int6`, each with `:g<size>` (128 by default).

Each group chooses the special value that takes the place of minus zero: FP3 one of ±3 (extra resolution) and ±6 (extra
range), FP4 one of ±5 and ±8. A group's scale is an 8-bit integer times an FP16 scale of the row (VS-Quant).
Source: Chen et al., BitMoD: Bit-serial Mixture-of-Datatype LLM Acceleration, HPCA 2025, sections III and IV.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from archsim.arch.formats.base import Arithmetic, ArithmeticKind, Scale
from archsim.arch.formats.candidates import Candidate, integer, signed
from archsim.arch.formats.search import Scales, SearchFormat
from archsim.arch.formats.sharing import Array, Sharing, check_bits, fp16, group, refuse_rest, take_sharing

GROUP_SIZE = 128
SCALE_BITS = 8
"""Of a group: an unsigned integer."""
LARGEST_SCALE = (1 << SCALE_BITS) - 1
ROW_SCALE_BITS = 16
CHOICE_BITS = 2
BASES = {"fp3": (0.0, 1.0, 2.0, 4.0), "fp4": (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)}
"""Magnitudes by code."""
SPECIALS = {"fp3": (3.0, -3.0, 6.0, -6.0), "fp4": (5.0, -5.0, 8.0, -8.0)}
TERMS = 2
"""Bit-serial terms of an FP3 or FP4 element: two leading ones of a fixed-point number with sign, 4 and 1 bits."""
FIXED_POINT_BITS = 6
BOOTH_RADIX_BITS = 2
MIN_INTEGER, MAX_INTEGER = 3, 8

SUMMARY = "minus zero stands for a special value that each group chooses"
SOURCE = "Chen et al., BitMoD, HPCA 2025"
GRAMMAR = "bitmod-fp3, bitmod-fp4 or bitmod-int<bits>, then [:g<size>], for example bitmod-fp4:g128"
EXAMPLES = ("bitmod-fp3:g128", "bitmod-fp4:g128", "bitmod-int6:g128")

_SPEC = re.compile(r"bitmod-(fp3|fp4|int\d{1,2})((?::[a-z0-9.]+)*)")


class BitModFormat(SearchFormat):
    """Codes in sign-magnitude, minus zero standing for the group's special value; integers in two's complement.

    A row's FP16 scale is the largest scale that any of its groups could ask for, over 255; a group of it that has a
    non-zero element has at least scale code 1. `extra`: ``choice``, ``scale_codes`` (per group), ``row_scales``.
    """

    def __init__(self, element: str, *, sharing: Sharing) -> None:
        is_integer = element.startswith("int")
        bits = int(element[3:]) if is_integer else int(element[2:])
        candidates = _candidates(element, bits)
        super().__init__(
            f"bitmod-{element}:{sharing}",
            bits=bits,
            sharing=sharing,
            candidates=candidates,
            set_bits=SCALE_BITS + (0 if is_integer else CHOICE_BITS),
            arithmetic=_arithmetic(is_integer, bits, sharing),
        )
        self.base_grid = np.unique([*(BASES.get(element, ())), *(-v for v in BASES.get(element, ()))])
        self.special_values = SPECIALS.get(element, ())

    def bits(self, shape: tuple[int, ...]) -> Fraction:
        """Bits of codes, group scales, choices, and the FP16 scale of each row."""
        return super().bits(shape) + ROW_SCALE_BITS * (math.prod(shape[:-1]) if math.prod(shape) else 0)

    def scales_for(self, largest: Array, shape: tuple[int, ...]) -> Scales:
        rows = math.prod(shape[:-1])
        wanted = largest[:, None] / self.tables.largest
        by_row = wanted.reshape(rows, wanted.size // max(rows, 1)).max(axis=1, initial=0.0)
        row_scales = fp16(by_row / LARGEST_SCALE)
        steps = np.repeat(row_scales, len(largest) // max(rows, 1))[:, None]
        codes = np.rint(np.divide(wanted, steps, out=np.zeros_like(wanted), where=steps > 0))
        codes = np.where(wanted > 0, np.clip(codes, 1, LARGEST_SCALE), 0)
        stored: dict[str, NDArray[np.generic]] = {
            "scale_codes": codes.astype(np.uint8),
            "row_scales": row_scales.astype(np.float16),
        }
        return Scales(values=codes * steps, stored=MappingProxyType(stored))


def _candidates(element: str, bits: int) -> tuple[Candidate, ...]:
    if element.startswith("int"):
        return (Candidate("int", integer(bits)),)
    base = signed(BASES[element], bits - 1)
    minus_zero = 1 << (bits - 1)
    return tuple(Candidate(f"{value:+g}", base | {minus_zero: value}) for value in SPECIALS[element])


def _arithmetic(is_integer: bool, bits: int, sharing: Sharing) -> Arithmetic:
    return Arithmetic(
        kind=ArithmeticKind.INTEGER if is_integer else ArithmeticKind.LOOKUP,
        integer_bits=bits if is_integer else FIXED_POINT_BITS,
        lookup_entries=0 if is_integer else 1 << bits,
        serial_terms=math.ceil(bits / BOOTH_RADIX_BITS) if is_integer else TERMS,
        scale=Scale(granularity=sharing.granularity, group_size=sharing.group_size, kind="int8", bits=SCALE_BITS),
    )


def parse(spec: str) -> BitModFormat | None:
    """The BitMoD format that `spec` (lower case) names, None when it names none; InputError for a bad option."""
    match = _SPEC.fullmatch(spec)
    if match is None:
        return None
    if match[1].startswith("int"):
        check_bits(spec, "BitMoD integers have", int(match[1][3:]), MIN_INTEGER, MAX_INTEGER)
    options = match[2].split(":")[1:]
    sharing = group(GROUP_SIZE)
    if options and options[0].startswith("g"):
        sharing = take_sharing(spec, options, sharing)
    refuse_rest(spec, options, GRAMMAR)
    return BitModFormat(match[1], sharing=sharing)
