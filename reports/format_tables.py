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
    """The operand of a multiplier with its widths: integer with or without a shift, exponent and mantissa, or lookup.

    >>> arithmetic_text({"kind": "integer", "signed": True, "integer_bits": 4, "exponent_bits": 3})
    'int4 << 3 bit'
    >>> arithmetic_text({"kind": "lookup", "signed": True, "lookup_entries": 16, "integer_bits": 6})
    'lookup 16 → int6'
    """
    parts = [f"lookup {arithmetic['lookup_entries']}"] if arithmetic.get("lookup_entries") else []
    if arithmetic["kind"] == "power-of-two":
        parts.append(f"2^({arithmetic['exponent_bits']} bit)")
    elif arithmetic.get("integer_bits"):
        shift = f" << {arithmetic['exponent_bits']} bit" if arithmetic.get("exponent_bits") else ""
        parts.append(f"{'int' if arithmetic['signed'] else 'uint'}{arithmetic['integer_bits']}{shift}")
    elif arithmetic.get("significand_bits"):
        parts.append(f"e{arithmetic['exponent_bits']}m{arithmetic['significand_bits'] - 1}")
    return " → ".join(parts) or str(arithmetic["kind"])


def scale_text(scale: Entry) -> str:
    """Who shares a scale and how it is stored.

    >>> scale_text({"granularity": "group", "group_size": 128, "kind": "fp16", "zero_point_bits": 4})
    'fp16 per 128, zp4'
    """
    if scale["granularity"] == "none":
        return MISSING
    text = f"{scale['kind']} per {scale['group_size'] or scale['granularity']}"
    if scale["zero_point_bits"]:
        text += f", zp{scale['zero_point_bits']}"
    if scale.get("micro_group_size"):
        text += f", {scale['micro_bits']} bit per {scale['micro_group_size']}"
    return f"{text} × {scale_text(scale['outer'])}" if scale.get("outer") else text


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
