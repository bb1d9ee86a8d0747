"""Commands about what ships and what is read: declared here, loaded when they run."""

from __future__ import annotations

from typing import Annotated

import typer

from archsim.cli.app import command
from archsim.cli.options import Options, ReproduceOptions, TraceOptions
from archsim.cli.requests import Exports, StatisticsRequest, TraceRequest


@command()
def catalog(
    kind: Annotated[
        str | None,
        typer.Argument(metavar="[KIND]", help="hardware, models, formats, memories or components; all when left out."),
    ] = None,
    *,
    options: Options,
) -> None:
    """List what ships: accelerators, models, number formats, memory technologies."""
    from archsim.cli.catalog import run

    run(kind, options)


@command()
def formats(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="FORMAT", help="Spellings such as int4:g128; examples of all when left out."),
    ] = None,
    *,
    options: Options,
) -> None:
    """Number formats: bits, range, arithmetic, scale. `archsim formats compare` measures their error."""
    from archsim.cli.formats import run

    run(names or [], options)


@command("formats compare")
def formats_compare(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="FORMAT", help="Spellings such as int4:g128; examples of all when left out."),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|FILE",
            help="gaussian, laplace, student-t, variance, uniform, or a tensor: FILE.npy, FILE.npz:NAME, "
            "FILE.safetensors:NAME, FILE.csv; may be repeated. The first four when left out.",
            show_default=False,
        ),
    ] = None,
    elements: Annotated[
        int | None,
        typer.Option(
            help="Random numbers to draw, in whole vectors of 1024; 131072 when left out.", show_default=False
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of the random numbers; 0 when left out.", show_default=False)
    ] = None,
    *,
    options: Options,
) -> None:
    """Formats on data: SQNR, cosine, largest error against bits; table, plot and run folder (runs/formats)."""
    from archsim.cli.formats import run_compare

    run_compare(names or [], data or [], elements, seed, options)


@command()
def trace(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A model's name, or a file: ONNX model, trace or SCALE-Sim topology (.csv, .parquet), config.json, "
            "checkpoint (a folder or .safetensors), Timeloop problem or ZigZag workload (.yaml), SCALE-Sim .cfg.",
        ),
    ],
    stats: Annotated[bool, typer.Option("--stats", help="Count the bits of weights and activations.")] = False,
    *,
    request: TraceRequest,
    statistics: StatisticsRequest,
    exports: Exports,
    options: TraceOptions,
) -> None:
    """Make a trace: the operations of a network with their MACs, bytes and arithmetic intensity."""
    from archsim.cli import statistics as counting
    from archsim.cli.trace import run

    if stats:
        counting.run(source, request, statistics, exports, options)
    else:
        counting.refuse_without_stats(statistics)
        run(source, request, exports, options)


@command()
def reproduce(
    claims: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Claims by id; all when left out.", show_default=False)
    ] = None,
    system: Annotated[str | None, typer.Option(help="Claims about one system.", show_default=False)] = None,
    *,
    options: ReproduceOptions,
) -> None:
    """Recompute published results: claim, published, simulated, error. Exit code 1 when a modelled one is off."""
    from archsim.cli.reproduce import run

    raise typer.Exit(run(claims or [], system, options))


@command()
def schema(
    sweep: Annotated[bool, typer.Option("--sweep", help="That of sweep files.")] = False,
    *,
    options: Options,
) -> None:
    """Print the JSON Schema of design files, or of sweep files."""
    from archsim.cli.schema import run

    run(options, sweep=sweep)
