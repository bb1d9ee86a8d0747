"""OliVe outlier-victim pairs: `olive4`, `olive4:flint`, `olive8:channel`.

Grammar: ``olive4[:<granularity>][:flint]``, ``olive8[:<granularity>]``; tensor is the default. Neighbours along the
last axis form a pair of twice the bits. An outlier takes its neighbour's place: the neighbour (the victim) becomes
zero and its code the identifier that tells the outlier's code is an adaptive-bias float (abfloat).
Source: Guo et al., OliVe: Accelerating Large Language Models via Hardware-friendly Outlier-Victim Pair Quantization,
ISCA 2023, sections 3 and 4.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.arch.formats.base import Arithmetic, ArithmeticKind, Format, Quantized, Scale
from archsim.arch.formats.candidates import (
    Candidate,
    code_table,
    flint_magnitudes,
    integer,
    nearest_codes,
    signed,
)
from archsim.arch.formats.sharing import (
    TENSOR,
    Array,
    Codes,
    Sharing,
    finite,
    fp16,
    refuse_rest,
    take_flag,
    take_sharing,
)
from archsim.core.errors import InputError, Problem

Flags = NDArray[np.bool_]

SCALE_BITS = 16
SIGMAS = 3.0
"""The threshold between normal values and outliers is searched around three standard deviations."""
THRESHOLDS = tuple(0.4 + 0.1 * step for step in range(17))
"""Fractions of three standard deviations that are tried, and besides the threshold that leaves no outliers.
Source: estimate: the paper searches around 3 sigma without giving the steps."""

SUMMARY = "an outlier takes the place of its neighbour, which becomes zero"
SOURCE = "Guo et al., OliVe, ISCA 2023"
GRAMMAR = "olive4[:tensor|channel|token|head|g<size>][:flint] or olive8[:<granularity>]"
EXAMPLES = ("olive4", "olive4:channel", "olive4:flint", "olive8")

_SPEC = re.compile(r"olive(4|8)((?::[a-z0-9.]+)*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Abfloat:
    """A float of sign, `exponent_bits` and `mantissa_bits` whose bias moves its range beyond the normal values.

    A code (e, m) other than 0 has the magnitude (2^mantissa_bits + m) * 2^(e + bias).
    """

    exponent_bits: int
    mantissa_bits: int
    bias: int

    def candidate(self) -> Candidate:
        """Its values by code; code 0 stands for 0, which no outlier rounds to."""
        magnitudes = [0.0]
        for code in range(1, 1 << (self.exponent_bits + self.mantissa_bits)):
            exponent, mantissa = divmod(code, 1 << self.mantissa_bits)
            magnitudes.append(math.ldexp((1 << self.mantissa_bits) + mantissa, exponent + self.bias))
        return Candidate("abfloat", signed(magnitudes, self.exponent_bits + self.mantissa_bits))


ABFLOATS = {
    "int4": Abfloat(exponent_bits=2, mantissa_bits=1, bias=2),
    "flint4": Abfloat(exponent_bits=2, mantissa_bits=1, bias=3),
    "int8": Abfloat(exponent_bits=4, mantissa_bits=3, bias=4),
}
"""By normal type: the bias is the least that puts every outlier above the normal values."""


class OliveFormat(Format):
    """Pairs of `bits` each: two normal values, or an outlier and its victim.

    A value that is nearer to the least outlier than to the largest normal value is an outlier; of two in a pair the
    larger one lives, of equals the first. The threshold (one per set) has the least squared error of those tried, the
    first of equals; scale = threshold / largest normal value, stored in FP16. The last element of a row of odd length
    has no neighbour: it is never an outlier, and its pair is stored whole. NaN and infinities have no code: InputError.
    Rounding twice may move the threshold: a value moves by at most the widest step at the larger of both scales.
    """

    def __init__(self, normal: str, *, sharing: Sharing) -> None:
        self.code_bits = 8 if normal == "int8" else 4
        self.sharing = sharing
        self.normal = Candidate(normal, _normal_values(normal))
        self.outlier = ABFLOATS[normal].candidate()
        self.identifier = 1 << (self.code_bits - 1)
        suffix = [] if sharing == TENSOR else [str(sharing)]
        self.name = ":".join([f"olive{self.code_bits}", *suffix, *(["flint"] if normal == "flint4" else [])])
        largest_shift = int(np.log2(self.outlier.largest))
        self.arithmetic = Arithmetic(
            kind=ArithmeticKind.INTEGER,
            integer_bits=self.code_bits,
            exponent_bits=largest_shift.bit_length(),
            serial_terms=self.code_bits,
            scale=Scale(granularity=sharing.granularity, group_size=sharing.group_size, kind="fp16", bits=SCALE_BITS),
        )

    @property
    def bits_per_element(self) -> Fraction:
        return self.code_bits + self.sharing.share(SCALE_BITS)

    def bits(self, shape: tuple[int, ...]) -> Fraction:
        """Bits of whole pairs and of the scales; a scale per tensor is not counted."""
        rows = math.prod(shape[:-1])
        length = shape[-1] if shape else 1
        return Fraction(2 * math.ceil(length / 2) * rows * self.code_bits + self.sharing.counted(shape, SCALE_BITS))

    @property
    def grid(self) -> Array:
        """Normal values and outliers."""
        return np.unique(np.concatenate([self.normal.grid, self.outlier.grid]))

    @property
    def normal_grid(self) -> Array:
        return self.normal.grid

    @property
    def outlier_grid(self) -> Array:
        """Magnitudes of the outliers."""
        return self.outlier.grid[self.outlier.grid > 0]

    @property
    def rerounding_fraction(self) -> float:
        """Another threshold may be the best one next time, and make a victim of any smaller value."""
        return 1.0

    def quantize(self, x: ArrayLike) -> Quantized:
        values = finite(x, self.name)
        sets, paired = self._split(values), self._split(np.ones_like(values)) > 0
        paired &= self._partner(paired)
        largest = np.abs(sets).max(axis=1, initial=0.0)
        spread = SIGMAS * np.sqrt(np.square(sets).sum(axis=1) / max(sets.shape[1], 1))
        codes, scales = self._encode(sets, paired, largest)
        errors = self._errors(sets, codes, scales)
        for fraction in THRESHOLDS:
            tried, tried_scales = self._encode(sets, paired, np.minimum(fraction * spread, largest))
            tried_errors = self._errors(sets, tried, tried_scales)
            better = tried_errors < errors
            codes[better], scales[better], errors[better] = tried[better], tried_scales[better], tried_errors[better]
        return Quantized(codes=self._join(codes, values.shape), shape=values.shape, scales=scales)

    def dequantize(self, q: Quantized) -> Array:
        assert q.scales is not None
        values = self._decode(self._split(q.codes), q.scales)
        return self._join(values, q.shape)

    def _encode(self, sets: Array, paired: Flags, threshold: Array) -> tuple[Codes, Array]:
        """Codes and scales of `sets` with `threshold` [sets] as the largest normal value."""
        scales = fp16(threshold / self.normal.largest)
        steps = scales[:, None]
        ratio = np.divide(sets, steps, out=np.zeros_like(sets), where=steps > 0)
        magnitude = np.abs(ratio)
        is_outlier = paired & (magnitude > (self.normal.largest + self.outlier_grid[0]) / 2)
        rival = self._partner(is_outlier) & self._loses(magnitude)
        is_outlier &= ~rival
        codes = np.where(is_outlier, self._outlier_codes(ratio), nearest_codes(self.normal, ratio))
        return np.where(self._partner(is_outlier), self.identifier, codes), scales

    def _outlier_codes(self, ratio: Array) -> Codes:
        smallest = self.outlier_grid[0]
        return nearest_codes(self.outlier, np.copysign(np.maximum(np.abs(ratio), smallest), ratio))

    @staticmethod
    def _loses(magnitude: Array) -> Flags:
        """Whether each element's neighbour is larger, or equal and first."""
        other = OliveFormat._partner(magnitude)
        second = np.arange(magnitude.shape[1]) % 2 == 1
        loses: Flags = (other > magnitude) | ((other == magnitude) & second)
        return loses

    @staticmethod
    def _partner(sets: NDArray[Any]) -> NDArray[Any]:
        """Each element's neighbour in its pair."""
        return sets.reshape(len(sets), sets.shape[1] // 2, 2)[:, :, ::-1].reshape(sets.shape)

    def _decode(self, codes: Codes, scales: Array) -> Array:
        victim = codes == self.identifier
        table = np.stack([code_table(candidate, self.code_bits) for candidate in (self.normal, self.outlier)])
        values = table[self._partner(victim).astype(np.int64), codes]
        return np.where(victim, 0.0, values) * scales[:, None]

    def _errors(self, sets: Array, codes: Codes, scales: Array) -> Array:
        errors: Array = np.square(self._decode(codes, scales) - sets).sum(axis=1)
        return errors

    def _split(self, values: NDArray[Any]) -> NDArray[Any]:
        """[sets, elements] of rows filled up with zeros to an even length."""
        rows = values.reshape((1,)) if values.ndim == 0 else values
        odd = rows.shape[-1] % 2
        return self.sharing.split(np.pad(rows, [(0, 0)] * (rows.ndim - 1) + [(0, odd)]) if odd else rows)

    def _join(self, sets: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        length = shape[-1] if shape else 1
        padded = (*shape[:-1], length + length % 2)
        return self.sharing.join(sets, padded)[..., :length].reshape(shape)


def _normal_values(normal: str) -> dict[int, float]:
    """Normal values by code; the identifier (a one and zeros) is none of them."""
    return signed(flint_magnitudes(3), 3) if normal == "flint4" else integer(int(normal[3:]))


def parse(spec: str) -> OliveFormat | None:
    """The OliVe format that `spec` (lower case) names, None when it names none; InputError for a bad option."""
    match = _SPEC.fullmatch(spec)
    if match is None:
        return None
    options = match[2].split(":")[1:]
    sharing = take_sharing(spec, options, TENSOR)
    if sharing.group_size % 2:
        raise InputError(
            Problem(message=f"format {spec!r}: groups hold whole pairs (got {sharing.group_size} elements)")
        )
    flint = match[1] == "4" and take_flag(options, "flint")
    refuse_rest(spec, options, GRAMMAR)
    return OliveFormat("flint4" if flint else f"int{match[1]}", sharing=sharing)
