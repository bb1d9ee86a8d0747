"""Rows on optima: what the search finds beside the best that others published or found."""

from __future__ import annotations

import statistics

from tests.validation import optima
from tests.validation.measure import Row
from tests.validation.optima import Optimum

ROUNDING = 1e-6
SECTION = """
## Optima, row by row

Energy of the best mapping with factors that divide, beside the best that ZigZag 3.9.1 found: its engine with
`lpf_limit` 6, random samples, and enumerations (complete where marked). Lower is better; one that is better is costed
again by hand in [mapper.md](mapper.md#a-better-mapping-costed-by-hand).

| machine and layer | pJ here | pJ there | here / there | proven here | complete there |
|---|---:|---:|---:|---|---|
"""


def optimum_rows() -> list[Row]:
    study, runs, zigzag = "optima of AccelForge's cost rules by an exact enumeration", "Timeloop 3.0.3", "ZigZag 3.9.1"
    return [
        summary("optimal energy, factors that divide", study, optima.accelforge("energy")),
        summary("optimal time, factors that divide", f"{study} (machine A: bounds)", optima.accelforge("latency")),
        summary("optimal energy, any factors", f"{study}, factors that divide", optima.accelforge("energy", False)),
        summary("optimal time, any factors", f"{study}, factors that divide", optima.accelforge("latency", False)),
        summary("optimal energy-delay product", f"best of each mapper run of {runs}", optima.timeloop()),
        summary("optimal energy", f"best mapping of each search of {zigzag}", optima.zigzag()),
    ]


def summary(what: str, source: str, rows: tuple[Optimum, ...]) -> Row:
    """How many are equal, lower and higher, and by how much."""
    lower = [1 - row.ratio for row in rows if row.ratio < 1 - ROUNDING]
    higher = [row.ratio - 1 for row in rows if row.ratio > 1 + ROUNDING]
    parts = [f"{len(rows) - len(lower) - len(higher)} equal"]
    if lower:
        median, most = 100 * statistics.median(lower), 100 * max(lower)
        parts.append(f"{len(lower)} lower (better) by {median:.2f} % (median), at most {most:.2f} %")
    parts.append(f"{len(higher)} higher" + (f" by up to {100 * max(higher):.2f} %" if higher else ""))
    parts.append(f"{sum(row.proven for row in rows)} proven")
    return Row(what=f"search: {what}", source=source, rows=len(rows), error=", ".join(parts))


def optimum_section() -> str:
    """One line for each layer and machine: the best that was found there."""
    least: dict[str, Optimum] = {}
    for row in optima.zigzag():
        known = least.get(row.name)
        if known is None or (row.theirs, not row.complete) < (known.theirs, not known.complete):
            least[row.name] = row
    lines = "".join(_line(row) for row in least.values())
    return SECTION + lines


def _line(row: Optimum) -> str:
    values = f"{row.ours:,.2f} | {row.theirs:,.2f} | {row.ratio:.4f}"
    return f"| {row.name} | {values} | {_yes(row.proven)} | {_yes(row.complete)} |\n"


def _yes(value: bool) -> str:
    return "yes" if value else "no"
