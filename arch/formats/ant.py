"""ANT and its types: `ant4`, `ant4:channel`, `ant4:g128:clip`, `flint4`, `uflint4`.

Grammar: ``ant<bits>[:<granularity>][:clip]`` and ``[u]flint<bits>[:<granularity>][:clip]``; tensor is the default.
`ant` chooses integer, power of two or flint for each tensor, channel or group by squared error. `clip` also searches
the scale: from the one that reaches the largest magnitude down to half of it, in steps of a hundredth.
Source: Guo et al., ANT: Exploiting Adaptive Numerical Data Type for Low-bit Deep Neural Network Quantization, MICRO
2022, sections 4 and 5 (types, clipping).
"""

from __future__ import annotations

import re

import numpy as np

from archsim.arch.formats.base import Arithmetic, ArithmeticKind, Scale
from archsim.arch.formats.candidates import (
    Candidate,
    flint_magnitudes,
    integer,
    power_of_two_magnitudes,
    signed,
)
from archsim.arch.formats.search import Scales, SearchFormat
from archsim.arch.formats.sharing import (
    TENSOR,
    Array,
    Codes,
    Sharing,
    check_bits,
    fp16,
    refuse_rest,
    take_flag,
    take_sharing,
)

SCALE_BITS = 16
TYPE_BITS = 2
"""Bits that name the type of a set."""
MIN_BITS, MAX_BITS = 3, 6
CLIP_STEPS = 50
"""Scales tried below the full one, a hundredth of it apart."""

SUMMARY = "integer, power of two or flint, chosen by squared error"
SOURCE = "Guo et al., ANT, MICRO 2022"
GRAMMAR = "ant<bits> or [u]flint<bits>, then [:tensor|channel|token|head|g<size>][:clip], for example ant4:channel"
EXAMPLES = ("ant4", "ant4:channel", "ant4:g128:clip", "flint4", "flint4:channel", "uflint4")

_SPEC = re.compile(r"(ant|u?flint)(\d{1,3})((?::[a-z0-9.]+)*)")


class AntFormat(SearchFormat):
    """ANT: codes of `bits` bits, an FP16 scale per set, 2 bits for its type where there is a choice.

    Without `clip`, rounding twice moves a value by at most the widest step of the set's grid; see docs.
    """

    def __init__(self, family: str, bits: int, *, sharing: Sharing, clip: bool = False) -> None:
        candidates = _candidates(family, bits)
        set_bits = SCALE_BITS + (TYPE_BITS if len(candidates) > 1 else 0)
        self.clip = clip
        parts = [f"{family}{bits}", *([] if sharing == TENSOR else [str(sharing)]), *(["clip"] if clip else [])]
        super().__init__(
            ":".join(parts),
            bits=bits,
            sharing=sharing,
            candidates=candidates,
            set_bits=set_bits,
            arithmetic=_arithmetic(family, bits, candidates, sharing),
        )

    def scales_for(self, largest: Array, shape: tuple[int, ...]) -> Scales:
        return Scales(values=fp16(largest[:, None] / self.tables.largest))

    def search(self, sets: Array, scales: Scales) -> tuple[Codes, Scales]:
        if not self.clip:
            return super().search(sets, scales)
        choice, errors = self.best(sets, scales)
        chosen = scales.values.copy()
        for step in range(1, CLIP_STEPS + 1):
            tried = Scales(values=fp16(scales.values * (1 - step / 100)))
            other, other_errors = self.best(sets, tried)
            better = other_errors < errors
            choice = np.where(better, other, choice)
            errors = np.where(better, other_errors, errors)
            chosen[better] = tried.values[better]
        return choice, Scales(values=chosen)


def _candidates(family: str, bits: int) -> tuple[Candidate, ...]:
    """Integer, power of two and flint of `bits` bits, or flint alone."""
    if family == "uflint":
        return (Candidate("flint", dict(enumerate(flint_magnitudes(bits)))),)
    flint = Candidate("flint", signed(flint_magnitudes(bits - 1), bits - 1))
    if family == "flint":
        return (flint,)
    powers = Candidate("pot", signed(power_of_two_magnitudes(bits - 1), bits - 1))
    return (Candidate("int", integer(bits)), powers, flint)


def _arithmetic(family: str, bits: int, candidates: tuple[Candidate, ...], sharing: Sharing) -> Arithmetic:
    """A decoder at the array's edge makes an integer of `bits` bits and a shift; the multiplier is one of integers."""
    largest = max(candidate.largest for candidate in candidates)
    return Arithmetic(
        kind=ArithmeticKind.INTEGER,
        signed=family != "uflint",
        integer_bits=bits,
        exponent_bits=int(np.log2(largest)).bit_length(),
        serial_terms=bits,
        scale=Scale(granularity=sharing.granularity, group_size=sharing.group_size, kind="fp16", bits=SCALE_BITS),
    )


def parse(spec: str) -> AntFormat | None:
    """The ANT format that `spec` (lower case) names, None when it names none; InputError for a bad option."""
    match = _SPEC.fullmatch(spec)
    if match is None:
        return None
    check_bits(spec, "ANT types have", int(match[2]), MIN_BITS, MAX_BITS)
    options = match[3].split(":")[1:]
    sharing = take_sharing(spec, options, TENSOR)
    clip = take_flag(options, "clip")
    refuse_rest(spec, options, GRAMMAR)
    return AntFormat(match[1], int(match[2]), sharing=sharing, clip=clip)
