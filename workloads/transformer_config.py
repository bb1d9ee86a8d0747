"""The hyper-parameters of a transformer, and the number of parameters that follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

NormKind = Literal["layernorm", "rmsnorm"]
HeadKind = Literal["lm", "lm-tied", "pooler", "classifier", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VisionConfig:
    """The image side of a vision transformer: square images in square patches, one class token in front."""

    image: int
    patch: int
    channels: int = 3
    classes: int

    @property
    def patches_per_side(self) -> int:
        return self.image // self.patch

    @property
    def tokens(self) -> int:
        """Patches and the class token."""
        return self.patches_per_side**2 + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformerConfig:
    """Hyper-parameters of a decoder, an encoder or a vision transformer.

    `kv_heads` below `heads` is grouped-query attention. `causal` models are decoders: they keep a KV cache and have
    the phases prefill, decode and generate; the others have only forward.
    """

    name: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    context: int
    """Longest sequence in tokens; the length where the caller gives none."""
    vocab: int = 0
    causal: bool = True
    gated: bool = False
    activation: str = "gelu"
    norm: NormKind = "layernorm"
    norm_placement: Literal["pre", "post"] = "pre"
    embed_norm: bool = False
    final_norm: bool = True
    positions: Literal["learned", "rotary"] = "learned"
    position_rows: int = 0
    """Rows of a learned position table (OPT's has two more than the context)."""
    token_types: int = 0
    qkv_bias: bool = True
    output_bias: bool = True
    mlp_bias: bool = True
    head: HeadKind = "lm-tied"
    window: int | None = None
    """Sliding-window attention: a token sees at most this many."""
    vision: VisionConfig | None = None
    source: str = ""

    def __post_init__(self) -> None:
        if self.heads % self.kv_heads:
            raise ValueError(f"{self.name}: kv_heads must divide heads (got {self.kv_heads} and {self.heads})")
        if self.vision and self.vision.image % self.vision.patch:
            raise ValueError(f"{self.name}: patch {self.vision.patch} does not divide the image {self.vision.image}")

    @property
    def query_width(self) -> int:
        return self.heads * self.head_dim

    @property
    def kv_width(self) -> int:
        return self.kv_heads * self.head_dim

    @property
    def kv_elements_per_token(self) -> int:
        """Keys and values that one token leaves in the cache, over all layers; 0 without a cache."""
        return 2 * self.layers * self.kv_width if self.causal else 0

    @property
    def parameters(self) -> int:
        """All trained values: embeddings, projections, biases, norms and head; tied weights once."""
        return _embedding(self) + self.layers * (_attention(self) + _mlp(self) + 2 * _norm(self)) + _head(self)


def config_from_table(name: str, table: Mapping[str, Any]) -> TransformerConfig:
    """The hyper-parameters in the tables of a catalog file."""
    values = dict(table["config"])
    if "vision" in values:
        values["vision"] = VisionConfig(**values["vision"])
    return TransformerConfig(name=name, source=table["source"], **values)


def _linear(inputs: int, outputs: int, bias: bool) -> int:
    return inputs * outputs + (outputs if bias else 0)


def _norm(config: TransformerConfig) -> int:
    return config.hidden * (2 if config.norm == "layernorm" else 1)


def _attention(config: TransformerConfig) -> int:
    qkv = _linear(config.hidden, config.query_width + 2 * config.kv_width, config.qkv_bias)
    return qkv + _linear(config.query_width, config.hidden, config.output_bias)


def _mlp(config: TransformerConfig) -> int:
    up = _linear(config.hidden, config.ffn, config.mlp_bias)
    return up * (2 if config.gated else 1) + _linear(config.ffn, config.hidden, config.mlp_bias)


def _embedding(config: TransformerConfig) -> int:
    rows = config.vocab + config.position_rows + config.token_types
    count = rows * config.hidden + (_norm(config) if config.embed_norm else 0)
    if config.vision is None:
        return count
    class_token = config.hidden
    return count + class_token + _linear(config.vision.channels * config.vision.patch**2, config.hidden, True)


def _head(config: TransformerConfig) -> int:
    final = _norm(config) if config.final_norm else 0
    match config.head:
        case "lm":
            return final + config.hidden * config.vocab
        case "pooler":
            return final + _linear(config.hidden, config.hidden, True)
        case "classifier":
            return final + _linear(config.hidden, config.vision.classes if config.vision else 0, True)
        case "lm-tied" | "none":
            return final
