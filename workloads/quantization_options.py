"""The `[quantization]` table of a design file."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from archsim.arch.formats import ArithmeticKind, Format, format
from archsim.core.errors import Problem, nearest
from archsim.core.options import Fraction01, Options, checked, refusal
from archsim.core.spelling import brief, spelled
from archsim.core.toml import KeyPath
from archsim.workloads.parts import PartKind, parse_range
from archsim.workloads.policies import PartRule, QuantizationPolicy

DEFAULT_FORMAT = "int8"
INTEGER_ACCUMULATOR = "int32"
FLOAT_ACCUMULATOR = "fp32"
KV_KEYS = ("keys", "values")
PART_KINDS: tuple[PartKind, PartKind] = ("heads", "experts")


def _check_format(value: object) -> object:
    if not isinstance(value, str | Mapping):
        raise refusal(f"must be a format such as 'int8' (got {spelled(value)})")
    return checked(lambda spec: format(spec))(value)  # type: ignore[arg-type]


class FormatTable(Options):
    """A format whose stored size is overridden."""

    format: str
    storage_bits: float


FormatText = Annotated[str | dict[str, Any], PlainValidator(_check_format, json_schema_input_type=str | FormatTable)]


class KvTable(Options):
    """Keys and values in formats of their own."""

    keys: str | FormatTable | None = None
    values: str | FormatTable | None = None


def _check_cache(value: object) -> object:
    """A format, or a table of formats of keys and values."""
    if not isinstance(value, Mapping) or "format" in value or "storage_bits" in value:
        return _check_format(value)
    for key in value:
        if key not in KV_KEYS:
            near = nearest(str(key), KV_KEYS)
            hint = f"did you mean '{near}'?" if near else "known keys: keys, values"
            raise refusal(f"unknown key '{brief(str(key))}'", hint)
    if not value:
        raise refusal("must give keys, values or both", "or one format for both: 'int8'")
    for spec in value.values():
        _check_format(spec)
    return value


CacheText = Annotated[
    str | dict[str, Any], PlainValidator(_check_cache, json_schema_input_type=str | FormatTable | KvTable)
]


class FormatKeys(Options):
    """Formats by role; `activations` is another word for inputs and outputs together."""

    weights: FormatText | None = None
    inputs: FormatText | None = None
    outputs: FormatText | None = None
    activations: FormatText | None = None
    kv_cache: CacheText | None = None

    def given(self) -> dict[str, Format]:
        """The formats that are stated, with `activations` spelled out where nothing more exact is."""
        both = {} if self.activations is None else {"inputs": self.activations, "outputs": self.activations}
        own: dict[str, Any] = {key: getattr(self, key) for key in ("weights", "inputs", "outputs")}
        if isinstance(self.kv_cache, Mapping) and "format" not in self.kv_cache:
            own |= {key: self.kv_cache[key] for key in KV_KEYS if key in self.kv_cache}
        else:
            own["kv_cache"] = self.kv_cache
        return {key: format(spec) for key, spec in (both | {k: v for k, v in own.items() if v is not None}).items()}


RangeText = Annotated[
    str, PlainValidator(checked(lambda text: parse_range(str(text)))), WithJsonSchema({"type": "string"})
]
PartTables = dict[RangeText, FormatKeys]


class LayerKeys(FormatKeys):
    """Formats of layers, and of single heads and experts in them: `experts = { "0-3" = { weights = "int8" } }`."""

    heads: PartTables = Field(default_factory=dict)
    experts: PartTables = Field(default_factory=dict)

    def rules(self, glob: str) -> Iterator[PartRule]:
        """The formats of heads and experts in layers that `glob` matches."""
        for kind in PART_KINDS:
            for text, keys in getattr(self, kind).items():
                yield PartRule(glob=glob, kind=kind, indices=parse_range(text), formats=keys.given())

    def spelled(self) -> dict[str, Any]:
        """What is stated, in canonical spellings."""
        parts = {
            kind: {text: _names(keys.given()) for text, keys in getattr(self, kind).items()} for kind in PART_KINDS
        }
        return _names(self.given()) | {kind: tables for kind, tables in parts.items() if tables}


class KeepOptions(Options):
    """The most sensitive layers, up to a share of the parameters, in a format of their own."""

    fraction: Fraction01
    format: FormatText


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, Mapping) else value


class SensitivityOptions(Options):
    """`[quantization.sensitivity]`: layers from the most sensitive on, and what the first of them keep."""

    order: str | list[str]
    """Globs, or a CSV file with a column `layer` and perhaps one `sensitivity` (larger: more sensitive)."""
    keep: Annotated[list[KeepOptions], BeforeValidator(_one_or_more), Field(min_length=1)]


def _check_rotation(value: object) -> object:
    from archsim.workloads.rotation import parse_rotation

    if not isinstance(value, str):
        raise refusal(f"must be a rotation such as 'hadamard' (got {spelled(value)})")
    return checked(lambda text: parse_rotation(str(text)))(value)


def _rotations(value: object) -> object:
    """A list of globs as a table of whole Hadamard rotations."""
    if isinstance(value, list) and all(isinstance(glob, str) for glob in value):
        return dict.fromkeys(value, "hadamard")
    return value


RotationText = Annotated[str, PlainValidator(_check_rotation), WithJsonSchema({"type": "string"})]
Effect = Literal["quantize", "dequantize", "scale"]


def _effects(value: object) -> object:
    return ["quantize", "dequantize", "scale"] if value == "all" else value


def _check_scheme(value: object) -> object:
    from archsim.workloads.scheme import parse_scheme

    if not isinstance(value, str):
        raise refusal(f"must be a scheme such as 'w4a8kv4' (got {spelled(value)})")
    return checked(lambda text: parse_scheme(str(text)))(value)


SchemeText = Annotated[str, PlainValidator(_check_scheme), WithJsonSchema({"type": "string", "examples": ["w4a8kv4"]})]


class QuantizationOptions(LayerKeys):
    """`[quantization]`: formats by role, by layer where a glob matches its name, by head and by expert."""

    scheme: SchemeText | None = None
    """A shorthand such as `w4a8kv4`; keys beside it win."""
    accumulator: FormatText | None = None
    layers: dict[str, LayerKeys] = Field(default_factory=dict)
    sensitivity: SensitivityOptions | None = None
    rotate: Annotated[dict[str, RotationText], BeforeValidator(_rotations)] = Field(default_factory=dict)
    effects: Annotated[list[Effect], BeforeValidator(_effects)] = Field(default_factory=list)

    def given(self) -> dict[str, Format]:
        """The formats that the scheme and the keys beside it state."""
        own = FormatKeys.given(self)
        if self.scheme is None:
            return own
        from archsim.workloads.scheme import parse_scheme

        return FormatKeys.model_validate(parse_scheme(self.scheme)).given() | own

    def idle_scheme(self, roles: Container[str]) -> tuple[str, ...]:
        """A warning where keys beside the scheme state all that it says of operands of these `roles`."""
        if self.scheme is None:
            return ()
        from archsim.workloads.scheme import parse_scheme

        said = FormatKeys.model_validate(parse_scheme(self.scheme)).given()
        about = [key for key in said if "kv" in roles or not key.startswith("kv")]
        if any(key not in FormatKeys.given(self) for key in about):
            return ()
        return (f"quantization.scheme says nothing: {', '.join(about)} are stated beside it",)

    def policy(self) -> QuantizationPolicy:
        """The formats with defaults filled in; without those of sensitive layers, which depend on the trace.

        Weights and inputs default to int8, outputs and the KV cache to the inputs' format, the accumulator to int32,
        or to fp32 when weights or inputs are floats.
        """
        given = self.given()
        weights = given.get("weights") or format(DEFAULT_FORMAT)
        inputs = given.get("inputs") or format(DEFAULT_FORMAT)
        rules = [*self.rules("*"), *(rule for glob, keys in self.layers.items() for rule in keys.rules(glob))]
        return QuantizationPolicy(
            weights=weights,
            inputs=inputs,
            outputs=given.get("outputs") or inputs,
            kv_cache=given.get("kv_cache") or inputs,
            accumulator=format(self.accumulator or default_accumulator(weights, inputs)),
            keys=given.get("keys"),
            values=given.get("values"),
            layers=tuple((glob, keys.given()) for glob, keys in self.layers.items()),
            parts=tuple(rules),
        )

    def resolved(self) -> dict[str, Any]:
        """The table with its defaults, in canonical spellings."""
        policy = self.policy()
        roles = ("weights", "inputs", "outputs", "kv_cache", "accumulator")
        table: dict[str, Any] = {role: getattr(policy, role).name for role in roles}
        if policy.keys or policy.values:
            table["kv_cache"] = {key: (getattr(policy, key) or policy.kv_cache).name for key in KV_KEYS}
        table |= {key: value for key, value in self.spelled().items() if key in PART_KINDS}
        if self.layers:
            table["layers"] = {glob: keys.spelled() for glob, keys in self.layers.items()}
        written = self.written()
        return table | {key: written[key] for key in ("sensitivity", "rotate", "effects") if written.get(key)}


def _names(formats: Mapping[str, Format]) -> dict[str, Any]:
    """Formats by their names, keys and values in one table."""
    names: dict[str, Any] = {key: fmt.name for key, fmt in formats.items() if key not in KV_KEYS}
    cached = {key: formats[key].name for key in KV_KEYS if key in formats}
    return names | ({"kv_cache": cached} if cached else {})


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
