"""From a spelling to a format. A new family is a new file and one line in `_FAMILIES`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Protocol, cast

from archsim.arch.formats import stored
from archsim.arch.formats.base import Format
from archsim.core.errors import InputError, Problem, unknown_name


@dataclass(frozen=True, slots=True)
class Family:
    """A family of formats, with canonical example spellings of it."""

    name: str
    summary: str
    source: str
    examples: tuple[str, ...]


class FamilyModule(Protocol):
    """A file of one family. `parse` returns None for a spelling of another family, InputError for a bad one."""

    @property
    def SUMMARY(self) -> str: ...  # noqa: N802 (a constant of the module)
    @property
    def SOURCE(self) -> str: ...  # noqa: N802
    @property
    def EXAMPLES(self) -> tuple[str, ...]: ...  # noqa: N802

    def parse(self, spec: str, /) -> Format | None: ...


_FAMILIES = {
    # name: module of archsim.arch.formats, loaded when a spelling gets that far
    "integer": "integer",
    "float": "minifloat",
    "scale type": "e8m0",
    "microscaling": "mx",
    "block floating point": "bfp",
    "microexponent": "microexponent",
    "two-level": "nv",
    "normal float": "nf4",
    "ternary and binary": "signs",
    "bipolar": "bipolar",
    "power of two": "exponential",
    "adaptive types": "ant",
    "outlier-victim pairs": "olive",
    "BitMoD": "bitmod",
    "RaZeR": "razer",
    "entropy-coded float": "dfloat11",
    "entropy-coded ternary": "qmoe",
    "scalar codebook": "dictionary",
    "SpQR": "spqr",
    "OverQ": "overq",
    "corrected integer": "corrected",
    "vector codebook": "vectors",
    "bit-nested": "nested",
}


@cache
def _family(name: str) -> FamilyModule:
    return cast(FamilyModule, importlib.import_module(f"archsim.arch.formats.{_FAMILIES[name]}"))


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
    return tuple(example for name in _FAMILIES for example in _family(name).EXAMPLES)


def format_families() -> tuple[Family, ...]:
    """Every family with its summary, source and examples, in the order of `format_names`."""
    modules = ((name, _family(name)) for name in _FAMILIES)
    return tuple(Family(name, module.SUMMARY, module.SOURCE, module.EXAMPLES) for name, module in modules)


def format_family(fmt: str | Format) -> Family:
    """The family that `fmt` belongs to. Raises InputError for a spelling that names no format."""
    chosen = format(fmt)
    base = chosen.base if isinstance(chosen, stored.StoredFormat) else chosen
    return next(family for family in format_families() if _family(family.name).parse(base.name) is not None)


def with_storage_bits(fmt: str | Format, bits: stored.Bits) -> Format:
    """`fmt` stored in `bits` bits per element, metadata included; values and arithmetic stay. Name: `int4@4.0625`."""
    return stored.StoredFormat(format(fmt), stored.as_bits(bits))


@lru_cache(maxsize=1024)
def _parse(spec: str) -> Format:
    base, at, bits = spec.partition("@")
    if at:
        return stored.StoredFormat(_parse(base), stored.as_bits(bits))
    for name in _FAMILIES:
        found = _family(name).parse(spec)
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
