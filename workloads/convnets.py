"""Image networks as traces, from a short table of stages.

Batch normalisation is folded into the convolution before it: it costs no op, but its gain and bias are counted among
the parameters, as in published figures. Output sizes are floored, as PyTorch does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from archsim.core.errors import Problem
from archsim.workloads.kinds import Network
from archsim.workloads.request import Request, check_phase, reject
from archsim.workloads.trace import Trace
from archsim.workloads.vision import attention_blocks, conv_blocks, detection_blocks
from archsim.workloads.vision.net import Extent, Net, Tensor, concat, cropped
from archsim.workloads.vision.stage import Stage

__all__ = ["ConvnetConfig", "Stage", "check_image_request", "convnet_trace", "network"]

IMAGE = "input"
"""What a stage's `inputs` call the image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvnetConfig:
    """A network: the image (or, with a depth, the volume) it takes and its stages."""

    name: str
    channels: int
    height: int
    width: int
    depth: int | None = None
    stages: tuple[Stage, ...]
    source: str = ""

    @property
    def size(self) -> tuple[int, ...]:
        return (self.height, self.width) if self.depth is None else (self.depth, self.height, self.width)


def network(name: str, table: Mapping[str, Any]) -> Network[ConvnetConfig]:
    """The network in the tables of a catalog file: `source`, `input` and `stages`."""
    stages = tuple(Stage(**{key: _frozen(value) for key, value in stage.items()}) for stage in table["stages"])
    config = ConvnetConfig(name=name, source=table["source"], stages=stages, **table["input"])
    return Network(config=config, build=convnet_trace)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def convnet_trace(config: ConvnetConfig, request: Request) -> Trace:
    """The forward pass of an image network on `batch` images.

    Raises InputError for phases other than forward and for token counts, which such a network does not have.
    """
    check_image_request(config.name, request)
    net = Net(batch=request.batch)
    made = {IMAGE: Tensor(sources=(), channels=config.channels, size=config.size)}
    last = IMAGE
    for stage in config.stages:
        made[stage.name] = _stage(net, stage, [made[name] for name in stage.inputs or (last,)])
        last = stage.name
    return Trace(
        name=config.name,
        ops=tuple(net.ops),
        parameters=net.parameters,
        batch=request.batch,
        source=config.source,
    )


def check_image_request(name: str, request: Request) -> None:
    """Raise InputError for what only a sequence model has: other phases than forward, and a context."""
    problems = check_phase(name, request.phase or "forward", ("forward",)) + request.problems()
    if request.context is not None:
        problems.append(Problem(key="context", message=f"{name} takes images: it has no context"))
    reject(problems)


def _stage(net: Net, stage: Stage, inputs: list[Tensor]) -> Tensor:
    build = BLOCKS[stage.block]
    x = concat(*(cropped(*inputs) if stage.crop else inputs))
    for index in range(stage.repeat):
        name = stage.name if stage.repeat == 1 else f"{stage.name}.{index}"
        x = build(net, stage, x, name, stage.stride if index == 0 else 1)
    return x


Build = Callable[[Net, Stage, Tensor, str, Extent], Tensor]
BLOCKS: Mapping[str, Build] = MappingProxyType(
    {
        "conv": conv_blocks.conv,
        "transposed": conv_blocks.transposed,
        "pool": conv_blocks.pool,
        "global-pool": conv_blocks.global_pool,
        "linear": conv_blocks.linear,
        "concat": conv_blocks.join,
        "upsample": conv_blocks.upsample,
        "basic": conv_blocks.basic,
        "bottleneck": conv_blocks.bottleneck,
        "separable": conv_blocks.separable,
        "inverted-residual": conv_blocks.inverted_residual,
        "squeezenext": conv_blocks.squeezenext,
        "shuffle": conv_blocks.shuffle,
        "deformable": conv_blocks.deformable,
        "darknet": detection_blocks.darknet,
        "csp": detection_blocks.csp,
        "csp-split": detection_blocks.csp_split,
        "spatial-pyramid": detection_blocks.spatial_pyramid,
        "detect": detection_blocks.detect,
        "patch-embed": attention_blocks.patch_embed,
        "patch-merge": attention_blocks.patch_merge,
        "swin": attention_blocks.swin,
        "pvt": attention_blocks.pvt,
        "norm": attention_blocks.norm,
        "standardize": attention_blocks.standardize,
        "residual-conv": attention_blocks.residual_conv,
    }
)
"""What a stage's `block` may be."""
