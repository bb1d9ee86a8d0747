"""`archsim sweep`: a design space worked off, with its front; what was begun goes on where it stopped."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.cli import output
from archsim.cli.options import Options
from archsim.core.errors import InputError, Problem

if TYPE_CHECKING:
    from archsim.explore.study import Sweep

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as shells count."""


def run(source: Path | None, resume: Path | None, workers: int | None, cluster: str | None, options: Options) -> int:
    """Work off a sweep file, print its front. Exit code 1 if it stopped or no point has a result, 130 after ctrl-C."""
    from archsim.core.kernels import start_without_linear_algebra

    start_without_linear_algebra()
    _check(source, resume, workers, cluster, options)
    sweep = _sweep(source, resume, options)
    document = _worked_off(sweep, resume, workers, cluster, options)
    if isinstance(document, int):
        return document
    if options.json:
        output.emit_json(document)
    else:
        from archsim.reports.sweep_tables import sweep_tables

        output.emit_tables(sweep_tables(document))
    if document["run"] is not None:
        output.note(f"wrote {document['run']}", quiet=options.quiet)
    return 0 if document["points"] > sum(document["failed"].values()) else 1


def _sweep(source: Path | None, resume: Path | None, options: Options) -> Sweep:
    """The sweep of a file, or of a run that goes on as it was begun."""
    if source is not None:
        from archsim.explore.read import read_sweep

        return read_sweep(source, options.overrides)
    from archsim.explore.begun import design_changed, read_begun

    assert resume is not None
    begun = read_begun(resume)
    if design_changed(begun):
        text = f"note: {begun.spec.design.name} has changed; the run goes on with the design that it was begun with"
        output.note(text, quiet=options.quiet)
    return begun


def _check(
    source: Path | None, resume: Path | None, workers: int | None, cluster: str | None, options: Options
) -> None:
    """Options that exclude one another."""
    problems = []
    if source is None and resume is None:
        hint = "or --resume RUN, to go on with a run"
        problems.append(Problem(message="Missing argument 'SWEEP.toml'", hint=hint))
    if source is None and resume is not None and options.overrides:
        message = "says nothing beside --resume alone: the run keeps those that it was begun with"
        problems.append(Problem(key="--set", message=message))
    if workers is not None and workers < 1:
        problems.append(Problem(key="--workers", message=f"must be at least 1 (got {workers})"))
    if workers is not None and cluster is not None:
        problems.append(Problem(key="--workers", message="says nothing beside --cluster, which has its own"))
    if resume is not None and options.out is not None:
        problems.append(Problem(key="--out", message="says nothing beside --resume, which names the folder"))
    if resume is not None and options.no_files:
        problems.append(Problem(key="--no-files", message="leaves nothing to resume"))
    if problems:
        raise InputError(problems)


def _worked_off(
    sweep: Sweep, resume: Path | None, workers: int | None, cluster: str | None, options: Options
) -> dict[str, Any] | int:
    """The document of the run, or the exit code where it did not come to its end."""
    from archsim.cli.sweep_progress import watcher
    from archsim.explore.run import SweepInterrupted, SweepStoppedError, Working, folder_for, sweep_without_files
    from archsim.explore.run_file import read_run_file

    if options.no_files:
        shown = watcher(sweep, quiet=options.quiet)
        return sweep_without_files(sweep, workers=workers, cluster=cluster, watcher=shown)
    if resume is not None:
        read_run_file(resume)
    folder = resume or options.out or folder_for(sweep)
    shown = watcher(sweep, quiet=options.quiet)
    try:
        return Working(sweep, folder, workers, cluster, shown).run().to_dict()
    except SweepInterrupted as stop:
        output.note(f"interrupted: {stop}", quiet=False)
        code = INTERRUPTED
    except SweepStoppedError as stop:
        output.error(str(stop))
        code = 1
    command = resume_command(folder, workers, cluster)
    output.note(f"hint: go on with: {command}", quiet=False)
    return code


def resume_command(folder: Path, workers: int | None, cluster: str | None) -> str:
    """What goes on with a run, fit for a shell."""
    words = ["archsim", "sweep", "--resume", str(folder)]
    words += ["--workers", str(workers)] if workers is not None else []
    words += ["--cluster", cluster] if cluster is not None else []
    return shlex.join(words)
