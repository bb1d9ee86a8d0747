"""One line of a network's table."""

from __future__ import annotations

from dataclasses import dataclass

from archsim.workloads.vision.net import Extent


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """`repeat` blocks, of which the first has the stride. What a block does not name it does not read.

    A stage reads the one before it, or the stages named in `inputs`, joined along their channels (`input` is the
    image).
    """

    name: str
    block: str
    inputs: tuple[str, ...] = ()
    channels: int = 0
    """Output channels (for a bottleneck: of its 3x3 convolution)."""
    kernel: Extent = 1
    stride: Extent = 1
    padding: Extent = 0
    groups: int = 1
    expansion: int = 1
    hidden: int = 0
    """Channels inside the block where they are no multiple of its input's."""
    repeat: int = 1
    depth: int = 1
    """Blocks inside the block (CSP)."""
    bias: bool = False
    norm: bool = True
    activation: str | None = None
    squeeze: int = 0
    """Channels between the two layers of a squeeze-and-excitation; 0: none."""
    gate: str = "sigmoid"
    """What squeeze-and-excitation ends in."""
    squeeze_activation: str = "relu"
    shortcut: bool = True
    projection: bool = True
    """Whether a shortcut whose shape changes is projected, or only sampled and padded."""
    ceil: bool = False
    """Round a pool's output size up."""
    crop: bool = False
    """Cut the inputs to the smallest of them."""
    heads: int = 1
    window: int = 7
    mlp_ratio: int = 4
    reduction: int = 1
    """Keys and values are of an image smaller by this factor (PVT)."""
