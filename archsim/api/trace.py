"""A trace from whatever names one: a catalog model, or a file of any kind that an importer reads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from archsim.api.overrides import Override, parse_overrides
from archsim.core.errors import InputError, Problem
from archsim.core.options import Options, validation_problems
from archsim.core.spelling import brief
from archsim.workloads.importers import importer_of, known_suffixes, read_workload
from archsim.workloads.models import model_network
from archsim.workloads.op import Op, VectorOp
from archsim.workloads.options import OpenSize, OpenValue, QuantizationOptions, SparsityOptions, idle_choice
from archsim.workloads.prepare import prepared
from archsim.workloads.request import LatentForm, Optimizer, Recompute, RoutingName, request_of
from archsim.workloads.trace import Trace


class Choices(Options):
    """What `--set workload...` says: a model's choices, an ONNX model's open dimensions and deciding inputs."""

    dims: dict[str, OpenSize] = Field(default_factory=dict)
    values: dict[str, OpenValue] = Field(default_factory=dict)
    routing: RoutingName | None = None
    latent_attention: LatentForm | None = None
    optimizer: Optimizer | None = None
    recompute: Recompute | None = None

    def given(self) -> dict[str, Any]:
        """Those that are stated."""
        return {key: value for key in type(self).model_fields if (value := getattr(self, key))}


class Policies(Options):
    """The tables of a design file that say how a trace is stored."""

    quantization: QuantizationOptions = QuantizationOptions()
    sparsity: SparsityOptions = SparsityOptions()
    workload: Choices = Choices()


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


def trace_of(source: str, request: Request, overrides: Sequence[str] = ()) -> Trace:
    """The trace that `source` names: a file, else a catalog model.

    Of the `--set` keys, those below `workload` are read here: a model's choices, and what an ONNX model leaves open.
    Raises InputError for what cannot be read or is not known, and for a request that the file does not take.
    """
    path = Path(source)
    choices = choices_of(overrides).given()
    ends = [key for key in ("dims", "values") if key in choices]
    is_file = names_a_file(source)
    if ends and not (is_file and importer_of(path).takes_all(ends)):
        message = f"only an ONNX model has open ends: not {source}"
        raise InputError(Problem(file="--set", key="workload", message=message))
    asked = request.given() | choices
    return read_workload(path, asked) if is_file else model_network(source).trace(request_of(asked))


def idle_choices(request: Request, overrides: Sequence[str], trace: Trace) -> tuple[str, ...]:
    """A warning for each choice that changes nothing for the trace it was asked of."""
    asked = request.given() | choices_of(overrides).given()
    reasons = {key: idle_choice(key, request.phase, trace) for key in asked}
    return tuple(f"{key} says nothing {reason}" for key, reason in reasons.items() if reason)


def choices_of(overrides: Sequence[str]) -> Choices:
    """What the `--set` keys below `workload` say."""
    return _policies(parse_overrides(workload_keys(overrides))).workload


def workload_keys(overrides: Sequence[str]) -> list[str]:
    """The `--set` keys that say what is asked of a model or what an ONNX model leaves open, not how it is stored."""
    return [text for text in overrides if text.lstrip().startswith("workload.")]


def names_a_file(source: str) -> bool:
    """Whether `source` is written as a file that an importer knows, or names one that is there."""
    path = Path(source)
    return path.name.lower().endswith(known_suffixes()) or os.path.exists(source)


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
