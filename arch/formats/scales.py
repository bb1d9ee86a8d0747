"""How scales are stored: the types of scales, and what becomes of a wanted scale in each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archsim.arch.formats.base import Granularity, Scale


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleType:
    """A floating-point type that holds scales: no sign is used, subnormals are."""

    bits: int
    fraction_bits: int
    smallest_exponent: int
    largest: float

    @property
    def parameters(self) -> tuple[int, int, float]:
        """What kernels need of it: fraction bits, smallest exponent, largest value."""
        return self.fraction_bits, self.smallest_exponent, self.largest

    def nearest(self, scales: NDArray[np.float64]) -> NDArray[np.float64]:
        """`scales` as stored: to nearest, ties to even, saturated, and not to zero unless they are zero."""
        limited = np.minimum(scales, self.largest)
        exponents = np.maximum(np.frexp(limited)[1] - 1, self.smallest_exponent) - self.fraction_bits
        nearest = np.minimum(np.ldexp(np.rint(np.ldexp(limited, -exponents)), exponents), self.largest)
        smallest = 2.0 ** (self.smallest_exponent - self.fraction_bits)
        return np.where((nearest == 0) & (scales > 0), smallest, nearest)


SCALE_TYPES = {
    "fp16": ScaleType(bits=16, fraction_bits=10, smallest_exponent=-14, largest=65504.0),
    "fp32": ScaleType(bits=32, fraction_bits=23, smallest_exponent=-126, largest=float(np.finfo(np.float32).max)),
    "e4m3": ScaleType(bits=8, fraction_bits=3, smallest_exponent=-6, largest=448.0),
}
"""IEEE 754-2019 binary16 and binary32; OCP OFP8 1.0 E4M3, here without its sign."""


def scale_of(granularity: Granularity, kind: str, group_size: int = 0) -> Scale:
    """One scale of `kind` for each set of elements."""
    return Scale(granularity=granularity, group_size=group_size, kind=kind, bits=SCALE_TYPES[kind].bits)


def tensor_scale() -> Scale:
    """One FP32 scale for the whole array."""
    return scale_of(Granularity.TENSOR, "fp32")
