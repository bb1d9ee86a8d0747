"""Integers that something else helps: `ocs-int8:channel:s1` (split channels), `lr32-int4:g128` (low rank).

Grammar: ``ocs-<integer format>[:s<percent>]``, 1 percent by default, and ``lr<rank>-<integer format>``.

ocs: outlier channel splitting. The given percentage of the columns (last axis), those with the largest magnitudes, is
stored twice at half its value, so that the largest magnitude halves. Source: Zhao et al., Improving Neural Network
Quantization without Retraining using Outlier Channel Splitting, ICML 2019, sections 3 and 4 (splitting that knows of
the rounding: the halves' codes add up to the code of the whole).
lr: the integers plus the best approximation of their error by a matrix of the given rank, its factors in FP16. Source:
Yao et al., ZeroQuant-V2: Exploring Post-training Quantization in LLMs from Comprehensive Study to Low Rank
Compensation, 2023, section 5.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from fractions import Fraction
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from archsim.arch.formats import integer
from archsim.arch.formats.base import Format, Quantized
from archsim.arch.formats.outliers import clipped, largest_positions, outlier_count
from archsim.arch.formats.sharing import Array, check_bits, finite, percent, take_percent
from archsim.core.errors import InputError, Problem

SPLIT = Fraction(1, 100)
FACTOR_BITS = 16
INDEX_BITS = 16
"""Of a split column, per tensor."""
MAX_RANK = 4096
MAX_SPLIT_BITS = 16

SUMMARY = "integers with split outlier channels or a low-rank correction"
SOURCE = "Zhao et al., ICML 2019; Yao et al., ZeroQuant-V2, 2023"
EXAMPLES = ("ocs-int8:channel:s1", "ocs-int4:channel:s5", "lr32-int4:g128")

_SPEC = re.compile(r"(ocs|lr(\d{1,5}))-(u?int.+)")


class SplitFormat(Format):
    """The columns of `x`, and after them the second halves of the split columns, in the integer format `base`.

    The columns split are those with the largest magnitude, of equals the first; their number is the percentage of the
    columns, rounded half up. Scales are those of the widened array with both halves x / 2. A split value's code, as
    near to x as a step allows, is the sum of its halves' codes, which differ by at most one. `extra`: ``columns``
    (those split, ascending), ``halves`` (codes of the second halves). Rounding twice may split other columns: a value
    moves by at most a step.
    """

    def __init__(self, base: integer.IntegerFormat, share: Fraction) -> None:
        self.base = base
        self.share = share
        self.name = f"ocs-{base.name}:{percent(share)}"
        self.arithmetic = base.arithmetic

    @property
    def bits_per_element(self) -> Fraction:
        """Those of the base, times one and the stated share of columns."""
        return self.base.bits_per_element * (1 + self.share)

    def added_columns(self, length: int) -> int:
        """Columns that an array of `length` columns is widened by."""
        return outlier_count(length, self.share)

    def bits(self, shape: tuple[int, ...]) -> Fraction:
        """Bits of the widened array in the base format, and 16 per split column for its position."""
        length = shape[-1] if shape else 1
        added = self.added_columns(length)
        return self.base.bits((*shape[:-1], length + added)) + added * INDEX_BITS

    @property
    def grid(self) -> Array:
        """Codes of the base and sums of two of them."""
        values = self.base.grid
        return np.arange(2 * values[0], 2 * values[-1] + 1)

    @property
    def rerounding_fraction(self) -> float:
        """A step of the base: other columns may be the largest next time."""
        return 1 / self.base.highest

    def quantize(self, x: ArrayLike) -> Quantized:
        values = finite(x, self.name)
        rows = np.atleast_1d(values)
        length = rows.shape[-1]
        strength = np.abs(rows).reshape(math.prod(rows.shape[:-1]), length).max(axis=0, initial=0.0)
        columns = largest_positions(strength, outlier_count(length, self.share))
        wide = np.concatenate([rows, rows[..., columns] / 2], axis=-1)
        wide[..., columns] = wide[..., length:]
        whole = self.base.quantize(wide)
        steps = self._steps(whole)[..., columns]
        apart = rows[..., columns]
        low, high = self.base.lowest, self.base.highest
        ratio = np.divide(apart, steps, out=np.zeros_like(apart), where=steps > 0)
        total = np.rint(np.clip(ratio, 2 * low, 2 * high)).astype(np.int64)
        codes = whole.codes[..., :length].copy()
        codes[..., columns] = total // 2
        extra = {"columns": columns, "halves": total - total // 2}
        return replace(whole, codes=codes.reshape(values.shape), shape=values.shape, extra=MappingProxyType(extra))

    def dequantize(self, q: Quantized) -> Array:
        columns, halves = q.extra["columns"].astype(np.int64), q.extra["halves"].astype(np.int64)
        codes = np.concatenate([np.atleast_1d(q.codes), halves], axis=-1)
        wide = self.base.dequantize(replace(q, codes=codes, shape=codes.shape))
        length = codes.shape[-1] - columns.size
        values = wide[..., :length].copy()
        values[..., columns] += wide[..., length:]
        return values.reshape(q.shape)

    def _steps(self, whole: Quantized) -> Array:
        """The distance between neighbouring codes at each element."""
        ones = replace(whole, codes=np.ones_like(whole.codes))
        return self.base.dequantize(ones)


class LowRankFormat(Format):
    """`base`, and a matrix product of the given rank that approximates what rounding to `base` lost.

    An array of shape [..., m, n] is m' x n with m' the product of all axes but the last. The factors are those of the
    truncated singular value decomposition, the root of each singular value in either, in FP16 (saturating). A rank
    above min(m', n) is cut down to it. `extra`: ``left`` [m', r], ``right`` [r, n]. `bits_per_element` leaves the
    factors out, whose share depends on the shape; `bits` counts them. Rounding twice corrects the base's error
    anew: a value moves by at most the base's largest step.
    """

    def __init__(self, base: integer.IntegerFormat, rank: int) -> None:
        self.base = base
        self.rank = rank
        self.name = f"lr{rank}-{base.name}"
        self.arithmetic = base.arithmetic

    @property
    def bits_per_element(self) -> Fraction:
        return self.base.bits_per_element

    def bits(self, shape: tuple[int, ...]) -> Fraction:
        """Bits of the base and of both factors."""
        rows, length = math.prod(shape[:-1]), shape[-1] if shape else 1
        return self.base.bits(shape) + min(self.rank, rows, length) * (rows + length) * FACTOR_BITS

    @property
    def grid(self) -> Array:
        """That of the base, before the correction."""
        return self.base.grid

    @property
    def rerounding_fraction(self) -> float:
        """A step of the base, of which a zero point has up to twice as wide ones."""
        return 2 / self.base.highest

    def quantize(self, x: ArrayLike) -> Quantized:
        values = finite(x, self.name)
        q = self.base.quantize(values)
        rest = np.atleast_1d(values - self.base.dequantize(q))
        matrix = rest.reshape(math.prod(rest.shape[:-1]), rest.shape[-1])
        rank = min(self.rank, *matrix.shape)
        left, strength, right = np.linalg.svd(matrix, full_matrices=False)
        root = np.sqrt(strength[:rank])
        factors = {
            "left": clipped(left[:, :rank] * root, np.float16),
            "right": clipped(root[:, None] * right[:rank], np.float16),
        }
        return replace(q, extra=MappingProxyType(factors))

    def dequantize(self, q: Quantized) -> Array:
        correction = q.extra["left"].astype(np.float64) @ q.extra["right"].astype(np.float64)
        return np.asarray(self.base.dequantize(q) + correction.reshape(q.shape))


def parse(spec: str) -> SplitFormat | LowRankFormat | None:
    """The corrected integer format that `spec` (lower case) names, None when it names none. Raises InputError."""
    match = _SPEC.fullmatch(spec)
    if match is None:
        return None
    head, *options = match[3].split(":")
    share = SPLIT
    if match[1] == "ocs" and options:
        last = options[-1:]
        share = take_percent(spec, last, SPLIT)
        options = options[:-1] + last
    base = integer.parse(":".join([head, *options]))
    if base is None:
        hint = "ocs-<integer format>[:s<percent>] or lr<rank>-<integer format>, for example lr32-int4:g128"
        raise InputError(Problem(message=f"format {spec!r}: {match[3]!r} is no integer format", hint=hint))
    if match[1] == "ocs":
        _check_base(spec, base)
        return SplitFormat(base, share)
    check_bits(spec, "a correction has a rank of", int(match[2]), 1, MAX_RANK)
    return LowRankFormat(base, int(match[2]))


def _check_base(spec: str, base: integer.IntegerFormat) -> None:
    if base.asymmetric or not base.arithmetic.signed or not 1 < base.bits_stored <= MAX_SPLIT_BITS:
        message = f"format {spec!r}: split channels are signed, symmetric and of 2 to {MAX_SPLIT_BITS} bits"
        raise InputError(Problem(message=message))
