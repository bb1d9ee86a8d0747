"""The options that every command takes: a record whose fields declare them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the shared options say for one run of a command."""

    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else there.")] = (
        False
    )
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Folder for the files this command writes.", show_default=False),
    ] = None
    no_files: Annotated[bool, typer.Option("--no-files", help="Write no files.")] = False
    overrides: Annotated[
        tuple[str, ...],
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Override one key of the design, as in hardware.memory.glb.capacity='8 KiB'; may be repeated.",
            show_default=False,
        ),
    ] = ()
    quiet: Annotated[bool, typer.Option("--quiet", help="Print no progress, notes or warnings on stderr.")] = False
    debug: Annotated[bool, typer.Option("--debug", help="Show the Python traceback of an error.")] = False

    @property
    def folder(self) -> Path | None:
        """The folder the user asked files into, or None."""
        return None if self.no_files else self.out


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceOptions(Options):
    """A trace may go to one file."""

    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="PATH",
            help="A .csv, .parquet or .json file, or a folder for tables, JSON and plots.",
            show_default=False,
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproduceOptions(Options):
    """Claims may go to one file."""

    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="PATH", help="A .json or .md file, or a folder for both.", show_default=False),
    ] = None
