"""Which dataflow wins for which format: one row per format and dataflow, and the reasons in sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from archsim.reports.mapping import PJ_PER_J, UNITS
from archsim.reports.records import INTEGER, NUMBER, TEXT, Row
from archsim.reports.values import engineering, percent, plain, ratio

SCHEMA = "archsim.dataflows/1"
ANY = "any"
SAME = 0.005
"""Values within this fraction of each other tie."""

COLUMNS: dict[str, str] = {
    "weights": TEXT,
    "inputs": TEXT,
    "dataflow": TEXT,
    "value": NUMBER,
    "relative": NUMBER,
    "best": INTEGER,
    "cycles": INTEGER,
    "latency_s": NUMBER,
    "energy_pj": NUMBER,
    "utilization": NUMBER,
    "bound": TEXT,
    "dram_bytes": NUMBER,
    "optimal": INTEGER,
    "gap": NUMBER,
    "why_not": TEXT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one dataflow makes of the work in one pair of formats."""

    value: float
    """The objective in cycles, pJ, or their product."""
    cycles: int
    latency_s: float
    energy_j: Mapping[str, float]
    utilization: float | None
    bounds: Mapping[str, float]
    """What binds, with its share of the time."""
    flows: Mapping[str, float]
    """The dataflows used, with their shares of the time."""
    dram_bytes: float
    optimal: bool
    gap: float | None
    """The largest of any op."""

    @property
    def total_j(self) -> float:
        return math.fsum(self.energy_j.values())

    @property
    def bound(self) -> str:
        return max(self.bounds, key=lambda name: self.bounds[name])


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One format pair and dataflow: its outcome, or why there is none."""

    weights: str
    inputs: str
    dataflow: str
    outcome: Outcome | None
    why_not: str | None = None

    @property
    def format(self) -> str:
        """
        >>> Cell(weights="int4:g128", inputs="fp16", dataflow="ws", outcome=None).format
        'int4:g128/fp16'
        """
        return self.weights if self.weights == self.inputs else f"{self.weights}/{self.inputs}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataflowComparison:
    """All cells, formats in the order asked for, each with its dataflows."""

    design_name: str
    work: str
    """What was mapped, in words."""
    objective: str
    cells: tuple[Cell, ...]
    remarks: tuple[str, ...] = ()

    @property
    def formats(self) -> list[str]:
        return list(dict.fromkeys(cell.format for cell in self.cells))

    @property
    def dataflows(self) -> list[str]:
        return list(dict.fromkeys(cell.dataflow for cell in self.cells))

    def of(self, name: str) -> list[Cell]:
        """Cells of one format."""
        return [cell for cell in self.cells if cell.format == name]

    def cell(self, name: str, dataflow: str) -> Cell:
        return next(cell for cell in self.of(name) if cell.dataflow == dataflow)

    def best(self, name: str) -> Cell | None:
        """The winner of a format: a single dataflow where it is as good as a free choice; None when nothing fits."""
        known = [cell for cell in self.of(name) if cell.outcome is not None]
        return min(known, key=lambda cell: (_value(cell), cell.dataflow == ANY), default=None)

    def findings(self) -> list[str]:
        """For every format, which dataflow wins and why, then which format does; of one dataflow, which format."""
        if len({cell.dataflow for cell in self.cells}) == 1:
            return list(_formats_alone(self))
        found = [text for name in self.formats for text in _why(self, name)]
        winners = [cell for name in self.formats if (cell := self.best(name)) is not None]
        if len(winners) > 1:
            first = min(winners, key=_value)
            found.append(f"of all: {first.format} with {first.dataflow}")
        return found

    def rows(self) -> list[Row]:
        """One row per cell, with the columns of `COLUMNS`."""
        return [self._row(cell) for cell in self.cells]

    def _row(self, cell: Cell) -> Row:
        outcome, best = cell.outcome, self.best(cell.format)
        row: Row = dict.fromkeys(COLUMNS)
        row |= {
            "weights": cell.weights,
            "inputs": cell.inputs,
            "dataflow": cell.dataflow,
            "best": int(cell is best),
            "why_not": cell.why_not,
        }
        if outcome is None or best is None or best.outcome is None:
            return row
        return row | {
            "value": outcome.value,
            "relative": ratio(outcome.value, best.outcome.value),
            "cycles": outcome.cycles,
            "latency_s": outcome.latency_s,
            "energy_pj": outcome.total_j * PJ_PER_J,
            "utilization": outcome.utilization,
            "bound": outcome.bound,
            "dram_bytes": outcome.dram_bytes,
            "optimal": int(outcome.optimal),
            "gap": outcome.gap,
        }

    def to_dict(self) -> dict[str, Any]:
        """The JSON document `archsim.dataflows/1`."""
        rows = []
        for cell, row in zip(self.cells, self.rows(), strict=True):
            more: dict[str, Any] = {"best": bool(row["best"])}
            if cell.outcome is not None:
                energies = {name: joules * PJ_PER_J for name, joules in cell.outcome.energy_j.items()}
                more |= {"optimal": cell.outcome.optimal, "energy_by_component_pj": energies}
                more |= {"bounds": dict(cell.outcome.bounds), "dataflows_used": dict(cell.outcome.flows)}
            rows.append({key: value for key, value in row.items() if key != "relative"} | more)
        document = {
            "schema": SCHEMA,
            "design": self.design_name,
            "work": self.work,
            "objective": self.objective,
            "unit": UNITS[self.objective],
            "rows": rows,
            "findings": self.findings(),
            "remarks": list(self.remarks),
        }
        cleaned: dict[str, Any] = plain(document)
        return cleaned


def _value(cell: Cell) -> float:
    return math.inf if cell.outcome is None else cell.outcome.value


def _formats_alone(comparison: DataflowComparison) -> Iterator[str]:
    """The best format, then each other one against it: there is one dataflow, which cannot win."""
    winner = min(comparison.cells, key=_value)
    for cell in sorted(comparison.cells, key=_value):
        if cell.outcome is None or winner.outcome is None:
            yield f"{cell.format}: {cell.why_not}"
        elif cell is winner:
            state = _state(cell.outcome)
            yield f"{cell.format} wins ({state})" if len(comparison.cells) > 1 else f"{cell.format}: {state}"
        else:
            yield f"    {cell.format}: {_against(cell.outcome, winner.outcome)}"


def _why(comparison: DataflowComparison, name: str) -> Iterator[str]:
    """The winner of a format against the other dataflows, by time, energy and the component that differs most."""
    best = comparison.best(name)
    if best is None or best.outcome is None:
        yield f"{name}: no dataflow has a mapping that fits"
        return
    singles = [cell for cell in comparison.of(name) if cell.dataflow != ANY]
    ranked = sorted((cell for cell in singles if cell.outcome is not None and cell is not best), key=_value)
    outcome = best.outcome
    ties = [cell.dataflow for cell in ranked if _value(cell) <= outcome.value * (1 + SAME)]
    winner = f"{', '.join([best.dataflow, *ties[:-1]])} and {ties[-1]} tie" if ties else f"{best.dataflow} wins"
    text = f"{name}: {winner} ({_state(outcome)})"
    if best.dataflow == ANY and len(outcome.flows) > 1:
        mixture = ", ".join(f"{flow} {percent(share)}" for flow, share in outcome.flows.items())
        text += f", mixing them ({mixture} of the time)"
    yield text
    for cell in ranked:
        if cell.outcome is not None and cell.dataflow not in ties:
            yield f"    {cell.dataflow}: {_against(cell.outcome, outcome)}"
    for cell in singles:
        if cell.outcome is None:
            yield f"    {cell.dataflow}: {cell.why_not}"


def _state(outcome: Outcome) -> str:
    return (
        f"{engineering(outcome.latency_s, 's')}, {engineering(outcome.total_j, 'J')}, bound by {outcome.bound}, "
        f"utilization {percent(outcome.utilization)}"
    )


def _against(other: Outcome, best: Outcome) -> str:
    """How another dataflow compares, and where the difference lies."""
    parts = [f"{other.value / best.value:.2f} x the objective"]
    time, energy = other.latency_s / best.latency_s, other.total_j / best.total_j
    if abs(time - 1) >= SAME:
        parts.append(
            f"{time:.2f} x the time (bound by {other.bound}, utilization {percent(other.utilization)} "
            f"against {percent(best.utilization)})"
        )
    if abs(energy - 1) >= SAME:
        moved = {
            name: other.energy_j.get(name, 0.0) - best.energy_j.get(name, 0.0)
            for name in dict.fromkeys([*other.energy_j, *best.energy_j])
        }
        name = max(moved, key=lambda item: abs(moved[item]))
        sign = "+" if moved[name] > 0 else "-"
        parts.append(f"{energy:.2f} x the energy, most of it {name} ({sign}{engineering(abs(moved[name]), 'J')})")
    return ", ".join(parts)
