"""`archsim formats` and `archsim formats compare`: what number formats are, and what error they make."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from archsim.cli import output
from archsim.cli.options import Options

if TYPE_CHECKING:
    from archsim.reports.format_comparison import FormatComparison

SCHEMA = "archsim.formats/1"
FILE = "formats.json"


def run(formats: list[str], options: Options) -> None:
    """Print the formats asked for, or examples of every family."""
    from archsim.api.formats import format_entries

    output.refuse_overrides("formats", options)
    entries = format_entries(formats)
    document = {"schema": SCHEMA, "formats": entries}
    output.save_json(document, FILE, options)
    if options.json:
        output.emit_json(document)
    else:
        from archsim.reports.format_tables import format_table

        output.emit_tables([format_table(entries)])


def run_compare(formats: list[str], data: list[str], elements: int | None, seed: int | None, options: Options) -> None:
    """Compare formats on tensors, write the run folder, print one table per tensor."""
    from archsim.api.formats import DEFAULT_DATA, DEFAULT_ELEMENTS, compare_formats

    output.refuse_overrides("formats compare", options)
    comparison = compare_formats(
        formats,
        data or DEFAULT_DATA,
        elements=DEFAULT_ELEMENTS if elements is None else elements,
        seed=seed or 0,
    )
    folder = _save(comparison, options)
    if options.json:
        output.emit_json(comparison.to_dict())
    else:
        from archsim.reports.format_tables import comparison_tables

        output.emit_tables(comparison_tables(comparison))
    if folder is not None:
        output.note(f"wrote {folder}", quiet=options.quiet)


def _save(comparison: FormatComparison, options: Options) -> Path | None:
    from archsim.reports.format_folder import DEFAULT_FOLDER

    return None if options.no_files else comparison.save(options.folder or DEFAULT_FOLDER)
