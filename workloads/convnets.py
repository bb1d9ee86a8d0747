"""Convolutional networks as traces, from a short table of stages.

Batch normalisation is folded into the convolution before it: it costs no op, but its gain and bias are counted among
the parameters, as in published figures. Output sizes are floored, as PyTorch does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from archsim.core.errors import Problem
from archsim.workloads.kinds import Network
from archsim.workloads.op import AnyOp, Op, VectorKind, VectorOp
from archsim.workloads.request import Request, check_phase, reject
from archsim.workloads.trace import Trace
from archsim.workloads.vector_costs import vector_costs

Block = Literal["conv", "pool", "global-pool", "linear", "bottleneck", "separable", "inverted-residual"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One line of a network's table: `repeat` blocks, of which the first has the stride."""

    name: str
    block: Block
    channels: int = 0
    """Output channels (for a bottleneck: of its 3x3 convolution)."""
    kernel: int = 1
    stride: int = 1
    padding: int = 0
    expansion: int = 1
    repeat: int = 1
    bias: bool = False
    norm: bool = True
    activation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvnetConfig:
    """A network: the image it takes and its stages."""

    name: str
    channels: int
    height: int
    width: int
    stages: tuple[Stage, ...]
    source: str = ""


def network(name: str, table: Mapping[str, Any]) -> Network[ConvnetConfig]:
    """The network in the tables of a catalog file."""
    stages = tuple(Stage(**stage) for stage in table["stages"])
    config = ConvnetConfig(name=name, source=table["source"], stages=stages, **table["input"])
    return Network(config=config, build=convnet_trace)


def convnet_trace(config: ConvnetConfig, request: Request) -> Trace:
    """The forward pass of a convolutional network on `batch` images.

    Raises InputError for phases other than forward and for token counts, which such a network does not have.
    """
    problems = check_phase(config.name, request.phase or "forward", ("forward",)) + request.problems()
    if request.context is not None:
        problems.append(Problem(key="context", message=f"{config.name} takes images: it has no context"))
    reject(problems)
    net = _Net(batch=request.batch, channels=config.channels, height=config.height, width=config.width)
    for stage in config.stages:
        _add_stage(net, stage)
    return Trace(
        name=config.name,
        ops=tuple(net.ops),
        parameters=net.parameters,
        batch=request.batch,
        source=config.source,
    )


@dataclass(slots=True)
class _Net:
    """The network as built so far: its ops, and the shape of the last activation with the op that made it."""

    batch: int
    channels: int
    height: int
    width: int
    parameters: int = 0
    last: tuple[str, ...] = ()
    ops: list[AnyOp] = field(default_factory=list)

    @property
    def elements(self) -> int:
        return self.batch * self.channels * self.height * self.width

    def window(self, kernel: int, stride: int, padding: int) -> None:
        self.height = (self.height + 2 * padding - kernel) // stride + 1
        self.width = (self.width + 2 * padding - kernel) // stride + 1

    def conv(
        self, name: str, stage: Stage, *, channels: int, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> None:
        """A convolution; a 1x1 has no padding, whatever the stage says of its larger kernels."""
        inputs = self.channels
        self.window(kernel, stride, stage.padding if kernel > 1 else 0)
        self.channels = channels
        per_channel = (2 if stage.norm else 0) + (1 if stage.bias else 0)
        self.parameters += channels * (inputs // groups * kernel**2 + per_channel)
        self._add(
            Op.conv(
                name,
                n=self.batch,
                k=channels,
                c=inputs,
                p=self.height,
                q=self.width,
                r=kernel,
                s=kernel,
                stride_h=stride,
                stride_w=stride,
                groups=groups,
                after=self.last,
            )
        )

    def linear(self, name: str, outputs: int) -> None:
        """A fully connected layer with bias on the flattened activation."""
        inputs = self.channels * self.height * self.width
        self.channels, self.height, self.width = outputs, 1, 1
        self.parameters += outputs * (inputs + 1)
        self._add(Op.gemm(name, m=self.batch, n=outputs, k=inputs, after=self.last))

    def activation(self, name: str, function: str | None) -> None:
        if function:
            self.vector(name, function)

    def vector(self, name: str, function: str) -> None:
        cost = vector_costs()[function]
        self._vector(name, "elementwise", cost.reads, cost.operations)

    def pool(self, name: str, kernel_h: int, kernel_w: int, stride: int, padding: int) -> None:
        """A pooling layer: every input is read once, every output takes one operation per element of its window."""
        before = self.elements
        self.height = (self.height + 2 * padding - kernel_h) // stride + 1
        self.width = (self.width + 2 * padding - kernel_w) // stride + 1
        self._vector(name, "pool", before / self.elements, kernel_h * kernel_w)

    def _vector(self, name: str, kind: VectorKind, reads: float, operations: float) -> None:
        self._add(
            VectorOp(
                name=name,
                kind=kind,
                elements=self.elements,
                reads_per_element=reads,
                operations_per_element=operations,
                after=self.last,
            )
        )

    def _add(self, op: AnyOp) -> None:
        self.ops.append(op)
        self.last = (op.name,)


def _add_stage(net: _Net, stage: Stage) -> None:
    build = _BLOCKS[stage.block]
    for index in range(stage.repeat):
        name = stage.name if stage.repeat == 1 else f"{stage.name}.{index}"
        build(net, stage, name, stage.stride if index == 0 else 1)


def _conv(net: _Net, stage: Stage, name: str, stride: int) -> None:
    net.conv(name, stage, channels=stage.channels, kernel=stage.kernel, stride=stride)
    net.activation(f"{name}.act", stage.activation)


def _pool(net: _Net, stage: Stage, name: str, stride: int) -> None:
    net.pool(name, stage.kernel, stage.kernel, stride, stage.padding)


def _global_pool(net: _Net, stage: Stage, name: str, stride: int) -> None:
    net.pool(name, net.height, net.width, 1, 0)


def _linear(net: _Net, stage: Stage, name: str, stride: int) -> None:
    net.linear(name, stage.channels)
    net.activation(f"{name}.act", stage.activation)


def _bottleneck(net: _Net, stage: Stage, name: str, stride: int) -> None:
    """1x1, 3x3 with the stride, 1x1, and a projected shortcut where the shape changes (He et al. 2016, fig. 5)."""
    source, inputs, shape = net.last, net.channels, (net.height, net.width)
    outputs = stage.channels * stage.expansion
    net.conv(f"{name}.conv1", stage, channels=stage.channels)
    net.activation(f"{name}.act1", stage.activation)
    net.conv(f"{name}.conv2", stage, channels=stage.channels, kernel=stage.kernel, stride=stride)
    net.activation(f"{name}.act2", stage.activation)
    net.conv(f"{name}.conv3", stage, channels=outputs)
    branch = net.last
    if stride != 1 or inputs != outputs:
        net.last, net.channels, (net.height, net.width) = source, inputs, shape
        net.conv(f"{name}.downsample", stage, channels=outputs, stride=stride)
        source = net.last
    net.last = branch + source
    net.vector(f"{name}.add", "add")
    net.activation(f"{name}.act3", stage.activation)


def _separable(net: _Net, stage: Stage, name: str, stride: int) -> None:
    """Depthwise and pointwise (Howard et al. 2017, fig. 3)."""
    net.conv(f"{name}.dw", stage, channels=net.channels, kernel=stage.kernel, stride=stride, groups=net.channels)
    net.activation(f"{name}.dw_act", stage.activation)
    net.conv(f"{name}.pw", stage, channels=stage.channels)
    net.activation(f"{name}.pw_act", stage.activation)


def _inverted_residual(net: _Net, stage: Stage, name: str, stride: int) -> None:
    """Expand, depthwise, project without activation, and a shortcut where the shape stays (Sandler 2018, fig. 4)."""
    source, inputs = net.last, net.channels
    if stage.expansion != 1:
        net.conv(f"{name}.expand", stage, channels=inputs * stage.expansion)
        net.activation(f"{name}.expand_act", stage.activation)
    net.conv(f"{name}.dw", stage, channels=net.channels, kernel=stage.kernel, stride=stride, groups=net.channels)
    net.activation(f"{name}.dw_act", stage.activation)
    net.conv(f"{name}.project", stage, channels=stage.channels)
    if stride == 1 and inputs == stage.channels:
        net.last = net.last + source
        net.vector(f"{name}.add", "add")


_BLOCKS: Mapping[Block, Callable[[_Net, Stage, str, int], None]] = MappingProxyType(
    {
        "conv": _conv,
        "pool": _pool,
        "global-pool": _global_pool,
        "linear": _linear,
        "bottleneck": _bottleneck,
        "separable": _separable,
        "inverted-residual": _inverted_residual,
    }
)
