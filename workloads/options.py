"""The `[workload]` table of a design file, and the tables that say how it is stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from archsim.core.errors import Problem
from archsim.core.options import LARGEST_SIZE, Options, Size, checked, refusal
from archsim.core.spelling import spelled
from archsim.core.toml import KeyPath
from archsim.workloads.quantization_options import QuantizationOptions, quantization_conflicts
from archsim.workloads.request import REQUEST_KEYS, LatentForm, Optimizer, Recompute, RoutingName
from archsim.workloads.sparsity_options import SparsityOptions
from archsim.workloads.trace import Trace

__all__ = [
    "QuantizationOptions",
    "SparsityOptions",
    "WorkloadOptions",
    "idle_choice",
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


def _check_file(value: object) -> object:
    if value == "":
        raise refusal("must name a file (got '')")
    return value


OpenSize = Annotated[int, Field(strict=True, ge=0, le=LARGEST_SIZE)]
OpenValue = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]
FileText = Annotated[str, Field(strict=True, min_length=1), BeforeValidator(_check_file)]


class WorkloadOptions(Options):
    """`[workload]`: what runs, from exactly one source."""

    model: Annotated[str, PlainValidator(_check_model), WithJsonSchema({"type": "string"})] | None = None
    trace: FileText | None = None
    """A file of any kind that archsim reads: trace or topology CSV, Parquet, a checkpoint's folder, YAML of others."""
    config: FileText | None = None
    """A Hugging Face config.json."""
    onnx: FileText | None = None
    """An ONNX model."""
    dims: dict[str, OpenSize] = Field(default_factory=dict)
    """Sizes of an ONNX model's open dimensions, by name or as ``input[axis]``."""
    values: dict[str, OpenValue] = Field(default_factory=dict)
    """Elements of integer inputs that decide which branch of an ONNX model runs."""
    phase: Literal["prefill", "decode", "generate", "forward", "training"] | None = None
    batch: Size = 1
    context: Annotated[int, Field(strict=True, ge=0, le=1_000_000_000)] | None = None
    """Prompt tokens (prefill, generate), or tokens already cached (decode)."""
    output_tokens: Size | None = None
    routing: RoutingName = "uniform"
    """How tokens spread over the experts of a mixture."""
    latent_attention: LatentForm = "absorbed"
    """How multi-head latent attention decodes: on cached latents, or on cached keys and values."""
    optimizer: Optimizer = "adam"
    """Of a training step."""
    recompute: Recompute = "none"
    """Whether a training step keeps the activations within blocks or computes them again."""


def workload_conflicts(workload: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Problem]]:
    """What contradicts itself in a `[workload]` table's plain values, with the path below `workload`."""
    given = [key for key in SOURCES if key in workload]
    if not given:
        yield (), Problem(message="names no network: give one of model, trace, config, onnx")
    for key in given[1:]:
        yield (key,), Problem(message=f"contradicts {given[0]}: give one of {', '.join(SOURCES)}")


def idle_workload_keys(workload: WorkloadOptions, trace: Trace) -> Iterator[str]:
    """A warning for each stated key that changes nothing for this trace: a table's rows state their own."""
    stated = [key for key in (*REQUEST_KEYS, "dims", "values") if key in workload.model_fields_set]
    source = next((key for key in SOURCES if getattr(workload, key) is not None), SOURCES[0])
    own = "its rows state their own" if source == "trace" else "its graph states its own"
    for key in stated:
        if key not in _taken(workload, source):
            without = key in ("dims", "values")
            why = "without onnx: only its dimensions are open" if without else f"beside {source}: {own}"
            yield f"workload.{key} says nothing {why}"
        elif reason := idle_choice(key, workload.phase, trace):
            yield f"workload.{key} says nothing {reason}"


def _taken(workload: WorkloadOptions, source: str) -> tuple[str, ...]:
    """Keys that a source of this kind reads; all where only the file's content tells its kind."""
    if source == "model":
        return REQUEST_KEYS
    from archsim.workloads.importers import importer_by_key, importer_by_name

    importer = importer_by_key(source) or importer_by_name(str(workload.trace))
    return REQUEST_KEYS if importer is None else importer.takes


def idle_choice(key: str, phase: str | None, trace: Trace) -> str | None:
    """Why a key that the source reads changes nothing for this trace, asked for in `phase`; None where it does."""
    if key in ("optimizer", "recompute"):
        return "outside of phase 'training'" if phase != "training" else None
    if key == "output_tokens" and phase not in (None, "generate"):
        return f"in phase '{phase}': only generate produces tokens"
    layers = {op.name.rpartition(".")[2] for op in trace.ops}
    if key == "routing" and "router" not in layers:
        return f"for {trace.name}, which has no experts"
    if key == "latent_attention" and "kv_a_proj" not in layers:
        return f"for {trace.name}, which has none"
    return None
