"""`archsim trace`: the operations of a network, as a table, as JSON, and as a file that designs can name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.cli import output
from archsim.cli.options import Options
from archsim.core.errors import InputError, Problem

if TYPE_CHECKING:
    from archsim.api.trace import Request
    from archsim.workloads.trace import Trace

FILE_SUFFIXES = (".csv", ".parquet", ".pq", ".json")


def run(source: str, given: dict[str, Any], options: Options) -> None:
    """Make the trace, write it where `--out` says, print it."""
    from archsim.api.trace import Request, lacks_formats, open_ends, trace_of, with_policies
    from archsim.workloads.summary import trace_summary

    _check_out(options.folder)
    request: Request = Request(**given)
    plain = trace_of(source, request, options.overrides)
    chosen = len(open_ends(options.overrides)) < len(options.overrides)
    trace, warnings = with_policies(plain, options.overrides)
    document = trace_summary(trace)
    _save(trace if chosen else plain, document, options)
    if options.json:
        output.emit_json(document)
    else:
        from archsim.reports.trace_tables import trace_tables

        output.emit_tables(trace_tables(document))
    for warning in (*trace.warnings, *warnings):
        output.warn(warning, quiet=options.quiet)
    if not chosen and lacks_formats(plain):
        text = "bytes are those of a design's default formats; choose with --set quantization.weights=int4:g128"
        output.note(f"note: {text}", quiet=options.quiet)


def _check_out(out: Path | None) -> None:
    if out is not None and out.suffix and out.suffix.lower() not in FILE_SUFFIXES and not out.is_dir():
        hint = f"a folder, or a file that ends in {', '.join(FILE_SUFFIXES)}"
        raise InputError(Problem(key="--out", message=f"cannot write a {out.suffix} file", hint=hint))


def _save(trace: Trace, document: dict[str, Any], options: Options) -> None:
    """Write the trace: a file in the form its name asks for, or into a folder both tables."""
    out = options.folder
    if out is None:
        return
    from archsim.reports.run_folder import run_name
    from archsim.workloads.table import write_trace

    if out.suffix.lower() == ".json":
        output.save_json_file(document, out)
        files = [out]
    elif out.suffix.lower() in FILE_SUFFIXES and not out.is_dir():
        files = [out]
    else:
        files = [out / f"{run_name(trace.name)}{suffix}" for suffix in (".csv", ".parquet")]
    for file in files:
        if file.suffix.lower() != ".json":
            file.parent.mkdir(parents=True, exist_ok=True)
            write_trace(trace, file)
        output.note(f"wrote {file}", quiet=options.quiet)
