"""Bit-nested storage: `nested8`, `nested8:r4`, one stored model whose leading bits are the models of fewer bits.

Grammar: ``nested<stored bits>[:r<bits read>][:<granularity>]``; all bits are read and channel is the default.
Bit planes lie apart in memory, so that only those asked for are moved: `bits_per_element` and `bits` count what is
read; `stored_bits_per_element` and `stored_bits` what lies in memory.
Source: Park et al., Any-Precision LLM: Low-Cost Deployment of Multiple, Different-Sized LLMs, ICML 2024, sections 3 and
4 (bit planes); Nair et al., Matryoshka Quantization, 2025, section 3 (nested integers).
"""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from archsim.arch.formats import integer
from archsim.arch.formats.base import Arithmetic, ArithmeticKind, Format, Quantized
from archsim.arch.formats.sharing import CHANNEL, TENSOR, Array, Sharing, check_bits, refuse_rest, take_sharing

MIN_BITS, MAX_BITS = 2, 16

SUMMARY = "one stored integer whose leading bits are the formats of fewer bits"
SOURCE = "Park et al., Any-Precision LLM, ICML 2024"
GRAMMAR = "nested<bits>[:r<bits read>][:tensor|channel|token|head|g<size>], for example nested8:r4:g128"
EXAMPLES = ("nested8:channel", "nested8:r4:channel", "nested8:r3:g128")

_SPEC = re.compile(r"nested(\d{1,3})(?::r(\d{1,3}))?((?::[a-z0-9.]+)*)")


class NestedFormat(Format):
    """Unsigned integers with a zero point (those of ``int<bits>:asym``), of which the leading `read` bits are used.

    A code of which `dropped` bits are not read stands for the middle of the codes it may be: c * 2^dropped +
    (2^dropped - 1) / 2. `quantize` stores all bits; `dequantize` reads the leading ones. Rounding twice: with all bits
    read as for asymmetric integers (1.5 steps); else by at most two steps of the bits read.
    """

    def __init__(self, stored: int, read: int, sharing: Sharing) -> None:
        self.stored = stored
        self.read = read
        self.sharing = sharing
        suffix = "" if sharing == TENSOR else f":{sharing}"
        found = integer.parse(f"int{stored}{suffix}:asym")
        assert found is not None
        self.parent = found
        self.name = f"nested{stored}{'' if read == stored else f':r{read}'}:{sharing}"
        self.arithmetic = Arithmetic(
            kind=ArithmeticKind.INTEGER,
            signed=False,
            integer_bits=read,
            serial_terms=read,
            scale=self.parent.scale,
        )

    @property
    def dropped(self) -> int:
        """Bits that are not read."""
        return self.stored - self.read

    @property
    def bits_per_element(self) -> Fraction:
        """Bits read."""
        return self.parent.bits_per_element - self.dropped

    @property
    def stored_bits_per_element(self) -> Fraction:
        """Bits that lie in memory, for all precisions together."""
        return self.parent.bits_per_element

    def bits(self, shape: tuple[int, ...]) -> Fraction:
        """Bits read of an array of `shape`, scales and zero points included."""
        count = int(np.prod(shape, dtype=np.int64))
        return self.parent.bits(shape) - self.dropped * count

    def stored_bits(self, q: Quantized) -> int:
        """Bits that lie in memory."""
        return int(self.parent.bits(q.shape))

    def at(self, read: int) -> NestedFormat:
        """The same stored array read at another precision."""
        return NestedFormat(self.stored, read, self.sharing)

    @property
    def grid(self) -> Array:
        """What the bits read can stand for, in steps of the stored code."""
        return np.arange(1 << self.read, dtype=np.float64) * (1 << self.dropped) + self._middle

    @property
    def _middle(self) -> float:
        return ((1 << self.dropped) - 1) / 2

    @property
    def rerounding_fraction(self) -> float:
        """That of the stored integers; with bits dropped two steps of those read."""
        return 4 / ((1 << self.read) - 1) if self.dropped else self.parent.rerounding_fraction

    def quantize(self, x: ArrayLike) -> Quantized:
        return self.parent.quantize(x)

    def dequantize(self, q: Quantized) -> Array:
        low = (q.codes >> self.dropped) << self.dropped
        values = self.parent.dequantize(replace(q, codes=low))
        steps = self.parent.dequantize(replace(q, codes=np.ones_like(q.codes), zero_points=None))
        return np.asarray(values + self._middle * steps)


def parse(spec: str) -> NestedFormat | None:
    """The nested format that `spec` (lower case) names, None when it names none; InputError for a bad option."""
    match = _SPEC.fullmatch(spec)
    if match is None:
        return None
    stored = int(match[1])
    check_bits(spec, "nested codes have bits from", stored, MIN_BITS, MAX_BITS)
    read = stored if match[2] is None else int(match[2])
    check_bits(spec, "of them are read", read, 1, stored)
    options = match[3].split(":")[1:]
    sharing = take_sharing(spec, options, CHANNEL)
    refuse_rest(spec, options, GRAMMAR)
    return NestedFormat(stored, read, sharing)
