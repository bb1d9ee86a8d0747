"""Commands about design spaces: declared here, loaded when they run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archsim.cli.app import app, options_of
from archsim.cli.options import Debug, Json, NoFiles, Out, Overrides, Quiet


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

    raise typer.Exit(run(source, resume, workers, cluster, options_of(json, out, no_files, overrides, quiet)))


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
    raise typer.Exit(run(folder, request, options_of(json, out, no_files, overrides, quiet)))


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

    run(source, designs, options_of(json, out, no_files, overrides, quiet))
