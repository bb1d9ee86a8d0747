"""Block floating point: `msfp16`, `msfp12`, and `bfp:m<m>e<e>g<g>` in general.

A sign and m mantissa bits per element, without a hidden one; g elements along a row share an exponent of e bits, bias
2^(e-1) - 1, all of whose codes are numbers. The element of largest magnitude has its leading one in the mantissa's
first bit. `msfp16` is `bfp:m7e8g16`, `msfp12` is `bfp:m3e8g16`.

Source: Darvish Rouhani et al., "Pushing the Limits of Narrow Precision Inferencing at Cloud Scale with Microsoft
Floating Point", NeurIPS 2020.
"""

from __future__ import annotations

import re

from archsim.arch.formats.shared_exponent import Element, SharedExponentFormat
from archsim.core.errors import InputError, Problem

SUMMARY = "block floating point: a sign and a mantissa per element, one exponent per block"
SOURCE = "Darvish Rouhani et al., NeurIPS 2020 (MSFP)"

MAX_MANTISSA_BITS = 23
EXPONENT_BITS = range(2, 9)

_NAMED = {"msfp16": (7, 8, 16), "msfp12": (3, 8, 16)}
_CANONICAL = {parts: name for name, parts in _NAMED.items()}

EXAMPLES = (*_NAMED, "bfp:m4e8g16")

_SPEC = re.compile(r"bfp:m(\d{1,3})e(\d{1,3})g(\d{1,9})")


def parse(spec: str) -> SharedExponentFormat | None:
    """The block floating-point format that `spec` (lower case) names, None when it names none."""
    if spec in _NAMED:
        return _build(*_NAMED[spec])
    if not spec.startswith("bfp"):
        return None
    match = _SPEC.fullmatch(spec)
    if match is None:
        problem = f"format {spec!r}: block floating point is spelled bfp:m<mantissa>e<exponent>g<group>"
        raise InputError(Problem(message=problem, hint="for example bfp:m4e8g16: a sign, 4 mantissa bits, 16 elements"))
    mantissa_bits, exponent_bits, group = (int(part) for part in match.groups())
    problems = []
    if not 1 <= mantissa_bits <= MAX_MANTISSA_BITS:
        problems.append(f"the mantissa has 1 to {MAX_MANTISSA_BITS} bits besides the sign (got {mantissa_bits})")
    if exponent_bits not in EXPONENT_BITS:
        problems.append(f"the exponent has {EXPONENT_BITS[0]} to {EXPONENT_BITS[-1]} bits (got {exponent_bits})")
    if group < 1:
        problems.append(f"a group has at least 1 element (got {group})")
    if problems:
        raise InputError(Problem(message=f"format {spec!r}: {problem}") for problem in problems)
    return _build(mantissa_bits, exponent_bits, group)


def _build(mantissa_bits: int, exponent_bits: int, group: int) -> SharedExponentFormat:
    parts = (mantissa_bits, exponent_bits, group)
    name = _CANONICAL.get(parts, f"bfp:m{mantissa_bits}e{exponent_bits}g{group}")
    element = Element.of_magnitude(mantissa_bits)
    return SharedExponentFormat(name, element, block=group, exponent_bits=exponent_bits, nan_code=False)
