"""A run that was begun, taken up from its folder alone: the sweep and the design as they were then."""

from __future__ import annotations

from pathlib import Path

from archsim.core.errors import InputError, Problem
from archsim.explore.read import sweep_from
from archsim.explore.run_file import RUN_FILE, begun_design, read_run_file, sweep_document
from archsim.explore.study import Sweep


def read_begun(folder: Path) -> Sweep:
    """The sweep that the run in `folder` was begun with, checked as today's archsim sees it.

    Design and sweep file are those that the run keeps; files that these name (traces, models, bases) are read anew, so
    that a change in them is found. Raises InputError when the folder holds no run, or one that no design fits any more.
    """
    document = read_run_file(folder)
    try:
        sweep, design = sweep_document(document), begun_design(document, folder)
        name, overrides = str(document["name"]), tuple(document["set"])
    except (LookupError, TypeError, ValueError) as error:
        raise InputError(Problem(file=str(folder / RUN_FILE), message=f"is not whole: {error}")) from None
    if not sweep.values:
        hint = "give the sweep again, with this folder as its own"
        raise InputError(
            Problem(file=str(folder / RUN_FILE), message="does not hold the values of its sweep", hint=hint)
        )
    return sweep_from(sweep, None, overrides, name=name, design=design)


def design_changed(begun: Sweep) -> bool:
    """Whether the design's file is no longer what the run was begun with: it goes on with what it began with."""
    path, text = begun.spec.path, begun.spec.design.text
    try:
        return path is not None and bool(text) and path.read_bytes() != text
    except OSError:
        return False
