"""The page of `archsim compare`: of two evaluations, or of two runs of sweeps with their fronts over each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from archsim.api.compare import compare
from archsim.api.evaluate import evaluate
from archsim.api.runs import read_evaluation
from archsim.core.errors import InputError
from archsim.explore.compare import SweepComparison, SweepSide
from archsim.explore.report import Report, reasons_of, versions_of
from archsim.explore.report_columns import page_columns
from archsim.explore.run_file import read_run_file
from archsim.explore.tally import feasible_rows
from archsim.reports.comparison import Comparison
from archsim.reports.evaluation import Evaluation
from archsim.reports.page.comparison import comparison_page, quantity_text
from archsim.reports.page.detail import design_detail
from archsim.reports.page.figures import sweep_figures
from archsim.reports.page.quantities import Quantity, axis_labels, total
from archsim.reports.page.record import Column, Evidence, FloatArray, Front, IntArray, SweepPage, Table
from archsim.reports.run_folder import SUMMARY

PAGE = "comparison.html"
SHOWN = 200
"""Points that moved, in the page's table."""


def compared(a: str | Path, b: str | Path, overrides: Sequence[str] = ()) -> tuple[Comparison, Report]:
    """Two evaluations side by side, each a design file, a run folder or its summary.json; and the page of it."""
    sides = [_opened(Path(given), overrides) for given in (a, b)]
    result = compare(sides[0].compared, sides[1].compared)
    details = tuple(
        design_detail(side.evaluation, name=f"{name}: {side.evaluation.design_name}")
        for name, side in zip("ab", sides, strict=True)
        if side.evaluation is not None
    )
    return result, Report(page=comparison_page(result, details), figures={}, file=PAGE)


@dataclass(frozen=True, slots=True)
class _Side:
    """What is compared, and the evaluation to look into where there is one.

    A run is compared by its path: what is read back of it lacks its mappings. What cannot be read is left to the
    comparison, which names every problem of both sides.
    """

    compared: Evaluation | Path
    evaluation: Evaluation | None


def _opened(path: Path, overrides: Sequence[str]) -> _Side:
    folder = path if path.is_dir() else path.parent if path.name == SUMMARY else None
    try:
        if folder is not None:
            return _Side(path, read_evaluation(folder))
        if path.suffix != ".json":
            evaluation = evaluate(path, overrides=overrides)
            return _Side(evaluation, evaluation)
    except InputError:
        pass
    return _Side(path, None)


def sweeps_report(result: SweepComparison) -> Report:
    """The page of two runs: the points of both, their fronts over each other, the points that moved."""
    sides = (result.a, result.b)
    tables = [side.run.table() for side in sides]
    sizes = [table.num_rows for table in tables]
    columns = [
        {column.key: column for column in page_columns(table, side.run.sweep.space.axes, result.objectives)}
        for table, side in zip(tables, sides, strict=True)
    ]
    names, codes = reasons_of(
        [text for table in tables for text in table["status"].to_pylist()],
        [text for table in tables for text in table["reason"].to_pylist()],
    )
    index = np.concatenate([np.asarray(table["index"].to_numpy(), np.int64) for table in tables])
    page = SweepPage(
        title=f"{result.a.name} and {result.b.name}",
        subtitle="two runs side by side; every figure shows the points of both",
        facts=tuple(_facts(result)),
        findings=result.findings,
        columns=(_run_column(sides, sizes), *_merged(columns, sizes)),
        index=index,
        reason=codes,
        reasons=names,
        feasible=np.concatenate(
            [feasible_rows(table, side.run.sweep) for table, side in zip(tables, sides, strict=True)]
        ),
        fronts=tuple(
            _front(name, side, index[start : start + size], start)
            for name, side, size, start in zip("ab", sides, sizes, (0, sizes[0]), strict=True)
        ),
        tables=(_moved_table(result),),
        evidence=_evidence(sides),
    )
    return Report(page=page, figures=sweep_figures(page), file=PAGE)


def _facts(result: SweepComparison) -> list[tuple[str, str]]:
    facts = []
    for name, side in (("a", result.a), ("b", result.b)):
        designs = "design" if side.front.size == 1 else "designs"
        facts += [(f"points of {name}", f"{len(side.table):,}"), (f"front of {name}", f"{side.front.size:,} {designs}")]
        if side.covered is not None:
            facts.append((f"volume covered by {name}", f"{side.covered:.4g}"))
    reference = ", ".join(quantity_text(total(name), value) for name, value in result.reference.items())
    return [*facts, ("below", reference)] if reference else facts


def _run_column(sides: Sequence[SweepSide], sizes: Sequence[int]) -> Column:
    values = np.repeat(np.arange(len(sizes), dtype=np.float64), sizes)
    names = tuple(side.name for side in sides)
    return Column(key="run", quantity=Quantity(label="run"), role="run", values=values, categories=names)


def _merged(columns: Sequence[dict[str, Column]], sizes: Sequence[int]) -> list[Column]:
    """Columns of either run: those of both as one, the others missing in one of them."""
    keys = list(
        dict.fromkeys(
            key
            for role in ("axis", "objective", "total", "energy", "area")
            for one in columns
            for key in one
            if one[key].role == role
        )
    )
    labels = axis_labels(tuple(key for key in keys if any(key in one and one[key].role == "axis" for one in columns)))
    return [_joined([one.get(key) for one in columns], sizes, labels.get(key)) for key in keys]


def _joined(found: Sequence[Column | None], sizes: Sequence[int], label: str | None) -> Column:
    first = next(column for column in found if column is not None)
    quantity = (
        first.quantity if label is None else Quantity(label=label, unit=first.quantity.unit, style=first.quantity.style)
    )
    known = [column for column in found if column is not None]
    if all(column.categories is None for column in known):
        parts = [
            np.full(size, np.nan) if column is None else column.values
            for column, size in zip(found, sizes, strict=True)
        ]
        return Column(key=first.key, quantity=quantity, role=first.role, values=np.concatenate(parts), goal=first.goal)
    texts = list(dict.fromkeys(text for column in known for text in _texts(column)))
    parts = [_codes(column, size, texts) for column, size in zip(found, sizes, strict=True)]
    places = {
        text: position
        for column in known
        for text, position in zip(column.categories or (), column.positions or (), strict=False)
    }
    return Column(
        key=first.key,
        quantity=quantity,
        role=first.role,
        values=np.concatenate(parts),
        categories=tuple(texts),
        positions=tuple(places[text] for text in texts) if set(texts) <= places.keys() else None,
    )


def _texts(column: Column) -> tuple[str, ...]:
    if column.categories is not None:
        return column.categories
    return tuple(f"{value:.15g}" for value in np.unique(column.values[~np.isnan(column.values)]))


def _codes(column: Column | None, size: int, texts: Sequence[str]) -> FloatArray:
    if column is None:
        return np.full(size, np.nan)
    places = {text: float(place) for place, text in enumerate(texts)}
    if column.categories is None:
        return np.array([np.nan if np.isnan(value) else places[f"{value:.15g}"] for value in column.values])
    table = np.array([*(places[text] for text in column.categories), np.nan])
    return table[np.where(np.isnan(column.values), len(column.categories), column.values).astype(np.int64)]


def _front(name: str, side: SweepSide, index: IntArray, start: int) -> Front:
    rows = np.searchsorted(index, np.sort(side.table.indices[side.front]))
    return Front(name=name, rows=(rows + start).astype(np.int64))


def _moved_table(result: SweepComparison) -> Table:
    names = [one.name for one in result.objectives]
    head = ["a", "b", "axes", *(f"{total(name).label} {side}" for name in names for side in "ab"), "largest factor"]
    rows = []
    for one in result.moved[:SHOWN]:
        cells = [
            _cell(values[name], reason, name)
            for name in names
            for values, reason in ((one.a, one.reason_a), (one.b, one.reason_b))
        ]
        axes = ", ".join(f"{key.rpartition('.')[2]} {value}" for key, value in one.axes)
        rows.append((f"#{one.index_a}", f"#{one.index_b}", axes, *cells, f"{one.largest:.4g}"))
    more = len(result.moved) - len(rows)
    note = "Points with the same axis values whose objectives differ, the largest factor first."
    return Table(
        title="Points that moved",
        note=f"{note} {more:,} more are not listed." if more else note,
        head=tuple(head),
        rows=tuple(rows),
        numeric=tuple(range(3, len(head))),
    )


def _cell(value: float | None, reason: str | None, name: str) -> str:
    return "failed" if reason is not None else quantity_text(total(name), value)


def _evidence(sides: Sequence[SweepSide]) -> Evidence:
    versions = [
        (f"{key} of {name}", text)
        for name, side in zip("ab", sides, strict=True)
        for key, text in versions_of(read_run_file(side.run.folder)).items()
    ]
    elsewhere = "Estimates and sources are in the report of each run: archsim report RUN."
    return Evidence(versions=tuple(versions), elsewhere=elsewhere)
