"""How one element of a format enters a multiplier or an adder: as an integer, or as a significand with an exponent."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from archsim.arch.components.gates import Circuit, adder, table
from archsim.arch.formats.base import LEVEL_BITS, Arithmetic, ArithmeticKind
from archsim.core.provenance import ESTIMATE

FULL_EXPONENT_BITS = 8
"""Floats with at least FP32's exponent flush subnormal numbers, narrower ones multiply them."""
_NAMED_SCALES = {"fp16": (11, 5), "bf16": (8, 8), "fp32": (24, 8)}
_MINIFLOAT = re.compile(r"e(?P<exponent>\d+)m(?P<mantissa>\d+)")
_NO_DECODER = Circuit()
_INTEGER = re.compile(r"u?int(?P<bits>\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operand:
    """An operand's significand and exponent; an integer has no exponent, or a private one of a few places.

    A microexponent that few elements share is private to each of them.
    """

    is_float: bool
    width: int
    """Bits that enter the multiplier: a significand with its hidden bit, or the whole integer."""
    exponent_bits: int = 0
    magnitude_bits: int = 1
    """What its significand holds when it meets a float: the width without an integer's sign."""
    decoder: Circuit = field(default_factory=Circuit)
    """What turns the stored code into the operand."""
    estimates: tuple[str, ...] = ()

    @property
    def subnormals(self) -> bool:
        return self.is_float and self.exponent_bits < FULL_EXPONENT_BITS

    @property
    def stored_bits(self) -> int:
        """Bits of a register that holds it."""
        return self.width + self.exponent_bits

    @property
    def places(self) -> int:
        """Positions that its exponent can shift it to."""
        return int(2**self.exponent_bits)


def operand_of(arithmetic: Arithmetic) -> Operand:
    """The operand that an element of `arithmetic` is."""
    match arithmetic.kind:
        case ArithmeticKind.INTEGER:
            return _integer(arithmetic)
        case ArithmeticKind.FLOAT:
            return _float(arithmetic)
        case ArithmeticKind.POWER_OF_TWO:
            note = f"{ESTIMATE} a power of two enters the multiplier as a float with a 1-bit significand"
            return _float(arithmetic, notes=(note,))
        case ArithmeticKind.LOOKUP:
            return _looked_up(arithmetic)


def _looked_up(arithmetic: Arithmetic) -> Operand:
    rounded = f", rounded to {LEVEL_BITS} bits" if arithmetic.rounded else ""
    note = f"{ESTIMATE} a looked-up operand enters the multiplier as the value in its table of constants{rounded}"
    bits = arithmetic.significand_bits + arithmetic.exponent_bits or arithmetic.integer_bits
    decoder = table(arithmetic.lookup_entries, bits)
    if arithmetic.significand_bits:
        return _float(arithmetic, decoder, (note,))
    return _integer(arithmetic, decoder, (note,))


def _integer(arithmetic: Arithmetic, decoder: Circuit = _NO_DECODER, notes: tuple[str, ...] = ()) -> Operand:
    width = max(arithmetic.integer_bits, 1)
    return Operand(
        is_float=False,
        width=width,
        exponent_bits=arithmetic.exponent_bits or arithmetic.scale.micro_bits,
        magnitude_bits=max(width - arithmetic.signed, 1),
        decoder=decoder,
        estimates=notes,
    )


def _float(arithmetic: Arithmetic, decoder: Circuit = _NO_DECODER, notes: tuple[str, ...] = ()) -> Operand:
    width = max(arithmetic.significand_bits, 1)
    return Operand(
        is_float=True,
        width=width,
        exponent_bits=max(arithmetic.exponent_bits, 1),
        magnitude_bits=width,
        decoder=decoder,
        estimates=notes,
    )


def scale_operand(kind: str, bits: int) -> Operand:
    """A shared scale as an operand: a power of two has a significand of 1 bit.

    `kind` is a scale's: ``e8m0``, ``e4m3``, ``fp16``, ``int8``, ...; one that says nothing is an integer of `bits`.
    """
    if kind in _NAMED_SCALES:
        significand, exponent = _NAMED_SCALES[kind]
        return Operand(is_float=True, width=significand, exponent_bits=exponent, magnitude_bits=significand)
    if found := _MINIFLOAT.fullmatch(kind):
        significand = int(found["mantissa"]) + 1
        exponent = int(found["exponent"])
        return Operand(is_float=True, width=significand, exponent_bits=exponent, magnitude_bits=significand)
    found = _INTEGER.fullmatch(kind)
    width = int(found["bits"]) if found else max(bits, 1)
    return Operand(is_float=False, width=width, magnitude_bits=width)


def exponent_sum(a: Operand, b: Operand) -> Circuit:
    """Adder of two exponents, where both have one."""
    return adder(max(a.exponent_bits, b.exponent_bits) + 1) if a.exponent_bits and b.exponent_bits else Circuit()
