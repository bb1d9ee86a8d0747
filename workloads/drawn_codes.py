"""The operands that a format makes of normal numbers, where these are not plain fractions of the largest of them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from archsim.arch.formats import Format
from archsim.arch.formats.integer import IntegerFormat
from archsim.arch.formats.stored import StoredFormat
from archsim.core.errors import InputError
from archsim.workloads.statistics.operands import operands

ELEMENTS = 1 << 17
"""Normal numbers that are quantized: shares of operands are then within 0.2 %."""
WIDEST = 16
"""Bits of an operand whose values are counted."""
SEED = 0


@lru_cache(maxsize=256)
def drawn_codes(fmt: Format, reduction: int, width: int, *, signed: bool) -> tuple[int, NDArray[np.int64]] | None:
    """The lowest operand and how often it and those above it occur among normal numbers in rows of `reduction`.

    None for plain integers, whose shares follow from the normal distribution, and for formats whose operands are not of
    that width and sign: their arithmetic takes the elements otherwise.
    """
    rows = drawn_rows(fmt, reduction, width, signed=signed)
    if rows is None:
        return None
    lowest = min(int(rows.min()), 0)
    counts = np.bincount((rows - lowest).ravel())
    counts.flags.writeable = False
    return lowest, counts


@lru_cache(maxsize=8)
def drawn_rows(fmt: Format, reduction: int, width: int, *, signed: bool) -> NDArray[np.int64] | None:
    """The operands themselves [rows, reduction]: neighbours that share a scale and a zero point."""
    base = fmt.base if isinstance(fmt, StoredFormat) else fmt
    plain = isinstance(base, IntegerFormat) and not base.asymmetric and base.bits_stored > 1
    if plain or width > WIDEST:
        return None
    numbers = np.random.default_rng(SEED).standard_normal((max(1, ELEMENTS // reduction), reduction))
    try:
        found = operands(fmt, numbers)
    except InputError:
        return None
    if (found.width, found.signed) != (width, signed):
        return None
    found.integers.flags.writeable = False
    return found.integers
