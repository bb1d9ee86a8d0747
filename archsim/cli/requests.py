"""What commands with many options are asked: records whose fields declare the options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer


@dataclass(frozen=True, slots=True, kw_only=True)
class MapRequest:
    """The options of `archsim map`, as they were written."""

    layer: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="An op of the workload, or a glob of several.", show_default=False),
    ] = None
    gemm: Annotated[str | None, typer.Option(metavar="M,N,K", help="A GEMM, also B,M,N,K.", show_default=False)] = None
    conv: Annotated[
        str | None,
        typer.Option(
            metavar="N,K,C,P,Q,R,S", help="A convolution; stride, dilation and groups may follow.", show_default=False
        ),
    ] = None
    objective: Annotated[
        str | None, typer.Option(metavar="NAME", help="latency, energy, edp or weighted.", show_default=False)
    ] = None
    formats: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Formats to compare, WEIGHTS/INPUTS or one for both: int8,int4:g128/fp16.",
            show_default=False,
        ),
    ] = None
    dataflows: Annotated[
        str | None, typer.Option(metavar="LIST", help="Dataflows to compare: os,ws,is,any.", show_default=False)
    ] = None
    mapping: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A mapping to cost: TOML, JSON, a loop nest as text, Timeloop YAML.",
            show_default=False,
        ),
    ] = None
    pareto: Annotated[
        str | None,
        typer.Option(
            metavar="[MEMORY]",
            help="The front of energy and time, or of energy and a memory's size.",
            show_default=False,
        ),
    ] = None
    fuse: Annotated[
        str | None,
        typer.Option(
            metavar="[CHAIN]",
            help="Chains kept on chip (attention, MLPs, two convolutions), or the one of that name.",
            show_default=False,
        ),
    ] = None
    enumerate: Annotated[
        bool, typer.Option("--enumerate", help="Count and cost every mapping of one op, and place the best among them.")
    ] = False
    limit: Annotated[
        int | None,
        typer.Option(metavar="N", help="Most mappings that --enumerate walks through.", show_default=False),
    ] = None
    budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="Search time for each op, such as '2 s'.", show_default=False)
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IsoAreaRequest:
    """What `archsim compare --iso-area` alone takes."""

    area: Annotated[
        str | None,
        typer.Option(metavar="AREA", help="Of --iso-area: the area, such as '1.5 mm^2'.", show_default=False),
    ] = None
    models: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="Of --iso-area: models instead of the first one's.", show_default=False),
    ] = None
    phases: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="Of --iso-area: phases, such as prefill,decode.", show_default=False),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParetoRequest:
    """The options of `archsim pareto`, as they were written."""

    objectives: Annotated[
        str | None,
        typer.Option(
            metavar="LIST", help="latency_s,throughput_per_s:max; the run's when left out.", show_default=False
        ),
    ] = None
    where: Annotated[
        tuple[str, ...],
        typer.Option(metavar="COND", help="A condition such as 'area_mm2 <= 10'; may be repeated.", show_default=False),
    ] = ()
    log: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Objectives on a logarithmic scale, '' for none; those that span a factor of 10 when left out.",
            show_default=False,
        ),
    ] = None
    color: Annotated[
        str | None, typer.Option(metavar="AXIS", help="The axis that colours the plot.", show_default=False)
    ] = None
    knees: Annotated[int, typer.Option(help="Knees to look for.")] = 1
    sensitivity: Annotated[bool, typer.Option("--sensitivity", help="What each axis does to each objective.")] = False
    around: Annotated[
        str | None,
        typer.Option(
            metavar="DESIGN",
            help="Of --sensitivity: knee, best, base, a point's index or id; the knee if there is one, else the best.",
            show_default=False,
        ),
    ] = None
    dominate: Annotated[
        str | None,
        typer.Option(metavar="POINT", help="What would dominate this design (index or id).", show_default=False),
    ] = None
    find: Annotated[
        tuple[str, ...],
        typer.Option(
            metavar="COND",
            help="A condition to meet, such as 'tpot_s <= 50 ms'; may be repeated. With --minimize or --maximize.",
            show_default=False,
        ),
    ] = ()
    minimize: Annotated[str | None, typer.Option(metavar="TOTAL", help="Of --find.", show_default=False)] = None
    maximize: Annotated[str | None, typer.Option(metavar="TOTAL", help="Of --find.", show_default=False)] = None
    evaluate: Annotated[
        int, typer.Option(metavar="N", help="Further points that a question may evaluate (kept in RUN/further).")
    ] = 0
    seed: Annotated[int, typer.Option(help="Of searches and sensitivities.")] = 0
    workers: Annotated[
        int | None, typer.Option(help="Processes that evaluate; one for each core when left out.", show_default=False)
    ] = None
    cluster: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="A dask scheduler instead.", show_default=False)
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceRequest:
    """What `archsim trace` asks of a model; a trace file already says all this."""

    phase: Annotated[
        str | None, typer.Option(help="prefill, decode, generate, forward, training.", show_default=False)
    ] = None
    batch: Annotated[int | None, typer.Option(help="Sequences or images at once.", show_default=False)] = None
    context: Annotated[
        int | None, typer.Option(help="Prompt tokens, or tokens already cached (decode).", show_default=False)
    ] = None
    output_tokens: Annotated[int | None, typer.Option(help="Tokens to generate.", show_default=False)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsRequest:
    """What `archsim trace --stats` alone takes."""

    formats: Annotated[
        str | None,
        typer.Option(help="Of --stats: int8,int4:g128; int8 when left out.", metavar="NAMES", show_default=False),
    ] = None
    weights: Annotated[
        str | None,
        typer.Option(
            help="Of --stats: .npz, .onnx or .safetensors, or synthetic:laplace[:SEED].",
            metavar="FILE",
            show_default=False,
        ),
    ] = None
    samples: Annotated[
        str | None,
        typer.Option(
            help="Of --stats: an .npz of inputs that the ONNX model is run on, or synthetic:gaussian[:SEED].",
            metavar="FILE",
            show_default=False,
        ),
    ] = None
    groups: Annotated[
        str | None,
        typer.Option(help="Of --stats: lanes in lock step; 16,32,64 when left out.", show_default=False),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exports:
    """What `archsim trace` writes besides: a SCALE-Sim topology, a design on the hardware of a SCALE-Sim cfg."""

    scale_sim: Annotated[
        Path | None,
        typer.Option("--scale-sim", metavar="FILE.csv", help="Also write a SCALE-Sim topology.", show_default=False),
    ] = None
    cfg: Annotated[
        Path | None,
        typer.Option(
            "--cfg",
            metavar="FILE.cfg",
            help="A SCALE-Sim cfg: --out FOLDER gets a design.toml of its hardware.",
            show_default=False,
        ),
    ] = None
