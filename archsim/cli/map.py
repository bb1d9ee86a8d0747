"""`archsim map`: the best mapping of ops with its proof, or the cost of a given mapping."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.cli import output
from archsim.cli.options import Options
from archsim.cli.requests import MapRequest
from archsim.core.errors import InputError, Problem
from archsim.core.spelling import spelled

if TYPE_CHECKING:
    from archsim.reports.front import Front
    from archsim.reports.mapping import MappedOp
    from archsim.workloads.op import Op

FILE = "mapping.json"
DATAFLOWS = ("os", "ws", "is", "any")
_NUMBERS = re.compile(r"\s*\d+\s*(,\s*\d+\s*)*")
MOST_DIGITS = 10
"""Of a size."""


def run(design: Path, request: MapRequest, options: Options) -> int:
    """Map, print, write the files; exit code 1 when a given mapping does not fit."""
    from archsim.core.kernels import start_without_linear_algebra

    start_without_linear_algebra()
    _check(request)
    output.note_compilation(quiet=options.quiet)
    options = replace(options, overrides=(*options.overrides, *_overrides(request)))
    try:
        return _chosen(design, request, options)
    except InputError as error:
        raise InputError([_by_option(problem, request) for problem in error.problems]) from error


def _by_option(problem: Problem, request: MapRequest) -> Problem:
    """A problem of a key that an option stands for, told of the option."""
    names = {"mapper.objective": "objective", "mapper.budget": "budget", "mapper.dataflows": "dataflows"}
    name = names.get(problem.key or "")
    if problem.file != "--set" or name is None or getattr(request, name) is None:
        return problem
    return replace(problem, file=None, key=f"--{name}")


def _chosen(design: Path, request: MapRequest, options: Options) -> int:
    """What the options ask for."""
    if request.fuse is not None:
        return _fuse(design, request, options)
    if request.formats is not None or (request.dataflows is not None and len(_listed(request.dataflows)) > 1):
        return _compare(design, request, options)
    if request.pareto is not None:
        return _pareto(design, request, options)
    if request.enumerate:
        return _enumerate(design, request, options)
    return _map(design, request, options)


def _check(request: MapRequest) -> None:
    """Options that exclude one another."""
    stated = [name for name in ("layer", "gemm", "conv") if getattr(request, name) is not None]
    problems = []
    if len(stated) > 1:
        problems.append(Problem(key=f"--{stated[1]}", message=f"says another op than --{stated[0]}", hint="keep one"))
    if request.mapping is not None:
        for name in ("formats", "pareto"):
            if getattr(request, name) is not None:
                message = "says nothing beside --mapping, whose cost is that of one mapping"
                problems.append(Problem(key=f"--{name}", message=message))
    if request.pareto is not None and request.formats is not None:
        problems.append(Problem(key="--pareto", message="says nothing beside --formats", hint="keep one"))
    if request.fuse is not None:
        others = [name for name in ("layer", "gemm", "conv", "formats", "mapping", "pareto") if getattr(request, name)]
        problems += [Problem(key=f"--{name}", message="says nothing beside --fuse", hint="keep one") for name in others]
    if request.enumerate:
        others = [name for name in ("formats", "pareto", "fuse") if getattr(request, name) is not None]
        problems += [
            Problem(key=f"--{name}", message="says nothing beside --enumerate", hint="keep one") for name in others
        ]
    elif request.limit is not None:
        problems.append(Problem(key="--limit", message="is the most mappings that --enumerate walks through"))
    if request.limit is not None and request.limit < 1:
        problems.append(Problem(key="--limit", message=f"must be at least 1 (got {request.limit})"))
    for name in _listed(request.dataflows or ""):
        if name not in DATAFLOWS:
            message = f"unknown dataflow {spelled(name)}"
            problems.append(Problem(key="--dataflows", message=message, hint=f"known: {', '.join(DATAFLOWS)}"))
    if problems:
        raise InputError(problems)


def _listed(text: str) -> list[str]:
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _overrides(request: MapRequest) -> list[str]:
    """What the options say as `--set` keys; one dataflow is a choice, several are a comparison."""
    overrides = []
    if request.objective is not None:
        overrides.append(f"mapper.objective={request.objective}")
    if request.budget is not None:
        overrides.append(f"mapper.budget='{request.budget}'")
    flows = _listed(request.dataflows or "")
    if len(flows) == 1 and request.formats is None:
        overrides.append(f'mapper.dataflows=["{flows[0]}"]')
    return overrides


def stated_op(request: MapRequest) -> Op | None:
    """The op that `--gemm` or `--conv` spells."""
    from archsim.api.map import conv_op, gemm_op

    if request.gemm is not None:
        return gemm_op(_numbers("--gemm", request.gemm, "M,N,K or B,M,N,K"))
    if request.conv is not None:
        return conv_op(_numbers("--conv", request.conv, "N,K,C,P,Q,R,S[,STRIDE[,DILATION[,GROUPS]]]"))
    return None


def _numbers(key: str, text: str, form: str) -> list[int]:
    if not _NUMBERS.fullmatch(text):
        raise InputError(Problem(key=key, message=f"takes {form} (got {spelled(text)})"))
    if any(len(part.strip()) > MOST_DIGITS for part in text.split(",")):
        message = f"sizes have at most {MOST_DIGITS} digits (got {spelled(text)})"
        raise InputError(Problem(key=key, message=message))
    return [int(part) for part in text.split(",")]


def _map(design: Path, request: MapRequest, options: Options) -> int:
    from archsim.api.map import map_ops
    from archsim.reports.mapping import table_document

    mapped = map_ops(
        design,
        layer=request.layer,
        op=stated_op(request),
        mapping=request.mapping,
        helped=True,
        overrides=options.overrides,
    )
    document = mapped[0].to_dict() if len(mapped) == 1 else table_document(mapped)
    output.save_json(document, FILE, options)
    _print(mapped, document, options)
    for warning in dict.fromkeys(text for item in mapped for text in item.warnings):
        output.warn(warning, quiet=options.quiet)
    overflowing = [overflow for item in mapped for overflow in item.overflows]
    for overflow in overflowing:
        output.error(overflow.message, overflow.hint)
    return 1 if overflowing else 0


def _print(mapped: tuple[MappedOp, ...], document: dict[str, Any], options: Options) -> None:
    if options.json:
        output.emit_json(document)
        return
    from archsim.reports.mapping_tables import mapping_tables, mappings_table

    output.emit_tables(mapping_tables(mapped[0]) if len(mapped) == 1 else [mappings_table(mapped)])


def _compare(design: Path, request: MapRequest, options: Options) -> int:
    from archsim.api.dataflows import compare_dataflows

    comparison = compare_dataflows(
        design,
        formats=_listed(request.formats or ""),
        dataflows=_listed(request.dataflows or ""),
        layer=request.layer,
        op=stated_op(request),
        overrides=options.overrides,
    )
    folder = _folder(comparison.design_name, options)
    if folder is not None:
        from archsim.reports.mapping_folder import write_dataflows

        write_dataflows(comparison, folder)
    if options.json:
        output.emit_json(comparison.to_dict())
    else:
        from archsim.reports.dataflow_tables import dataflow_tables

        output.emit_tables(dataflow_tables(comparison))
    _note(folder, options)
    return 0


def _folder(design_name: str, options: Options) -> Path | None:
    """Where the table and the plot of a comparison, a front or a whole space go; None with `--no-files`."""
    from archsim.reports.run_folder import default_folder

    return None if options.no_files else options.folder or default_folder(f"{design_name}-map")


def _note(folder: Path | None, options: Options) -> None:
    if folder is not None:
        output.note(f"wrote {folder}", quiet=options.quiet)


def _fuse(design: Path, request: MapRequest, options: Options) -> int:
    """The chains of the workload, or one of them with how it is cut and what every level holds."""
    from archsim.api.fusion import fuse_chains
    from archsim.reports.document import chains_document

    chains = fuse_chains(design, request.fuse or None, overrides=options.overrides)
    document = chains_document(chains)
    output.save_json(document, "fusion.json", options)
    if options.json:
        output.emit_json(document)
    else:
        from archsim.reports.fusion_tables import fusion_tables

        output.emit_tables(fusion_tables(chains, held=bool(request.fuse)))
    return 0


def _enumerate(design: Path, request: MapRequest, options: Options) -> int:
    from archsim.api.space import mapping_space
    from archsim.mappers.enumerate import USUAL_LIMIT

    report = mapping_space(
        design,
        layer=request.layer,
        op=stated_op(request),
        mapping=request.mapping,
        limit=request.limit or USUAL_LIMIT,
        overrides=options.overrides,
    )
    folder = _folder(report.design_name, options)
    if folder is not None:
        from archsim.reports.mapping_folder import write_space

        write_space(report, folder)
    if options.json:
        output.emit_json(report.to_dict())
    else:
        from archsim.reports.mapping_space_tables import space_tables

        output.emit_tables(space_tables(report))
    _note(folder, options)
    return 0


def _pareto(design: Path, request: MapRequest, options: Options) -> int:
    from archsim.api.front import mapping_front

    front = mapping_front(
        design, request.pareto or None, layer=request.layer, op=stated_op(request), overrides=options.overrides
    )
    folder = _folder(front.design_name, options)
    if folder is not None:
        from archsim.reports.mapping_folder import write_front

        write_front(front, folder)
    if options.json:
        output.emit_json(_front_document(design, request, front, options))
    else:
        from archsim.reports.mapping_tables import front_table

        output.emit_tables([front_table(front)])
    _note(folder, options)
    return 0


def _front_document(design: Path, request: MapRequest, front: Front, options: Options) -> dict[str, Any]:
    """The front; of energy and time of one op, its best mapping with the front in it."""
    from archsim.api.map import map_ops

    document = front.to_dict()
    if request.pareto:
        return document
    mapped = map_ops(design, layer=request.layer, op=stated_op(request), overrides=options.overrides)
    if len(mapped) != 1:
        return document
    return mapped[0].to_dict() | {"pareto": document["pareto"], "points": document["points"]}
