"""Every kind of file that names a network, and its reader: one line each in `IMPORTERS`, loaded when it is used.

A file is known by its suffix, else by how it begins. Files that share a suffix (CSV, YAML, JSON) are told apart by
their reader, from what they hold.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from archsim.core.errors import InputError, Problem
from archsim.core.spelling import brief
from archsim.workloads.request import REQUEST_KEYS, request_of
from archsim.workloads.trace import Trace

Request = Mapping[str, Any]
"""What is asked of a model, by the names of `REQUEST_KEYS`: only what is stated."""

Reader = Callable[[Path, Request], Trace]

ONNX_KEYS = ("phase", "batch", "context", "output_tokens", "dims", "values")
SNIFFED_BYTES = 4096
"""Bytes of a file with an unknown suffix that are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Importer:
    """A kind of file: how to know it, what may be asked of it, how to read it."""

    what: str
    suffixes: tuple[str, ...]
    read: Reader
    takes: tuple[str, ...] = ()
    """Keys of a request that change the trace; the others are refused where they are stated."""
    key: str | None = None
    """The key of `[workload]` that names files of this kind only; `trace` names files of any kind."""
    begins: Callable[[bytes], bool] | None = None
    """Whether a file with these first bytes is of this kind; asked only when no suffix decides."""

    def takes_all(self, keys: Iterable[str]) -> bool:
        """Whether all of these may be asked."""
        return set(keys) <= set(self.takes)


def read_workload(
    source: str | os.PathLike[str], request: Request | None = None, *, importer: Importer | None = None
) -> Trace:
    """The trace of the file (or folder of weights) that `source` names, by its kind, unless `importer` states that.

    `request` states what is asked of a model (see `REQUEST_KEYS`). Raises InputError for a file that is missing,
    unknown or damaged, with every problem found, and for a request that the file does not take.
    """
    path = Path(source)
    importer = importer or importer_of(path)
    stated = dict(request or {})
    problems = [
        Problem(file=str(path), key=key, message=f"says nothing beside {_named(importer.what)}: {_says(importer)}")
        for key in stated
        if key not in importer.takes
    ]
    if problems:
        raise InputError(problems)
    trace = importer.read(path, stated)
    return trace if trace.name else replace(trace, name=path.stem)


def importer_of(path: Path) -> Importer:
    """The kind of the file at `path`. Raises InputError for what is missing or of no known kind."""
    try:
        if path.is_dir():
            return CHECKPOINT
        path.stat()
        found = importer_by_name(path.name) or _by_content(path)
    except FileNotFoundError:
        raise InputError(Problem(file=brief(str(path)), message="no such file")) from None
    except (OSError, ValueError) as error:  # ValueError: a name that no file system takes
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "no name of a file"
        raise InputError(Problem(file=brief(str(path)), message=f"cannot be read: {reason}")) from None
    if found is None:
        hint = f"known: {', '.join(known_suffixes())}"
        raise InputError(Problem(file=str(path), message=f"is of no known kind ('{path.suffix}')", hint=hint))
    return found


def importer_by_name(name: str) -> Importer | None:
    """The kind that a file's name shows by its suffix; None where only its content can tell."""
    return next((importer for importer in IMPORTERS if name.lower().endswith(importer.suffixes)), None)


def importer_by_key(key: str) -> Importer | None:
    """The kind that a key of `[workload]` stands for; None for `trace`, which takes all."""
    return next((importer for importer in IMPORTERS if importer.key == key), None)


def known_suffixes() -> tuple[str, ...]:
    """Suffixes of all importers, in their order."""
    return tuple(dict.fromkeys(suffix for importer in IMPORTERS for suffix in importer.suffixes))


def _named(what: str) -> str:
    return f"{'an' if what[0] in 'AEIOUaeiou' else 'a'} {what}"


def _says(importer: Importer) -> str:
    return f"it takes {', '.join(importer.takes)}" if importer.takes else "its rows state phase and sizes"


def _by_content(path: Path) -> Importer | None:
    """By the first bytes; text of no other kind is taken for a table, whose reader says what is wrong with it."""
    with path.open("rb") as file:
        head = file.read(SNIFFED_BYTES)
    for importer in IMPORTERS:
        if importer.begins is not None and importer.begins(head):
            return importer
    return None if b"\0" in head else TABLE


def _table(path: Path, _: Request) -> Trace:
    from archsim.workloads.table import read_trace

    return read_trace(path)


def _config(path: Path, request: Request) -> Trace:
    from archsim.workloads.huggingface import read_network

    return read_network(path).trace(request_of(request))


def _checkpoint(path: Path, request: Request) -> Trace:
    from archsim.workloads.checkpoint import checkpoint_trace

    return checkpoint_trace(path, request_of(request))


def _yaml(path: Path, _: Request) -> Trace:
    from archsim.workloads.timeloop import is_problem, timeloop_trace
    from archsim.workloads.yaml_document import read_yaml
    from archsim.workloads.zigzag import is_workload, zigzag_trace

    document = read_yaml(path)
    if is_problem(document.values):
        return timeloop_trace(document)
    if is_workload(document.values):
        return zigzag_trace(document)
    hint = "known: a Timeloop problem (problem: with shape and instance), a ZigZag workload (a list of layers)"
    raise InputError(Problem(file=str(path), message="is YAML, but describes no network", hint=hint))


def _scalesim_config(path: Path, _: Request) -> Trace:
    from archsim.workloads.scalesim_config import topology_of
    from archsim.workloads.table import read_trace

    return read_trace(topology_of(path))


def _onnx(path: Path, request: Request) -> Trace:
    from archsim.workloads.onnx.extra import require_onnx

    require_onnx()
    from archsim.workloads.onnx.importer import trace_from_onnx

    return trace_from_onnx(path, **request)


TABLE = Importer(
    what="trace file",
    suffixes=(".csv", ".parquet", ".pq"),
    read=_table,
    begins=lambda head: head.startswith(b"PAR1"),
)
CHECKPOINT = Importer(
    what="checkpoint",
    suffixes=(".safetensors", ".safetensors.index.json"),
    read=_checkpoint,
    takes=REQUEST_KEYS,
)
CONFIG = Importer(
    what="config.json",
    suffixes=(".json",),
    read=_config,
    takes=REQUEST_KEYS,
    key="config",
    begins=lambda head: head.lstrip().startswith(b"{"),
)
YAML = Importer(what="workload YAML", suffixes=(".yaml", ".yml"), read=_yaml)
ONNX = Importer(what="ONNX model", suffixes=(".onnx",), read=_onnx, takes=ONNX_KEYS, key="onnx")
SCALESIM = Importer(what="SCALE-Sim cfg", suffixes=(".cfg",), read=_scalesim_config)
IMPORTERS: tuple[Importer, ...] = (TABLE, CHECKPOINT, CONFIG, YAML, ONNX, SCALESIM)
"""Every kind, in the order they are tried: longer suffixes before those they end in."""
