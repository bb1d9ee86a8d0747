"""FLUX.1: text and image in two streams that attend together, then in one (as the model's published code has it)."""

from __future__ import annotations

import math

from archsim.workloads.vision.attention_blocks import attention, mlp
from archsim.workloads.vision.latents import (
    DiffusionConfig,
    conditioning,
    gated_add,
    given,
    modulated,
    together,
)
from archsim.workloads.vision.net import Net, Tensor, concat


def flux(net: Net, config: DiffusionConfig) -> None:
    """Both inputs embedded, double-stream blocks, single-stream blocks, and a modulated linear head on the image."""
    tokens = math.prod(config.grid)
    image = net.linear(given(config.channels * math.prod(config.patch), tokens), "img_in", config.hidden)
    text = net.linear(given(config.text_width, config.text_tokens), "txt_in", config.hidden)
    factors = _condition(net, config)
    for index in range(config.layers):
        image, text = _double(net, config, f"layers.{index}.", image, text, factors)
    stream = together(text, image)
    for index in range(config.single_layers):
        stream = _single(net, config, f"single_layers.{index}.", stream, factors)
    final = net.linear(factors, "final.modulation", 2 * config.hidden)
    image = modulated(net, "final.", stream.resized((tokens,)), final)
    net.linear(image, "final.head", math.prod(config.patch) * config.output_channels)


def _condition(net: Net, config: DiffusionConfig) -> Tensor:
    """The sum of the embeddings of time, guidance strength and text summary."""
    widths = {"time_in": config.time_width, "guidance_in": config.time_width, "vector_in": config.pooled_width}
    time, guidance, summary = (
        conditioning(net, name, given(width, 1), config.hidden) for name, width in widths.items()
    )
    total = net.vector(time, "condition", "add", "add", others=(guidance, summary))
    return net.vector(total, "condition.act", "silu")


def _double(
    net: Net, config: DiffusionConfig, prefix: str, image: Tensor, text: Tensor, factors: Tensor
) -> tuple[Tensor, Tensor]:
    """Each stream has its own weights; queries, keys and values of both meet in one attention."""
    modulations, projections = [], []
    for name, x in (("img_", image), ("txt_", text)):
        modulation = net.linear(factors, f"{prefix}{name}modulation", 6 * config.hidden)
        made = modulated(net, f"{prefix}{name}input_", x, modulation)
        modulations.append(modulation)
        projections.append(_heads(net, config, f"{prefix}{name}", made))
    query, key, value = (together(of_text, of_image) for of_image, of_text in zip(*projections, strict=True))
    mixed = attention(net, query, key, value, prefix, heads=config.heads)
    streams = []
    for name, x, modulation in (("img_", image, modulations[0]), ("txt_", text, modulations[1])):
        made = net.linear(mixed.resized(x.size), f"{prefix}{name}o_proj", config.hidden)
        x = gated_add(net, f"{prefix}{name}attn_add", made, x, modulation)
        made = modulated(net, f"{prefix}{name}post_", x, modulation)
        made = mlp(net, made, f"{prefix}{name}", config.ffn)
        streams.append(gated_add(net, f"{prefix}{name}mlp_add", made, x, modulation))
    return streams[0], streams[1]


def _single(net: Net, config: DiffusionConfig, prefix: str, x: Tensor, factors: Tensor) -> Tensor:
    """Attention and MLP side by side, with one projection behind both."""
    modulation = net.linear(factors, f"{prefix}modulation", 3 * config.hidden)
    made = modulated(net, f"{prefix}input_", x, modulation)
    query, key, value = _heads(net, config, prefix, made)
    mixed = attention(net, query, key, value, prefix, heads=config.heads)
    wide = net.vector(net.linear(made, f"{prefix}fc1", config.ffn), f"{prefix}act", "gelu")
    made = net.linear(concat(mixed, wide), f"{prefix}o_proj", config.hidden)
    return gated_add(net, f"{prefix}add", made, x, modulation)


def _heads(net: Net, config: DiffusionConfig, prefix: str, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries and keys, normalised over each head's values and rotated, and values."""
    query, key, value = (net.linear(x, f"{prefix}{name}_proj", config.hidden) for name in "qkv")
    net.parameters += 2 * config.head_dim
    query = net.vector(query, f"{prefix}q_norm", "rmsnorm", "rope", kind="norm")
    key = net.vector(key, f"{prefix}k_norm", "rmsnorm", "rope", kind="norm")
    return query, key, value
