"""Commands about design spaces: declared here, loaded when they run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archsim.cli.app import command
from archsim.cli.options import Options
from archsim.cli.requests import ParetoRequest


@command()
def sweep(
    source: Annotated[
        Path | None,
        typer.Argument(
            metavar="[SWEEP.toml]",
            help="The sweep: a design, axes, objectives. Left out with --resume.",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Go on with the run in this folder, as it was begun, or as SWEEP.toml has it if that is given too.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Processes; one for each core if left out.", show_default=False)
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="A dask scheduler, such as tcp://host:8786.", show_default=False),
    ] = None,
    *,
    options: Options,
) -> None:
    """Evaluate a design space in parallel: table, front, run folder (default: runs/NAME) that can be resumed."""
    from archsim.cli.sweep import run

    raise typer.Exit(run(source, resume, workers, cluster, options))


@command()
def pareto(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder of sweep.")],
    *,
    request: ParetoRequest,
    options: Options,
) -> None:
    """The front of a sweep's run, sensitivities, what would dominate a design, inverse questions."""
    from archsim.cli.pareto import run

    raise typer.Exit(run(folder, request, options))


@command()
def report(
    source: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder of sweep or evaluate.")],
    designs: Annotated[
        int | None,
        typer.Option(
            min=0, help="Points of a sweep to evaluate again for their layers; 200 when left out.", show_default=False
        ),
    ] = None,
    *,
    options: Options,
) -> None:
    """One HTML page of a run that opens offline, and its figures as PNG and SVG (default: into the run's folder)."""
    from archsim.cli.report import run

    run(source, designs, options)
