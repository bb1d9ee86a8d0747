"""Vector codebooks: `vq8x12` (8 weights by one index of 12 bits), `vq8x12:c2` (by the sum of two entries).

Grammar: ``vq<dim>x<index bits>[:c<codebooks>]``. Runs of `dim` elements along the last axis are vectors, a short last
one filled up with zeros; each is the sum of one entry of every codebook, chosen one after the other for what is left.
Codebooks belong to the whole array, in FP16, next to an FP16 scale per row.
Source: Egiazarian et al., Extreme Compression of Large Language Models via Additive Quantization (AQLM), ICML 2024,
section 3, and Malinovskii et al., PV-Tuning, NeurIPS 2024, for the layout; entries there are trained on the layer's
outputs, here they are means of clusters.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.arch.formats.base import Arithmetic, ArithmeticKind, Format, Granularity, Quantized, Scale
from archsim.arch.formats.outliers import clipped
from archsim.arch.formats.sharing import Array, Codes, check_bits, finite, fp16, refuse_rest
from archsim.core.errors import InputError, Problem

SCALE_BITS = 16
ENTRY_BITS = 16
SIGNIFICAND_BITS, EXPONENT_BITS = 11, 5
"""Of an FP16 entry."""
ROUNDS = 12
"""Rounds of Lloyd's algorithm per codebook."""
SAMPLES_PER_ENTRY = 64
"""Vectors that a codebook is made from, per entry, evenly spread over the array."""
MAX_DIM, MAX_INDEX_BITS, MAX_CODEBOOKS = 64, 16, 8

SUMMARY = "runs of elements as sums of codebook entries"
SOURCE = "Egiazarian et al., AQLM, ICML 2024"
GRAMMAR = "vq<dim>x<index bits>[:c<codebooks>], for example vq8x12:c2"
EXAMPLES = ("vq4x8", "vq8x12:c2")

_SPEC = re.compile(r"vq(\d{1,3})x(\d{1,3})((?::[a-z0-9.]+)*)")
_CODEBOOKS = re.compile(r"c(\d{1,3})")


class VectorFormat(Format):
    """An index of `index_bits` per codebook and vector; rows are scaled by their root mean square.

    Codes: the elements of a vector all carry its first index; `extra` holds ``indices`` [codebooks, vectors],
    ``codebooks`` [codebooks, entries, dim] and ``row_scales``. A row of zeros has scale 0. Entries are the means of
    clusters (Lloyd, begun from vectors evenly spread in order of their first elements); an empty cluster keeps its
    entry. NaN and infinities have no code: InputError. Rounding twice makes the codebooks anew, for fewer distinct
    vectors: the squared error of the second rounding is not above that of the first.
    """

    def __init__(self, dim: int, index_bits: int, codebooks: int = 1) -> None:
        self.dim = dim
        self.index_bits = index_bits
        self.codebooks = codebooks
        self.name = f"vq{dim}x{index_bits}" + (f":c{codebooks}" if codebooks > 1 else "")
        self.arithmetic = Arithmetic(
            kind=ArithmeticKind.LOOKUP,
            significand_bits=SIGNIFICAND_BITS,
            exponent_bits=EXPONENT_BITS,
            lookup_entries=1 << index_bits,
            serial_terms=SIGNIFICAND_BITS,
            scale=Scale(granularity=Granularity.CHANNEL, kind="fp16", bits=SCALE_BITS),
        )

    @property
    def bits_per_element(self) -> Fraction:
        return Fraction(self.index_bits * self.codebooks, self.dim)

    def bits(self, shape: tuple[int, ...]) -> Fraction:
        """Bits of indices, codebooks and the rows' scales."""
        rows, length = math.prod(shape[:-1]), shape[-1] if shape else 1
        vectors = rows * math.ceil(length / self.dim)
        entries = self.codebooks * self.dim << self.index_bits
        return Fraction(vectors * self.index_bits * self.codebooks + entries * ENTRY_BITS + rows * SCALE_BITS)

    @property
    def grid(self) -> Array:
        """The indices of a codebook: the values are the data's own."""
        return np.arange(1 << self.index_bits, dtype=np.float64)

    @property
    def rerounding_fraction(self) -> float:
        """Entries are made anew: from the most negative value to the most positive, at most."""
        return 2.0

    def quantize(self, x: ArrayLike) -> Quantized:
        values = finite(x, self.name)
        rows = (
            np.atleast_1d(values).reshape(-1, values.shape[-1] if values.ndim else 1)
            if values.size
            else np.zeros((0, 1))
        )
        scales = fp16(np.sqrt(np.mean(np.square(rows), axis=1)) if rows.size else np.zeros(0))
        rest = np.divide(rows, scales[:, None], out=np.zeros_like(rows), where=scales[:, None] > 0)
        rest = np.pad(rest, [(0, 0), (0, -rest.shape[1] % self.dim)]).reshape(-1, self.dim)
        indices = np.zeros((self.codebooks, len(rest)), dtype=np.int64)
        codebooks = np.zeros((self.codebooks, 1 << self.index_bits, self.dim), dtype=np.float16)
        for i in range(self.codebooks):
            codebooks[i] = clipped(cluster_means(rest, 1 << self.index_bits), np.float16)
            indices[i] = _nearest(rest, codebooks[i].astype(np.float64))
            rest = rest - codebooks[i][indices[i]].astype(np.float64)
        per_row = np.repeat(indices[0].reshape(len(rows), len(rest) // max(len(rows), 1)), self.dim, axis=1)
        codes = per_row[:, : rows.shape[1]].reshape(values.shape)
        extra: dict[str, NDArray[np.generic]] = {
            "indices": indices,
            "codebooks": codebooks,
            "row_scales": scales.astype(np.float16),
        }
        return Quantized(codes=codes, shape=values.shape, scales=scales, extra=MappingProxyType(extra))

    def dequantize(self, q: Quantized) -> Array:
        assert q.scales is not None
        length = q.shape[-1] if q.shape else 1
        indices = q.extra["indices"].astype(np.int64)
        entries = [book[index] for book, index in zip(q.extra["codebooks"].astype(np.float64), indices, strict=True)]
        vectors = np.sum(entries, axis=0)
        rows = vectors.reshape(len(q.scales), math.ceil(length / self.dim) * self.dim)
        values: Array = (rows[:, :length] * q.scales[:, None]).reshape(q.shape)
        return values


def cluster_means(vectors: Array, count: int) -> Array:
    """`count` means of clusters of `vectors`; zeros fill up where there are fewer distinct vectors."""
    means = np.zeros((count, vectors.shape[1]))
    step = max(1, len(vectors) // (count * SAMPLES_PER_ENTRY))
    sample = vectors[::step]
    distinct = np.unique(sample, axis=0)
    if len(distinct) <= count:
        means[: len(distinct)] = distinct
        return means
    means[:] = distinct[np.linspace(0, len(distinct) - 1, count).astype(np.int64)]
    for _ in range(ROUNDS):
        chosen = _nearest(sample, means)
        members = np.bincount(chosen, minlength=count)
        for d in range(vectors.shape[1]):
            sums = np.bincount(chosen, weights=sample[:, d], minlength=count)
            means[:, d] = np.where(members > 0, sums / np.maximum(members, 1), means[:, d])
    return means


def _nearest(vectors: Array, means: Array) -> Codes:
    from archsim.arch.formats.cluster_kernels import nearest_vectors

    out = np.zeros(len(vectors), dtype=np.int64)
    nearest_vectors(np.ascontiguousarray(vectors), means, out)
    return out


def parse(spec: str) -> VectorFormat | None:
    """The vector format that `spec` (lower case) names, None when it names none; InputError for a bad option."""
    match = _SPEC.fullmatch(spec)
    if match is None:
        return None
    dim, index_bits = int(match[1]), int(match[2])
    check_bits(spec, "vectors have a length of", dim, 1, MAX_DIM)
    check_bits(spec, "an index has bits from", index_bits, 1, MAX_INDEX_BITS)
    options = match[3].split(":")[1:]
    count = _CODEBOOKS.fullmatch(options[0]) if options else None
    codebooks = int(count[1]) if count else 1
    if not 1 <= codebooks <= MAX_CODEBOOKS:
        raise InputError(
            Problem(message=f"format {spec!r}: there are 1 to {MAX_CODEBOOKS} codebooks (got {codebooks})")
        )
    refuse_rest(spec, options[1:] if count else options, GRAMMAR)
    return VectorFormat(dim, index_bits, codebooks)
