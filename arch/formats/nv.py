"""Two-level formats: `nvfp4` and `nvint4`.

16 elements along a row share an E4M3 scale without a sign, and the array one FP32 scale: tensor scale = amax of the
array / (448 * h), block scale = amax of the block / (tensor scale * h), with h = 6 for the E2M1 elements of `nvfp4` and
7 for the integers of `nvint4`.

Sources: NVIDIA, "Introducing NVFP4 for Efficient and Accurate Low-Precision Inference", 2025; NVINT4: arXiv 2510.25602.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from archsim.arch.formats import minifloat
from archsim.arch.formats.base import Arithmetic, ArithmeticKind, Granularity, Quantized, Scale
from archsim.arch.formats.scaled import Array, Floats, ScaledFormat, as_doubles
from archsim.arch.formats.scales import SCALE_TYPES, tensor_scale

SUMMARY = "4-bit elements, an E4M3 scale per 16 of them, an FP32 scale per array"
SOURCE = "NVIDIA 2025 (NVFP4); arXiv 2510.25602 (NVINT4)"

BLOCK = 16
ELEMENT_BITS = 4
INT4_HIGHEST = 7

EXAMPLES = ("nvfp4", "nvint4")


class TwoLevelFormat(ScaledFormat):
    """Value = element * block scale * tensor scale; nearest, ties to even, saturated.

    Both scales are rounded as stored before they are used; they saturate and do not vanish unless all is zero, in which
    case they are 0. NaN and infinities have no code: InputError. The tensor scale is not counted.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._block_type, self._tensor_type = SCALE_TYPES["e4m3"], SCALE_TYPES["fp32"]
        self.element_bits = Fraction(ELEMENT_BITS)
        self.set_bits = self._block_type.bits
        self._minifloat = minifloat.parse("fp4_e2m1") if name == "nvfp4" else None
        self.arithmetic = self._arithmetic()

    def _arithmetic(self) -> Arithmetic:
        scale = Scale(
            granularity=Granularity.GROUP,
            group_size=BLOCK,
            kind="e4m3",
            bits=self.set_bits,
            outer=tensor_scale(),
        )
        if self._minifloat is None:
            return Arithmetic(
                kind=ArithmeticKind.INTEGER, integer_bits=ELEMENT_BITS, serial_terms=ELEMENT_BITS, scale=scale
            )
        own = self._minifloat.arithmetic
        return Arithmetic(
            kind=own.kind,
            significand_bits=own.significand_bits,
            exponent_bits=own.exponent_bits,
            serial_terms=own.serial_terms,
            scale=scale,
        )

    @property
    def highest(self) -> float:
        """The largest element."""
        return float(INT4_HIGHEST) if self._minifloat is None else self._minifloat.largest

    @property
    def grid(self) -> Array:
        """The elements' values, before the scales."""
        if self._minifloat is None:
            return np.arange(-INT4_HIGHEST, INT4_HIGHEST + 1, dtype=np.float64)
        return self._minifloat.grid

    def quantize(self, x: ArrayLike) -> Quantized:
        """Scales are the blocks' E4M3 values; `extra["tensor_scale"]` is the array's."""
        values = as_doubles(x)
        sets = self._split(values)
        largest = self._largest(sets)
        tensor = self._tensor_scale(float(largest.max(initial=0.0)))
        blocks = self._block_type.nearest(largest / self.highest / tensor) if tensor else np.zeros_like(largest)
        scales = blocks * tensor
        magnitudes = np.divide(np.abs(sets), scales, out=np.zeros_like(sets), where=scales > 0)
        elements = np.copysign(np.minimum(magnitudes, self.highest), sets)
        codes = np.rint(elements).astype(np.int64) if self._minifloat is None else self._minifloat.encode(elements)
        return Quantized(
            codes=self._join_codes(codes, values.shape),
            shape=values.shape,
            scales=blocks.reshape(self._scales_shape(values.shape)),
            extra={"tensor_scale": np.array(tensor)},
        )

    def dequantize(self, q: Quantized) -> Array:
        assert q.scales is not None
        elements = q.codes.astype(np.float64) if self._minifloat is None else self._minifloat.decode(q.codes)
        sets = self._split(elements)
        scales = q.scales.reshape((*sets.shape[:-1], 1)) * float(q.extra["tensor_scale"])
        return self._join(sets * scales, q.shape)

    def _tensor_scale(self, largest: float) -> float:
        wanted = largest / (self._block_type.largest * self.highest)
        return float(self._tensor_type.nearest(np.array(wanted)))

    def _round_rows(self, x: Floats, out: Floats, size: int) -> None:
        from archsim.arch.formats.block_kernels import largest_of_all, round_two_levels

        largest = largest_of_all(x)
        if not np.isfinite(largest):
            raise self._refuse()
        tensor = self._tensor_scale(largest)
        if tensor == 0.0:
            out[...] = 0.0
            return
        fraction_bits, smallest = 2, 2  # of an integer up to 7: steps of 2^(2 - 2)
        if self._minifloat is not None:
            fraction_bits, smallest = self._minifloat.mantissa_bits, self._minifloat.smallest_exponent
        block = self._block_type.parameters
        round_two_levels(x, out, size, fraction_bits, smallest, self.highest, tensor, *block)


def parse(spec: str) -> TwoLevelFormat | None:
    """The two-level format that `spec` (lower case) names, None when it names none."""
    return TwoLevelFormat(spec) if spec in EXAMPLES else None
