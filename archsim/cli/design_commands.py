"""Commands about designs: declared here, loaded when they run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from archsim.cli.app import app, options_of
from archsim.cli.options import Debug, Json, NoFiles, Out, Overrides, Quiet


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

    run(design, options_of(json, out, no_files, overrides, quiet))


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
    raise typer.Exit(run(design, request, options_of(json, out, no_files, overrides, quiet)))


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

    run(source, layer, options_of(json, out, no_files, overrides, quiet))


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

    options = options_of(json, out, no_files, overrides, quiet)
    if iso_area:
        at_equal_area.run(sides, area, models, phases, options)
    else:
        of_two.run(sides, (area, models, phases), options)
