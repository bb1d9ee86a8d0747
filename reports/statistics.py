"""Bit statistics as a document and as the rows of a table: what `archsim trace --stats` prints and leaves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from archsim.reports.records import INTEGER, NUMBER, TEXT, Row
from archsim.reports.values import plain

if TYPE_CHECKING:
    from archsim.workloads.statistics.records import FormatStatistics, TensorStatistics, TraceStatistics

SCHEMA = "archsim.statistics/1"
SIGMAS = (3, 4, 6, 8)
"""Deviations whose shares the document lists; the side file has all whole ones."""
MEANS = (
    "essential_bits",
    "ones",
    "booth_digits",
    "signed_digits",
    "precision",
    "span",
    "columns",
    "slices_2",
    "slices_4",
    "twos_precision",
    "twos_columns",
    "mixed_columns",
    "nonzeros",
    "peak_ones",
)
"""Statistics of groups whose means the document lists."""

COLUMNS: dict[str, str] = {
    "layer": TEXT,
    "operand": TEXT,
    "format": TEXT,
    "view": TEXT,
    "elements": INTEGER,
    "width": INTEGER,
    "density": NUMBER,
    "entropy_bits": NUMBER,
    "beyond_3_sigma": NUMBER,
    "lanes": INTEGER,
    **dict.fromkeys(MEANS, NUMBER),
    "zero_columns": NUMBER,
    "zero_twos_columns": NUMBER,
    "source": TEXT,
}
"""Columns of the table: one row per tensor, format and size of groups; statistics are means over groups."""


def statistics_document(statistics: TraceStatistics) -> dict[str, Any]:
    """The JSON document `archsim.statistics/1`: means and shares; the histograms are in the side file."""
    document = {
        "schema": SCHEMA,
        "name": statistics.name,
        "tensors": [_tensor(tensor) for tensor in statistics.tensors],
        "notes": list(statistics.notes),
    }
    return {key: plain(value) for key, value in document.items()}


def statistics_rows(statistics: TraceStatistics) -> list[Row]:
    """The rows of the table."""
    return [
        {key: plain(value) for key, value in row.items()}
        for tensor in statistics.tensors
        for found in tensor.formats
        for row in _rows(tensor, found)
    ]


def _rows(tensor: TensorStatistics, found: FormatStatistics) -> Iterable[dict[str, Any]]:
    for lanes in found.groups:
        yield {
            "layer": tensor.layer,
            "operand": tensor.operand,
            "format": found.format,
            "view": found.view,
            "elements": tensor.shape[0] * tensor.shape[1],
            "width": found.width,
            "density": found.density,
            "entropy_bits": found.entropy_bits,
            "beyond_3_sigma": None if tensor.values is None else tensor.values.beyond(3),
            "lanes": lanes,
            **_group(found, lanes),
            "source": tensor.source,
        }


def _group(found: FormatStatistics, lanes: int) -> dict[str, float]:
    means = {name: found.mean(name, lanes) for name in MEANS}
    return means | {
        "zero_columns": found.zero_columns(lanes),
        "zero_twos_columns": found.zero_columns(lanes, twos=True),
    }


def _tensor(tensor: TensorStatistics) -> dict[str, Any]:
    document: dict[str, Any] = {
        "layer": tensor.layer,
        "operand": tensor.operand,
        "source": tensor.source,
        "rows": tensor.shape[0],
        "length": tensor.shape[1],
        "values": None,
        "formats": [_format(found) for found in tensor.formats],
    }
    values = tensor.values
    if values is not None:
        names = ("normal", "outlier_victim", "outlier_outlier")
        document["values"] = {
            "density": values.density,
            "mean": values.mean,
            "deviation": values.deviation,
            "largest": values.largest,
            "beyond_sigma": {str(sigmas): values.beyond(sigmas) for sigmas in SIGMAS},
            "pairs_at_3_sigma": dict(zip(names, values.pairs(3), strict=True)),
        }
    return document


def _format(found: FormatStatistics) -> dict[str, Any]:
    return {
        "format": found.format,
        "view": found.view,
        "width": found.width,
        "signed": found.signed,
        "density": found.density,
        "zero_values": found.zero_values,
        "entropy_bits": found.entropy_bits,
        "groups": {str(lanes): _group(found, lanes) for lanes in found.groups},
    }
