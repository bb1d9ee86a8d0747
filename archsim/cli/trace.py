"""`archsim trace`: the operations of a network, as tables, plots and JSON, and as files that designs and tools read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.cli import output
from archsim.cli.options import Options
from archsim.cli.requests import Exports, TraceRequest
from archsim.core.errors import InputError, Problem

if TYPE_CHECKING:
    from archsim.api.trace import Request
    from archsim.workloads.trace import Trace

FILE_SUFFIXES = (".csv", ".parquet", ".pq", ".json")
DESIGN = "design.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """A trace as its source states it, with the formats of `--set`, and what to say about it."""

    plain: Trace
    trace: Trace
    document: dict[str, Any] = field(repr=False)
    warnings: tuple[str, ...]
    formats_stated: bool
    """Whether `--set` says how the trace is stored."""

    @property
    def stated(self) -> Trace:
        """What files hold: formats that nobody stated are left to the design."""
        return self.trace if self.formats_stated else self.plain


def run(source: str, asked: TraceRequest, exports: Exports, options: Options) -> None:
    """Make the trace, write it where `--out` and `--scale-sim` say, print it."""
    _check_paths(exports, options)
    made = _made(source, asked, options)
    design = _design(exports, made.plain, options)
    _save(made, design, options)
    if exports.scale_sim is not None and not options.no_files:
        _save_topology(made.stated, exports.scale_sim, options)
    if options.json:
        output.emit_json(made.document)
    else:
        from archsim.reports.trace_tables import trace_tables

        output.emit_tables(trace_tables(made.document))
    _say(made, design, options)


def request_of(asked: TraceRequest) -> Request:
    """What is asked of a model, as the API takes it."""
    from archsim.api.trace import Request

    return Request(phase=asked.phase, batch=asked.batch, context=asked.context, output_tokens=asked.output_tokens)


def _made(source: str, asked: TraceRequest, options: Options) -> _Made:
    from archsim.api.trace import idle_choices, trace_of, with_policies, workload_keys
    from archsim.workloads.summary import trace_summary

    request = request_of(asked)
    try:
        plain = trace_of(source, request, options.overrides)
    except InputError as error:
        _show_tensors(error, options)
        raise
    trace, warnings = with_policies(plain, options.overrides)
    stated = len(workload_keys(options.overrides)) < len(options.overrides)
    return _Made(
        plain=plain,
        trace=trace,
        document=trace_summary(trace),
        warnings=(*trace.warnings, *idle_choices(request, options.overrides, plain), *warnings),
        formats_stated=stated,
    )


def _show_tensors(error: InputError, options: Options) -> None:
    """What weights without a network hold, on stderr: they are not the trace that was asked for."""
    tensors = getattr(error, "tensors", ())
    if tensors and not options.json and not options.quiet:
        from archsim.reports.trace_tables import tensor_lines

        for line in tensor_lines(tensors):
            output.note(line, quiet=False)


def _check_paths(exports: Exports, options: Options) -> None:
    out = options.folder
    problems = []
    if out is not None and out.suffix and out.suffix.lower() not in FILE_SUFFIXES and not out.is_dir():
        hint = f"a folder, or a file that ends in {', '.join(FILE_SUFFIXES)}"
        problems.append(Problem(key="--out", message=f"cannot write a {out.suffix} file", hint=hint))
    if exports.scale_sim is not None and exports.scale_sim.suffix.lower() != ".csv":
        message = f"a topology is a .csv file (got '{exports.scale_sim}')"
        problems.append(Problem(key="--scale-sim", message=message))
    if problems:
        raise InputError(problems)


def _design(exports: Exports, trace: Trace, options: Options) -> str | None:
    """The text of a design on the hardware of `--cfg`, for the trace file that stands beside it; None without one."""
    if exports.cfg is None:
        return None
    from archsim.reports.run_folder import run_name
    from archsim.workloads.scalesim_config import read_config

    config = read_config(exports.cfg)
    output.note(f"note: {exports.cfg}: {config.about()}", quiet=options.quiet)
    return config.design(f"{run_name(trace.name)}.csv")


def _save(made: _Made, design: str | None, options: Options) -> None:
    """Write the trace: a file in the form its name asks for, or into a folder tables, document, plots and design."""
    out = options.folder
    if out is None:
        return
    trace = made.stated
    if out.suffix.lower() in FILE_SUFFIXES and not out.is_dir():
        files = [out]
        if out.suffix.lower() == ".json":
            output.save_json_file(made.document, out)
        else:
            from archsim.workloads.table import write_trace

            out.parent.mkdir(parents=True, exist_ok=True)
            write_trace(trace, out)
    else:
        from archsim.reports.trace_folder import write_trace_folder

        files = write_trace_folder(trace, made.document, out, {} if design is None else {DESIGN: design})
    for file in files:
        output.note(f"wrote {file}", quiet=options.quiet)


def _save_topology(trace: Trace, file: Path, options: Options) -> None:
    from archsim.workloads.scalesim_export import write_topology

    file.parent.mkdir(parents=True, exist_ok=True)
    made = write_topology(trace, file)
    output.note(f"wrote {file}{' (GEMMs: run SCALE-Sim with -i gemm)' if made.gemm else ''}", quiet=options.quiet)
    for line in made.lost:
        output.warn(f"SCALE-Sim: {line}", quiet=options.quiet)


def _say(made: _Made, design: str | None, options: Options) -> None:
    from archsim.api.trace import lacks_formats

    for warning in made.warnings:
        output.warn(warning, quiet=options.quiet)
    if design is not None and (options.folder is None or options.folder.suffix.lower() in FILE_SUFFIXES):
        output.note(f"note: --out FOLDER writes {DESIGN} for the cfg's hardware", quiet=options.quiet)
    if not made.formats_stated and lacks_formats(made.plain):
        text = "bytes are those of a design's default formats; choose with --set quantization.weights=int4:g128"
        output.note(f"note: {text}", quiet=options.quiet)
