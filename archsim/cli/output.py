"""Where the command line's text goes: data to stdout; notes, warnings and errors to stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.core.errors import ArchsimError, InputError, Problem
from archsim.reports.values import json_text, plain, printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from archsim.cli.options import Options

PIPE_WIDTH = 160
"""Columns of a table that goes to a file or a pipe."""


def emit_json(document: Mapping[str, Any]) -> None:
    """The one JSON document of a command on stdout; characters beyond ASCII are escaped, whatever the terminal's."""
    sys.stdout.write(json_text(plain(document), ascii_only=True))


def emit_tables(tables: Iterable[RenderableType]) -> None:
    """Tables and paragraphs on stdout, without markup in names being interpreted."""
    console = _console()
    for index, table in enumerate(tables):
        if index:
            console.print()
        console.print(table)


def width() -> int:
    """Characters in a line of what tables are printed on."""
    return _console().width


def note(text: str, *, quiet: bool) -> None:
    """A remark on stderr."""
    if not quiet:
        print(printable(text), file=sys.stderr)


def note_compilation(*, quiet: bool) -> None:
    """What a user waits for when a version runs for the first time."""
    from archsim.core.kernels import compiled_before

    if not compiled_before("archsim.mappers.branch_kernels"):
        note("compiling kernels: the first run of a version takes about a minute longer", quiet=quiet)


def warn(text: str, *, quiet: bool) -> None:
    """A warning on stderr."""
    note(f"warning: {text}", quiet=quiet)


def save_json(document: Mapping[str, Any], name: str, options: Options) -> None:
    """Write a document into the folder the user asked for, if any, and say so."""
    if options.folder is not None:
        save_json_file(document, options.folder / name)
        note(f"wrote {options.folder / name}", quiet=options.quiet)


def save_json_file(document: Mapping[str, Any], path: Path) -> None:
    """Write a document to `path`; it appears complete or not at all."""
    from archsim.reports.run_folder import write_files, write_text

    text = json_text(plain(document))
    write_files(path.parent, {path.name: lambda file: write_text(file, text)})


def refuse_overrides(command: str, options: Options) -> None:
    """Raise InputError when `--set` is given to a command that reads no design."""
    if options.overrides:
        raise InputError(Problem(key="--set", message=f"archsim {command} reads no design, so there is nothing to set"))


def report_error(error: ArchsimError) -> None:
    """Every problem of an error on stderr, as ``error:`` and ``hint:`` lines."""
    problems = [str(problem) for problem in error.problems] if isinstance(error, InputError) else [str(error)]
    for problem in problems:
        _print_problem(problem)


def _print_problem(text: str) -> None:
    message, _, hint = text.partition("\nhint: ")
    error("; ".join(message.splitlines()) or "the run failed", hint or None)


def error(message: str, hint: str | None = None) -> None:
    """One ``error:`` line on stderr, and its ``hint:`` line."""
    print(f"error: {printable(message)}", file=sys.stderr)
    if hint:
        print(f"hint: {printable(hint)}", file=sys.stderr)


def _console() -> Console:
    from rich.console import Console

    console = Console(file=sys.stdout, markup=False, emoji=False, highlight=False, soft_wrap=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPE_WIDTH
    return console
