"""The `[workload]`, `[quantization]` and `[sparsity]` tables of a design file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from archsim.arch.formats import ArithmeticKind, Format, format
from archsim.core.errors import Problem
from archsim.core.options import Options, Size, checked, refusal
from archsim.core.spelling import spelled
from archsim.core.toml import KeyPath
from archsim.workloads.policies import QuantizationPolicy, SparsityPolicy

SOURCES = ("model", "trace", "config", "onnx")
DEFAULT_FORMAT = "int8"
INTEGER_ACCUMULATOR = "int32"
FLOAT_ACCUMULATOR = "fp32"


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
    """A file of any kind that archsim reads: trace or topology CSV, Parquet, a checkpoint's folder, YAML of others."""
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
        from archsim.workloads.importers import REQUEST_KEYS, importer_by_name

        importer = importer_by_name(workload.trace)
        idle = [key for key in REQUEST_KEYS if importer is not None and key not in importer.takes]
        stated = [key for key in idle if key in workload.model_fields_set]
        yield from (f"workload.{key} says nothing beside trace: its rows state their own" for key in stated)
    elif workload.output_tokens is not None and workload.phase not in (None, "generate"):
        yield f"workload.output_tokens says nothing in phase '{workload.phase}': only generate produces tokens"


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
