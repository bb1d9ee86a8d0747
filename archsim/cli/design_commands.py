"""Commands about designs: declared here, loaded when they run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from archsim.cli.app import command
from archsim.cli.options import Options
from archsim.cli.requests import IsoAreaRequest, MapRequest


@command()
def evaluate(
    design: Annotated[Path, typer.Argument(metavar="DESIGN.toml", help="The design to evaluate.")],
    *,
    options: Options,
) -> None:
    """Evaluate one design on its workload: summary, per-layer table, run folder (default: runs/NAME)."""
    from archsim.cli.evaluate import run

    run(design, options)


@command()
def bits(
    design: Annotated[Path, typer.Argument(metavar="DESIGN.toml", help="A design with a bit-serial array.")],
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|synthetic:DISTRIBUTION[:SEED]",
            help="Weights of the workload: .onnx, .npz or safetensors, or drawn ones. "
            "Left out: an ONNX workload's own, else synthetic:gaussian.",
            show_default=False,
        ),
    ] = None,
    *,
    options: Options,
) -> None:
    """Play the bits of a workload's tensors on a bit-serial array: cycles, waiting, and what the closed form says."""
    from archsim.cli.bits import run

    run(design, weights, options)


@command()
def zeros(
    design: Annotated[Path, typer.Argument(metavar="DESIGN.toml", help="A design with a sparse array.")],
    masks: Annotated[
        Path | None,
        typer.Option(metavar="FILE.npz", help="Masks of weights, an array a layer; drawn from [sparsity] if left out."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of what is drawn.")] = 0,
    *,
    options: Options,
) -> None:
    """Play masks of a workload's operands on a sparse array: MACs without a zero, speed and waiting."""
    from archsim.cli.zeros import run

    run(design, masks, seed, options)


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


@command("map", cls=_MapCommand)
def map_(
    design: Annotated[Path, typer.Argument(metavar="DESIGN.toml", help="The design; it needs no workload here.")],
    *,
    request: MapRequest,
    options: Options,
) -> None:
    """Best mapping of one op (or all) with proof and explanation, or the cost of a given one."""
    from archsim.cli.map import run

    raise typer.Exit(run(design, request, options))


@command()
def explain(
    source: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder of evaluate, or a design.")],
    layer: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A layer; left out: the one that takes the most time.", show_default=False),
    ] = None,
    *,
    options: Options,
) -> None:
    """What bounds a layer, and what single changes of the hardware would do to it, evaluated anew."""
    from archsim.cli.explain import run

    run(source, layer, options)


@command()
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
    *,
    request: IsoAreaRequest,
    options: Options,
) -> None:
    """Compare two designs or runs (totals, changed keys, layers and why), or several at equal compute area."""
    from archsim.cli import compare as of_two
    from archsim.cli import iso_area as at_equal_area

    if iso_area:
        at_equal_area.run(sides, request, options)
    else:
        of_two.run(sides, request, options)
