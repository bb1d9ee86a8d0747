"""What a multiplier gets of a tensor in a format: integers, from the codes of the quantized tensor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.arch.formats import ArithmeticKind, Format, Quantized
from archsim.arch.formats.scaled import ScaledFormat
from archsim.arch.formats.stored import StoredFormat
from archsim.arch.formats.table import TableFormat
from archsim.core.errors import InputError

Integers = NDArray[np.int64]

FINEST = 12
"""Bits behind the point that values before the scale may have."""
WIDEST = 48
"""Bits of an operand at most."""
SIGN_BITS = 2
"""Of an operand that is -1 or +1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operands:
    """Integers of a tensor's shape, of `width` bits with the sign, and the codes that are stored for them."""

    view: str
    integers: Integers
    width: int
    signed: bool
    codes: Integers
    zero_values: int
    exponents: Integers | None = None


def operands(fmt: Format, values: NDArray[Any]) -> Operands:
    """The operands of `values` in `fmt`, whose last axis is the reduction.

    Integers are their codes, with a zero point the unsigned ones that it is not yet taken from. Floats are signed
    significands with the hidden bit (0 for a code that is not finite). Other values are fixed-point numbers as they are
    before the scale, where these are fractions of a power of two; else the codes stand for themselves (an index).
    """
    base = fmt.base if isinstance(fmt, StoredFormat) else fmt
    stored = base.quantize(values)
    if base.arithmetic.kind is ArithmeticKind.FLOAT and _has_fields(base, stored):
        return _significands(base, stored)
    if (
        isinstance(base, ScaledFormat)
        and not isinstance(base, TableFormat)
        and base.arithmetic.kind is ArithmeticKind.INTEGER
    ):
        return _integers(base, stored)
    return _fixed_point(base, stored) or _indices(base, stored)


def _has_fields(fmt: Format, stored: Quantized) -> bool:
    """Whether the codes are a sign, an exponent and a mantissa."""
    width = fmt.arithmetic.significand_bits + fmt.arithmetic.exponent_bits
    return not stored.codes.size or (int(stored.codes.min()) >= 0 and int(stored.codes.max()) < 1 << width)


def _significands(fmt: Format, stored: Quantized) -> Operands:
    mantissa_bits, exponent_bits = fmt.arithmetic.significand_bits - 1, fmt.arithmetic.exponent_bits
    codes = stored.codes
    exponents = (codes >> mantissa_bits) & ((1 << exponent_bits) - 1)
    magnitudes = (codes & ((1 << mantissa_bits) - 1)) + np.where(exponents > 0, 1 << mantissa_bits, 0)
    values = fmt.dequantize(stored)
    magnitudes = np.where(np.isfinite(values), magnitudes, 0)
    return Operands(
        view="significand",
        integers=np.where(codes >> (mantissa_bits + exponent_bits) > 0, -magnitudes, magnitudes),
        width=mantissa_bits + 2,
        signed=True,
        codes=codes,
        zero_values=int(np.count_nonzero(values == 0)),
        exponents=exponents,
    )


def _integers(fmt: ScaledFormat, stored: Quantized) -> Operands:
    arithmetic = fmt.arithmetic
    width = max(arithmetic.integer_bits, SIGN_BITS) if arithmetic.signed else arithmetic.integer_bits
    return Operands(
        view="integer",
        integers=stored.codes,
        width=width,
        signed=arithmetic.signed,
        codes=stored.codes,
        zero_values=_zero_values(fmt, stored),
    )


def _fixed_point(fmt: Format, stored: Quantized) -> Operands | None:
    """Values with all scales 1, in units of the least one; None where there is no such unit."""
    if stored.scales is None:
        return None
    try:
        grid = fmt.grid
    except InputError:
        return None
    for fraction_bits in range(FINEST + 1):
        scaled = np.ldexp(grid, fraction_bits)
        if np.array_equal(scaled, np.rint(scaled)):
            break
    else:
        return None
    unscaled = np.ldexp(fmt.dequantize(replace(stored, scales=np.ones_like(stored.scales))), fraction_bits)
    top = max(int(np.abs(scaled).max()), 1)
    if top >= 1 << WIDEST or not np.isin(unscaled, scaled).all():
        return None
    signed = bool(grid.min() < 0)
    return Operands(
        view="fixed-point",
        integers=unscaled.astype(np.int64),
        width=top.bit_length() + int(signed),
        signed=signed,
        codes=stored.codes,
        zero_values=int(np.count_nonzero(unscaled == 0)),
    )


def _indices(fmt: Format, stored: Quantized) -> Operands:
    codes = stored.codes
    low, high = int(codes.min(initial=0)), int(codes.max(initial=0))
    return Operands(
        view="index",
        integers=codes,
        width=max(high.bit_length(), (-low - 1).bit_length() if low < 0 else 0, 1) + int(low < 0),
        signed=low < 0,
        codes=codes,
        zero_values=_zero_values(fmt, stored),
    )


def _zero_values(fmt: Format, stored: Quantized) -> int:
    return int(np.count_nonzero(fmt.dequantize(stored) == 0))
