"""From a spelling to a format. A new family is a new file and one line in `_FAMILIES`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from archsim.arch.formats import ant, bitmod, dfloat11, dictionary, integer, minifloat, olive, qmoe, razer, stored
from archsim.arch.formats.base import Format
from archsim.core.errors import InputError, Problem, unknown_name


@dataclass(frozen=True, slots=True)
class Family:
    """A family of formats. `parse` returns None for a spelling of another family, InputError for a bad one."""

    parse: Callable[[str], Format | None]
    examples: tuple[str, ...]


_FAMILIES = (
    Family(integer.parse, integer.EXAMPLES),
    Family(minifloat.parse, minifloat.EXAMPLES),
    Family(ant.parse, ant.EXAMPLES),
    Family(olive.parse, olive.EXAMPLES),
    Family(bitmod.parse, bitmod.EXAMPLES),
    Family(razer.parse, razer.EXAMPLES),
    Family(dfloat11.parse, dfloat11.EXAMPLES),
    Family(qmoe.parse, qmoe.EXAMPLES),
    Family(dictionary.parse, dictionary.EXAMPLES),
)

_OVERRIDE_KEYS = {"format", "storage_bits"}


def format(spec: str | Format | Mapping[str, object]) -> Format:
    """The number format that `spec` names.

    `spec` is a spelling (`int4:g128`, `fp8_e4m3`, `int4@4.0625`: stored in 4.0625 bits), a format (returned as it is),
    or a table `{"format": "int4", "storage_bits": 4.0625}`. Raises InputError with the nearest known spelling.

    >>> format("INT4:g128").bits_per_element
    Fraction(33, 8)
    """
    if isinstance(spec, Format):
        return spec
    if isinstance(spec, Mapping):
        return _from_table(spec)
    if not isinstance(spec, str):
        raise InputError(Problem(message=f"a format is given as text (got {type(spec).__name__})"))
    return _parse(spec.strip().lower())


def format_names() -> tuple[str, ...]:
    """Canonical example spellings of every family, in families' order; widths and group sizes may be varied."""
    return tuple(name for family in _FAMILIES for name in family.examples)


def with_storage_bits(fmt: str | Format, bits: stored.Bits) -> Format:
    """`fmt` stored in `bits` bits per element, metadata included; values and arithmetic stay. Name: `int4@4.0625`."""
    return stored.StoredFormat(format(fmt), stored.as_bits(bits))


@lru_cache(maxsize=1024)
def _parse(spec: str) -> Format:
    base, at, bits = spec.partition("@")
    if at:
        return stored.StoredFormat(_parse(base), stored.as_bits(bits))
    for family in _FAMILIES:
        found = family.parse(spec)
        if found is not None:
            return found
    raise InputError(unknown_name("format", spec, format_names()))


def _from_table(table: Mapping[str, object]) -> Format:
    unknown = [unknown_name("key", str(key), _OVERRIDE_KEYS) for key in table if key not in _OVERRIDE_KEYS]
    if unknown:
        raise InputError(unknown)
    spec, bits = table.get("format"), table.get("storage_bits")
    if not isinstance(spec, str | Format):
        raise InputError(Problem(message="a format table needs `format`, the spelling of a format"))
    if bits is None:
        return format(spec)
    return with_storage_bits(spec, stored.as_bits(bits))
