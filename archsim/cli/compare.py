"""`archsim compare`: two designs or two runs side by side."""

from __future__ import annotations

from pathlib import Path

from archsim.cli import output
from archsim.cli.options import Options

FILE = "comparison.json"


def run(a: Path, b: Path, options: Options) -> None:
    """Compare `a` and `b`, print the result, and write it into the folder asked for."""
    from archsim.api.compare import compare

    result = compare(a, b, overrides=options.overrides)
    document = result.to_dict()
    output.save_json(document, FILE, options)
    if options.json:
        output.emit_json(document)
    else:
        from archsim.reports.comparison_tables import comparison_tables

        output.emit_tables(comparison_tables(result))
