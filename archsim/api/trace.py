"""A trace from whatever names one: a catalog model, or a file of any kind that an importer reads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from archsim.api.overrides import Override, parse_overrides
from archsim.core.errors import InputError, Problem
from archsim.core.options import Options, validation_problems
from archsim.workloads.importers import known_suffixes, read_workload
from archsim.workloads.models import model
from archsim.workloads.op import Op, VectorOp
from archsim.workloads.options import QuantizationOptions, SparsityOptions
from archsim.workloads.policies import apply_quantization, apply_sparsity
from archsim.workloads.trace import Trace


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

    Raises InputError for what cannot be read or is not known, and for a request that the file does not take.
    """
    path = Path(source)
    if names_a_file(source):
        return read_workload(path, request.given())
    return model(source, **request.given())


def names_a_file(source: str) -> bool:
    """Whether `source` is written as a file that an importer knows, or names one that is there."""
    path = Path(source)
    return path.name.lower().endswith(known_suffixes()) or os.path.exists(source)


def with_policies(trace: Trace, overrides: Sequence[str]) -> tuple[Trace, tuple[str, ...]]:
    """The trace with formats and sparsity, as a design with these `--set` keys gives them, and warnings.

    Formats that neither the trace nor a key states are a design's defaults. Raises InputError for other keys.
    """
    policies = _policies(parse_overrides(overrides))
    quantized, warnings = apply_quantization(trace, policies.quantization.policy())
    sparse, more = apply_sparsity(quantized, policies.sparsity.policy())
    return sparse, warnings + more


def lacks_formats(trace: Trace) -> bool:
    """Whether an op does not say its formats."""
    return any(
        (isinstance(op, Op) and None in (op.inputs.format, op.weights.format, op.outputs.format))
        or (isinstance(op, VectorOp) and None in (op.format, op.input_format))
        for op in trace.ops
    )


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
