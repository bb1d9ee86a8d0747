"""Scalar codebooks, with or without sparse outliers: `kmeans4:channel`, `squeezellm3`, `gobo3`.

Grammar: ``kmeans<bits>[:<granularity>][:s<percent>]``, ``squeezellm<bits>[:s<percent>]``, ``gobo<bits>[:s<percent>]``.
Each set has 2^bits centroids (Lloyd's algorithm from equally filled bins); the given percentage of the values, the
largest magnitudes, is kept apart exactly.

squeezellm: FP16 centroids per channel, 0.45 percent outliers in CSR (FP16 value, 32-bit column, 32-bit row pointer).
Source: Kim et al., SqueezeLLM: Dense-and-Sparse Quantization, ICML 2024, sections 4 and 5; the sensitivities that
weight its clusters come from gradients and are left out (weights of one).
gobo: FP32 centroids per layer, 0.1 percent outliers (FP32 value, 32-bit position).
Source: Zadeh et al., GOBO: Quantizing Attention-Based NLP Models for Low Latency and Energy Efficient Inference, MICRO
2020, sections 4 and 5.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from archsim.arch.formats.base import Arithmetic, ArithmeticKind, Format, Granularity, Quantized, Scale
from archsim.arch.formats.outliers import clipped, largest_positions, outlier_count, put
from archsim.arch.formats.sharing import (
    CHANNEL,
    TENSOR,
    Array,
    Sharing,
    check_bits,
    finite,
    percent,
    refuse_rest,
    take_percent,
    take_sharing,
)

ROUNDS = 100
"""Most rounds of Lloyd's algorithm."""
MAX_BITS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a family stores what it stores."""

    sharing: Sharing
    outliers: Fraction
    entry: type[np.floating]
    """Type of centroids."""
    value: type[np.floating]
    """Type of outliers."""
    index_bits: int
    row_pointer_bits: int

    @property
    def outlier_bits(self) -> int:
        return _width(self.value) + self.index_bits


LAYOUTS = {
    "kmeans": Layout(
        sharing=CHANNEL,
        outliers=Fraction(0),
        entry=np.float16,
        value=np.float16,
        index_bits=32,
        row_pointer_bits=0,
    ),
    "squeezellm": Layout(
        sharing=CHANNEL,
        outliers=Fraction(45, 10000),
        entry=np.float16,
        value=np.float16,
        index_bits=32,
        row_pointer_bits=32,
    ),
    "gobo": Layout(
        sharing=TENSOR,
        outliers=Fraction(1, 1000),
        entry=np.float32,
        value=np.float32,
        index_bits=32,
        row_pointer_bits=0,
    ),
}

SUMMARY = "centroids of the data, with or without sparse outliers"
SOURCE = "Kim et al., SqueezeLLM, ICML 2024; Zadeh et al., GOBO, MICRO 2020"
GRAMMAR = "kmeans<bits>[:tensor|channel|g<size>][:s<percent>], squeezellm<bits>[:s<percent>] or gobo<bits>[:s<percent>]"
EXAMPLES = ("kmeans4:channel", "kmeans4:tensor", "squeezellm3:s0.45", "squeezellm4:s0.45", "gobo3:s0.1")

_SPEC = re.compile(r"(kmeans|squeezellm|gobo)(\d{1,3})((?::[a-z0-9.]+)*)")


class DictionaryFormat(Format):
    """Codes name one of a set's 2^bits centroids, ascending; outliers are kept apart and have code 0.

    Values take the nearest centroid, of two as near the lower. Centroids and outliers saturate in their stored types. A
    set of fewer distinct values than centroids is exact to the centroids' type. Codebooks count as stored bits, that of
    a whole tensor too. NaN and infinities have no code: InputError. Rounding twice clusters the centroids anew: a value
    moves at most within what one rounding of its set costs.
    `extra`: ``codebooks`` [sets, entries], ``positions`` (flat, ascending), ``outliers``.
    """

    def __init__(self, family: str, bits: int, layout: Layout) -> None:
        self.code_bits = bits
        self.layout = layout
        usual = LAYOUTS[family]
        parts = [f"{family}{bits}"]
        parts += [str(layout.sharing)] if family == "kmeans" else []
        parts += [percent(layout.outliers)] if layout.outliers != usual.outliers or usual.outliers else []
        self.name = ":".join(parts)
        wide = np.finfo(layout.entry)
        self.arithmetic = Arithmetic(
            kind=ArithmeticKind.LOOKUP,
            significand_bits=wide.nmant + 1,
            exponent_bits=wide.nexp,
            lookup_entries=1 << bits,
            serial_terms=wide.nmant + 1,
            scale=Scale(granularity=Granularity.NONE),
        )

    @property
    def _codebook_bits(self) -> int:
        return _width(self.layout.entry) << self.code_bits

    @property
    def outlier_share(self) -> Fraction:
        return self.layout.outliers

    @property
    def bits_per_element(self) -> Fraction:
        """Code, outliers at the stated share, and the codebook where its set's size is given (groups)."""
        sparse = self.layout.outliers * self.layout.outlier_bits
        return self.code_bits + sparse + self.layout.sharing.share(self._codebook_bits)

    def bits(self, shape: tuple[int, ...]) -> Fraction:
        """Bits of codes, codebooks and outliers, row pointers too. It does not depend on the data."""
        return Fraction(self._bits(shape, outlier_count(math.prod(shape), self.layout.outliers)))

    def stored_bits(self, q: Quantized) -> int:
        """Bits of what `q` holds."""
        return self._bits(q.shape, q.extra["positions"].size)

    def _bits(self, shape: tuple[int, ...], outliers: int) -> int:
        dense = math.prod(shape) * self.code_bits + self.layout.sharing.sets(shape) * self._codebook_bits
        rows = math.prod(shape[:-1]) if self.layout.outliers else 0
        return dense + outliers * self.layout.outlier_bits + rows * self.layout.row_pointer_bits

    @property
    def grid(self) -> Array:
        """The positions in a codebook: the values are the data's own."""
        return np.arange(1 << self.code_bits, dtype=np.float64)

    def quantize(self, x: ArrayLike) -> Quantized:
        from archsim.arch.formats.cluster_kernels import nearest_sorted

        values = finite(x, self.name)
        positions = largest_positions(values, outlier_count(values.size, self.layout.outliers))
        outliers = clipped(values.reshape(-1)[positions], self.layout.value)
        dense = self.layout.sharing.split(put(np.ones_like(values), positions, np.zeros(len(positions)))) > 0
        sets = self.layout.sharing.split(values)
        codebooks = np.stack([self._codebook(row[keep]) for row, keep in zip(sets, dense, strict=True)] or [self.grid])
        codes = np.zeros(sets.shape, dtype=np.int64)
        nearest_sorted(sets, codebooks.astype(np.float64), codes)
        joined = self.layout.sharing.join(np.where(dense, codes, 0), values.shape).astype(np.int64)
        extra = {"codebooks": codebooks, "positions": positions, "outliers": outliers}
        return Quantized(codes=joined, shape=values.shape, extra=MappingProxyType(extra))

    def dequantize(self, q: Quantized) -> Array:
        codes = self.layout.sharing.split(q.codes)
        codebooks = q.extra["codebooks"].astype(np.float64)
        dense = np.take_along_axis(codebooks[: len(codes)], codes, axis=1)
        return put(self.layout.sharing.join(dense, q.shape), q.extra["positions"], q.extra["outliers"])

    def _codebook(self, values: Array) -> np.ndarray[tuple[int, ...], np.dtype[np.floating]]:
        """Centroids of one set, ascending, as stored."""
        return clipped(centroids(values, 1 << self.code_bits), self.layout.entry)


def centroids(values: Array, count: int) -> Array:
    """`count` ascending centroids of `values`; distinct values themselves where there are no more of them.

    Lloyd's algorithm from the means of equally filled bins. No values: zeros.
    """
    from archsim.arch.formats.cluster_kernels import cluster_sorted

    ordered = np.sort(values)
    distinct = np.unique(ordered)
    if len(distinct) <= count:
        filler = distinct[-1] if len(distinct) else 0.0
        return np.concatenate([distinct, np.full(count - len(distinct), filler)])
    start = np.array([part.mean() for part in np.array_split(ordered, count)])
    cluster_sorted(ordered, start, ROUNDS)
    return start


def _width(dtype: type[np.floating]) -> int:
    return np.dtype(dtype).itemsize * 8


def parse(spec: str) -> DictionaryFormat | None:
    """The dictionary format that `spec` (lower case) names, None when it names none; InputError for a bad option."""
    match = _SPEC.fullmatch(spec)
    if match is None:
        return None
    family, bits = match[1], int(match[2])
    check_bits(spec, "codebooks have codes of", bits, 1, MAX_BITS)
    usual = LAYOUTS[family]
    options = match[3].split(":")[1:]
    sharing = take_sharing(spec, options, usual.sharing) if family == "kmeans" else usual.sharing
    outliers = take_percent(spec, options, usual.outliers)
    refuse_rest(spec, options, GRAMMAR)
    layout = Layout(
        sharing=sharing,
        outliers=outliers,
        entry=usual.entry,
        value=usual.value,
        index_bits=usual.index_bits,
        row_pointer_bits=usual.row_pointer_bits,
    )
    return DictionaryFormat(family, bits, layout)
