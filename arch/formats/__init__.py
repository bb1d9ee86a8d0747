"""Number formats: exact grids, encodings, sizes and arithmetic. `format("int4:g128")` is the way in."""

from archsim.arch.formats.base import Arithmetic, ArithmeticKind, Format, Granularity, Quantized, Scale
from archsim.arch.formats.registry import (
    Family,
    format,
    format_families,
    format_family,
    format_names,
    with_storage_bits,
)

__all__ = [
    "Arithmetic",
    "ArithmeticKind",
    "Family",
    "Format",
    "Granularity",
    "Quantized",
    "Scale",
    "format",
    "format_families",
    "format_family",
    "format_names",
    "with_storage_bits",
]
