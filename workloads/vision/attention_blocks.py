"""Blocks of vision transformers with windows or reduced keys, and of the networks around them."""

from __future__ import annotations

import math

from archsim.workloads.vision.net import Extent, Net, Tensor
from archsim.workloads.vision.stage import Stage


def attention(
    net: Net,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    prefix: str,
    *,
    heads: int,
    windows: int = 1,
    softmax: tuple[str, ...] = ("softmax",),
    by_head: bool = False,
) -> Tensor:
    """Scores, softmax and mixing of `heads` heads in each of `windows` equal windows of the positions.

    `by_head`: heads run one after the other, so that only one head's scores are held at a time.
    """
    width = query.channels // heads
    queries, keys = query.positions // windows, key.positions // windows
    count, b = (heads, windows) if by_head else (1, heads * windows)
    scores = net.product(f"{prefix}qk", query, key, b=b, m=queries, n=keys, k=width, count=count)
    scores = net.vector(scores, f"{prefix}softmax", *softmax, kind="softmax", count=count)
    mixed = net.product(f"{prefix}av", scores, value, b=b, m=queries, n=width, k=keys, count=count)
    return Tensor(sources=mixed.sources, channels=query.channels, size=query.size)


def _projections(net: Net, x: Tensor, source: Tensor, prefix: str) -> tuple[Tensor, Tensor, Tensor]:
    query = net.linear(x, f"{prefix}q_proj", x.channels)
    key = net.linear(source, f"{prefix}k_proj", x.channels)
    return query, key, net.linear(source, f"{prefix}v_proj", x.channels)


def add(net: Net, name: str, made: Tensor, stream: Tensor) -> Tensor:
    return net.vector(made, name, "add", others=(stream,))


def mlp(net: Net, x: Tensor, prefix: str, hidden: int) -> Tensor:
    made = net.linear(x, f"{prefix}fc1", hidden)
    made = net.vector(made, f"{prefix}act", "gelu")
    return net.linear(made, f"{prefix}fc2", x.channels)


def patch_embed(net: Net, stage: Stage, x: Tensor, name: str, stride: Extent) -> Tensor:
    """Patches, overlapping where the stride is below the kernel, each projected; a norm unless told otherwise."""
    made = net.conv(x, name, stage.channels, kernel=stage.kernel, stride=stride, padding=stage.padding, bias=True)
    return net.norm(made, f"{name}.norm") if stage.norm else made


def swin(net: Net, stage: Stage, x: Tensor, name: str, stride: Extent) -> Tensor:
    """Attention in windows, then an MLP (Liu et al. 2021, figure 3b), in two or three dimensions.

    Images that windows do not fill are padded, so padding is projected, too; a window larger than the image is cut to
    it. Shifted windows cost what plain ones do. Parameters include the table of relative positions.
    """
    prefix = f"{name}."
    window = tuple(min(stage.window, extent) for extent in x.size)
    padded = tuple(math.ceil(extent / side) * side for extent, side in zip(x.size, window, strict=True))
    windows = math.prod(padded) // math.prod(window)
    net.parameters += (2 * stage.window - 1) ** len(x.size) * stage.heads
    made = net.norm(x, f"{prefix}input_norm").resized(padded)
    query, key, value = _projections(net, made, made, prefix)
    functions = ("softmax", "bias")
    made = attention(net, query, key, value, prefix, heads=stage.heads, windows=windows, softmax=functions)
    made = net.linear(made, f"{prefix}o_proj", x.channels).resized(x.size)
    stream = add(net, f"{prefix}attn_add", made, x)
    made = mlp(net, net.norm(stream, f"{prefix}post_norm"), prefix, stage.mlp_ratio * x.channels)
    return add(net, f"{prefix}mlp_add", made, stream)


def patch_merge(net: Net, stage: Stage, x: Tensor, name: str, stride: Extent) -> Tensor:
    """Neighbours along every axis joined, normalised and halved (Liu et al. 2021, section 3.1)."""
    size = tuple(math.ceil(extent / 2) for extent in x.size)
    joined = Tensor(sources=x.sources, channels=x.channels * 2 ** len(size), size=size)
    return net.linear(net.norm(joined, f"{name}.norm"), name, 2 * x.channels, bias=False)


def pvt(net: Net, stage: Stage, x: Tensor, name: str, stride: Extent) -> Tensor:
    """Attention to a reduced image, then an MLP with a depthwise 3x3 in it (Wang et al. 2022, figure 1)."""
    prefix = f"{name}."
    made = net.norm(x, f"{prefix}input_norm")
    source = made
    if stage.reduction > 1:
        source = net.conv(
            made, f"{prefix}reduce", x.channels, kernel=stage.reduction, stride=stage.reduction, bias=True
        )
        source = net.norm(source, f"{prefix}reduce_norm")
    query, key, value = _projections(net, made, source, prefix)
    made = attention(net, query, key, value, prefix, heads=stage.heads)
    stream = add(net, f"{prefix}attn_add", net.linear(made, f"{prefix}o_proj", x.channels), x)
    hidden = stage.mlp_ratio * x.channels
    made = net.linear(net.norm(stream, f"{prefix}post_norm"), f"{prefix}fc1", hidden)
    made = net.conv(made, f"{prefix}dw", hidden, kernel=3, padding=1, groups=hidden, bias=True)
    made = net.vector(made, f"{prefix}act", "gelu")
    return add(net, f"{prefix}mlp_add", net.linear(made, f"{prefix}fc2", x.channels), stream)


def norm(net: Net, stage: Stage, x: Tensor, name: str, stride: Extent) -> Tensor:
    return net.norm(x, name)


def standardize(net: Net, stage: Stage, x: Tensor, name: str, stride: Extent) -> Tensor:
    """A norm without gain and bias."""
    return net.norm(x, name, "standardize")


def residual_conv(net: Net, stage: Stage, x: Tensor, name: str, stride: Extent) -> Tensor:
    """Two 3x3(x3) with instance norm and a projected shortcut (UNETR's residual block, Hatamizadeh et al. 2022)."""
    made = net.conv(x, f"{name}.conv1", stage.channels, kernel=3, padding=1)
    made = net.norm(made, f"{name}.norm1", "standardize")
    made = net.activation(made, f"{name}.act1", stage.activation)
    made = net.conv(made, f"{name}.conv2", stage.channels, kernel=3, padding=1)
    made = net.norm(made, f"{name}.norm2", "standardize")
    other = x
    if x.channels != stage.channels:
        other = net.conv(x, f"{name}.downsample", stage.channels)
        other = net.norm(other, f"{name}.downsample_norm", "standardize")
    return net.activation(add(net, f"{name}.add", made, other), f"{name}.act2", stage.activation)
