"""Parts that only some transformers have: latent attention, mixtures of experts, an image side."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentAttention:
    """Multi-head latent attention: keys and values of all heads come from one compressed vector, which is cached.

    Source: DeepSeek-AI 2024, arXiv:2405.04434, section 2.1 and appendix C.
    """

    kv_rank: int
    """Width of the compressed vector of keys and values."""
    q_rank: int | None = None
    """Width of the compressed query; None: queries are projected at once."""
    nope_dim: int
    """Part of a head's query and key without positions."""
    rope_dim: int
    """Part of a head's query with positions, and of the one key that all heads share."""
    value_dim: int

    @property
    def query_dim(self) -> int:
        """Width of one head's query."""
        return self.nope_dim + self.rope_dim

    @property
    def cache_width(self) -> int:
        """Elements cached for a token in one layer: the latent, and the rotated key."""
        return self.kv_rank + self.rope_dim


@dataclass(frozen=True, slots=True, kw_only=True)
class MoeConfig:
    """A mixture of experts in place of the MLP: each token runs `active` of `experts` and all shared ones."""

    experts: int
    active: int
    ffn: int
    """Width of one routed expert."""
    shared_ffn: int = 0
    """Width of all shared experts together (0: none)."""
    shared_gate: bool = False
    """A sigmoid gate of one output on the shared experts (Qwen2-MoE)."""
    dense_layers: int = 0
    """Layers at the start that keep a dense MLP."""
    every: int = 1
    """Of the layers behind them, every n-th is a mixture; the others are dense."""
    router_bias: bool = False
    expert_bias: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.active <= self.experts:
            raise ValueError(f"active experts must be from 1 to {self.experts} (got {self.active})")

    def holds(self, layer: int) -> bool:
        """Whether the layer is a mixture."""
        return layer >= self.dense_layers and (layer + 1) % self.every == 0


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
