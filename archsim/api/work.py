"""From `[workload]`, `[quantization]` and `[sparsity]` to a trace whose operands have formats."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from archsim.api.inherit import inside
from archsim.api.places import COMMAND_LINE, Merged
from archsim.arch.engines.base import Engine
from archsim.arch.formats import Format
from archsim.core.errors import InputError, Problem
from archsim.core.spelling import brief
from archsim.core.toml import KeyPath
from archsim.workloads.globs import idle_globs
from archsim.workloads.op import Op
from archsim.workloads.options import SOURCES, QuantizationOptions, SparsityOptions, WorkloadOptions, idle_workload_keys
from archsim.workloads.prepare import prepared
from archsim.workloads.request import REQUEST_KEYS, request_of
from archsim.workloads.trace import Trace

Pairs = frozenset[tuple[Format | None, Format | None]]
"""Formats of weights and of inputs."""

NO_WORK = Trace(name="", ops=(), parameters=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A trace with formats, and what the user should know about it."""

    trace: Trace
    warnings: tuple[str, ...] = ()


def read_trace(options: WorkloadOptions, merged: Merged, folder: Path | None) -> Trace | None:
    """The trace a design names; None when it cannot be had, which is noted in `merged`."""
    try:
        return _trace(options, merged, folder)
    except InputError as error:
        source = next(key for key in SOURCES if getattr(options, key) is not None)
        for problem in error.problems:
            stated = problem.key if problem.key in WorkloadOptions.model_fields else source
            merged.report(("workload", stated or source), problem)
        return None


def _trace(options: WorkloadOptions, merged: Merged, folder: Path | None) -> Trace:
    given = {key: getattr(options, key) for key in REQUEST_KEYS if getattr(options, key) is not None}
    for source in ("trace", "config", "onnx"):
        name = getattr(options, source)
        if name is not None:
            from archsim.workloads.importers import importer_by_key, importer_of, read_workload

            path = _file(name, ("workload", source), merged, folder)
            importer = importer_by_key(source) or importer_of(path)
            if importer.key == "onnx":
                given = _stated_of_onnx(options, given)
            asked = {key: value for key, value in given.items() if key in importer.takes}
            return _beside(read_workload(path, asked, importer=importer), path.parent)
    from archsim.workloads.models import model_network

    return model_network(options.model or "").trace(request_of(given))


def _beside(trace: Trace, folder: Path) -> Trace:
    """The trace with the paths of its side files, which lie in its folder. Raises InputError for others."""
    if not any(isinstance(op, Op) and op.stats for op in trace.ops):
        return trace
    paths = {op.stats: str(inside(op.stats, folder)) for op in trace.ops if isinstance(op, Op) and op.stats}
    ops = tuple(replace(op, stats=paths[op.stats]) if isinstance(op, Op) and op.stats else op for op in trace.ops)
    return replace(trace, ops=ops)


def _stated_of_onnx(options: WorkloadOptions, given: dict[str, Any]) -> dict[str, Any]:
    """What is asked of an ONNX model, whose own batch holds unless one is stated, with its open ends."""
    kept = {key: value for key, value in given.items() if key in options.model_fields_set}
    return kept | {key: getattr(options, key) for key in ("dims", "values") if getattr(options, key)}


def _file(name: str, path: KeyPath, merged: Merged, folder: Path | None) -> Path:
    """The file that a key names: anywhere for the command line and Python, in the design's folder for a design."""
    if folder is None or merged.origin(path).document is COMMAND_LINE:
        found, shown = Path(name), name
    else:
        found, shown = inside(name, folder), name
        if found.is_relative_to(Path.cwd()):
            found = found.relative_to(Path.cwd())
    shown = brief(shown)
    try:
        exists, readable = found.exists(), found.is_file() or found.is_dir()
    except (OSError, ValueError):  # a name that no file system takes
        raise InputError(Problem(message=f"is no name of a file: '{shown}'")) from None
    if not exists:
        raise InputError(Problem(message=f"no such file '{shown}'"))
    if not readable:
        raise InputError(Problem(message=f"is not a file: '{shown}'"))
    merged.files[name] = str(found.absolute())
    return found


def quantized(
    trace: Trace,
    options: WorkloadOptions,
    quantization: QuantizationOptions,
    sparsity: SparsityOptions,
    merged: Merged,
    folder: Path | None,
) -> Work:
    """The trace with formats and sparsity; globs that match no layer, and files amiss, are noted in `merged`."""
    _note_idle_globs(trace, quantization.layers, ("quantization", "layers"), merged)
    _note_idle_globs(trace, sparsity.layers, ("sparsity", "layers"), merged)
    products = replace(trace, ops=tuple(op for op in trace.ops if isinstance(op, Op)))
    _note_idle_globs(products, quantization.rotate, ("quantization", "rotate"), merged)

    def file_of(name: str, key: str) -> Path:
        return _file(name, _path(key), merged, folder)

    try:
        trace, found = prepared(trace, quantization, sparsity, file_of)
    except InputError as error:
        for problem in error.problems:
            merged.report(_path(problem.key or "quantization"), problem)
        return Work(trace=NO_WORK)
    said = (text for text in found if not text.startswith(_NOTED))
    return Work(trace=trace, warnings=(*trace.warnings, *idle_workload_keys(options, trace), *said))


def expanded(trace: Trace, engine: Engine) -> Trace:
    """The trace with operands expanded, as vector operations, that the engine cannot multiply as they are."""
    refused = refused_pairs(format_pairs(trace), engine)
    if not refused:
        return trace
    from archsim.workloads.effects import insert_dequantize

    return insert_dequantize(trace, lambda weights, inputs: (weights, inputs) in refused)


def format_pairs(trace: Trace) -> Pairs:
    """The pairs of formats, of weights and of inputs, that a trace multiplies."""
    return frozenset((op.weights.format, op.inputs.format) for op in trace.ops if isinstance(op, Op))


def refused_pairs(pairs: Pairs, engine: Engine) -> Pairs:
    """Those that the engine cannot multiply as they are."""
    return frozenset((w, x) for w, x in pairs if w and x and not engine.multiplies(w.arithmetic, x.arithmetic))


_NOTED = ("quantization.layers: ", "sparsity.layers: ", "quantization.rotate: ")
"""Warnings of idle globs, which are errors of a design."""


def _path(key: str) -> KeyPath:
    """The path of a dotted key; what follows `layers` or `rotate` is a glob."""
    return tuple(key.split(".", 2))


def _note_idle_globs(trace: Trace, globs: Iterable[str], path: KeyPath, merged: Merged) -> None:
    for glob, near in idle_globs(trace, globs).items():
        hint = f"did you mean '{near}'?" if near else "layers: archsim trace prints their names"
        message = f"matches no layer of {trace.name}"
        merged.report((*path, glob), Problem(message=message, hint=hint))
