"""Floating-point element types with a sign, x exponent bits and y mantissa bits; none has a scale.

Spellings: ``fp32``, ``tf32``, ``bf16``, ``fp16``, ``fp8_e4m3`` (also ``fp8``), ``fp8_e5m2``, ``fp6_e3m2``,
``fp6_e2m3``, ``fp4_e2m1``, and any other ``fp<n>_e<x>m<y>`` with n = 1 + x + y. A colon may stand for the underscore.
Variants of 8 bits: ``fp8_e4m3ieee``, ``fp8_e4m3fnuz``, ``fp8_e5m2fnuz``, ``fp8_e4m3b11fnuz``; and ml_dtypes' names.

What the largest exponent means, after IEEE 754 and the OCP specifications OFP8 1.0 and MX 1.0:
8 bits and more: infinities and NaN as in IEEE 754; E4M3 of 8 bits has no infinity and one NaN per sign (all ones);
below 8 bits: neither, every code is a number. The fnuz types have one zero and one NaN, which has the code of -0.
"""

from __future__ import annotations

import math
import re
from enum import StrEnum
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.arch.formats.base import Arithmetic, ArithmeticKind, Format, Quantized
from archsim.arch.formats.scaled import Array, Floats, as_doubles, as_floats, check_output
from archsim.core.errors import InputError, Problem

SUMMARY = "floating-point elements without a scale"
SOURCE = "IEEE 754-2019; OCP OFP8 1.0; OCP MX 1.0"

MAX_EXPONENT_BITS = 8
MAX_MANTISSA_BITS = 23
MAX_GRID_BITS = 24
"""Widest type whose values `grid` lists."""
TABLE_BITS = 16
"""Widest type that is decoded by one table lookup."""
OCP_BITS = 8
"""Types of fewer bits have neither infinities nor NaN."""

Codes = NDArray[np.int64]


class Specials(StrEnum):
    """Which codes are not numbers."""

    IEEE = "ieee"
    """The largest exponent is infinity (mantissa 0) or NaN."""
    NAN_ONLY = "nan-only"
    """All ones is NaN, there is no infinity."""
    NONE = "none"
    UNSIGNED_ZERO = "unsigned-zero"
    """The code of -0 is NaN, there is no infinity."""


class FloatFormat(Format):
    """Sign, `exponent_bits`, `mantissa_bits`; bias 2^(exponent_bits-1) - 1 unless given; ties to the even code.

    Conversion is bit for bit that of numpy and ml_dtypes. FP16 and FP32 are rounded directly; all others are
    conversions of FP32, so values are rounded to FP32 first (which matters only to a float64 within 2^-25 of a tie).
    Out of range: to infinity (IEEE), to NaN (E4M3, fnuz), to the largest value (no specials). NaN stays NaN; a type
    without NaN makes it the zero of the opposite sign. All other signs are kept, but not zero's in fnuz types.
    """

    def __init__(
        self,
        name: str,
        exponent_bits: int,
        mantissa_bits: int,
        *,
        specials: Specials | None = None,
        bias: int | None = None,
    ) -> None:
        self.name = name
        self.exponent_bits = exponent_bits
        self.mantissa_bits = mantissa_bits
        self.specials = specials or _specials(exponent_bits, mantissa_bits)
        self.bias = (1 << (exponent_bits - 1)) - 1 if bias is None else bias
        self.arithmetic = Arithmetic(
            kind=ArithmeticKind.FLOAT,
            significand_bits=mantissa_bits + 1,
            exponent_bits=exponent_bits,
            serial_terms=mantissa_bits + 1,
        )

    @property
    def width(self) -> int:
        """Bits of one element."""
        return 1 + self.exponent_bits + self.mantissa_bits

    @property
    def bits_per_element(self) -> Fraction:
        return Fraction(self.width)

    def bits(self, shape: tuple[int, ...]) -> Fraction:
        return Fraction(self.width * math.prod(shape))

    @property
    def smallest_exponent(self) -> int:
        """Exponent of the smallest normal number, and of all subnormals."""
        return 1 - self.bias

    @property
    def _highest(self) -> int:
        """Magnitude code of the largest finite value."""
        match self.specials:
            case Specials.IEEE:
                return (((1 << self.exponent_bits) - 1) << self.mantissa_bits) - 1
            case Specials.NAN_ONLY:
                return (1 << (self.width - 1)) - 2
            case Specials.NONE | Specials.UNSIGNED_ZERO:
                return (1 << (self.width - 1)) - 1

    @property
    def _overflow(self) -> int:
        """Magnitude code of what lies beyond the largest finite value."""
        return self._highest if self.specials is Specials.NONE else self._highest + 1

    @property
    def _nan(self) -> int:
        """Magnitude code of the quiet NaN; 0 where there is none."""
        match self.specials:
            case Specials.IEEE:
                return self._highest + 1 + (1 << (self.mantissa_bits - 1))
            case Specials.NAN_ONLY | Specials.UNSIGNED_ZERO:
                return self._highest + 1
            case Specials.NONE:
                return 0

    @property
    def largest(self) -> float:
        """The largest finite value."""
        return float(self._decode(np.array([self._highest]))[0])

    @property
    def grid(self) -> Array:
        if self.width > MAX_GRID_BITS:
            problem = f"{self.name} has 2^{self.width} values: too many to list (at most 2^{MAX_GRID_BITS})"
            raise InputError(Problem(message=problem))
        positive = self._decode(np.arange(self._highest + 1))
        return np.concatenate([-positive[:0:-1], positive])

    def quantize(self, x: ArrayLike) -> Quantized:
        values = as_doubles(x)
        if (self.exponent_bits, self.mantissa_bits) not in _INTERCHANGE:
            with np.errstate(over="ignore", invalid="ignore"):
                values = values.astype(np.float32).astype(np.float64)
        return Quantized(codes=np.asarray(self.encode(values)), shape=values.shape)

    def dequantize(self, q: Quantized) -> Array:
        return self.decode(q.codes)

    def decode(self, codes: Codes) -> Array:
        """The values of codes."""
        return np.asarray(self._table[codes] if self.width <= TABLE_BITS else self._decode(codes))

    def round(self, x: ArrayLike) -> Floats:
        """The nearest values, float32 for a float32 array, else float64."""
        values = as_floats(x)
        return self.round_into(values, np.empty(values.shape, values.dtype))

    def round_into(self, x: ArrayLike, out: Floats) -> Floats:
        values = as_floats(x)
        check_output(out, values.shape, values.dtype.type)
        if self.mantissa_bits == 0:  # ties go by the exponent's parity, which the kernel does not look at
            out[...] = self.dequantize(self.quantize(values))
        elif values.size:
            self._round_rows(np.ascontiguousarray(values.reshape(1, -1)), out.reshape(1, -1))
        return out

    def _round_rows(self, rows: Floats, out: Floats) -> None:
        from archsim.arch.formats.float_kernels import round_floats

        nan = 0.0 if self.specials is Specials.NONE else np.nan
        overflow = {Specials.IEEE: np.inf, Specials.NONE: self.largest}.get(self.specials, np.nan)
        signed_zero = self.specials is not Specials.UNSIGNED_ZERO
        through_single = (self.exponent_bits, self.mantissa_bits) not in _INTERCHANGE
        round_floats(
            rows,
            out,
            self.mantissa_bits,
            self.smallest_exponent,
            self.largest,
            overflow,
            through_single,
            nan,
            signed_zero,
        )

    def encode(self, values: Array) -> Codes:
        """Codes of the nearest values, not rounded to FP32 first.

        The magnitude code counts the steps up from zero, whatever their size.
        """
        finite = np.isfinite(values)
        magnitudes = np.where(finite, np.abs(values), 0.0)
        exponents = np.where(magnitudes > 0, np.frexp(magnitudes)[1] - 1, self.smallest_exponent)
        exponents = np.maximum(exponents, self.smallest_exponent).astype(np.int64)
        steps = np.ldexp(magnitudes, self.mantissa_bits - exponents)
        whole = np.floor(steps)
        codes = ((exponents - self.smallest_exponent) << self.mantissa_bits) + whole.astype(np.int64)
        rest = steps - whole
        codes += (rest > 0.5) | ((rest == 0.5) & (codes % 2 == 1))
        codes = np.where((codes > self._highest) | np.isinf(values), self._overflow, codes)
        is_nan = np.isnan(values)
        negative = np.signbit(values) ^ (is_nan & (self.specials is Specials.NONE))
        codes = np.where(is_nan, self._nan, codes)
        if self.specials is Specials.UNSIGNED_ZERO:
            negative &= (codes > 0) & (codes <= self._highest)
        return codes + np.where(negative, 1 << (self.width - 1), 0)

    def _decode(self, codes: Codes) -> Array:
        magnitudes = codes & (2 ** (self.width - 1) - 1)
        fields = magnitudes >> self.mantissa_bits
        significands = (magnitudes & (2**self.mantissa_bits - 1)) + np.where(fields > 0, 1 << self.mantissa_bits, 0)
        exponents = np.maximum(fields, 1) - 1 + self.smallest_exponent - self.mantissa_bits
        values = np.ldexp(significands.astype(np.float64), exponents)
        values = np.where(magnitudes > self._highest, np.nan, values)
        if self.specials is Specials.IEEE:
            values = np.where(magnitudes == self._overflow, np.inf, values)
        if self.specials is Specials.UNSIGNED_ZERO:
            values = np.where(codes == self._nan, np.nan, values)
        return np.copysign(values, np.where(codes >> (self.width - 1), -1.0, 1.0))

    @cached_property
    def _table(self) -> Array:
        return self._decode(np.arange(2**self.width))


def _specials(exponent_bits: int, mantissa_bits: int) -> Specials:
    if 1 + exponent_bits + mantissa_bits < OCP_BITS:
        return Specials.NONE
    return Specials.NAN_ONLY if (exponent_bits, mantissa_bits) == (4, 3) else Specials.IEEE


_NAMED = {
    "fp32": (8, 23),
    "tf32": (8, 10),
    "bf16": (8, 7),
    "fp16": (5, 10),
    "fp8_e4m3": (4, 3),
    "fp8_e5m2": (5, 2),
    "fp6_e3m2": (3, 2),
    "fp6_e2m3": (2, 3),
    "fp4_e2m1": (2, 1),
}
_INTERCHANGE = (_NAMED["fp16"], _NAMED["fp32"])
"""IEEE 754 interchange types, to which every other type converts directly."""

_VARIANTS = {
    "fp8_e4m3ieee": (4, 3, Specials.IEEE, 7),
    "fp8_e4m3fnuz": (4, 3, Specials.UNSIGNED_ZERO, 8),
    "fp8_e5m2fnuz": (5, 2, Specials.UNSIGNED_ZERO, 16),
    "fp8_e4m3b11fnuz": (4, 3, Specials.UNSIGNED_ZERO, 11),
}
"""Sources: ml_dtypes; fnuz: Noune et al., arXiv 2206.02915."""

_ALIASES = {
    "float8_e4m3": "fp8_e4m3ieee",
    "float8_e4m3fn": "fp8_e4m3",
    "float8_e5m2": "fp8_e5m2",
    "float8_e3m4": "fp8_e3m4",
    "float8_e4m3fnuz": "fp8_e4m3fnuz",
    "float8_e5m2fnuz": "fp8_e5m2fnuz",
    "float8_e4m3b11fnuz": "fp8_e4m3b11fnuz",
    "float6_e3m2fn": "fp6_e3m2",
    "float6_e2m3fn": "fp6_e2m3",
    "float4_e2m1fn": "fp4_e2m1",
    "float32": "fp32",
    "float16": "fp16",
    "bfloat16": "bf16",
    "fp8": "fp8_e4m3",
    "fp6": "fp6_e3m2",
    "fp4": "fp4_e2m1",
}
_CANONICAL = {parts: name for name, parts in _NAMED.items()}

EXAMPLES = (*_NAMED, *_VARIANTS)

_SPEC = re.compile(r"fp(\d{1,3})[_:]e(\d{1,3})m(\d{1,3})")


def parse(spec: str) -> FloatFormat | None:
    """The float format that `spec` (lower case) names, None when it names none; InputError for impossible widths."""
    name = _ALIASES.get(spec, spec)
    if name in _NAMED:
        return FloatFormat(name, *_NAMED[name])
    variant = name.replace(":", "_")
    if variant in _VARIANTS:
        exponent_bits, mantissa_bits, specials, bias = _VARIANTS[variant]
        return FloatFormat(variant, exponent_bits, mantissa_bits, specials=specials, bias=bias)
    match = _SPEC.fullmatch(name)
    if match is None:
        return None
    width, exponent_bits, mantissa_bits = (int(part) for part in match.groups())
    _check(spec, width, exponent_bits, mantissa_bits)
    name = _CANONICAL.get((exponent_bits, mantissa_bits), f"fp{width}_e{exponent_bits}m{mantissa_bits}")
    return FloatFormat(name, exponent_bits, mantissa_bits)


def _check(spec: str, width: int, exponent_bits: int, mantissa_bits: int) -> None:
    problems = []
    if width != 1 + exponent_bits + mantissa_bits:
        total = 1 + exponent_bits + mantissa_bits
        problems.append(f"a sign, {exponent_bits} and {mantissa_bits} bits are {total} bits (got {width})")
    least = 1 if width < OCP_BITS else 2
    if not least <= exponent_bits <= MAX_EXPONENT_BITS:
        problems.append(f"the exponent has {least} to {MAX_EXPONENT_BITS} bits (got {exponent_bits})")
    fewest = 0 if width < OCP_BITS else 1
    if not fewest <= mantissa_bits <= MAX_MANTISSA_BITS:
        problems.append(f"the mantissa has {fewest} to {MAX_MANTISSA_BITS} bits (got {mantissa_bits})")
    if problems:
        raise InputError(Problem(message=f"format {spec!r}: {problem}") for problem in problems)
