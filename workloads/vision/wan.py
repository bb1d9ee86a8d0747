"""Wan: video tokens attend to each other, then to the text (Wan team 2025, arXiv:2503.20314, figure 9)."""

from __future__ import annotations

import math

from archsim.workloads.vision.attention_blocks import add, mlp
from archsim.workloads.vision.latents import (
    DiffusionConfig,
    conditioning,
    gated_add,
    given,
    modulated,
    projected_attention,
)
from archsim.workloads.vision.net import Net, Tensor

FACTORS = 6
"""Shift, scale and gate of both branches, shared by all blocks but for a bias of each block's own."""


def wan(net: Net, config: DiffusionConfig) -> None:
    """Patches, blocks, and a modulated linear head."""
    latent = given(config.channels, *config.latent)
    x = net.conv(latent, "patch_embed", config.hidden, kernel=config.patch, stride=config.patch, bias=True)
    text = net.linear(given(config.text_width, config.text_tokens), "text_embed.fc1", config.hidden)
    text = net.linear(net.vector(text, "text_embed.act", "gelu"), "text_embed.fc2", config.hidden)
    time = conditioning(net, "time_embed", given(config.time_width, 1), config.hidden)
    factors = net.linear(net.vector(time, "time_proj.act", "silu"), "time_proj", FACTORS * config.hidden)
    for index in range(config.layers):
        x = _block(net, config, f"layers.{index}.", x, text, factors)
    net.parameters += 2 * config.hidden
    x = modulated(net, "head.", x, net.vector(time.part(2 * config.hidden), "head.modulation", "add"))
    net.linear(x, "head", math.prod(config.patch) * config.output_channels)


def _block(net: Net, config: DiffusionConfig, prefix: str, x: Tensor, text: Tensor, factors: Tensor) -> Tensor:
    net.parameters += FACTORS * config.hidden
    modulation = net.vector(factors, f"{prefix}modulation", "add")
    made = modulated(net, f"{prefix}input_", x, modulation)
    made = _attention(net, config, prefix, made, made, rotary=True)
    x = gated_add(net, f"{prefix}attn_add", made, x, modulation)
    made = _attention(net, config, f"{prefix}cross_", net.norm(x, f"{prefix}cross_norm"), text, rotary=False)
    x = add(net, f"{prefix}cross_add", made, x)
    made = mlp(net, modulated(net, f"{prefix}post_", x, modulation), prefix, config.ffn)
    return gated_add(net, f"{prefix}mlp_add", made, x, modulation)


def _attention(net: Net, config: DiffusionConfig, prefix: str, x: Tensor, source: Tensor, *, rotary: bool) -> Tensor:
    """Head by head: the scores of one are gigabytes already."""
    query = net.norm(net.linear(x, f"{prefix}q_proj", config.hidden), f"{prefix}q_norm", "rmsnorm")
    key = net.norm(net.linear(source, f"{prefix}k_proj", config.hidden), f"{prefix}k_norm", "rmsnorm")
    value = net.linear(source, f"{prefix}v_proj", config.hidden)
    if rotary:
        query = net.vector(query, f"{prefix}q_rope", "rope")
        key = net.vector(key, f"{prefix}k_rope", "rope")
    return projected_attention(net, prefix, query, key, value, config.heads, by_head=True)
