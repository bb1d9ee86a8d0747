"""From `[workload]`, `[quantization]` and `[sparsity]` to a trace whose operands have formats."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from archsim.api.inherit import inside
from archsim.api.places import COMMAND_LINE, Merged
from archsim.core.errors import InputError, Problem, nearest
from archsim.core.spelling import brief
from archsim.core.toml import KeyPath
from archsim.workloads.layers import layer_name
from archsim.workloads.options import SOURCES, QuantizationOptions, SparsityOptions, WorkloadOptions, idle_workload_keys
from archsim.workloads.policies import apply_quantization, apply_sparsity
from archsim.workloads.trace import Trace

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
    keys = ("phase", "batch", "context", "output_tokens")
    given = {key: getattr(options, key) for key in keys if getattr(options, key) is not None}
    for source in ("trace", "config", "onnx"):
        name = getattr(options, source)
        if name is not None:
            from archsim.workloads.importers import importer_by_key, importer_of, read_workload

            path = _file(name, ("workload", source), merged, folder)
            importer = importer_by_key(source) or importer_of(path)
            asked = {key: value for key, value in given.items() if key in importer.takes}
            return read_workload(path, asked, importer=importer)
    from archsim.workloads.models import model

    return model(options.model or "", **given)


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
    return found


def quantized(
    trace: Trace, options: WorkloadOptions, quantization: QuantizationOptions, sparsity: SparsityOptions, merged: Merged
) -> Work:
    """The trace with formats and sparsity; globs that match no layer are noted in `merged`."""
    _note_idle_globs(trace, quantization.layers, "quantization", merged)
    _note_idle_globs(trace, sparsity.layers, "sparsity", merged)
    trace, _ = apply_quantization(trace, quantization.policy())
    warnings = idle_workload_keys(options)
    if sparsity.stated:
        trace, _ = apply_sparsity(trace, sparsity.policy())
    return Work(trace=trace, warnings=tuple(warnings))


def _note_idle_globs(trace: Trace, globs: Iterable[str], name: str, merged: Merged) -> None:
    layers = {layer_name(op.name) for op in trace.ops} | {op.name for op in trace.ops}
    for glob in globs:
        if not any(fnmatchcase(layer, glob) for layer in layers):
            near = nearest(glob, layers)
            hint = f"did you mean '{near}'?" if near else "layers: archsim trace prints their names"
            message = f"matches no layer of {trace.name}"
            merged.report((name, "layers", glob), Problem(message=message, hint=hint))
