"""Number formats side by side: the error each makes on tensors, against the bits it stores."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.reports.frames import frame
from archsim.reports.records import INTEGER, NUMBER, TEXT, Row
from archsim.reports.values import plain

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from archsim.arch.formats.error import RoundingError

SCHEMA = "archsim.format-comparison/1"

COLUMNS: dict[str, str] = {
    "data": TEXT,
    "format": TEXT,
    "family": TEXT,
    "elements": INTEGER,
    "bits_per_element": NUMBER,
    "sqnr_db": NUMBER,
    "cosine": NUMBER,
    "max_abs_error": NUMBER,
    "not_finite": INTEGER,
    "pareto": INTEGER,
}
"""Columns of the table; a ratio that does not exist is missing, `pareto` is 1 for what no other format dominates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """A tensor that formats are compared on."""

    name: str
    about: str
    shape: tuple[int, ...]
    drawn: bool = False
    """Whether it is random."""

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One format on one tensor."""

    data: str
    format: str
    family: str
    bits_per_element: Fraction
    """Stored bits of the whole tensor over its elements: scales of every granularity and short blocks are counted."""
    error: RoundingError
    pareto: bool = False
    """Whether no other format has a higher SQNR in as few bits, or the same in fewer."""

    def row(self) -> Row:
        """The measurement with the columns of the table; what does not exist is None."""
        row = {
            "data": self.data,
            "format": self.format,
            "family": self.family,
            "elements": self.error.elements,
            "bits_per_element": float(self.bits_per_element),
            "sqnr_db": self.error.sqnr_db,
            "cosine": self.error.cosine,
            "max_abs_error": self.error.max_abs_error,
            "not_finite": self.error.not_finite,
            "pareto": int(self.pareto),
        }
        return {key: plain(value) for key, value in row.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatComparison:
    """Every format on every tensor, tensors in the order given, formats by ascending bits and falling error."""

    data: tuple[Data, ...]
    measurements: tuple[Measurement, ...]
    seed: int | None
    """What the random tensors were drawn with; None when none was drawn."""
    archsim_version: str

    @property
    def table(self) -> pd.DataFrame:
        """One row per tensor and format."""
        return frame(self.rows(), COLUMNS)

    def rows(self) -> list[Row]:
        """The table as plain rows."""
        return [measurement.row() for measurement in self.measurements]

    def of(self, data: str) -> list[Measurement]:
        """The measurements on one tensor."""
        return [measurement for measurement in self.measurements if measurement.data == data]

    def to_dict(self) -> dict[str, Any]:
        """The JSON document `archsim.format-comparison/1`."""
        document = {
            "schema": SCHEMA,
            "archsim": self.archsim_version,
            "seed": self.seed,
            "data": [{"name": item.name, "about": item.about, "shape": item.shape} for item in self.data],
            "formats": [
                row | {"bits_per_element_exact": str(measurement.bits_per_element), "pareto": measurement.pareto}
                for measurement, row in zip(self.measurements, self.rows(), strict=True)
            ],
        }
        cleaned: dict[str, Any] = plain(document)
        return cleaned

    def plot(self) -> Figure:
        """SQNR against bits per element, one panel per tensor, with the Pareto front."""
        from archsim.reports.format_plot import draw_comparison

        return draw_comparison(self)  # pyright: ignore[reportArgumentType]

    def save(self, folder: str | Path) -> Path:
        """Write table (CSV, Parquet), document and plot to `folder` and return it.

        Raises:
            InputError: when `folder` holds files of the same names that no comparison wrote.
            OSError: when it cannot be written; nothing is left behind then.
        """
        from archsim.reports.format_folder import write_comparison

        return write_comparison(self, Path(folder))  # pyright: ignore[reportArgumentType]

    def __iter__(self) -> Iterator[Measurement]:
        return iter(self.measurements)

    def __len__(self) -> int:
        return len(self.measurements)

    def __repr__(self) -> str:
        names = ", ".join(item.name for item in self.data)
        return f"<FormatComparison of {len(self.measurements) // max(len(self.data), 1)} formats on {names}>"

    def _repr_html_(self) -> str:
        from archsim.reports.format_tables import COMPARISON_HEADER, comparison_cells

        head = "".join(f"<th>{html.escape(name)}</th>" for name, _ in COMPARISON_HEADER)
        cells = [comparison_cells(measurement) for measurement in self.measurements]  # pyright: ignore[reportArgumentType]
        rows = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in cells)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def format_comparison(
    data: tuple[Data, ...], measurements: list[Measurement], *, seed: int | None, archsim_version: str
) -> FormatComparison:
    """The comparison of `measurements`, ordered and with their Pareto fronts."""
    ordered: list[Measurement] = []
    for item in data:
        ordered.extend(_with_front([measurement for measurement in measurements if measurement.data == item.name]))
    return FormatComparison(data=data, measurements=tuple(ordered), seed=seed, archsim_version=archsim_version)


def _with_front(measurements: list[Measurement]) -> list[Measurement]:
    """By ascending bits and falling SQNR; each with whether it raises the best SQNR so far."""
    ranked = sorted(measurements, key=lambda item: (item.bits_per_element, -_rank(item), item.format))
    best, front = -math.inf, []
    for measurement in ranked:
        leads = _rank(measurement) > best
        best = max(best, _rank(measurement))
        front.append(replace(measurement, pareto=leads))
    return front


def _rank(measurement: Measurement) -> float:
    sqnr_db = measurement.error.sqnr_db
    return -math.inf if math.isnan(sqnr_db) else sqnr_db
