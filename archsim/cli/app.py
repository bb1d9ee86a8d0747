"""The application that commands are declared on, and what all of them share."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup

from archsim import __version__
from archsim.cli.options import Options

Function = TypeVar("Function", bound=Callable[..., Any])


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


def command(name: str | None = None, *, cls: type[TyperCommand] | None = None) -> Callable[[Function], Function]:
    """Declare a command of `archsim`.

    Its parameters are arguments and options as typer takes them, or records (dataclasses): each field of a record is an
    option, stated where the record is. A field that is a tuple is an option that may be repeated.
    """

    def declare(function: Function) -> Function:
        app.command(name, cls=cls)(_spread(function))
        return function

    return declare


def _spread(function: Callable[..., None]) -> Callable[..., None]:
    """`function` with the fields of its records as parameters of its own."""
    hints = get_type_hints(function, include_extras=True)
    parameters: list[inspect.Parameter] = []
    records: dict[str, type[Any]] = {}
    for parameter in inspect.signature(function).parameters.values():
        kind = hints[parameter.name]
        if isinstance(kind, type) and is_dataclass(kind):
            records[parameter.name] = kind
            parameters.extend(_parameters(kind))
        else:
            parameters.append(parameter.replace(annotation=kind, kind=inspect.Parameter.KEYWORD_ONLY))

    def called(**values: Any) -> None:
        taken = {at: _record(record, values) for at, record in records.items()}
        for record in taken.values():
            if isinstance(record, Options):
                _note_conflict(record)
        function(**values, **taken)

    called.__name__, called.__doc__ = function.__name__, function.__doc__
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return called


def _parameters(record: type[Any]) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(record, include_extras=True)
    for field in fields(record):
        annotation, default = hints[field.name], field.default
        if _repeats(field, hints):
            annotation, default = Annotated[list[str] | None, *get_args(annotation)[1:]], None
        if default is MISSING:
            raise TypeError(f"{record.__name__}.{field.name}: an option needs a default")
        yield inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _repeats(field: Field[Any], hints: Mapping[str, Any]) -> bool:
    return get_origin(get_args(hints[field.name])[0]) is tuple


def _record(record: type[Any], values: dict[str, Any]) -> Any:
    """The record that the values of its fields make; takes them out of `values`."""
    hints = get_type_hints(record, include_extras=True)
    stated = {field.name: values.pop(field.name) for field in fields(record)}
    many = {field.name: tuple(stated[field.name] or ()) for field in fields(record) if _repeats(field, hints)}
    return record(**(stated | many))


def _note_conflict(options: Options) -> None:
    if options.out is not None and options.no_files:
        from archsim.cli.output import warn

        warn("--no-files wins over --out: nothing is written", quiet=options.quiet)
