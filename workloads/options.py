"""The `[workload]`, `[quantization]` and `[sparsity]` tables of a design file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from archsim.arch.formats import ArithmeticKind, Format, format
from archsim.core.errors import Problem
from archsim.core.options import LARGEST_SIZE, Options, Size, checked, refusal
from archsim.core.spelling import spelled
from archsim.core.toml import KeyPath
from archsim.workloads.policies import QuantizationPolicy, SparsityPolicy
from archsim.workloads.request import REQUEST_KEYS
from archsim.workloads.trace import Trace

SOURCES = ("model", "trace", "config", "onnx")
DEFAULT_FORMAT = "int8"
INTEGER_ACCUMULATOR = "int32"
FLOAT_ACCUMULATOR = "fp32"


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
    routing: Literal["uniform", "balanced"] = "uniform"
    """How tokens spread over the experts of a mixture."""
    latent_attention: Literal["absorbed", "naive"] = "absorbed"
    """How multi-head latent attention decodes: on cached latents, or on cached keys and values."""
    optimizer: Literal["adam", "momentum", "sgd"] = "adam"
    """Of a training step."""
    recompute: Literal["none", "blocks"] = "none"
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
    source = next((key for key in SOURCES if getattr(workload, key) is not None), "model")
    own = "its rows state their own" if source == "trace" else "its graph states its own"
    for key in stated:
        if key not in _taken(workload, source):
            without = key in ("dims", "values")
            why = "without onnx: only its dimensions are open" if without else f"beside {source}: {own}"
            yield f"workload.{key} says nothing {why}"
        elif why := _idle(key, workload, trace):
            yield f"workload.{key} says nothing {why}"


def _taken(workload: WorkloadOptions, source: str) -> tuple[str, ...]:
    """Keys that a source of this kind reads; all where only the file's content tells its kind."""
    if source == "model":
        return REQUEST_KEYS
    from archsim.workloads.importers import importer_by_key, importer_by_name

    importer = importer_by_key(source) or importer_by_name(str(workload.trace))
    return REQUEST_KEYS if importer is None else importer.takes


def _idle(key: str, workload: WorkloadOptions, trace: Trace) -> str | None:
    """Why a key that the source reads changes nothing for this trace; None where it does."""
    if key in ("optimizer", "recompute"):
        return "outside of phase 'training'" if workload.phase != "training" else None
    if key == "output_tokens" and workload.phase not in (None, "generate"):
        return f"in phase '{workload.phase}': only generate produces tokens"
    layers = {op.name.rpartition(".")[2] for op in trace.ops}
    if key == "routing" and "router" not in layers:
        return f"for {trace.name}, which has no experts"
    if key == "latent_attention" and "kv_a_proj" not in layers:
        return f"for {trace.name}, which has none"
    return None


def _check_format(value: object) -> object:
    if not isinstance(value, str | Mapping):
        raise refusal(f"must be a format such as 'int8' (got {spelled(value)})")
    return checked(lambda spec: format(spec))(value)  # type: ignore[arg-type]


class FormatTable(Options):
    """A format whose stored size is overridden."""

    format: str
    storage_bits: float


FormatText = Annotated[str | dict[str, Any], PlainValidator(_check_format, json_schema_input_type=str | FormatTable)]


class FormatKeys(Options):
    """Formats by role; `activations` is another word for inputs and outputs together."""

    weights: FormatText | None = None
    inputs: FormatText | None = None
    outputs: FormatText | None = None
    activations: FormatText | None = None
    kv_cache: FormatText | None = None

    def given(self) -> dict[str, Format]:
        """The formats that are stated, with `activations` spelled out where nothing more exact is."""
        both = {} if self.activations is None else {"inputs": self.activations, "outputs": self.activations}
        own = {key: getattr(self, key) for key in ("weights", "inputs", "outputs", "kv_cache")}
        return {key: format(spec) for key, spec in (both | {k: v for k, v in own.items() if v is not None}).items()}


class QuantizationOptions(FormatKeys):
    """`[quantization]`: formats by role, and by layer where a glob matches its name."""

    accumulator: FormatText | None = None
    layers: dict[str, FormatKeys] = Field(default_factory=dict)

    def policy(self) -> QuantizationPolicy:
        """The formats with defaults filled in.

        Weights and inputs default to int8, outputs and the KV cache to the inputs' format, the accumulator to int32,
        or to fp32 when weights or inputs are floats.
        """
        given = self.given()
        weights = given.get("weights") or format(DEFAULT_FORMAT)
        inputs = given.get("inputs") or format(DEFAULT_FORMAT)
        return QuantizationPolicy(
            weights=weights,
            inputs=inputs,
            outputs=given.get("outputs") or inputs,
            kv_cache=given.get("kv_cache") or inputs,
            accumulator=format(self.accumulator or default_accumulator(weights, inputs)),
            layers=tuple((glob, keys.given()) for glob, keys in self.layers.items()),
        )

    def resolved(self) -> dict[str, Any]:
        """The table with its defaults, in canonical spellings."""
        policy = self.policy()
        roles = ("weights", "inputs", "outputs", "kv_cache", "accumulator")
        table: dict[str, Any] = {role: getattr(policy, role).name for role in roles}
        if policy.layers:
            table["layers"] = {glob: {key: fmt.name for key, fmt in keys.items()} for glob, keys in policy.layers}
        return table


def default_accumulator(weights: Format, inputs: Format) -> str:
    """The accumulator where the design states none: wide enough for the products' kind."""
    kinds = (weights.arithmetic.kind, inputs.arithmetic.kind)
    return FLOAT_ACCUMULATOR if ArithmeticKind.FLOAT in kinds else INTEGER_ACCUMULATOR


def quantization_conflicts(quantization: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Problem]]:
    """Tables in which `activations` leaves nothing to say for another key that is given."""
    layers = quantization.get("layers")
    tables: list[tuple[KeyPath, Any]] = [((), quantization)]
    if isinstance(layers, Mapping):
        tables += [(("layers", glob), keys) for glob, keys in layers.items()]
    for path, table in tables:
        if isinstance(table, Mapping) and all(key in table for key in ("activations", "inputs", "outputs")):
            yield (*path, "activations"), Problem(message="is another word for inputs and outputs: both are given too")


def _check_sparsity(value: object) -> object:
    from archsim.workloads.sparsity import parse_sparsity

    if not isinstance(value, str):
        raise refusal(f"must be a pattern such as '2:4' (got {spelled(value)})")
    return checked(lambda text: parse_sparsity(str(text)))(value)


SparsityText = Annotated[str, PlainValidator(_check_sparsity), WithJsonSchema({"type": "string", "examples": ["2:4"]})]


class SparsityKeys(Options):
    """Patterns of weights and of inputs."""

    weights: SparsityText | None = None
    inputs: SparsityText | None = None


class SparsityOptions(SparsityKeys):
    """`[sparsity]`: patterns, and by layer where a glob matches its name."""

    layers: dict[str, SparsityKeys] = Field(default_factory=dict)

    def policy(self) -> SparsityPolicy:
        """The patterns as the trace takes them."""
        layers = tuple((glob, keys.written()) for glob, keys in self.layers.items())
        return SparsityPolicy(weights=self.weights, inputs=self.inputs, layers=layers)

    @property
    def stated(self) -> bool:
        """Whether any operand is to be sparse."""
        return bool(self.weights or self.inputs or self.layers)
