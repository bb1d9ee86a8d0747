"""`archsim compare`: two designs or two runs side by side."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from archsim.cli import output
from archsim.cli.options import Options

if TYPE_CHECKING:
    from archsim.reports.comparison import Comparison


def run(a: Path, b: Path, options: Options) -> None:
    """Compare `a` and `b`, print the result, and write comparison.json into the folder asked for."""
    from archsim.api.compare import compare

    result = compare(a, b, overrides=options.overrides)
    if options.folder is not None:
        _save(result, options.folder)
    if options.json:
        output.emit_json(result.to_dict())
    else:
        from archsim.reports.comparison_tables import comparison_tables

        output.emit_tables(comparison_tables(result))
    if options.folder is not None:
        output.note(f"wrote {options.folder}", quiet=options.quiet)


def _save(result: Comparison, folder: Path) -> None:
    from archsim.reports.run_folder import write_files, write_text
    from archsim.reports.values import json_text

    write_files(folder, {"comparison.json": partial(write_text, text=json_text(result.to_dict()))})
