"""OCP microscaling: `mxfp8`, `mxfp8_e5m2`, `mxfp6`, `mxfp6_e2m3`, `mxfp4`, `mxint8`.

32 elements along a row share one E8M0 scale, a power of two from 2^-127 to 2^127, code 255 for NaN. `mxfp8` means E4M3,
`mxfp6` E3M2, `mxfp4` E2M1. Elements of `mxint8` are two's-complement multiples of 1/64; -128 is not used.

Source: OCP Microscaling Formats (MX) Specification 1.0, sections 5 and 6.
"""

from __future__ import annotations

from archsim.arch.formats import minifloat
from archsim.arch.formats.shared_exponent import Element, SharedExponentFormat

SUMMARY = "OCP microscaling: 32 elements share a power-of-two scale"
SOURCE = "OCP Microscaling Formats (MX) Specification 1.0"

BLOCK = 32
SCALE_BITS = 8
INT8_MAGNITUDE_BITS = 7

_ELEMENTS = {
    "mxfp8": "fp8_e4m3",
    "mxfp8_e5m2": "fp8_e5m2",
    "mxfp6": "fp6_e3m2",
    "mxfp6_e2m3": "fp6_e2m3",
    "mxfp4": "fp4_e2m1",
    "mxint8": None,
}
_ALIASES = {"mxfp8_e4m3": "mxfp8", "mxfp6_e3m2": "mxfp6", "mxfp4_e2m1": "mxfp4"}

EXAMPLES = tuple(_ELEMENTS)


def parse(spec: str) -> SharedExponentFormat | None:
    """The microscaling format that `spec` (lower case) names, None when it names none."""
    name = spec.replace(":", "_")
    name = _ALIASES.get(name, name)
    if name not in _ELEMENTS:
        return None
    spelling = _ELEMENTS[name]
    element = Element.of_magnitude(INT8_MAGNITUDE_BITS)
    if spelling is not None:
        base = minifloat.parse(spelling)
        assert base is not None
        element = Element.of_float(base)
    return SharedExponentFormat(name, element, block=BLOCK, exponent_bits=SCALE_BITS, nan_code=True)
