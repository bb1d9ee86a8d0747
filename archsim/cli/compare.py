"""`archsim compare`: two designs, two runs of designs or two runs of sweeps side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.cli import output
from archsim.cli.options import Options
from archsim.cli.requests import IsoAreaRequest
from archsim.core.errors import InputError, Problem
from archsim.reports.run_folder import RUNS, run_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType

    from archsim.explore.report import Report

FILE = "comparison.json"


def run(sides: Sequence[Path], only_iso_area: IsoAreaRequest, options: Options) -> None:
    """Compare two sides, print the result, and write it as JSON and as a page."""
    from archsim.explore.compare import is_sweep

    if only_iso_area != IsoAreaRequest():
        raise InputError(Problem(message="--area, --models and --phases belong to --iso-area"))
    if len(sides) != 2:
        hint = "archsim compare --iso-area takes more"
        raise InputError(Problem(message=f"compares two designs or runs (got {len(sides)})", hint=hint))
    a, b = sides
    missing = [Problem(file=str(side), message="no such file") for side in sides if not side.exists()]
    if missing:
        raise InputError(missing)
    if is_sweep(a) != is_sweep(b):
        hint = "archsim compare takes two of a kind"
        raise InputError(Problem(message=f"{a} and {b}: one is the run of a sweep, the other is not", hint=hint))
    document, tables, page = _sweeps(a, b, options) if is_sweep(a) and is_sweep(b) else _evaluations(a, b, options)
    if options.json:
        output.emit_json(document)
    else:
        output.emit_tables(tables)
    if not options.no_files:
        folder = options.out or RUNS / f"{_stem(a)}-vs-{_stem(b)}"
        output.save_json_file(document, folder / FILE)
        written = page.save(folder)
        output.note(f"wrote {folder / FILE}", quiet=options.quiet)
        output.note(f"wrote {written['page']}", quiet=options.quiet)


def _evaluations(a: Path, b: Path, options: Options) -> tuple[dict[str, Any], Iterable[RenderableType], Report]:
    from archsim.explore.compare_report import compared
    from archsim.reports.comparison_tables import comparison_tables

    result, page = compared(a, b, options.overrides)
    return result.to_dict(), comparison_tables(result), page


def _sweeps(a: Path, b: Path, options: Options) -> tuple[dict[str, Any], Iterable[RenderableType], Report]:
    from archsim.explore.compare import compare_sweeps
    from archsim.explore.compare_report import sweeps_report

    output.refuse_overrides("compare of two sweeps", options)
    result = compare_sweeps(a, b)
    page = sweeps_report(result)
    return result.to_dict(), _tables(page), page


def _tables(page: Report) -> Iterable[RenderableType]:
    """Facts, what they say, and the points that moved most."""
    from archsim.reports.tables import plain_table

    yield plain_table(page.page.title, [("", "left"), ("", "left")], page.page.facts)
    yield "\n".join(page.page.findings)
    moved = page.page.tables[0]
    if moved.rows:
        columns = [(name, "right" if place in moved.numeric else "left") for place, name in enumerate(moved.head)]
        yield plain_table(moved.title, columns, moved.rows[:SHOWN])


SHOWN = 15
"""Points that moved, in the terminal."""


def _stem(path: Path) -> str:
    """A name for a side: its folder's or file's."""
    path = path.resolve()
    return run_name(path.parent.name if path.name == "summary.json" else path.stem if path.is_file() else path.name)
