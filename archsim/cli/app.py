"""The application that commands are declared on, and what all of them share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from archsim import __version__
from archsim.cli.options import Options


class _Commands(TyperGroup):
    """Commands whose names are one word or two (`formats`, `formats compare`): the longer one is taken first."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        two_words = " ".join(args[:2])
        return super().resolve_command(ctx, [two_words, *args[2:]] if two_words in self.commands else args)


app = typer.Typer(
    name="archsim",
    cls=_Commands,
    help="What an accelerator costs on a quantized or sparse network, and what to change.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"archsim {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """What an accelerator costs on a quantized or sparse network, and what to change."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(2)


def options_of(json: bool, out: Path | None, no_files: bool, overrides: list[str] | None, quiet: bool) -> Options:
    if out is not None and no_files:
        from archsim.cli.output import warn

        warn("--no-files wins over --out: nothing is written", quiet=quiet)
    return Options(json=json, out=out, no_files=no_files, overrides=tuple(overrides or ()), quiet=quiet)
