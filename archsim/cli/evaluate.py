"""`archsim evaluate`: one design on its workload."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from archsim.cli import output
from archsim.cli.options import Options
from archsim.reports.run_folder import default_folder

if TYPE_CHECKING:
    from archsim.reports.evaluation import Evaluation


def run(design: Path, options: Options) -> None:
    """Evaluate `design`, write its run folder, print the result."""
    from archsim.api.evaluate import evaluate
    from archsim.core.kernels import start_without_linear_algebra

    start_without_linear_algebra()
    output.note_compilation(quiet=options.quiet)
    evaluation = evaluate(design, overrides=options.overrides)
    folder = _save(evaluation, options)
    if options.json:
        output.emit_json(evaluation.to_dict())
    else:
        from archsim.reports.tables import evaluation_tables

        output.emit_tables(evaluation_tables(evaluation, output.width()))
    for warning in evaluation.cost.warnings:
        output.warn(warning, quiet=options.quiet)
    if folder is not None:
        output.note(f"wrote {folder}", quiet=options.quiet)


def _save(evaluation: Evaluation, options: Options) -> Path | None:
    if options.no_files:
        return None
    return evaluation.save(options.folder or default_folder(evaluation.design_name))
