"""Commands about what ships and what is read: declared here, loaded when they run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archsim.cli.app import app, options_of
from archsim.cli.options import Debug, Json, NoFiles, Out, Overrides, Quiet


@app.command()
def catalog(
    kind: Annotated[
        str | None,
        typer.Argument(metavar="[KIND]", help="hardware, models, formats, memories or components; all when left out."),
    ] = None,
    json: Json = False,
    out: Out = None,
    no_files: NoFiles = False,
    overrides: Overrides = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """List what ships: accelerators, models, number formats, memory technologies."""
    from archsim.cli.catalog import run

    run(kind, options_of(json, out, no_files, overrides, quiet))


@app.command()
def formats(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="FORMAT", help="Spellings such as int4:g128; examples of all when left out."),
    ] = None,
    json: Json = False,
    out: Out = None,
    no_files: NoFiles = False,
    overrides: Overrides = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Number formats: bits, range, arithmetic, scale. `archsim formats compare` measures their error."""
    from archsim.cli.formats import run

    run(names or [], options_of(json, out, no_files, overrides, quiet))


@app.command("formats compare")
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
    json: Json = False,
    out: Out = None,
    no_files: NoFiles = False,
    overrides: Overrides = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Formats on data: SQNR, cosine, largest error against bits; table, plot and run folder (runs/formats)."""
    from archsim.cli.formats import run_compare

    run_compare(names or [], data or [], elements, seed, options_of(json, out, no_files, overrides, quiet))


@app.command()
def trace(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A model's name, or a file: ONNX model, trace or SCALE-Sim topology (.csv, .parquet), config.json, "
            "checkpoint (a folder or .safetensors), Timeloop problem or ZigZag workload (.yaml), SCALE-Sim .cfg.",
        ),
    ],
    phase: Annotated[
        str | None, typer.Option(help="prefill, decode, generate, forward, training.", show_default=False)
    ] = None,
    batch: Annotated[int | None, typer.Option(help="Sequences or images at once.", show_default=False)] = None,
    context: Annotated[
        int | None, typer.Option(help="Prompt tokens, or tokens already cached (decode).", show_default=False)
    ] = None,
    output_tokens: Annotated[int | None, typer.Option(help="Tokens to generate.", show_default=False)] = None,
    stats: Annotated[bool, typer.Option("--stats", help="Count the bits of weights and activations.")] = False,
    formats: Annotated[
        str | None,
        typer.Option(help="Of --stats: int8,int4:g128; int8 when left out.", metavar="NAMES", show_default=False),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help="Of --stats: .npz, .onnx or .safetensors, or synthetic:laplace[:SEED].",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    samples: Annotated[
        str | None,
        typer.Option(
            help="Of --stats: an .npz of inputs that the ONNX model is run on, or synthetic:gaussian[:SEED].",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    groups: Annotated[
        str | None,
        typer.Option(help="Of --stats: lanes in lock step; 16,32,64 when left out.", show_default=False),
    ] = None,
    scale_sim: Annotated[
        Path | None,
        typer.Option("--scale-sim", metavar="FILE.csv", help="Also write a SCALE-Sim topology.", show_default=False),
    ] = None,
    cfg: Annotated[
        Path | None,
        typer.Option(
            "--cfg",
            metavar="FILE.cfg",
            help="A SCALE-Sim cfg: --out FOLDER gets a design.toml of its hardware.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="PATH",
            help="A .csv, .parquet or .json file, or a folder for tables, JSON and plots.",
            show_default=False,
        ),
    ] = None,
    no_files: NoFiles = False,
    overrides: Overrides = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Make a trace: the operations of a network with their MACs, bytes and arithmetic intensity."""
    from archsim.cli import statistics
    from archsim.cli.trace import Exports, run

    given = {"phase": phase, "batch": batch, "context": context, "output_tokens": output_tokens}
    exports = Exports(scale_sim=scale_sim, cfg=cfg)
    asked = {"formats": formats, "weights": weights, "samples": samples, "groups": groups}
    options = options_of(json, out, no_files, overrides, quiet)
    if stats:
        statistics.run(source, given, asked, exports, options)
    else:
        statistics.refuse_without_stats(asked)
        run(source, given, exports, options)


@app.command()
def reproduce(
    claims: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Claims by id; all when left out.", show_default=False)
    ] = None,
    system: Annotated[str | None, typer.Option(help="Claims about one system.", show_default=False)] = None,
    json: Json = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="PATH", help="A .json or .md file, or a folder for both.", show_default=False),
    ] = None,
    no_files: NoFiles = False,
    overrides: Overrides = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Recompute published results: claim, published, simulated, error. Exit code 1 when a modelled one is off."""
    from archsim.cli.reproduce import run

    raise typer.Exit(run(claims or [], system, options_of(json, out, no_files, overrides, quiet)))


@app.command()
def schema(
    sweep: Annotated[bool, typer.Option("--sweep", help="That of sweep files.")] = False,
    json: Json = False,
    out: Out = None,
    no_files: NoFiles = False,
    overrides: Overrides = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Print the JSON Schema of design files, or of sweep files."""
    from archsim.cli.schema import run

    run(options_of(json, out, no_files, overrides, quiet), sweep=sweep)
