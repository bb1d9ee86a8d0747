"""The tables of a claim file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from archsim.core.options import Count, Fraction01, LengthText, Options, Positive, Size, refusal

Relation = Literal["=", "~", "<", ">", "<=", ">=", "range"]
Kind = Literal["measured", "simulated", "abstract"]
Field_ = Literal["bit-level", "fpga", "gpu", "codesign", "llm-systems"]
Text = Annotated[str, Field(strict=True, min_length=1)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]

DEFAULT_TOLERANCE = 0.02
"""Relative error up to which a claim counts as reproduced, where its file does not say."""


class ValuesOptions(Options):
    """Values that a tensor is drawn from, for formats whose size depends on them."""

    distribution: Text
    """A distribution that formats are compared on (`gaussian`, `laplace`, ...), or `ternary`."""
    zeros: Fraction01 | None = None
    """Of `ternary`: the mean share of zeros of a row."""
    spread: Fraction01 = 0.0
    """Of `ternary`: the standard deviation of that share over rows."""

    @model_validator(mode="after")
    def _zeros_of_ternary(self) -> ValuesOptions:
        if (self.distribution == "ternary") != (self.zeros is not None):
            raise refusal("zeros belongs to the distribution 'ternary', which needs it")
        return self


class Encoding(Options):
    """How a share of a tensor's elements is stored."""

    format: Text
    values: ValuesOptions | None = None
    """Encode a tensor of these values and count its bits; without, the bits that the format states for the shape."""
    share: Fraction01 = 1.0
    sparsity: Text | None = None
    """A pattern as in `[sparsity]`: what is kept is stored, with an index of what was."""
    pairs: Annotated[bool, Field(strict=True)] = False
    """The pattern is over pairs of neighbours, as for 4-bit elements on sparse tensor cores: half the indices."""


class TensorOptions(Options):
    """Tensors that are stored alike: of one shape, or of a catalog model."""

    shape: tuple[Size, ...] = ()
    count: Size = 1
    model: Text | None = None
    take: Literal["weights", "vectors", "embeddings", "outputs"] = "weights"
    """Of a model: matrices of its layers; biases, norms and other vectors; embedding tables; results of its layers."""
    layers: tuple[Text, ...] = ("*",)
    """Globs of the layers whose weights or outputs are meant."""
    store: Text | tuple[Encoding, ...]

    @model_validator(mode="after")
    def _one_origin(self) -> TensorOptions:
        if bool(self.shape) == (self.model is not None):
            raise refusal("needs either shape or model")
        if abs(sum(encoding.share for encoding in self.encodings) - 1) > 1e-9:
            raise refusal("the shares of store must add up to 1")
        return self

    @property
    def encodings(self) -> tuple[Encoding, ...]:
        return (Encoding(format=self.store),) if isinstance(self.store, str) else self.store


class BitsOptions(Options):
    """Stored bits of one element of a format, metadata included; of an array, where the shape matters."""

    kind: Literal["bits"]
    format: Text
    shape: tuple[Size, ...] = ()


class StorageOptions(Options):
    """What tensors take, against the same tensors in another format."""

    kind: Literal["storage"]
    quantity: Literal["ratio", "share", "saving", "bits", "gigabytes"]
    """baseline / stored; stored / baseline in percent; what is saved in percent; bits per element; 10^9 bytes."""
    baseline: Text = "fp32"
    tensors: Annotated[tuple[TensorOptions, ...], Field(min_length=1)]


class FidelityOptions(Options):
    """How much more signal-to-quantization-noise ratio a format keeps than a baseline, in dB."""

    kind: Literal["fidelity"]
    format: Text
    baseline: Text
    distribution: Text
    """One that formats are compared on (`gaussian`, `variance`, ...)."""


class DotProductOptions(Options):
    """A dot-product unit of a format against one of a baseline format: baseline / format."""

    kind: Literal["dot-product"]
    quantity: Literal["area", "energy", "area-memory"]
    """Of the unit; `area-memory` is its area times the stored bits of an element."""
    format: Text
    baseline: Text
    lanes: Count
    accumulator: Text = "fp32"
    node: LengthText


class DesignsOptions(Options):
    """A number of an evaluated design, alone or against a second one."""

    kind: Literal["designs"]
    quantity: Literal["value", "ratio", "saving", "overhead"]
    """The design's number; baseline / design; what the design saves of the baseline, or adds to it, in percent."""
    metric: Text
    """Dotted place in the evaluation's JSON document: `totals.latency_s`."""
    design: Text
    """A design file beside the claim."""
    set: tuple[Text, ...] = ()
    """Overrides, as of `--set`."""
    baseline: Text | None = None
    baseline_set: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _baseline_where_compared(self) -> DesignsOptions:
        if (self.quantity == "value") != (self.baseline is None):
            raise refusal("needs a baseline unless quantity is 'value', which has none")
        return self


class RunOptions(Options):
    """One run of a task: overrides, as of `--set`, for the design and for the baseline."""

    times: Positive = 1.0
    """How often it is run: the tokens of a decode."""
    set: tuple[Text, ...] = ()
    baseline_set: tuple[Text, ...] = ()
    baseline_by_model: dict[Text, tuple[Text, ...]] = Field(default_factory=dict)
    """Overrides of the baseline that differ from model to model."""


class TaskOptions(Options):
    """Runs whose numbers add up."""

    name: Text
    run: Annotated[tuple[RunOptions, ...], Field(min_length=1)]


class SuiteOptions(Options):
    """The mean over models and tasks of baseline / design."""

    kind: Literal["suite"]
    metric: Text
    mean: Literal["arithmetic", "geometric"]
    design: Text
    baseline: Text
    models: Annotated[tuple[Text, ...], Field(min_length=1)]
    set: tuple[Text, ...] = ()
    """Overrides of both, as of `--set`."""
    task: Annotated[tuple[TaskOptions, ...], Field(min_length=1)]


Recompute = Annotated[
    BitsOptions | StorageOptions | FidelityOptions | DotProductOptions | DesignsOptions | SuiteOptions,
    Field(discriminator="kind"),
]


class PartOptions(Options):
    """One number of a claim that has several."""

    name: Text
    value: Number
    relation: Relation | None = None
    """Where it is not the claim's: a bound that shows what the claim says in words."""
    recompute: Recompute


class ClaimOptions(Options):
    """A claim file: what was published, and what recomputes it or why nothing does."""

    system: Text
    family: Text
    field: Field_
    metric: Text
    relation: Relation
    value: Number | Text
    unit: str = ""
    baseline: str = ""
    platform: str = ""
    condition: str = ""
    kind: Kind
    source: Text
    tolerance: Positive = DEFAULT_TOLERANCE
    assumptions: tuple[Text, ...] = ()
    missing: Text | None = None
    recompute: Recompute | None = None
    part: tuple[PartOptions, ...] = ()

    @model_validator(mode="after")
    def _recomputed_or_missing(self) -> ClaimOptions:
        if sum((self.missing is not None, self.recompute is not None, bool(self.part))) != 1:
            raise refusal("needs exactly one of missing, recompute and part")
        if self.recompute is not None and not isinstance(self.value, float):
            raise refusal("recompute needs a value that is one number; write parts for several")
        return self

    @property
    def parts(self) -> tuple[tuple[str, Relation, float, Any], ...]:
        """Name, relation, published number and recomputation of each number; none for what is not modelled."""
        if self.recompute is not None and isinstance(self.value, float):
            return (("", self.relation, self.value, self.recompute),)
        return tuple((part.name, part.relation or self.relation, part.value, part.recompute) for part in self.part)
