"""OverQ: `overq4`, unsigned integers whose outliers overwrite the zero beside them.

Grammar: ``overq<bits>[:<granularity>][:s<percent>]``; tensor and 1 percent by default. The scale is such that the given
percentage of the positive values lies beyond the largest code. Such a value takes over its right neighbour's bits too
when that neighbour is zero, and has twice the bits then; one flag bit per element says so. Otherwise it saturates.
Source: Zhao et al., OverQ: Opportunistic Outlier Quantization for Neural Network Accelerators, 2019, section 3.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.arch.formats.base import Arithmetic, ArithmeticKind, Format, Quantized, Scale
from archsim.arch.formats.outliers import outlier_count
from archsim.arch.formats.sharing import (
    TENSOR,
    Array,
    Sharing,
    check_bits,
    finite,
    fp16,
    percent,
    refuse_rest,
    take_percent,
    take_sharing,
)

SCALE_BITS = 16
OUTLIERS = Fraction(1, 100)
MIN_BITS, MAX_BITS = 2, 8

SUMMARY = "unsigned integers whose outliers overwrite the zero beside them"
SOURCE = "Zhao et al., OverQ, 2019"
GRAMMAR = "overq<bits>[:tensor|channel|token|head|g<size>][:s<percent>], for example overq4:s1"
EXAMPLES = ("overq4:s1", "overq4:channel:s1")

_SPEC = re.compile(r"overq(\d{1,3})((?::[a-z0-9.]+)*)")


class OverqFormat(Format):
    """Codes 0 to 2^n - 1, negative values become 0 (activations after ReLU).

    An element is an outlier when its code would be beyond the largest one, and its neighbour in the set is zero: its
    low n bits are its own code, its high n bits its neighbour's, up to 2^2n - 1. A chain cannot form: a slot taken over
    holds no value of its own. The last element of a set has no neighbour. NaN and infinities have no code: InputError.
    Rounding twice moves the percentile, so a value may move by as much as a first rounding moves it.
    `extra`: ``flags`` (of the array's shape, 1 on the outlier).
    """

    def __init__(self, bits: int, *, sharing: Sharing, outliers: Fraction) -> None:
        self.code_bits = bits
        self.sharing = sharing
        self.outliers = outliers
        suffix = [] if sharing == TENSOR else [str(sharing)]
        self.name = ":".join([f"overq{bits}", *suffix, percent(outliers)])
        self.arithmetic = Arithmetic(
            kind=ArithmeticKind.INTEGER,
            signed=False,
            integer_bits=bits,
            serial_terms=bits,
            scale=Scale(granularity=sharing.granularity, group_size=sharing.group_size, kind="fp16", bits=SCALE_BITS),
        )

    @property
    def highest(self) -> int:
        """The largest code of one slot."""
        return (1 << self.code_bits) - 1

    @property
    def outlier_share(self) -> Fraction:
        return self.outliers

    @property
    def bits_per_element(self) -> Fraction:
        return self.code_bits + 1 + self.sharing.share(SCALE_BITS)

    def bits(self, shape: tuple[int, ...]) -> Fraction:
        """Bits of slots, flags and scales; a scale per tensor is not counted."""
        return Fraction(math.prod(shape) * (self.code_bits + 1) + self.sharing.counted(shape, SCALE_BITS))

    @property
    def grid(self) -> Array:
        """The values of one slot and of two."""
        return np.arange(1 << (2 * self.code_bits), dtype=np.float64)

    @property
    def rerounding_fraction(self) -> float:
        """As much as a first rounding may move a value: the scale is made from a percentile, which moves."""
        return 1.0

    def quantize(self, x: ArrayLike) -> Quantized:
        values = np.maximum(finite(x, self.name), 0.0)
        sets = self.sharing.split(values)
        scales = fp16(self._threshold(sets) / self.highest)
        steps = scales[:, None]
        wanted = np.rint(np.divide(sets, steps, out=np.zeros_like(sets), where=steps > 0))
        flags = (wanted > self.highest) & self._free(wanted, values.shape)
        largest = np.where(flags, (1 << (2 * self.code_bits)) - 1, self.highest)
        whole = np.minimum(wanted, largest).astype(np.int64)
        codes = whole & self.highest
        codes[:, 1:] += np.where(flags, whole >> self.code_bits, 0)[:, :-1]
        extra = {"flags": self.sharing.join(flags, values.shape)}
        joined = self.sharing.join(codes, values.shape)
        return Quantized(codes=joined, shape=values.shape, scales=scales, extra=MappingProxyType(extra))

    def dequantize(self, q: Quantized) -> Array:
        assert q.scales is not None
        codes, flags = self.sharing.split(q.codes), self.sharing.split(q.extra["flags"])
        values = codes.copy()
        values[:, :-1] += np.where(flags[:, :-1], codes[:, 1:] << self.code_bits, 0)
        values[:, 1:][flags[:, :-1]] = 0
        return self.sharing.join(values * q.scales[:, None], q.shape)

    def _free(self, wanted: Array, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Whether the slot to the right of each element exists in its set and holds a zero."""
        present = self.sharing.split(np.ones(shape, dtype=bool))
        free = np.zeros(wanted.shape, dtype=bool)
        free[:, :-1] = present[:, 1:] & (wanted[:, 1:] == 0)
        return free

    def _threshold(self, sets: Array) -> Array:
        """The largest value of each set that is no outlier: the given share of its positive values lies above."""
        if not sets.size:
            return np.zeros(len(sets))
        descending = -np.sort(-sets, axis=1)
        above = [outlier_count(int(positive), self.outliers) for positive in (sets > 0).sum(axis=1)]
        last = np.minimum(np.array(above, dtype=np.int64), np.maximum((sets > 0).sum(axis=1) - 1, 0))
        return np.take_along_axis(descending, last[:, None], axis=1)[:, 0]


def parse(spec: str) -> OverqFormat | None:
    """The OverQ format that `spec` (lower case) names, None when it names none; InputError for a bad option."""
    match = _SPEC.fullmatch(spec)
    if match is None:
        return None
    check_bits(spec, "OverQ codes have", int(match[1]), MIN_BITS, MAX_BITS)
    options = match[2].split(":")[1:]
    sharing = take_sharing(spec, options, TENSOR)
    outliers = take_percent(spec, options, OUTLIERS)
    refuse_rest(spec, options, GRAMMAR)
    return OverqFormat(int(match[1]), sharing=sharing, outliers=outliers)
