"""Blocks of convolutions: what image classifiers are made of."""

from __future__ import annotations

from archsim.workloads.vision.net import Extent, Net, Tensor, concat
from archsim.workloads.vision.stage import Stage


def conv(net: Net, stage: Stage, x: Tensor, name: str, stride: Extent) -> Tensor:
    made = net.conv(
        x,
        name,
        stage.channels,
        kernel=stage.kernel,
        stride=stride,
        padding=stage.padding,
        groups=stage.groups,
        bias=stage.bias,
        norm=stage.norm,
    )
    return net.activation(made, f"{name}.act", stage.activation)


def transposed(net: Net, stage: Stage, x: Tensor, name: str, stride: Extent) -> Tensor:
    """A transposed convolution whose kernel is its stride."""
    assert isinstance(stage.kernel, int)
    made = net.transposed(x, name, stage.channels, factor=stage.kernel, bias=stage.bias)
    return net.activation(made, f"{name}.act", stage.activation)


def pool(net: Net, stage: Stage, x: Tensor, name: str, stride: Extent) -> Tensor:
    return net.pool(x, name, stage.kernel, stride, stage.padding, ceil=stage.ceil)


def global_pool(net: Net, stage: Stage, x: Tensor, name: str, stride: Extent) -> Tensor:
    return net.pool(x, name, x.size, 1)


def linear(net: Net, stage: Stage, x: Tensor, name: str, stride: Extent) -> Tensor:
    """A fully connected layer with bias on the flattened activation."""
    made = net.linear(x.flat(), name, stage.channels)
    return net.activation(made, f"{name}.act", stage.activation)


def join(net: Net, stage: Stage, x: Tensor, name: str, stride: Extent) -> Tensor:
    """Its inputs as one tensor."""
    return x


def upsample(net: Net, stage: Stage, x: Tensor, name: str, stride: Extent) -> Tensor:
    return net.upsample(x, name)


def _shortcut(net: Net, stage: Stage, x: Tensor, name: str, made: Tensor, stride: Extent) -> Tensor:
    """The input as the block's output has it (He et al. 2016, section 3.3): itself, projected, or sampled."""
    if (x.channels, x.size) == (made.channels, made.size) or not stage.projection:
        return x
    return net.conv(x, f"{name}.downsample", made.channels, stride=stride, norm=stage.norm, bias=stage.bias)


def _sum(net: Net, name: str, made: Tensor, other: Tensor) -> Tensor:
    return net.vector(made, f"{name}.add", "add", others=(other,))


def basic(net: Net, stage: Stage, x: Tensor, name: str, stride: Extent) -> Tensor:
    """Two 3x3 (He et al. 2016, figure 5, left)."""
    made = net.conv(x, f"{name}.conv1", stage.channels, kernel=3, stride=stride, padding=1, norm=stage.norm)
    made = net.activation(made, f"{name}.act1", stage.activation)
    made = net.conv(made, f"{name}.conv2", stage.channels, kernel=3, padding=1, norm=stage.norm)
    made = _sum(net, name, made, _shortcut(net, stage, x, name, made, stride))
    return net.activation(made, f"{name}.act2", stage.activation)


def bottleneck(net: Net, stage: Stage, x: Tensor, name: str, stride: Extent) -> Tensor:
    """1x1, 3x3 with the stride, 1x1, and a projected shortcut where the shape changes (He et al. 2016, fig. 5)."""
    made = net.conv(x, f"{name}.conv1", stage.channels, norm=stage.norm)
    made = net.activation(made, f"{name}.act1", stage.activation)
    padding = stage.padding
    made = net.conv(
        made, f"{name}.conv2", stage.channels, kernel=stage.kernel, stride=stride, padding=padding, norm=stage.norm
    )
    made = net.activation(made, f"{name}.act2", stage.activation)
    made = net.conv(made, f"{name}.conv3", stage.channels * stage.expansion, norm=stage.norm)
    made = _sum(net, name, made, _shortcut(net, stage, x, name, made, stride))
    return net.activation(made, f"{name}.act3", stage.activation)


def _depthwise(net: Net, stage: Stage, x: Tensor, name: str, stride: Extent) -> Tensor:
    made = net.conv(
        x,
        name,
        x.channels,
        kernel=stage.kernel,
        stride=stride,
        padding=stage.padding,
        groups=x.channels,
        norm=stage.norm,
    )
    return net.activation(made, f"{name}_act", stage.activation)


def separable(net: Net, stage: Stage, x: Tensor, name: str, stride: Extent) -> Tensor:
    """Depthwise and pointwise (Howard et al. 2017, fig. 3)."""
    made = _depthwise(net, stage, x, f"{name}.dw", stride)
    made = net.conv(made, f"{name}.pw", stage.channels, norm=stage.norm)
    return net.activation(made, f"{name}.pw_act", stage.activation)


def inverted_residual(net: Net, stage: Stage, x: Tensor, name: str, stride: Extent) -> Tensor:
    """Expand, depthwise, project without activation, and a shortcut where the shape stays (Sandler 2018, fig. 4).

    With `squeeze` a squeeze-and-excitation follows the depthwise convolution (Howard et al. 2019, fig. 4).
    """
    hidden = stage.hidden or x.channels * stage.expansion
    made = x
    if hidden != x.channels:
        made = net.conv(x, f"{name}.expand", hidden, norm=stage.norm)
        made = net.activation(made, f"{name}.expand_act", stage.activation)
    made = _depthwise(net, stage, made, f"{name}.dw", stride)
    if stage.squeeze:
        made = _squeeze_excite(net, stage, made, f"{name}.se")
    made = net.conv(made, f"{name}.project", stage.channels, norm=stage.norm)
    return _sum(net, name, made, x) if (made.channels, made.size) == (x.channels, x.size) else made


def _squeeze_excite(net: Net, stage: Stage, x: Tensor, name: str) -> Tensor:
    """Each channel scaled by a function of all channels' means (Hu et al. 2018, figure 3)."""
    mean = net.pool(x, f"{name}.pool", x.size, 1)
    inner = net.conv(mean, f"{name}.reduce", stage.squeeze, bias=True)
    inner = net.activation(inner, f"{name}.act", stage.squeeze_activation)
    gates = net.conv(inner, f"{name}.expand", x.channels, bias=True)
    gates = net.activation(gates, f"{name}.gate", stage.gate)
    return net.vector(x, f"{name}.scale", "scale", others=(gates,))


def squeezenext(net: Net, stage: Stage, x: Tensor, name: str, stride: Extent) -> Tensor:
    """Two squeezes, 1x3, 3x1, expansion, each with its activation (Gholami et al. 2018, figure 2)."""
    inner = x.channels if stride != 1 else x.channels // (4 if x.channels > stage.channels else 2)
    shapes: tuple[tuple[int, Extent, Extent], ...] = (
        (inner, 1, 0),
        (inner // 2, 1, 0),
        (inner, (1, 3), (0, 1)),
        (inner, (3, 1), (1, 0)),
        (stage.channels, 1, 0),
    )
    made = x
    for number, (channels, kernel, padding) in enumerate(shapes, 1):
        made = net.conv(
            made,
            f"{name}.conv{number}",
            channels,
            kernel=kernel,
            stride=stride if number == 1 else 1,
            padding=padding,
            bias=True,
            norm=True,
        )
        made = net.activation(made, f"{name}.act{number}", stage.activation)
    other = x
    if (x.channels, x.size) != (made.channels, made.size):
        other = net.conv(x, f"{name}.downsample", made.channels, stride=stride, bias=True, norm=True)
        other = net.activation(other, f"{name}.downsample_act", stage.activation)
    return net.activation(_sum(net, name, made, other), f"{name}.act", stage.activation)


def shuffle(net: Net, stage: Stage, x: Tensor, name: str, stride: Extent) -> Tensor:
    """Half of the channels pass by, or both halves are made with the stride (Ma et al. 2018, figure 3)."""
    hidden = stage.channels // 2
    source = x if stride != 1 else x.part(x.channels // 2)
    made = net.conv(source, f"{name}.conv1", hidden, norm=stage.norm)
    made = net.activation(made, f"{name}.act1", stage.activation)
    made = net.conv(made, f"{name}.dw", hidden, kernel=3, stride=stride, padding=1, groups=hidden, norm=stage.norm)
    made = net.conv(made, f"{name}.conv2", stage.channels - source.channels, norm=stage.norm)
    made = net.activation(made, f"{name}.act2", stage.activation)
    if stride == 1:
        return concat(x.part(x.channels // 2), made)
    other = net.conv(
        x, f"{name}.side_dw", x.channels, kernel=3, stride=stride, padding=1, groups=x.channels, norm=stage.norm
    )
    other = net.conv(other, f"{name}.side_conv", x.channels, norm=stage.norm)
    return concat(net.activation(other, f"{name}.side_act", stage.activation), made)


def deformable(net: Net, stage: Stage, x: Tensor, name: str, stride: Extent) -> Tensor:
    """A depthwise 3x3 whose window is stretched by a learned offset, then pointwise (Dong et al. 2021, section 3).

    One 1x1 finds the stretch at each position; a gather samples nine values for each output, each from its four
    neighbours; the depthwise convolution reads what was sampled, which no two of its windows share.
    """
    offsets = net.conv(x, f"{name}.offset", 1, bias=True)
    height, width = x.size
    window = x.resized((3 * height, 3 * width))
    sampled = net.vector(window, f"{name}.sample", "bilinear", kind="gather", others=(offsets,))
    made = net.conv(sampled, f"{name}.dw", x.channels, kernel=3, stride=3, groups=x.channels)
    made = net.conv(made, f"{name}.pw", stage.channels, norm=stage.norm)
    return net.activation(made, f"{name}.act", stage.activation)
