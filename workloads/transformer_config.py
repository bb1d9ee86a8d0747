"""The hyper-parameters of a transformer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from archsim.workloads.transformer_parts import LatentAttention, MoeConfig, VisionConfig

NormKind = Literal["layernorm", "rmsnorm"]
HeadKind = Literal["lm", "lm-tied", "pooler", "classifier", "none"]
NormPlacement = Literal["pre", "post", "sandwich", "parallel", "parallel-two"]
Positions = Literal["learned", "rotary", "alibi", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformerConfig:
    """Hyper-parameters of a decoder, an encoder or a vision transformer.

    `kv_heads` below `heads` is grouped-query attention. `causal` models are decoders: they keep a KV cache and have
    the phases prefill, decode and generate; the others have only forward (and training).
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
    norm_placement: NormPlacement = "pre"
    """Of the norms about the two branches of a block: before them, behind their sums, before and behind them, or once
    before both branches side by side (`parallel-two`: each of these has its own)."""
    embed_norm: bool = False
    embed_width: int = 0
    """Width of the embedding where projections lie between it and the blocks (0: `hidden`)."""
    final_norm: bool = True
    positions: Positions = "learned"
    rotary_dim: int = 0
    """Part of a head that is rotated (0: all of it)."""
    position_rows: int = 0
    """Rows of a learned position table (OPT's has two more than the context)."""
    token_types: int = 0
    qkv_bias: bool = True
    output_bias: bool = True
    mlp_bias: bool = True
    head_bias: bool = False
    qk_norm: bool = False
    """Norms of each head's queries and keys."""
    sub_norms: bool = False
    """Norms before the output projection and before the down projection (BitNet)."""
    sinks: bool = False
    """A trained logit for each head that takes part in the softmax (gpt-oss)."""
    score_softcap: bool = False
    logit_softcap: bool = False
    head: HeadKind = "lm-tied"
    window: int | None = None
    """Sliding-window attention: a token sees at most this many."""
    full_attention_every: int = 0
    """With a window: every n-th layer attends to everything (0: none does)."""
    latent: LatentAttention | None = None
    moe: MoeConfig | None = None
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
    def value_width(self) -> int:
        """What attention gives to the output projection."""
        return self.heads * (self.latent.value_dim if self.latent else self.head_dim)

    @property
    def kv_elements_per_token(self) -> int:
        """Elements that one token leaves in the cache, over all layers; 0 without a cache.

        Keys and values, or with latent attention the compressed latent and the rotated part of the key.
        """
        if not self.causal:
            return 0
        return self.layers * (self.latent.cache_width if self.latent else 2 * self.kv_width)

    @property
    def parameters(self) -> int:
        """All trained values: embeddings, projections, biases, norms and head; tied weights once."""
        from archsim.workloads.transformer_parameters import parameters

        return parameters(self)  # pyright: ignore[reportArgumentType]  # it takes the linked class for another

    def window_of(self, layer: int) -> int | None:
        """How many tokens a token sees in a layer at most; None: all before it."""
        every = self.full_attention_every
        return None if every and (layer + 1) % every == 0 else self.window

    def is_moe(self, layer: int) -> bool:
        """Whether a layer's MLP is a mixture of experts."""
        return self.moe is not None and self.moe.holds(layer)


def config_from_table(name: str, table: Mapping[str, Any]) -> TransformerConfig:
    """The hyper-parameters in the tables of a catalog file."""
    values = dict(table["config"])
    parts = {"latent": LatentAttention, "moe": MoeConfig, "vision": VisionConfig}
    values |= {key: part(**values[key]) for key, part in parts.items() if key in values}
    return TransformerConfig(name=name, source=table["source"], **values)
