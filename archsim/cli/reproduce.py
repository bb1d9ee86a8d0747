"""`archsim reproduce`: published results beside what archsim gives for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from archsim.cli import output
from archsim.cli.options import Options
from archsim.core.errors import InputError, Problem

if TYPE_CHECKING:
    from archsim.reports.reproduction import Reproduction

FILE = "reproduction.json"
BOARD = "scoreboard.md"


def run(ids: Sequence[str], system: str | None, options: Options) -> int:
    """Recompute the claims, write and print them; 0 when every one that is modelled holds, else 1."""
    from archsim.reproduce.run import reproduce

    output.refuse_overrides("reproduce", options)
    _check_out(options.folder)
    reproduction = reproduce(ids, system=system)
    _save(reproduction, options)
    if options.json:
        output.emit_json(reproduction.to_dict())
    else:
        from archsim.reports.reproduction_tables import reproduction_tables

        output.emit_tables(reproduction_tables(reproduction))
    return 0 if reproduction.holds else 1


def _check_out(out: Path | None) -> None:
    if out is not None and out.suffix and out.suffix not in (".json", ".md") and not out.is_dir():
        hint = "a folder, or a file that ends in .json or .md"
        raise InputError(Problem(key="--out", message=f"cannot write a {out.suffix} file", hint=hint))


def _save(reproduction: Reproduction, options: Options) -> None:
    """Write what `--out` names: the document, the scoreboard, or into a folder both."""
    out = options.folder
    if out is None:
        return
    for path in [out] if out.suffix and not out.is_dir() else [out / FILE, out / BOARD]:
        if path.suffix == ".json":
            output.save_json_file(reproduction.to_dict(), path)
        else:
            _save_board(reproduction, path)
        output.note(f"wrote {path}", quiet=options.quiet)


def _save_board(reproduction: Reproduction, path: Path) -> None:
    from archsim.reports.reproduction_tables import scoreboard
    from archsim.reports.run_folder import write_files, write_text

    text = scoreboard(reproduction)
    write_files(path.parent, {path.name: lambda file: write_text(file, text)})
