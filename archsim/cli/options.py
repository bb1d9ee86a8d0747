"""The options that every command takes, and the record they travel in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else there.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Folder for the files this command writes.", show_default=False),
]
OutPath = Annotated[
    Path | None,
    typer.Option("--out", metavar="PATH", help="A .csv, .parquet or .json file, or a folder.", show_default=False),
]
NoFiles = Annotated[bool, typer.Option("--no-files", help="Write no files.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override one key of the design, as in hardware.memory.glb.capacity='8 KiB'; may be repeated.",
        show_default=False,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print no progress, notes or warnings on stderr.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the Python traceback of an error.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the shared options say for one run of a command."""

    json: bool = False
    out: Path | None = None
    no_files: bool = False
    overrides: tuple[str, ...] = ()
    quiet: bool = False

    @property
    def folder(self) -> Path | None:
        """The folder the user asked files into, or None."""
        return None if self.no_files else self.out
