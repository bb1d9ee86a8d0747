"""`archsim report`: a run as one HTML page."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from archsim.cli import output
from archsim.cli.options import Options


def run(source: Path, designs: int | None, options: Options) -> None:
    """Write the page of the run in `source` (and its figures) there or into the folder asked for, and say so."""
    from archsim.core.kernels import start_without_linear_algebra
    from archsim.explore.report import DESIGNS, report

    output.refuse_overrides("report", options)
    start_without_linear_algebra()
    made = report(source, designs=DESIGNS if designs is None else designs, progress=_progress(options))
    for warning in made.page.evidence.warnings:
        output.warn(warning, quiet=options.quiet)
    document = made.document(None) if options.no_files else made.save(options.out or source)
    if options.json:
        output.emit_json(document)
    else:
        from archsim.reports.values import counted

        held = [counted(document["points"], "point")] if document["points"] else []
        held += [counted(document["designs"], "design"), counted(len(document["figures"]), "figure")]
        size = ", ".join([f"{document['bytes'] / 1e6:.1f} MB", *held])
        sys.stdout.write(f"{document['page'] or 'nothing written'} ({size})\n")


def _progress(options: Options) -> Callable[[int, int], None] | None:
    """Says on a terminal how many designs are evaluated again."""
    if options.quiet or not sys.stderr.isatty():
        return None

    def tell(done: int, whole: int) -> None:
        end = "\n" if done + 1 == whole else "\r"
        print(f"evaluating designs again: {done + 1} of {whole}", end=end, file=sys.stderr, flush=True)

    return tell
