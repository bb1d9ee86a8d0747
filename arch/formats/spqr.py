"""SpQR: `spqr3:s1`, small groups whose scales and zero points are quantized themselves, and sparse outliers.

Grammar: ``spqr<bits>[:g<size>][:s<percent>]``; groups of 16 and 1 percent by default. A group's scale and zero point
have 3 bits each; 16 groups of a row share an FP16 scale and an FP16 offset for either (64 bits).
Source: Dettmers et al., SpQR: A Sparse-Quantized Representation for Near-Lossless LLM Weight Compression, ICLR 2024,
section 4; outliers there are found by sensitivity, here by magnitude.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.arch.formats.base import Arithmetic, ArithmeticKind, Format, Granularity, Quantized, Scale
from archsim.arch.formats.outliers import clipped, largest_positions, outlier_count, put
from archsim.arch.formats.sharing import (
    Array,
    Codes,
    Sharing,
    check_bits,
    finite,
    group,
    percent,
    refuse_rest,
    take_percent,
    take_sharing,
)

GROUP_SIZE = 16
GROUPS_PER_BLOCK = 16
STATISTIC_BITS = 3
"""Bits of a group's scale, and of its zero point."""
BLOCK_BITS = 4 * 16
OUTLIERS = Fraction(1, 100)
OUTLIER_BITS = 16 + 16
"""FP16 value and 16-bit column."""
MAX_BITS = 8

SUMMARY = "small groups with quantized scales and zero points, and sparse outliers"
SOURCE = "Dettmers et al., SpQR, ICLR 2024"
GRAMMAR = "spqr<bits>[:g<size>][:s<percent>], for example spqr3:g16:s1"
EXAMPLES = ("spqr3:g16:s1", "spqr4:g16:s1")

_SPEC = re.compile(r"spqr(\d{1,3})((?::[a-z0-9.]+)*)")


class SpqrFormat(Format):
    """code = round((x - minimum) / scale), x = minimum + code * scale; both from 3-bit statistics of the group.

    The statistics of 16 groups (least value and step of each) are themselves FP16 offset + 3-bit code * FP16 scale. The
    stored least value is not above the true one by more than half its step; codes are clipped. Outliers, the largest
    magnitudes, are left out of the statistics and kept in FP16, saturating. NaN and infinities have no code:
    InputError. Rounding twice changes a value by at most its group's range (statistics are fitted anew).
    `extra`: ``step_codes``, ``minimum_codes`` (per group), ``blocks`` [blocks, 4] (offset and scale of steps, of
    minima), ``positions``, ``outliers``.
    """

    def __init__(self, bits: int, *, sharing: Sharing, outliers: Fraction) -> None:
        self.code_bits = bits
        self.sharing = sharing
        self.outliers = outliers
        self.name = f"spqr{bits}:{sharing}:{percent(outliers)}"
        self.arithmetic = Arithmetic(
            kind=ArithmeticKind.INTEGER,
            signed=False,
            integer_bits=bits,
            serial_terms=bits,
            scale=Scale(
                granularity=Granularity.GROUP,
                group_size=sharing.group_size,
                kind=f"int{STATISTIC_BITS}",
                bits=STATISTIC_BITS,
                zero_point_bits=STATISTIC_BITS,
            ),
        )

    @property
    def outlier_share(self) -> Fraction:
        return self.outliers

    @property
    def bits_per_element(self) -> Fraction:
        """b + (3 + 3) / g + 64 / 16g + 32 r at the stated share r of outliers."""
        block = self.sharing.share(BLOCK_BITS) / GROUPS_PER_BLOCK
        return self.code_bits + self.sharing.share(2 * STATISTIC_BITS) + block + self.outliers * OUTLIER_BITS

    def bits(self, shape: tuple[int, ...]) -> Fraction:
        """Bits of codes, statistics (whole blocks) and outliers. It does not depend on the data."""
        return Fraction(self._bits(shape, outlier_count(math.prod(shape), self.outliers)))

    def stored_bits(self, q: Quantized) -> int:
        """Bits of what `q` holds."""
        return self._bits(q.shape, q.extra["positions"].size)

    def _bits(self, shape: tuple[int, ...], outliers: int) -> int:
        dense = math.prod(shape) * self.code_bits + self.sharing.sets(shape) * 2 * STATISTIC_BITS
        return dense + math.prod(shape[:-1]) * self._blocks(shape) * BLOCK_BITS + outliers * OUTLIER_BITS

    def _blocks(self, shape: tuple[int, ...]) -> int:
        """Blocks of 16 groups per row, the last one possibly short."""
        return math.ceil(self.sharing.sets_per_row(shape) / GROUPS_PER_BLOCK)

    @property
    def grid(self) -> Array:
        """The codes, before step and least value."""
        return np.arange(1 << self.code_bits, dtype=np.float64)

    @property
    def rerounding_fraction(self) -> float:
        """The range of a group, at most: its scale and zero point are made anew."""
        return 2.0

    def quantize(self, x: ArrayLike) -> Quantized:
        values = finite(x, self.name)
        positions = largest_positions(values, outlier_count(values.size, self.outliers))
        kept = clipped(values.reshape(-1)[positions], np.float16)
        low, high = self._ranges(values, positions)
        highest = (1 << self.code_bits) - 1
        step_codes, step_blocks = self._statistics((high - low) / highest, values.shape)
        minimum_codes, minimum_blocks = self._statistics(low, values.shape)
        blocks = np.concatenate([step_blocks, minimum_blocks], axis=1)
        steps, minima = self._decoded(step_codes, minimum_codes, blocks, values.shape)
        sets = self.sharing.split(values) - minima[:, None]
        codes = np.rint(np.divide(sets, steps[:, None], out=np.zeros_like(sets), where=steps[:, None] > 0))
        joined = self.sharing.join(np.clip(codes, 0, highest).astype(np.int64), values.shape)
        extra: dict[str, NDArray[np.generic]] = {
            "step_codes": step_codes.astype(np.uint8),
            "minimum_codes": minimum_codes.astype(np.uint8),
            "blocks": blocks.astype(np.float16),
            "positions": positions,
            "outliers": kept,
        }
        return Quantized(codes=joined, shape=values.shape, scales=steps, extra=MappingProxyType(extra))

    def dequantize(self, q: Quantized) -> Array:
        codes = self.sharing.split(q.codes)
        steps, minima = self._decoded(
            q.extra["step_codes"].astype(np.int64),
            q.extra["minimum_codes"].astype(np.int64),
            q.extra["blocks"].astype(np.float64),
            q.shape,
        )
        dense = self.sharing.join(codes * steps[:, None] + minima[:, None], q.shape)
        return put(dense, q.extra["positions"], q.extra["outliers"])

    def _ranges(self, values: Array, positions: Codes) -> tuple[Array, Array]:
        """Least and largest value of each group without its outliers and its filling; 0 and 0 where none is left."""
        mask = put(np.ones_like(values), positions, np.zeros(len(positions)))
        dense = self.sharing.split(mask) > 0
        sets = self.sharing.split(values)
        low = np.where(dense, sets, np.inf).min(axis=1, initial=np.inf)
        high = np.where(dense, sets, -np.inf).max(axis=1, initial=-np.inf)
        some = low <= high
        return np.where(some, low, 0.0), np.where(some, high, 0.0)

    def _statistics(self, wanted: Array, shape: tuple[int, ...]) -> tuple[Codes, Array]:
        """3-bit codes of each group's `wanted`, and [blocks, 2] FP16 offset and scale."""
        groups = self.sharing.sets_per_row(shape)
        blocks = self._blocks(shape)
        rows = wanted.reshape(math.prod(shape[:-1]) if groups else 0, groups)
        filled = np.pad(rows, [(0, 0), (0, blocks * GROUPS_PER_BLOCK - groups)], mode="edge") if rows.size else rows
        table = filled.reshape(len(rows) * blocks, GROUPS_PER_BLOCK)
        low = clipped(table.min(axis=1, initial=np.inf), np.float16).astype(np.float64)
        highest = (1 << STATISTIC_BITS) - 1
        scale = clipped(np.maximum(table.max(axis=1, initial=-np.inf) - low, 0.0) / highest, np.float16).astype(
            np.float64
        )
        apart = table - low[:, None]
        codes = np.rint(np.divide(apart, scale[:, None], out=np.zeros_like(apart), where=scale[:, None] > 0))
        codes = np.clip(codes, 0, highest).astype(np.int64)
        each = codes.reshape(len(rows), blocks * GROUPS_PER_BLOCK)[:, :groups].ravel()
        return each, np.stack([low, scale], axis=1)

    def _decoded(self, steps: Codes, minima: Codes, blocks: Array, shape: tuple[int, ...]) -> tuple[Array, Array]:
        """Step and least value of each group."""
        groups = self.sharing.sets_per_row(shape)
        per_row = blocks.reshape(-1, self._blocks(shape), 4) if groups else blocks.reshape(0, 0, 4)
        each = np.repeat(per_row, GROUPS_PER_BLOCK, axis=1)[:, :groups].reshape(-1, 4)
        return each[:, 0] + each[:, 1] * steps, each[:, 2] + each[:, 3] * minima


def parse(spec: str) -> SpqrFormat | None:
    """The SpQR format that `spec` (lower case) names, None when it names none; InputError for a bad option."""
    match = _SPEC.fullmatch(spec)
    if match is None:
        return None
    check_bits(spec, "SpQR codes have", int(match[1]), 2, MAX_BITS)
    options = match[2].split(":")[1:]
    sharing = group(GROUP_SIZE)
    if options and options[0].startswith("g"):
        sharing = take_sharing(spec, options, sharing)
    outliers = take_percent(spec, options, OUTLIERS)
    refuse_rest(spec, options, GRAMMAR)
    return SpqrFormat(int(match[1]), sharing=sharing, outliers=outliers)
