"""DFloat11: `dfloat11`, BF16 without loss: sign and mantissa as they are, exponents in a Huffman code.

Source: Zhang et al., 70% Size, 100% Accuracy: Lossless LLM Compression for Efficient GPU Inference via Dynamic-Length
Float (DFloat11), NeurIPS 2025, sections 2 and 3.
"""

from __future__ import annotations

import math
from fractions import Fraction
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from archsim.arch.formats.base import Arithmetic, ArithmeticKind, Format, Quantized
from archsim.arch.formats.huffman import SYMBOLS, HuffmanCode, huffman_code
from archsim.arch.formats.minifloat import FloatFormat
from archsim.arch.formats.sharing import Array

NOMINAL_BITS = 11
"""Bits per element that the format is named after. A tensor's own size is `stored_bits`."""
RAW_BITS = 8
"""Sign and mantissa of BF16."""
MANTISSA_BITS = 7
EXPONENT_MASK = 255
THREAD_BYTES = 8
"""Bytes of the stream that one thread decodes."""
GAP_BITS = 5
"""Per thread: how far into its bytes the first code word begins."""
BLOCK_THREADS = 256
BLOCK_POSITION_BITS = 32
"""Per block of threads: the position of its first element."""
LENGTH_BITS = 8
"""Per symbol of the code table."""

SUMMARY = "BF16 without loss: exponents in a Huffman code"
SOURCE = "Zhang et al., DFloat11, NeurIPS 2025"
EXAMPLES = ("dfloat11",)

BF16 = FloatFormat("bf16", 8, 7)


class DFloat11Format(Format):
    """BF16 values; NaN, infinities, zeros of both signs and subnormals are kept to the bit.

    Codes hold sign and mantissa (8 bits). `extra`: ``stream`` (the exponents' code words, first bit highest),
    ``lengths`` (of each exponent's code word). A tensor of one exponent spends one bit on it. Values are rounded to
    BF16 first; rounding twice changes nothing.
    """

    def __init__(self) -> None:
        self.name = "dfloat11"
        self.arithmetic = Arithmetic(
            kind=ArithmeticKind.FLOAT,
            significand_bits=BF16.mantissa_bits + 1,
            exponent_bits=BF16.exponent_bits,
            serial_terms=BF16.mantissa_bits + 1,
        )

    @property
    def bits_per_element(self) -> Fraction:
        """The nominal 11 bits."""
        return Fraction(NOMINAL_BITS)

    def bits(self, shape: tuple[int, ...]) -> Fraction:
        """The nominal 11 bits of every element; `stored_bits` counts a tensor's own."""
        return Fraction(NOMINAL_BITS * math.prod(shape))

    def stored_bits(self, q: Quantized) -> int:
        """Bits of raw bytes, bit stream, code lengths, and of what threads need to find their place in the stream."""
        stream_bytes = q.extra["stream"].size
        threads = math.ceil(stream_bytes / THREAD_BYTES)
        blocks = math.ceil(threads / BLOCK_THREADS)
        places = threads * GAP_BITS + blocks * BLOCK_POSITION_BITS
        return q.codes.size * RAW_BITS + 8 * stream_bytes + SYMBOLS * LENGTH_BITS + places

    @property
    def grid(self) -> Array:
        return BF16.grid

    def quantize(self, x: ArrayLike) -> Quantized:
        codes = BF16.quantize(x).codes
        exponents = ((codes >> MANTISSA_BITS) & EXPONENT_MASK).astype(np.uint8).ravel()
        code = huffman_code(np.bincount(exponents, minlength=SYMBOLS))
        stream, _ = code.encode(exponents)
        return Quantized(
            codes=_raw(codes),
            shape=codes.shape,
            extra=MappingProxyType({"stream": stream, "lengths": code.lengths.astype(np.uint8)}),
        )

    def dequantize(self, q: Quantized) -> Array:
        code = HuffmanCode(q.extra["lengths"].astype(np.int64))
        exponents = code.decode(q.extra["stream"].astype(np.uint8), q.codes.size).astype(np.int64).reshape(q.shape)
        sign, mantissa = q.codes >> MANTISSA_BITS, q.codes & ((1 << MANTISSA_BITS) - 1)
        whole = (sign << (RAW_BITS + MANTISSA_BITS)) | (exponents << MANTISSA_BITS) | mantissa
        return BF16.dequantize(Quantized(codes=whole, shape=q.shape))

    def round(self, x: ArrayLike) -> Array:
        return np.asarray(BF16.round(x), dtype=np.float64)


def _raw(codes: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Sign and mantissa of BF16 codes, side by side in 8 bits."""
    sign = codes >> (RAW_BITS + MANTISSA_BITS)
    return (sign << MANTISSA_BITS) | (codes & ((1 << MANTISSA_BITS) - 1))


def parse(spec: str) -> DFloat11Format | None:
    """DFloat11 when `spec` names it."""
    return DFloat11Format() if spec == "dfloat11" else None
