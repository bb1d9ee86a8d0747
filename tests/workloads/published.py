"""Published sizes of catalog models: the rows of every `published_*.csv` beside this file."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What is published of one model. `macs` is None where no figure is given."""

    name: str
    parameters: float
    parameters_source: str
    macs: float | None
    phase: str
    """Phase, batch 1, and tokens that `macs` is for; an empty context: the model's own."""
    context: int | None
    macs_source: str


def published(file: str = "published_*.csv") -> list[Published]:
    """The rows of the files whose names match `file`; columns as the fields."""
    rows: list[Published] = []
    for path in sorted(Path(__file__).parent.glob(file)):
        with path.open(encoding="utf-8", newline="") as lines:
            rows += [_row(row) for row in csv.DictReader(line for line in lines if not line.startswith("#"))]
    return rows


def _row(row: dict[str, str]) -> Published:
    return Published(
        name=row["name"],
        parameters=float(row["parameters"]),
        parameters_source=row["parameters_source"],
        macs=float(row["macs"]) if row["macs"] else None,
        phase=row["phase"],
        context=int(row["context"]) if row["context"] else None,
        macs_source=row["macs_source"],
    )
