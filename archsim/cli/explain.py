"""`archsim explain`: what bounds a layer and what would help."""

from __future__ import annotations

from pathlib import Path

from archsim.cli import output
from archsim.cli.options import Options

FILE = "explanation.json"


def run(source: Path, layer: str | None, options: Options) -> None:
    """Explain a layer of a run or a design, print it, write it where `--out` says."""
    from archsim.api.explain import explain
    from archsim.core.kernels import start_without_linear_algebra

    start_without_linear_algebra()
    output.note_compilation(quiet=options.quiet)

    def progress(change: str) -> None:
        output.note(f"evaluating: {change}", quiet=options.quiet)

    explained = explain(source, layer, overrides=options.overrides, progress=progress)
    document = explained.to_dict()
    output.save_json(document, FILE, options)
    if options.json:
        output.emit_json(document)
    else:
        from archsim.reports.explanation_tables import explanation_tables

        output.emit_tables(explanation_tables(explained))
