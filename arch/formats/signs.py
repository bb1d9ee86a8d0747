"""Ternary and binary: `ternary[:<granularity>][:2b|5t|3t]`, `binary[:<granularity>]`; one FP32 scale per tensor.

Ternary is -1, 0, +1 times the mean magnitude, a magnitude above half the scale being 1 (BitNet b1.58). It is packed as
five in 8 bits (`5t`, the default, 1.6 bits), three in 5 bits (`3t`, 1.667) or one in 2 (`2b`). Binary is -1, +1 times
the mean magnitude (XNOR-Net); zero becomes +1 unless all is zero. Where all magnitudes that are not zero are equal, the
scale is that magnitude, not the mean: weights that are ternary or binary already are kept.

Sources: Ma et al., "The Era of 1-bit LLMs", arXiv 2402.17764; packings: bitnet.cpp (arXiv 2502.11880) and TeLLMe;
Rastegari et al., "XNOR-Net", ECCV 2016.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from archsim.arch.formats.base import Arithmetic, ArithmeticKind, Granularity, Quantized, Scale
from archsim.arch.formats.granularity import granularity_suffix, parse_granularity
from archsim.arch.formats.scaled import Array, Floats, ScaledFormat, as_doubles
from archsim.arch.formats.scales import SCALE_TYPES, tensor_scale
from archsim.core.errors import InputError, Problem

SUMMARY = "-1, 0, +1 or -1, +1 times the mean magnitude"
SOURCE = "BitNet b1.58, arXiv 2402.17764; XNOR-Net, ECCV 2016"

_PACKINGS = {"5t": (5, 8), "3t": (3, 5), "2b": (1, 2)}
"""Elements and bits of one packed word."""
DEFAULT_PACKING = "5t"
SINGLE_BIT = (1, 1)

EXAMPLES = ("ternary", "ternary:2b", "ternary:3t", "ternary:channel", "binary", "binary:channel")


class SignFormat(ScaledFormat):
    """Codes -1, (0,) 1 times a mean magnitude. NaN and infinities have no code: InputError."""

    def __init__(self, name: str, *, with_zero: bool, word: tuple[int, int], scale: Scale) -> None:
        self.name = name
        self.with_zero = with_zero
        self._word_elements, self._word_bits = word
        self.element_bits = Fraction(self._word_bits, self._word_elements)
        self.set_bits = scale.bits
        self.exact_in_single = True
        width = 2 if with_zero else 1
        self.arithmetic = Arithmetic(kind=ArithmeticKind.INTEGER, integer_bits=width, serial_terms=1, scale=scale)

    def bits(self, shape: tuple[int, ...]) -> Fraction:
        """Whole words for each set (row or group) and its scale; one per tensor is not counted."""
        rows, length = self._row_shape(shape)
        size = self._set_size(shape)
        full, rest = divmod(length, size)
        words = full * math.ceil(size / self._word_elements) + math.ceil(rest / self._word_elements)
        counted = 0 if self.scale.granularity is Granularity.TENSOR else self.set_bits * self._sets(shape)
        return Fraction(rows * (words * self._word_bits + counted))

    @property
    def grid(self) -> Array:
        return np.array([-1.0, 0.0, 1.0]) if self.with_zero else np.array([-1.0, 1.0])

    def quantize(self, x: ArrayLike) -> Quantized:
        values = as_doubles(x)
        sets = self._split(values)
        scales = self._scales(sets, values)
        codes = np.where(sets < 0, -1, 1)
        if self.with_zero:
            codes = np.where(np.abs(sets) > scales / 2, codes, 0)
        return Quantized(
            codes=self._join_codes(codes.astype(np.int64), values.shape),
            shape=values.shape,
            scales=scales.reshape(self._scales_shape(values.shape)),
        )

    def dequantize(self, q: Quantized) -> Array:
        assert q.scales is not None
        sets = self._split(q.codes.astype(np.float64))
        return self._join(sets * q.scales.reshape((*sets.shape[:-1], 1)), q.shape)

    def _scales(self, sets: Array, values: Array) -> Array:
        """Stored scales [rows, sets, 1]; means come from the kernel, since a sum depends on its order."""
        from archsim.arch.formats.kernels import mean_magnitudes

        means = self._largest(sets)[..., 0]
        if means.size and sets.shape[-1]:
            rows = np.ascontiguousarray(values.reshape(self._row_shape(values.shape)))
            mean_magnitudes(rows, self._set_size(values.shape), means)
        return SCALE_TYPES[self.scale.kind].nearest(means)[..., None]

    def _round_rows(self, x: Floats, out: Floats, size: int) -> None:
        from archsim.arch.formats.kernels import round_signs

        scale_type = SCALE_TYPES[self.scale.kind].parameters
        if not round_signs(x, out, size, self.with_zero, True, *scale_type):
            raise self._refuse()


def parse(spec: str) -> SignFormat | None:
    """The ternary or binary format that `spec` (lower case) names, None when it names none; InputError otherwise."""
    base, *options = spec.split(":")
    if base not in ("ternary", "binary"):
        return None
    scale, packing = tensor_scale(), DEFAULT_PACKING
    if options and (found := parse_granularity(options[0], spec)) is not None:
        scale, options = found, options[1:]
    if options and base == "ternary" and options[0] in _PACKINGS:
        packing, options = options[0], options[1:]
    if options:
        packings = "[:5t|3t|2b]" if base == "ternary" else ""
        raise InputError(
            Problem(
                message=f"format {spec!r}: option {options[0]!r} is unknown or out of place",
                hint=f"{base}[:tensor|channel|token|head|g<size>]{packings}",
            )
        )
    name = base + granularity_suffix(scale) + (f":{packing}" if packing != DEFAULT_PACKING else "")
    word = _PACKINGS[packing] if base == "ternary" else SINGLE_BIT
    return SignFormat(name, with_zero=base == "ternary", word=word, scale=scale)
