"""Number formats as terminal tables: what they are, and how they compare."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archsim.reports.tables import plain_table
from archsim.reports.values import MISSING

if TYPE_CHECKING:
    from rich.console import RenderableType

    from archsim.reports.format_comparison import FormatComparison, Measurement

Entry = Mapping[str, Any]

FORMAT_HEADER = (
    ("format", "left"),
    ("bits", "right"),
    ("exactly", "right"),
    ("element", "right"),
    ("smallest", "right"),
    ("largest", "right"),
    ("range", "right"),
    ("multiplied as", "left"),
    ("scale", "left"),
    ("family", "left"),
    ("source", "text"),
)
COMPARISON_HEADER = (
    ("format", "left"),
    ("family", "left"),
    ("bits", "right"),
    ("SQNR", "right"),
    ("cosine", "right"),
    ("largest error", "right"),
    ("Pareto", "left"),
)


def format_table(entries: Sequence[Entry]) -> RenderableType:
    """Formats, one a row: stored bits with metadata, range of an element without its scale, arithmetic, scale."""
    title = "Number formats (bits: stored per element with metadata; range: of an element before its scale)"
    return plain_table(title, FORMAT_HEADER, [format_cells(entry) for entry in entries])


def format_cells(entry: Entry) -> tuple[str, ...]:
    """Texts of one format, in the columns of `FORMAT_HEADER`."""
    decibel = entry["dynamic_range_db"]
    return (
        entry["name"],
        f"{entry['bits_per_element']:.5g}",
        entry["bits_per_element_exact"],
        _number(entry["element_bits"]),
        _number(entry["smallest"]),
        _number(entry["largest"]),
        MISSING if decibel is None else f"{decibel:.0f} dB",
        arithmetic_text(entry["arithmetic"]),
        scale_text(entry["scale"]),
        entry["family"],
        entry["source"] or MISSING,
    )


def arithmetic_text(arithmetic: Entry) -> str:
    """The operand of a multiplier, with its widths.

    >>> arithmetic_text({"kind": "integer", "signed": True, "integer_bits": 8})
    'integer 8 bit'
    """
    parts = [arithmetic["kind"] if arithmetic["signed"] else f"unsigned {arithmetic['kind']}"]
    if arithmetic.get("lookup_entries"):
        parts.append(f"of {arithmetic['lookup_entries']}")
    if arithmetic.get("integer_bits"):
        parts.append(f"{arithmetic['integer_bits']} bit")
    if arithmetic.get("significand_bits"):
        parts.append(f"{arithmetic['significand_bits']} bit × 2^({arithmetic['exponent_bits']} bit)")
    return " ".join(parts)


def scale_text(scale: Entry) -> str:
    """Who shares a scale and how it is stored.

    >>> scale_text({"granularity": "group", "group_size": 128, "kind": "fp16", "zero_point_bits": 4})
    'fp16 per 128, zero point 4 bit'
    """
    if scale["granularity"] == "none":
        return MISSING
    sharers = scale["group_size"] or scale["granularity"]
    text = f"{scale['kind']} per {sharers}"
    return f"{text}, zero point {scale['zero_point_bits']} bit" if scale["zero_point_bits"] else text


def comparison_tables(comparison: FormatComparison) -> list[RenderableType]:
    """One table per tensor, formats by ascending bits."""
    tables = []
    for item in comparison.data:
        shape = "×".join(str(size) for size in item.shape)
        title = f"{item.name}: {item.elements:,} elements ({shape}), {item.about}"
        rows = [comparison_cells(measurement) for measurement in comparison.of(item.name)]
        tables.append(plain_table(title, COMPARISON_HEADER, rows))
    return tables


def comparison_cells(measurement: Measurement) -> tuple[str, ...]:
    """Texts of one measurement, in the columns of `COMPARISON_HEADER`."""
    error = measurement.error
    return (
        measurement.format,
        measurement.family,
        f"{float(measurement.bits_per_element):.5g}",
        sqnr_text(measurement),
        MISSING if math.isnan(error.cosine) else f"{error.cosine:.6f}",
        MISSING if math.isinf(error.max_abs_error) else f"{error.max_abs_error:.3g}",
        "yes" if measurement.pareto else "",
    )


def sqnr_text(measurement: Measurement) -> str:
    """The SQNR, `exact` when nothing was changed, or how many elements left the range."""
    error = measurement.error
    if error.not_finite:
        return f"{error.not_finite:,} out of range"
    if math.isnan(error.sqnr_db):
        return MISSING
    return "exact" if math.isinf(error.sqnr_db) else f"{error.sqnr_db:.2f} dB"


def _number(value: float | None) -> str:
    return MISSING if value is None else f"{value:.4g}"
