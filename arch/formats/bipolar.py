"""Bipolar integers: `bipolar-int<n>[:tensor|channel|token|head|g<size>]`, one FP16 scale per channel by default.

Bits stand for -1 and +1: value = sum of (2 b_i - 1) 2^i = 2 code - (2^n - 1), the odd numbers up to 2^n - 1. There is
no zero: it becomes +1 step unless all elements that share the scale are zero. Scale = amax / (2^n - 1); ties go to the
even code.

Source: "Efficient Arbitrary Precision Acceleration for Large Language Models on GPU Tensor Cores" (bipolar-INT).
"""

from __future__ import annotations

import re

import numpy as np

from archsim.arch.formats.base import Arithmetic, ArithmeticKind, Granularity, Scale
from archsim.arch.formats.granularity import split_granularity
from archsim.arch.formats.scales import scale_of
from archsim.arch.formats.table import TableFormat
from archsim.core.errors import InputError, Problem

SUMMARY = "integers whose bits stand for -1 and +1: odd values, no zero"
SOURCE = "Arbitrary precision acceleration of LLMs on GPU tensor cores (bipolar-INT)"

MAX_BITS = 16

EXAMPLES = ("bipolar-int2", "bipolar-int3", "bipolar-int4", "bipolar-int4:g128")

_SPEC = re.compile(r"bipolar[-_]?int(\d{1,3})")
_USAGE = "bipolar-int<bits>[:tensor|channel|token|head|g<size>], for example bipolar-int4:channel"


def parse(spec: str) -> TableFormat | None:
    """The bipolar format that `spec` (lower case) names, None when it names none; InputError for a bad option."""
    match = _SPEC.fullmatch(spec.partition(":")[0])
    if match is None:
        return None
    bits = int(match[1])
    if not 1 <= bits <= MAX_BITS:
        raise InputError(Problem(message=f"format {spec!r}: bipolar integers have 1 to {MAX_BITS} bits (got {bits})"))
    _, scale = split_granularity(spec, _USAGE)
    scale = scale or scale_of(Granularity.CHANNEL, "fp16")
    highest = 2**bits - 1
    arithmetic = Arithmetic(kind=ArithmeticKind.INTEGER, integer_bits=bits, serial_terms=bits, scale=scale)
    return TableFormat(
        f"bipolar-int{bits}{_suffix(scale)}",
        values=np.arange(-highest, highest + 1, 2, dtype=np.float64),
        codes=np.arange(2**bits),
        bits=bits,
        arithmetic=arithmetic,
    )


def _suffix(scale: Scale) -> str:
    match scale.granularity:
        case Granularity.CHANNEL:
            return ""
        case Granularity.GROUP:
            return f":g{scale.group_size}"
        case _:
            return f":{scale.granularity}"
