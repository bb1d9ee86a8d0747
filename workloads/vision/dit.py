"""DiT with adaptive layer norm (Peebles and Xie 2023, figure 3)."""

from __future__ import annotations

import math

from archsim.workloads.vision.attention_blocks import mlp
from archsim.workloads.vision.latents import (
    DiffusionConfig,
    conditioning,
    gated_add,
    given,
    modulated,
    projected_attention,
)
from archsim.workloads.vision.net import Net, Tensor


def dit(net: Net, config: DiffusionConfig) -> None:
    """Patches, blocks, and a linear head; the class is looked up in a table with one more row for guidance."""
    latent = given(config.channels, *config.latent)
    x = net.conv(latent, "patch_embed", config.hidden, kernel=config.patch, stride=config.patch, bias=True)
    x = net.vector(x, "pos_embed", "add")
    factors = _condition(net, config)
    for index in range(config.layers):
        x = _block(net, config, f"layers.{index}.", x, factors)
    final = net.linear(factors, "final.modulation", 2 * config.hidden)
    x = modulated(net, "final.", x, final)
    net.linear(x, "final.head", math.prod(config.patch) * config.output_channels)


def _condition(net: Net, config: DiffusionConfig) -> Tensor:
    time = conditioning(net, "time_embed", given(config.time_width, 1), config.hidden)
    net.parameters += (config.classes + 1) * config.hidden
    label = net.vector(given(config.hidden, 1), "class_embed", "gather", kind="gather")
    total = net.vector(time, "condition", "add", others=(label,))
    return net.vector(total, "condition.act", "silu")


def _block(net: Net, config: DiffusionConfig, prefix: str, x: Tensor, factors: Tensor) -> Tensor:
    modulation = net.linear(factors, f"{prefix}modulation", 6 * config.hidden)
    made = modulated(net, f"{prefix}input_", x, modulation)
    query, key, value = (net.linear(made, f"{prefix}{name}_proj", config.hidden) for name in "qkv")
    made = projected_attention(net, prefix, query, key, value, config.heads)
    stream = gated_add(net, f"{prefix}attn_add", made, x, modulation)
    made = mlp(net, modulated(net, f"{prefix}post_", stream, modulation), prefix, config.ffn)
    return gated_add(net, f"{prefix}mlp_add", made, stream, modulation)
