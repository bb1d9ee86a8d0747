"""Blocks of the YOLO family."""

from __future__ import annotations

from archsim.workloads.op import Op
from archsim.workloads.vision.net import Extent, Net, Tensor, concat
from archsim.workloads.vision.stage import Stage

BOX_BINS = 16
"""Bins of each of a box's four distances. Source: Li et al. 2020 (generalized focal loss), as YOLOv8 sets them."""


def _conv(net: Net, stage: Stage, x: Tensor, name: str, channels: int, kernel: int = 1) -> Tensor:
    made = net.conv(x, name, channels, kernel=kernel, padding=kernel // 2, norm=stage.norm)
    return net.activation(made, f"{name}.act", stage.activation)


def _pair(
    net: Net, stage: Stage, x: Tensor, name: str, hidden: int, channels: int, kernels: tuple[int, int], shortcut: bool
) -> Tensor:
    """Two convolutions and a sum where wanted."""
    made = _conv(net, stage, x, f"{name}.conv1", hidden, kernels[0])
    made = _conv(net, stage, made, f"{name}.conv2", channels, kernels[1])
    return net.vector(made, f"{name}.add", "add", others=(x,)) if shortcut else made


def darknet(net: Net, stage: Stage, x: Tensor, name: str, stride: Extent) -> Tensor:
    """1x1 to half of the channels, 3x3, sum (Redmon and Farhadi 2018, table 1)."""
    return _pair(net, stage, x, name, stage.channels // 2, stage.channels, (1, 3), stage.shortcut)


def csp(net: Net, stage: Stage, x: Tensor, name: str, stride: Extent) -> Tensor:
    """Half of the channels through `depth` residual pairs, half beside them (C3 of YOLOv5)."""
    hidden = stage.channels // 2
    made = _conv(net, stage, x, f"{name}.conv1", hidden)
    beside = _conv(net, stage, x, f"{name}.conv2", hidden)
    for index in range(stage.depth):
        made = _pair(net, stage, made, f"{name}.{index}", hidden, hidden, (1, 3), stage.shortcut)
    return _conv(net, stage, concat(made, beside), f"{name}.conv3", stage.channels)


def csp_split(net: Net, stage: Stage, x: Tensor, name: str, stride: Extent) -> Tensor:
    """As `csp`, with every pair's result kept and two 3x3 in a pair (C2f of YOLOv8)."""
    hidden = stage.channels // 2
    both = _conv(net, stage, x, f"{name}.conv1", 2 * hidden)
    made = both.part(hidden)
    kept = [both]
    for index in range(stage.depth):
        made = _pair(net, stage, made, f"{name}.{index}", hidden, hidden, (3, 3), stage.shortcut)
        kept.append(made)
    return _conv(net, stage, concat(*kept), f"{name}.conv2", stage.channels)


def spatial_pyramid(net: Net, stage: Stage, x: Tensor, name: str, stride: Extent) -> Tensor:
    """Three 5x5 pools in a row, all kept (SPPF of YOLOv5)."""
    kept = [_conv(net, stage, x, f"{name}.conv1", x.channels // 2)]
    for index in range(3):
        kept.append(net.pool(kept[-1], f"{name}.pool{index}", stage.kernel, 1, stage.padding))
    return _conv(net, stage, concat(*kept), f"{name}.conv2", stage.channels)


def detect(net: Net, stage: Stage, x: Tensor, name: str, stride: Extent) -> Tensor:
    """Boxes and classes in two branches of one scale (YOLOv8): `hidden` channels for boxes, `channels` classes."""
    box = _conv(net, stage, x, f"{name}.box1", stage.hidden, 3)
    box = _conv(net, stage, box, f"{name}.box2", stage.hidden, 3)
    box = net.conv(box, f"{name}.box3", 4 * BOX_BINS, bias=True)
    kinds = _conv(net, stage, x, f"{name}.class1", stage.channels, 3)
    kinds = _conv(net, stage, kinds, f"{name}.class2", stage.channels, 3)
    kinds = net.conv(kinds, f"{name}.class3", stage.channels, bias=True)
    return concat(_distances(net, box, name), net.vector(kinds, f"{name}.scores", "sigmoid"))


def _distances(net: Net, box: Tensor, name: str) -> Tensor:
    """The mean of each distance's distribution over its bins; the bins are constants, not parameters."""
    weights = net.vector(box, f"{name}.softmax", "softmax", kind="softmax")
    rows = net.batch * 4 * box.positions
    net.ops.append(Op.gemm(f"{name}.mean", m=rows, n=1, k=BOX_BINS, after=weights.sources))
    return Tensor(sources=(f"{name}.mean",), channels=4, size=box.size)
