"""Integers with a shared scale: `int8`, `int4:g128`, `int8:channel`, `int4:g128:asym`, `uint8`.

Grammar: ``[u]int<bits>[:<granularity>][:asym[:zp<bits>]]`` with a granularity of ``tensor`` (the default), ``channel``,
``token``, ``head`` or ``g<size>``. One scale belongs to the whole array (tensor), to each row along the last axis
(channel, token, head: the caller lays the array out so that its last axis is the reduction, the hidden or the head
dimension), or to each run of `size` elements along the last axis; a row's last group may be shorter.
"""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from archsim.arch.formats.base import Arithmetic, ArithmeticKind, Quantized, Scale
from archsim.arch.formats.granularity import granularity_suffix, parse_granularity
from archsim.arch.formats.scaled import Array, Floats, ScaledFormat, as_doubles
from archsim.arch.formats.scales import SCALE_TYPES, tensor_scale
from archsim.core.errors import InputError, Problem

SUMMARY = "integers with a shared scale, symmetric, unsigned or with a zero point"
SOURCE = "Jacob et al., CVPR 2018"

MAX_BITS = 48
"""Widest integer: its products with a scale of 24 significant bits stay within the range of int64 codes."""
MAX_GRID_BITS = 24
"""Widest element whose values `grid` lists."""

SHORT_BLOCK = 64
"""Largest group that is rounded in chunks of groups: larger ones are worth a loop of their own."""
MAX_BITS_IN_SINGLE = 13
"""Widest integer whose products with an FP16 scale (11 significant bits) are float32."""


class IntegerFormat(ScaledFormat):
    """n-bit integers times a scale, optionally with a zero point.

    Symmetric: codes in [-(2^(n-1)-1), 2^(n-1)-1], scale = amax / (2^(n-1)-1), q = clip(round(x / scale)), ties to even.
    One bit has no zero: codes -1 and +1, scale = amax. Unsigned: codes in [0, 2^n-1], negative values become 0.
    Asymmetric: codes in [0, 2^n-1], scale = (max(x, 0) - min(x, 0)) / (2^n-1), zero point = round(-min / scale).
    Scales per group, channel, token and head are stored and used as FP16, those per tensor as FP32. They saturate at
    the largest finite value of that type and do not underflow: a set with a non-zero element has a non-zero scale. A
    set of zeros has scale 0. NaN and infinities have no code and raise InputError.
    """

    def __init__(self, bits: int, *, signed: bool = True, scale: Scale | None = None) -> None:
        scale = scale or tensor_scale()
        self.bits_stored = bits
        self.asymmetric = scale.zero_point_bits > 0
        self.name = _name(bits, signed, scale)
        self.arithmetic = Arithmetic(
            kind=ArithmeticKind.INTEGER,
            signed=signed and not self.asymmetric,
            integer_bits=bits,
            serial_terms=bits,
            scale=scale,
        )
        self.element_bits = Fraction(bits)
        self.set_bits = scale.bits + scale.zero_point_bits
        self.exact_in_single = scale.kind == "fp16" and bits <= MAX_BITS_IN_SINGLE

    @property
    def _is_sign(self) -> bool:
        """One signed bit: codes -1 and +1."""
        return self.bits_stored == 1 and self.lowest < 0

    @property
    def lowest(self) -> int:
        """The smallest code."""
        return -self.highest if self.arithmetic.signed else 0

    @property
    def highest(self) -> int:
        """The largest code."""
        if not self.arithmetic.signed:
            return (1 << self.bits_stored) - 1
        return max((1 << (self.bits_stored - 1)) - 1, 1)

    @property
    def grid(self) -> Array:
        """The codes, before scale and zero point."""
        if self.bits_stored > MAX_GRID_BITS:
            problem = f"{self.name} has 2^{self.bits_stored} values: too many to list (at most 2^{MAX_GRID_BITS})"
            raise InputError(Problem(message=problem))
        if self.arithmetic.signed and self.bits_stored == 1:
            return np.array([-1.0, 1.0])
        return np.arange(self.lowest, self.highest + 1, dtype=np.float64)

    @property
    def rerounding_fraction(self) -> float:
        """0; with a zero point 1.5 steps, of which there are 2^n - 1 in at most twice the largest magnitude."""
        return 3 / self.highest if self.asymmetric else 0.0

    def quantize(self, x: ArrayLike) -> Quantized:
        values = as_doubles(x)
        sets = self._split(values)
        largest = self._largest(sets)
        zero_points = None
        if self.asymmetric or self.lowest == 0:
            low = sets.min(axis=-1, keepdims=True, initial=0.0)
            largest = sets.max(axis=-1, keepdims=True, initial=0.0)
        if self.asymmetric:
            scales, zero_points = self._asymmetric_scales(low, largest)
        else:
            scales = self._symmetric_scales(largest)
        codes = np.rint(np.divide(sets, scales, out=np.zeros_like(sets), where=scales > 0))
        if zero_points is not None:
            codes += zero_points
        if self._is_sign:
            codes = np.where(sets < 0, -1.0, 1.0)
        codes = np.clip(codes, self.lowest, self.highest)
        shape = self._scales_shape(values.shape)
        return Quantized(
            codes=self._join(codes, values.shape).astype(np.int64),
            shape=values.shape,
            scales=scales.reshape(shape),
            zero_points=None if zero_points is None else zero_points.reshape(shape).astype(np.int64),
        )

    def dequantize(self, q: Quantized) -> Array:
        sets = self._split(q.codes.astype(np.float64))
        if q.zero_points is not None:
            sets = sets - q.zero_points.reshape((*sets.shape[:-1], 1))
        assert q.scales is not None
        return self._join(sets * q.scales.reshape((*sets.shape[:-1], 1)), q.shape)

    def _round_rows(self, x: Floats, out: Floats, size: int) -> None:
        from archsim.arch.formats import block_kernels, kernels

        scale_type = SCALE_TYPES[self.scale.kind].parameters
        highest = float(self.highest)
        if self._is_sign:
            finite = kernels.round_signs(x, out, size, False, False, *scale_type)
        elif self.asymmetric:
            finite = kernels.round_asymmetric(x, out, size, highest, *scale_type)
        elif self.lowest < 0 and size <= SHORT_BLOCK:
            finite = block_kernels.round_short_integers(x, out, size, highest, *scale_type)
        else:
            finite = kernels.round_integers(x, out, size, float(self.lowest), highest, *scale_type)
        if not finite:
            raise self._refuse()

    def _symmetric_scales(self, amax: Array) -> Array:
        """The stored scale nearest to amax / highest.

        Where storing rounds the scale up so far that `highest` is out of reach, and the largest value reached would
        itself ask for another scale, that one is taken: rounding twice then changes nothing.
        """
        scales = self._stored(amax / self.highest)
        reached = np.rint(np.divide(amax, scales, out=np.zeros_like(amax), where=scales > 0))
        return self._stored(np.minimum(reached, self.highest) * scales / self.highest)

    def _asymmetric_scales(self, low: Array, high: Array) -> tuple[Array, Array]:
        scales = self._stored(high / self.highest - low / self.highest)
        zero_points = np.rint(np.divide(-low, scales, out=np.zeros_like(low), where=scales > 0))
        return scales, np.clip(zero_points, 0, self.highest)

    def _stored(self, scales: Array) -> Array:
        return SCALE_TYPES[self.scale.kind].nearest(scales)


def _name(bits: int, signed: bool, scale: Scale) -> str:
    name = f"{'int' if signed else 'uint'}{bits}{granularity_suffix(scale)}"
    if not scale.zero_point_bits:
        return name
    return (
        f"{name}:asym"
        if scale.zero_point_bits == default_zero_point_bits(bits)
        else f"{name}:asym:zp{scale.zero_point_bits}"
    )


EXAMPLES = (
    "int2:g128",
    "int3:g128",
    "int4",
    "int4:channel",
    "int4:g128",
    "int4:g128:asym",
    "int8",
    "int8:channel",
    "int8:g128",
    "int8:head",
    "int8:token",
    "int16",
    "int32",
    "uint8",
)

_SPEC = re.compile(r"(u?)int(\d{1,4})((?::[a-z0-9]+)*)")
_ZERO_POINT = re.compile(r"zp(\d{1,4})")


def parse(spec: str) -> IntegerFormat | None:
    """The integer format that `spec` (lower case) names, None when it names none; InputError for a bad option."""
    match = _SPEC.fullmatch(spec)
    if match is None:
        return None
    signed, bits = match[1] == "", int(match[2])
    if not 1 <= bits <= MAX_BITS:
        raise InputError(Problem(message=f"format {spec!r}: integers have 1 to {MAX_BITS} bits (got {bits})"))
    options = match[3].split(":")[1:]
    scale = tensor_scale()
    if options and (parsed := parse_granularity(options[0], spec)) is not None:
        scale, options = parsed, options[1:]
    if options and options[0] == "asym":
        scale, options = replace(scale, zero_point_bits=_zero_point_bits(spec, options, bits, signed)), options[1:]
        options = options[1:] if options and _ZERO_POINT.fullmatch(options[0]) else options
    if options:
        raise InputError(
            Problem(
                message=f"format {spec!r}: option {options[0]!r} is unknown or out of place",
                hint="int<bits>[:tensor|channel|token|head|g<size>][:asym[:zp<bits>]], for example int4:g128:asym",
            )
        )
    return IntegerFormat(bits, signed=signed, scale=scale)


def default_zero_point_bits(bits: int) -> int:
    """Width of a stored zero point where the spelling says none: a byte, or the codes' own width above that.

    Source: Chen et al., BitMoD (HPCA 2025): FP16 scale and INT8 zero point. AWQ's and GPTQ's packing is ``:zp4``.
    """
    return max(8, bits)


def _zero_point_bits(spec: str, options: list[str], bits: int, signed: bool) -> int:
    if not signed:
        hint = f"int{bits}:asym has codes 0 to {2**bits - 1} already"
        raise InputError(Problem(message=f"format {spec!r}: unsigned integers take no zero point", hint=hint))
    if bits == 1:
        raise InputError(Problem(message=f"format {spec!r}: asymmetric integers have at least 2 bits (got 1)"))
    match = _ZERO_POINT.fullmatch(options[1]) if len(options) > 1 else None
    if match is None:
        return default_zero_point_bits(bits)
    if not bits <= int(match[1]) <= MAX_BITS:
        message = f"format {spec!r}: the zero point has {bits} to {MAX_BITS} bits (got {match[1]})"
        raise InputError(Problem(message=message))
    return int(match[1])
