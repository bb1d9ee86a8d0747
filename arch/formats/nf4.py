"""NormalFloat: `nf4[:g<size>][:dq]`, blocks of 64 by default.

An element is one of 16 quantiles of the normal distribution, -1, 0 and 1 among them; a block's scale is its largest
magnitude in FP32. With `dq` the scales are quantized in turn: their mean over the array (FP32, not counted) is taken
off, and what remains is stored as FP8 E4M3 times one FP32 scale per 256 blocks, in the order of the array. A scale that
would be negative is 0. Multipliers get the quantiles as integers of 8 bits.

Source: Dettmers et al., "QLoRA: Efficient Finetuning of Quantized LLMs", NeurIPS 2023, section 3 and appendix E.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from itertools import pairwise
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from archsim.arch.formats import minifloat
from archsim.arch.formats.base import LEVEL_BITS, Arithmetic, ArithmeticKind, Granularity, Quantized, Scale
from archsim.arch.formats.scaled import Array, Floats, as_doubles
from archsim.arch.formats.scales import SCALE_TYPES, scale_of
from archsim.arch.formats.table import TableFormat
from archsim.core.errors import InputError, Problem

SUMMARY = "quantiles of the normal distribution times the block's largest magnitude"
SOURCE = "Dettmers et al., NeurIPS 2023 (QLoRA)"

BITS = 4
BLOCK = 64
SCALES_PER_OUTER = 256

QUANTILES = (
    -1.0,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0.0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1.0,
)
"""QLoRA, appendix E."""

EXAMPLES = ("nf4", "nf4:dq", "nf4:g128")

_SPEC = re.compile(r"nf4(?::g(\d{1,9}))?(:dq)?")


def parse(spec: str) -> TableFormat | None:
    """The NormalFloat that `spec` (lower case) names, None when it names none; InputError for a bad option."""
    if spec.partition(":")[0] != "nf4":
        return None
    match = _SPEC.fullmatch(spec)
    if match is None:
        message = f"format {spec!r}: NormalFloat is spelled nf4[:g<size>][:dq]"
        raise InputError(Problem(message=message, hint="for example nf4:g128:dq"))
    size = int(match[1] or BLOCK)
    if size < 1:
        raise InputError(Problem(message=f"format {spec!r}: a group has at least 1 element (got 'g{size}')"))
    name = "nf4" if size == BLOCK else f"nf4:g{size}"
    if match[2]:
        return DoubleQuantizedFormat(f"{name}:dq", size)
    return TableFormat(
        name,
        values=np.array(QUANTILES),
        codes=np.arange(2**BITS),
        bits=BITS,
        arithmetic=_arithmetic(scale_of(Granularity.GROUP, "fp32", size)),
    )


def _arithmetic(scale: Scale) -> Arithmetic:
    return Arithmetic(
        kind=ArithmeticKind.LOOKUP,
        integer_bits=LEVEL_BITS,
        lookup_entries=2**BITS,
        rounded=True,
        serial_terms=LEVEL_BITS,
        scale=scale,
    )


class DoubleQuantizedFormat(TableFormat):
    """NF4 whose scales are FP8 E4M3 around the array's mean scale, with an FP32 scale per 256 of them."""

    def __init__(self, name: str, size: int) -> None:
        element = minifloat.parse("fp8_e4m3")
        assert element is not None
        self._element = element
        outer = scale_of(Granularity.GROUP, "fp32", SCALES_PER_OUTER)
        scale = Scale(granularity=Granularity.GROUP, group_size=size, kind="fp8_e4m3", bits=element.width, outer=outer)
        super().__init__(
            name,
            values=np.array(QUANTILES),
            codes=np.arange(2**BITS),
            bits=BITS,
            arithmetic=_arithmetic(scale),
        )
        self._outer_bits = outer.bits

    @property
    def bits_per_element(self) -> Fraction:
        return super().bits_per_element + Fraction(self._outer_bits, SCALES_PER_OUTER * self.scale.group_size)

    def bits(self, shape: tuple[int, ...]) -> Fraction:
        """As for other blocks, and 32 bits for each 256 of them in the array, the last of which may be fewer."""
        blocks = math.prod(shape[:-1]) * self._sets(shape)
        return super().bits(shape) + math.ceil(blocks / SCALES_PER_OUTER) * self._outer_bits

    @property
    def rerounding_fraction(self) -> float:
        """The widest step between quantiles: the blocks' mean scale moves, and a value to a neighbour at most."""
        return max(b - a for a, b in pairwise(QUANTILES))

    def quantize(self, x: ArrayLike) -> Quantized:
        """Scales are the blocks' E4M3 values; `extra` has `outer_scales` and `mean_scale`."""
        array = as_doubles(x)
        sets = self._split(array)
        shape = self._scales_shape(array.shape)
        inner, extra = self._encode_scales(self._largest(sets).reshape(shape))
        scales = _decode_scales(inner, extra["outer_scales"], float(extra["mean_scale"]))
        per_set = scales.reshape((*sets.shape[:-1], 1))
        index = self._index(np.divide(sets, per_set, out=np.zeros_like(sets), where=per_set > 0))
        return Quantized(
            codes=self._join_codes(self.codes[index], array.shape),
            shape=array.shape,
            scales=inner,
            extra=MappingProxyType(extra),
        )

    def _stored_scales(self, q: Quantized) -> Array:
        assert q.scales is not None
        outer = np.asarray(q.extra["outer_scales"], dtype=np.float64)
        return _decode_scales(q.scales, outer, float(q.extra["mean_scale"]))

    def _encode_scales(self, largest: Array) -> tuple[Array, dict[str, Array]]:
        """E4M3 values, outer scales and mean of the blocks' largest magnitudes."""
        single = SCALE_TYPES["fp32"]
        mean = single.nearest(np.array(largest.mean() if largest.size else 0.0))
        rest = (largest - mean).reshape(-1)
        padded = np.pad(rest, (0, -rest.size % SCALES_PER_OUTER)).reshape(-1, SCALES_PER_OUTER)
        outer = single.nearest(np.abs(padded).max(axis=-1, initial=0.0) / self._element.largest)
        per_block = np.repeat(outer, SCALES_PER_OUTER)[: rest.size]
        ratios = np.divide(rest, per_block, out=np.zeros_like(rest), where=per_block > 0)
        limited = np.clip(ratios, -self._element.largest, self._element.largest)
        inner = self._element.decode(self._element.encode(limited)).reshape(largest.shape)
        return inner, {"outer_scales": outer, "mean_scale": mean}

    def _round_rows(self, x: Floats, out: Floats, size: int) -> None:
        from archsim.arch.formats.block_kernels import round_table_with, scan_blocks

        largest = np.empty((x.shape[0], math.ceil(x.shape[1] / size)))
        scan_blocks(x, size, largest)
        if not np.isfinite(largest).all():
            raise self._refuse()
        inner, extra = self._encode_scales(largest)
        scales = _decode_scales(inner, extra["outer_scales"], float(extra["mean_scale"]))
        round_table_with(x, out, size, *self._kernel_tables, scales)


def _decode_scales(inner: Array, outer: Array, mean: float) -> Array:
    per_block = np.repeat(outer, SCALES_PER_OUTER)[: inner.size].reshape(inner.shape)
    return np.maximum(inner * per_block + mean, 0.0)
