"""A trace from whatever names one: a catalog model, a file of operations, or a Hugging Face config.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from archsim.api.overrides import Override, parse_overrides
from archsim.core.errors import InputError, Problem
from archsim.core.options import Options, validation_problems
from archsim.core.spelling import brief
from archsim.workloads.models import model
from archsim.workloads.op import Op, VectorOp
from archsim.workloads.options import QuantizationOptions, SparsityOptions
from archsim.workloads.prepare import prepared
from archsim.workloads.trace import Trace

CONFIG_SUFFIX = ".json"
TABLE_SUFFIXES = (".csv", ".parquet", ".pq")


class Policies(Options):
    """The tables of a design file that say how a trace is stored."""

    quantization: QuantizationOptions = QuantizationOptions()
    sparsity: SparsityOptions = SparsityOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked of a model; a trace file already says all this."""

    phase: str | None = None
    batch: int | None = None
    context: int | None = None
    output_tokens: int | None = None

    def given(self) -> dict[str, Any]:
        """The parts that are stated."""
        names = ("phase", "batch", "context", "output_tokens")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


def trace_of(source: str, request: Request) -> Trace:
    """The trace that `source` names: a file, else a catalog model.

    Raises InputError for what cannot be read or is not known, and for a request beside a file of operations.
    """
    path = Path(source)
    if path.suffix.lower() == CONFIG_SUFFIX:
        from archsim.workloads.huggingface import trace_from_config

        return trace_from_config(path, **request.given())
    if path.suffix.lower() in TABLE_SUFFIXES or path.exists():
        return _table(path, request)
    return model(source, **request.given())


def with_policies(trace: Trace, overrides: Sequence[str]) -> tuple[Trace, tuple[str, ...]]:
    """The trace with formats and sparsity, as a design with these `--set` keys gives them, and warnings.

    Formats that neither the trace nor a key states are a design's defaults. Raises InputError for other keys.
    """
    policies = _policies(parse_overrides(overrides))
    try:
        return prepared(trace, policies.quantization, policies.sparsity, _named_file)
    except InputError as error:
        raise InputError([replace(p, file=p.file or "--set") for p in error.problems]) from None


def lacks_formats(trace: Trace) -> bool:
    """Whether an op does not say its formats."""
    return any(
        (isinstance(op, Op) and None in (op.inputs.format, op.weights.format, op.outputs.format))
        or (isinstance(op, VectorOp) and None in (op.format, op.input_format))
        for op in trace.ops
    )


def _table(path: Path, request: Request) -> Trace:
    from archsim.workloads.table import read_trace

    problems = [
        Problem(file=str(path), key=key, message="says nothing beside a trace file: its rows state phase and sizes")
        for key in request.given()
    ]
    if problems:
        raise InputError(problems)
    trace = read_trace(path)
    return trace if trace.name else replace(trace, name=path.stem)


def _named_file(name: str, key: str) -> Path:
    """A file that a key names, relative to the working directory."""
    path = Path(name)
    try:
        found = path.is_file()
    except (OSError, ValueError):  # a name that no file system takes
        found = False
    if not found:
        raise InputError(Problem(key=key, message=f"no such file '{brief(name)}'"))
    return path


def _policies(overrides: list[Override]) -> Policies:
    values: dict[str, Any] = {}
    for override in overrides:
        table = values
        for part in override.key[:-1]:
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                raise InputError(Problem(file="--set", key=".".join(override.key), message="is set below a value"))
        table[override.key[-1]] = override.value
    try:
        return Policies.model_validate(values)
    except ValidationError as error:
        found = [problem for _, problem in validation_problems(error, Policies, values)]
        raise InputError([replace(problem, file="--set") for problem in found]) from None
