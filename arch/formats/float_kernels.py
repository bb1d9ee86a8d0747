"""Rounding of arrays to plain floating-point types."""

from __future__ import annotations

import numpy as np

from archsim.arch.formats.kernels import BIAS, FRACTION_BITS, Floats, nearest_magnitude
from archsim.core.kernels import bits_of, kernel


@kernel
def round_floats(
    x: Floats,
    out: Floats,
    fraction_bits: int,
    smallest: int,
    largest: float,
    overflow: float,
    through_single: bool,
    nan: float,
    signed_zero: bool,
) -> None:
    """Plain floats: `overflow` beyond `largest`; a NaN becomes `nan`, of the opposite sign where that is a number.

    Without `signed_zero` -0 becomes 0.
    """
    lowest_field = (smallest + BIAS) << FRACTION_BITS
    nan_turns = nan == nan
    for row in range(x.shape[0]):
        for i in range(x.shape[1]):
            value = np.float64(np.float32(x[row, i])) if through_single else np.float64(x[row, i])
            nearest = nearest_magnitude(min(abs(value), 4.0 * largest), fraction_bits, lowest_field)
            nearest = nearest if nearest <= largest else overflow
            is_nan = value != value
            nearest = nan if is_nan else nearest
            sign = bits_of(value) if not (is_nan and nan_turns) else ~bits_of(value)
            turned = sign < 0 and (signed_zero or nearest != 0.0)
            out[row, i] = -nearest if turned else nearest
