"""The `[workload]` table of a design file, and the tables that say how it is stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from archsim.core.errors import Problem
from archsim.core.options import Options, Size, checked, refusal
from archsim.core.spelling import spelled
from archsim.core.toml import KeyPath
from archsim.workloads.quantization_options import QuantizationOptions, quantization_conflicts
from archsim.workloads.sparsity_options import SparsityOptions

__all__ = [
    "QuantizationOptions",
    "SparsityOptions",
    "WorkloadOptions",
    "idle_workload_keys",
    "quantization_conflicts",
    "workload_conflicts",
]

SOURCES = ("model", "trace", "config", "onnx")


def _check_model(value: object) -> object:
    from archsim.workloads.models import model_config

    if not isinstance(value, str):
        raise refusal(f"must be the name of a model (got {spelled(value)})")
    return checked(lambda name: model_config(str(name)))(value)


def _refuse_onnx(value: object) -> object:
    raise refusal("is not available yet: give model, trace or config")


def _check_file(value: object) -> object:
    if value == "":
        raise refusal("must name a file (got '')")
    return value


FileText = Annotated[str, Field(strict=True, min_length=1), BeforeValidator(_check_file)]


class WorkloadOptions(Options):
    """`[workload]`: what runs, from exactly one source."""

    model: Annotated[str, PlainValidator(_check_model), WithJsonSchema({"type": "string"})] | None = None
    trace: FileText | None = None
    """A trace or topology CSV, or a Parquet file."""
    config: FileText | None = None
    """A Hugging Face config.json."""
    onnx: Annotated[str, PlainValidator(_refuse_onnx), WithJsonSchema({"type": "string"})] | None = None
    phase: Literal["prefill", "decode", "generate", "forward", "training"] | None = None
    batch: Size = 1
    context: Annotated[int, Field(strict=True, ge=0, le=1_000_000_000)] | None = None
    """Prompt tokens (prefill, generate), or tokens already cached (decode)."""
    output_tokens: Size | None = None


def workload_conflicts(workload: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Problem]]:
    """What contradicts itself in a `[workload]` table's plain values, with the path below `workload`."""
    given = [key for key in SOURCES if key in workload]
    if not given:
        yield (), Problem(message="names no network: give one of model, trace, config")
    for key in given[1:]:
        yield (key,), Problem(message=f"contradicts {given[0]}: give one of {', '.join(SOURCES[:3])}")


def idle_workload_keys(workload: WorkloadOptions) -> Iterator[str]:
    """A warning for each stated key that changes nothing: a trace's rows state their own phase and sizes."""
    if workload.trace is not None:
        stated = [key for key in ("phase", "batch", "context", "output_tokens") if key in workload.model_fields_set]
        yield from (f"workload.{key} says nothing beside trace: its rows state their own" for key in stated)
    elif workload.output_tokens is not None and workload.phase not in (None, "generate"):
        yield f"workload.output_tokens says nothing in phase '{workload.phase}': only generate produces tokens"
