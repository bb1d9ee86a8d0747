"""The hyper-parameters of a diffusion transformer, and the parts that its families share."""

from __future__ import annotations

from dataclasses import dataclass

from archsim.workloads.vision.attention_blocks import attention
from archsim.workloads.vision.net import Net, Tensor, joined


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffusionConfig:
    """Hyper-parameters, and the latent that one step denoises."""

    name: str
    family: str
    hidden: int
    heads: int
    layers: int
    """Blocks (FLUX: double-stream ones)."""
    single_layers: int = 0
    """Single-stream blocks (FLUX)."""
    ffn: int
    patch: tuple[int, ...]
    """Latent positions per token, along frames (video), height and width."""
    latent: tuple[int, ...]
    """Frames (video), height and width of the latent."""
    channels: int
    """Channels of the latent."""
    output_channels: int
    classes: int = 0
    text_tokens: int = 0
    text_width: int = 0
    """Width of the text encoder's states."""
    pooled_width: int = 0
    """Width of the text encoder's summary (FLUX)."""
    time_width: int = 256
    """Sines and cosines of the time step."""
    source: str = ""

    @property
    def head_dim(self) -> int:
        return self.hidden // self.heads

    @property
    def grid(self) -> tuple[int, ...]:
        """Tokens along each axis. Raises ValueError where a patch does not divide the latent."""
        pairs = tuple(zip(self.latent, self.patch, strict=True))
        if any(extent % side for extent, side in pairs):
            raise ValueError(f"{self.name}: patch {self.patch} does not divide the latent {self.latent}")
        return tuple(extent // side for extent, side in pairs)


def given(channels: int, *size: int) -> Tensor:
    """A tensor from outside: it waits for nothing."""
    return Tensor(sources=(), channels=channels, size=size)


def conditioning(net: Net, name: str, x: Tensor, hidden: int) -> Tensor:
    """Two layers with an activation between them: the embedding of the time step and its like."""
    made = net.linear(x, f"{name}.fc1", hidden)
    made = net.vector(made, f"{name}.act", "silu")
    return net.linear(made, f"{name}.fc2", hidden)


def modulated(net: Net, prefix: str, x: Tensor, factors: Tensor) -> Tensor:
    """A norm without parameters of its own, then scale and shift by `factors` (adaptive layer norm)."""
    made = net.norm(x, f"{prefix}norm", "standardize")
    return net.vector(made, f"{prefix}modulate", "modulate", others=(factors,))


def gated_add(net: Net, name: str, made: Tensor, stream: Tensor, factors: Tensor) -> Tensor:
    """The stream and the branch times its gate."""
    return net.vector(made, name, "gated-add", others=(stream, factors))


def projected_attention(
    net: Net, prefix: str, query: Tensor, key: Tensor, value: Tensor, heads: int, *, by_head: bool = False
) -> Tensor:
    """Attention and its output projection."""
    made = attention(net, query, key, value, prefix, heads=heads, by_head=by_head)
    return net.linear(made, f"{prefix}o_proj", query.channels)


def together(*tensors: Tensor) -> Tensor:
    """Tokens of several streams behind each other."""
    positions = sum(tensor.positions for tensor in tensors)
    return Tensor(sources=joined(*tensors), channels=tensors[0].channels, size=(positions,))
