"""Values as JSON and people want them: plain, finite, and with a unit prefix a person can read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from archsim.core.spelling import size_text

_PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E"}
MISSING = "-"
"""What tables print for a value that does not exist."""


def plain(value: Any) -> Any:
    """`value` built from dict, list, str, int, float, bool and None alone; NaN and infinities become None.

    Numbers of array libraries are read through their `item()`; anything else (paths, enumerations) becomes its text.
    """
    if value is None or type(value) in (str, int, bool):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return [plain(item) for item in sorted(value, key=str)]
    if hasattr(value, "item"):
        return plain(value.item())
    return str(value)


def json_text(document: Mapping[str, Any], *, ascii_only: bool = False) -> str:
    """`document` as JSON, ending in a newline; keys keep their order. `ascii_only` escapes all other characters.

    Raises:
        ValueError: for NaN or infinity, which JSON does not have. Pass the document through `plain` first.
    """
    return json.dumps(document, indent=2, ensure_ascii=ascii_only, allow_nan=False) + "\n"


def ratio(numerator: float | None, denominator: float | None) -> float | None:
    """`numerator / denominator`, or None where it does not exist (a side is missing, zero denominator, overflow)."""
    if numerator is None or not denominator:
        return None
    quotient = numerator / denominator
    return quotient if math.isfinite(quotient) else None


def known_sum(values: Mapping[str, float | None]) -> float | None:
    """Sum of the values that exist; None when none does."""
    known = [value for value in values.values() if value is not None]
    return math.fsum(known) if known else None


def engineering(value: float | None, unit: str = "", digits: int = 3) -> str:
    """`value` with `digits` significant digits and a power-of-1000 prefix before its unit.

    >>> engineering(0.00123, "s"), engineering(4.5e-3, "J"), engineering(0, "s"), engineering(None, "s")
    ('1.23 ms', '4.50 mJ', '0 s', '-')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    if value == 0:
        return f"0 {unit}".rstrip()
    rounded = float(f"{value:.{digits - 1}e}")
    exponent = min(max(3 * math.floor(math.floor(math.log10(abs(rounded))) / 3), min(_PREFIXES)), max(_PREFIXES))
    scaled = rounded / 10.0**exponent
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(scaled)) + 1e-9))
    return f"{scaled:.{decimals}f} {_PREFIXES[exponent]}{unit}".rstrip()


def binary_bytes(value: float | None) -> str:
    """A number of bytes with a power-of-1024 prefix.

    >>> binary_bytes(512), binary_bytes(8192), binary_bytes(13e9)
    ('512 B', '8.00 KiB', '12.1 GiB')
    """
    return MISSING if value is None or not math.isfinite(value) else size_text(value)


def gap_text(gap: float | None) -> str:
    """How far a value may lie above the optimum, as a percentage; one that is not 0 does not look like it.

    >>> gap_text(0.24), gap_text(0.0), gap_text(0.00004), gap_text(1e-9), gap_text(None)
    ('24.0 %', '0', '0.004 %', '< 0.001 %', '-')
    """
    if not gap or gap >= 0.0005:
        return "0" if gap == 0 else percent(gap)
    return f"{100 * gap:.1g} %" if gap >= 1e-5 else "< 0.001 %"


def counted(number: int, what: str) -> str:
    """A number of things.

    >>> counted(1, "design"), counted(1200, "design")
    ('1 design', '1,200 designs')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def percent(fraction: float | None) -> str:
    """A fraction as a percentage with one decimal.

    >>> percent(0.4321), percent(None)
    ('43.2 %', '-')
    """
    return MISSING if fraction is None or not math.isfinite(fraction) else f"{100 * fraction:.1f} %"


def printable(text: str) -> str:
    """`text` with control characters (which could steer a terminal) spelled out.

    >>> printable("conv\\x1b[2J")
    'conv\\\\x1b[2J'
    """
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
