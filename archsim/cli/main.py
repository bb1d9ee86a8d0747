"""The command line. Commands are declared here and loaded when they run, so that `archsim --help` answers at once."""

from __future__ import annotations

import gc
import io
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from archsim import __version__
from archsim.cli.options import Debug, Json, NoFiles, Options, Out, Overrides, Quiet
from archsim.core.errors import ArchsimError

_GARBAGE_THRESHOLDS = (50_000, 50, 100)
"""Importing what a command needs makes many objects and no garbage: at Python's own thresholds, looking for it there
takes a tenth of a short command's time."""
INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as shells count."""


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


@app.command()
def evaluate(
    design: Annotated[Path, typer.Argument(metavar="DESIGN.toml", help="The design to evaluate.")],
    json: Json = False,
    out: Out = None,
    no_files: NoFiles = False,
    overrides: Overrides = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Evaluate one design on its workload: summary, per-layer table, run folder (default: runs/NAME)."""
    from archsim.cli.evaluate import run

    run(design, _options(json, out, no_files, overrides, quiet))


class _MapCommand(TyperCommand):
    """`--pareto` and `--fuse` may stand alone: what follows is their value only where it could be a name of theirs."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for option, names in (("--pareto", _names_a_memory), ("--fuse", _names_a_chain)):
            if option in args:
                following = args.index(option) + 1
                if following == len(args) or not names(args[following]):
                    args = [*args[:following], "", *args[following:]]
        return super().parse_args(ctx, args)


def _names_a_memory(text: str) -> bool:
    return text.replace("_", "").replace("-", "x", 1).isidentifier()


def _names_a_chain(text: str) -> bool:
    return not text.startswith("-") and not text.endswith(".toml")


@app.command("map", cls=_MapCommand)
def map_(
    design: Annotated[Path, typer.Argument(metavar="DESIGN.toml", help="The design; it needs no workload here.")],
    layer: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="An op of the workload, or a glob of several.", show_default=False),
    ] = None,
    gemm: Annotated[str | None, typer.Option(metavar="M,N,K", help="A GEMM, also B,M,N,K.", show_default=False)] = None,
    conv: Annotated[
        str | None,
        typer.Option(
            metavar="N,K,C,P,Q,R,S", help="A convolution; stride, dilation and groups may follow.", show_default=False
        ),
    ] = None,
    objective: Annotated[
        str | None, typer.Option(metavar="NAME", help="latency, energy, edp or weighted.", show_default=False)
    ] = None,
    formats: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Formats to compare, WEIGHTS/INPUTS or one for both: int8,int4:g128/fp16.",
            show_default=False,
        ),
    ] = None,
    dataflows: Annotated[
        str | None, typer.Option(metavar="LIST", help="Dataflows to compare: os,ws,is,any.", show_default=False)
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A mapping to cost: TOML, JSON, a loop nest as text, Timeloop YAML.",
            show_default=False,
        ),
    ] = None,
    pareto: Annotated[
        str | None,
        typer.Option(
            metavar="[MEMORY]",
            help="The front of energy and time, or of energy and a memory's size.",
            show_default=False,
        ),
    ] = None,
    fuse: Annotated[
        str | None,
        typer.Option(
            metavar="[CHAIN]",
            help="Chains kept on chip (attention, MLPs, two convolutions), or the one of that name.",
            show_default=False,
        ),
    ] = None,
    enumerate_: Annotated[
        bool, typer.Option("--enumerate", help="Count and cost every mapping of one op, and place the best among them.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(metavar="N", help="Most mappings that --enumerate walks through.", show_default=False),
    ] = None,
    budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="Search time for each op, such as '2 s'.", show_default=False)
    ] = None,
    json: Json = False,
    out: Out = None,
    no_files: NoFiles = False,
    overrides: Overrides = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Best mapping of one op (or all) with proof and explanation, or the cost of a given one."""
    from archsim.cli.map import Request, run

    request = Request(
        layer=layer,
        gemm=gemm,
        conv=conv,
        objective=objective,
        formats=formats,
        dataflows=dataflows,
        mapping=mapping,
        pareto=pareto,
        fuse=fuse,
        budget=budget,
        enumerate=enumerate_,
        limit=limit,
    )
    raise typer.Exit(run(design, request, _options(json, out, no_files, overrides, quiet)))


@app.command()
def sweep(
    source: Annotated[Path, typer.Argument(metavar="SWEEP.toml", help="The sweep: a design, axes, objectives.")],
    resume: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Go on with the run in this folder.", show_default=False),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Processes; one for each core if left out.", show_default=False)
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="A dask scheduler, such as tcp://host:8786.", show_default=False),
    ] = None,
    json: Json = False,
    out: Out = None,
    no_files: NoFiles = False,
    overrides: Overrides = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Evaluate a design space in parallel: table, front, run folder (default: runs/NAME) that can be resumed."""
    from archsim.cli.sweep import run

    raise typer.Exit(run(source, resume, workers, cluster, _options(json, out, no_files, overrides, quiet)))


@app.command()
def explain(
    source: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder of evaluate, or a design.")],
    layer: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A layer; left out: the one that takes the most time.", show_default=False),
    ] = None,
    json: Json = False,
    out: Out = None,
    no_files: NoFiles = False,
    overrides: Overrides = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """What bounds a layer, and what single changes of the hardware would do to it, evaluated anew."""
    from archsim.cli.explain import run

    run(source, layer, _options(json, out, no_files, overrides, quiet))


@app.command()
def compare(
    sides: Annotated[
        list[Path],
        typer.Argument(
            metavar="A B [C ...]", help="Designs, run folders or their summary.json; two but for --iso-area."
        ),
    ],
    iso_area: Annotated[
        bool, typer.Option("--iso-area", help="Scale the designs' arrays to the first one's compute area first.")
    ] = False,
    area: Annotated[
        str | None,
        typer.Option(metavar="AREA", help="Of --iso-area: the area, such as '1.5 mm^2'.", show_default=False),
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="Of --iso-area: models instead of the first one's.", show_default=False),
    ] = None,
    phases: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="Of --iso-area: phases, such as prefill,decode.", show_default=False),
    ] = None,
    json: Json = False,
    out: Out = None,
    no_files: NoFiles = False,
    overrides: Overrides = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Compare two designs or runs (totals, changed keys, layers and why), or several at equal compute area."""
    from archsim.cli import compare as of_two
    from archsim.cli import iso_area as at_equal_area

    options = _options(json, out, no_files, overrides, quiet)
    if iso_area:
        at_equal_area.run(sides, area, models, phases, options)
    else:
        of_two.run(sides, (area, models, phases), options)


@app.command()
def report(
    source: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder of sweep or evaluate.")],
    designs: Annotated[
        int | None,
        typer.Option(
            min=0, help="Points of a sweep to evaluate again for their layers; 200 when left out.", show_default=False
        ),
    ] = None,
    json: Json = False,
    out: Out = None,
    no_files: NoFiles = False,
    overrides: Overrides = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """One HTML page of a run that opens offline, and its figures as PNG and SVG (default: into the run's folder)."""
    from archsim.cli.report import run

    run(source, designs, _options(json, out, no_files, overrides, quiet))


@app.command()
def pareto(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder of sweep.")],
    objectives: Annotated[
        str | None,
        typer.Option(
            metavar="LIST", help="latency_s,throughput_per_s:max; the run's when left out.", show_default=False
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="COND", help="A condition such as 'area_mm2 <= 10'; may be repeated.", show_default=False),
    ] = None,
    log: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Objectives on a logarithmic scale, '' for none; those that span a factor of 10 when left out.",
            show_default=False,
        ),
    ] = None,
    color: Annotated[
        str | None, typer.Option(metavar="AXIS", help="The axis that colours the plot.", show_default=False)
    ] = None,
    knees: Annotated[int, typer.Option(help="Knees to look for.")] = 1,
    sensitivity: Annotated[bool, typer.Option("--sensitivity", help="What each axis does to each objective.")] = False,
    around: Annotated[
        str | None,
        typer.Option(
            metavar="DESIGN",
            help="Of --sensitivity: knee, best, base, a point's index or id; the knee if there is one, else the best.",
            show_default=False,
        ),
    ] = None,
    dominate: Annotated[
        str | None,
        typer.Option(metavar="POINT", help="What would dominate this design (index or id).", show_default=False),
    ] = None,
    find: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COND",
            help="A condition to meet, such as 'tpot_s <= 50 ms'; may be repeated. With --minimize or --maximize.",
            show_default=False,
        ),
    ] = None,
    minimize: Annotated[str | None, typer.Option(metavar="TOTAL", help="Of --find.", show_default=False)] = None,
    maximize: Annotated[str | None, typer.Option(metavar="TOTAL", help="Of --find.", show_default=False)] = None,
    evaluate: Annotated[
        int, typer.Option(metavar="N", help="Further points that a question may evaluate (kept in RUN/further).")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Of searches and sensitivities.")] = 0,
    workers: Annotated[
        int | None, typer.Option(help="Processes that evaluate; one for each core when left out.", show_default=False)
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="A dask scheduler instead.", show_default=False)
    ] = None,
    json: Json = False,
    out: Out = None,
    no_files: NoFiles = False,
    overrides: Overrides = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """The front of a sweep's run, sensitivities, what would dominate a design, inverse questions."""
    from archsim.cli.pareto import Request, run

    request = Request(
        objectives=objectives,
        where=tuple(where or ()),
        log=log,
        color=color,
        knees=knees,
        sensitivity=sensitivity,
        around=around,
        dominate=dominate,
        find=tuple(find or ()),
        minimize=minimize,
        maximize=maximize,
        evaluate=evaluate,
        seed=seed,
        workers=workers,
        cluster=cluster,
    )
    raise typer.Exit(run(folder, request, _options(json, out, no_files, overrides, quiet)))


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

    run(kind, _options(json, out, no_files, overrides, quiet))


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

    run(names or [], _options(json, out, no_files, overrides, quiet))


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

    run_compare(names or [], data or [], elements, seed, _options(json, out, no_files, overrides, quiet))


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
    options = _options(json, out, no_files, overrides, quiet)
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

    raise typer.Exit(run(claims or [], system, _options(json, out, no_files, overrides, quiet)))


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

    run(_options(json, out, no_files, overrides, quiet), sweep=sweep)


def _options(json: bool, out: Path | None, no_files: bool, overrides: list[str] | None, quiet: bool) -> Options:
    if out is not None and no_files:
        from archsim.cli.output import warn

        warn("--no-files wins over --out: nothing is written", quiet=quiet)
    return Options(json=json, out=out, no_files=no_files, overrides=tuple(overrides or ()), quiet=quiet)


def main() -> None:
    """The `archsim` command: runs it and leaves with its exit code."""
    gc.set_threshold(*_GARBAGE_THRESHOLDS)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without "µ" gets "?", not a traceback
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Exit code of the command line `arguments`: 0 success, 1 the run failed, 2 wrong input, 130 interrupted."""
    try:
        code = app(args=arguments, prog_name="archsim", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        _silence_stdout()
        return 1
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except OSError as error:
        if error.filename is None:
            _silence_stdout()
        return _report(error, debug="--debug" in arguments)
    except Exception as error:  # the border: whatever escapes becomes a message and an exit code
        return _report(error, debug="--debug" in arguments)
    return code if isinstance(code, int) else 0


def _report(error: Exception, *, debug: bool) -> int:
    from archsim.cli import output

    if debug:
        traceback.print_exception(error)
    if isinstance(error, ArchsimError):
        output.report_error(error)
        return error.exit_code
    if isinstance(error, _USAGE_ERROR):
        return _report_usage(error)
    if isinstance(error, OSError) and error.filename is not None:
        output.error(f"{error.filename}: {error.strerror}")
        return 1
    if isinstance(error, OSError) and error.strerror:
        output.error(f"cannot write the output: {error.strerror}")
        return 1
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    output.error(f"unexpected {what.splitlines()[0]}", None if debug else "run with --debug to see where")
    return 1


def _report_usage(error: Any) -> int:
    """A mistake in the command line itself, in our words for where to look."""
    from archsim.cli import output

    command = error.ctx.command_path if error.ctx is not None else "archsim"
    output.error(error.format_message(), f"see {command} --help")
    return 2


_USAGE_ERROR = typer.BadParameter.__mro__[1]
"""The parent of every mistake in a command line: typer exports the child only."""


def _silence_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush does not complain about the closed pipe."""
    import os

    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
