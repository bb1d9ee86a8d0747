"""Power-of-two formats: `pot<n>` and, by the square root of two, `post<n>`; `[:tensor|channel|token|head|g<size>]`.

A sign and n - 1 bits k: 0 for k = 0, else b^(k-1), with b = 2 or sqrt(2). A product with a `pot` element is a shift; a
`post` element is looked up: 1 or the root of two in 8 bits, and an exponent. Scale = amax / largest entry, FP32 per
tensor and FP16 otherwise. Ties go to the even k.

Sources: Miyashita et al., "Convolutional Neural Networks using Logarithmic Data Representation", arXiv 1603.01025 (the
4-bit entries are those of ANT, MICRO 2022); POST: "Precision Neural Network Quantization via Learnable Adaptive
Modules", arXiv 2504.17263.
"""

from __future__ import annotations

import re

import numpy as np

from archsim.arch.formats.base import LEVEL_BITS, Arithmetic, ArithmeticKind, Scale
from archsim.arch.formats.granularity import granularity_suffix, split_granularity
from archsim.arch.formats.scales import tensor_scale
from archsim.arch.formats.table import TableFormat
from archsim.core.errors import InputError, Problem

SUMMARY = "powers of two, or of its square root, times a scale"
SOURCE = "Miyashita et al., arXiv 1603.01025; ASQ, arXiv 2504.17263 (POST)"

BITS = range(2, 8)
"""Seven bits reach 2^62; one more would leave FP32."""

EXAMPLES = ("pot4", "pot4:channel", "pot4:g128", "post4", "post4:channel")

_SPEC = re.compile(r"(pot|post)(\d{1,3})")
_USAGE = "pot<bits>[:tensor|channel|token|head|g<size>], for example pot4:channel"


def parse(spec: str) -> TableFormat | None:
    """The power-of-two format that `spec` (lower case) names, None when it names none; InputError for a bad option."""
    match = _SPEC.fullmatch(spec.partition(":")[0])
    if match is None:
        return None
    bits = int(match[2])
    if bits not in BITS:
        message = f"format {spec!r}: powers of two have {BITS[0]} to {BITS[-1]} bits (got {bits})"
        raise InputError(Problem(message=message))
    name, scale = split_granularity(spec, _USAGE)
    return _build(name, match[1] == "post", bits, scale or tensor_scale())


def _build(name: str, root: bool, bits: int, scale: Scale) -> TableFormat:
    exponents = np.arange(2 ** (bits - 1) - 1)
    magnitudes = np.ldexp(np.where(exponents % 2, np.sqrt(2.0), 1.0), exponents // 2) if root else 2.0**exponents
    ranks = np.arange(1, len(magnitudes) + 1)
    sign = 1 << (bits - 1)
    kind = ArithmeticKind.LOOKUP if root else ArithmeticKind.POWER_OF_TWO
    arithmetic = Arithmetic(
        kind=kind,
        significand_bits=LEVEL_BITS if root else 0,
        exponent_bits=max(bits - 2, 1) if root else bits - 1,
        lookup_entries=2**bits if root else 0,
        rounded=root,
        serial_terms=LEVEL_BITS if root else 1,
        scale=scale,
    )
    return TableFormat(
        f"{name}{granularity_suffix(scale)}",
        values=np.concatenate([-magnitudes[::-1], [0.0], magnitudes]),
        codes=np.concatenate([sign + ranks[::-1], [0], ranks]),
        bits=bits,
        arithmetic=arithmetic,
    )
