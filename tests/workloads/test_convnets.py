"""The convolutional networks: true output sizes, shortcuts, depthwise groups, and elements against brute force."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.workloads.convnets import ConvnetConfig, Stage, convnet_trace
from archsim.workloads.models import model
from archsim.workloads.op import Op
from archsim.workloads.request import Request


def by_name(trace):
    return {op.name: op for op in trace.ops}


@pytest.mark.parametrize(
    ("network", "layer", "expected"),
    [
        ("resnet-50", "conv1", {"k": 64, "c": 3, "p": 112, "r": 7, "stride_h": 2}),
        ("resnet-50", "layer2.0.conv2", {"k": 128, "c": 128, "p": 28, "r": 3, "stride_h": 2}),
        ("resnet-50", "layer2.0.downsample", {"k": 512, "c": 256, "p": 28, "r": 1, "stride_h": 2}),
        ("resnet-50", "layer4.2.conv3", {"k": 2048, "c": 512, "p": 7, "r": 1}),
        ("vgg-16", "conv5.2", {"k": 512, "c": 512, "p": 14, "r": 3}),
        ("mobilenet-v1", "conv2.dw", {"k": 32, "c": 32, "p": 112, "groups": 32}),
        ("mobilenet-v2", "block2.0.dw", {"k": 96, "c": 96, "p": 56, "groups": 96, "stride_h": 2}),
    ],
)
def test_layer_shapes(network, layer, expected):
    dims = by_name(model(network))[layer].dims
    assert {key: dims[key] for key in expected} == expected


def test_bottleneck_joins_branch_and_shortcut():
    ops = by_name(model("resnet-50"))
    assert ops["layer1.0.downsample"].after == ("maxpool",)
    assert ops["layer1.0.add"].after == ("layer1.0.conv3", "layer1.0.downsample")
    assert ops["layer1.1.add"].after == ("layer1.1.conv3", "layer1.0.act3")
    assert ops["fc"].after == ("avgpool",)


def test_inverted_residual_adds_only_where_the_shape_stays():
    names = [op.name for op in model("mobilenet-v2").ops if op.name.endswith(".add")]
    assert len(names) == 10
    assert "block2.0.add" not in names


def test_batch_scales_macs_and_not_parameters():
    one, four = model("mobilenet-v2"), model("mobilenet-v2", batch=4)
    assert four.macs == 4 * one.macs
    assert four.parameters == one.parameters


def test_floor_of_output_sizes():
    stages = (
        Stage(name="a", block="conv", channels=4, kernel=3, stride=2),
        Stage(name="b", block="pool", kernel=2, stride=2),
    )
    config = ConvnetConfig(name="odd", channels=1, height=12, width=9, stages=stages)
    conv, pool = convnet_trace(config, Request()).ops
    assert (conv.dims["p"], conv.dims["q"]) == (5, 4)
    assert (pool.elements, pool.operations_per_element) == (4 * 2 * 2, 4)


@settings(max_examples=50, deadline=None)
@given(
    p=st.integers(1, 5),
    q=st.integers(1, 5),
    r=st.integers(1, 4),
    s=st.integers(1, 4),
    stride=st.integers(1, 3),
    groups=st.integers(1, 3),
)
def test_elements_of_a_conv_are_those_it_touches_or_spans(p, q, r, s, stride, groups):
    op = Op.conv(
        "c", n=2, k=2 * groups, c=3 * groups, p=p, q=q, r=r, s=s, stride_h=stride, stride_w=stride, groups=groups
    )
    rows = {i * stride + j for i in range(p) for j in range(r)}
    columns = {i * stride + j for i in range(q) for j in range(s)}
    touched, spanned = len(rows) * len(columns), (max(rows) + 1) * (max(columns) + 1)
    assert 2 * 3 * groups * touched <= op.elements("inputs") <= 2 * 3 * groups * spanned
    if r >= stride and s >= stride:
        assert op.elements("inputs") == 2 * 3 * groups * touched
    assert op.elements("weights") == 2 * groups * 3 * r * s
    assert op.elements("outputs") == 2 * 2 * groups * p * q
    assert op.macs == math.prod((2, groups, 2, 3, p, q, r, s))


def test_a_3d_conv_has_a_third_window():
    op = Op.conv3d("x", n=2, k=4, c=6, d=3, p=4, q=5, t=2, r=3, s=1, stride_d=2, dilation_h=2, groups=2)
    assert op.macs == 2 * 4 * 3 * 3 * 4 * 5 * 2 * 3
    assert op.elements("inputs") == 2 * 6 * (2 * 2 + 1 + 1) * (3 + 2 * 2 + 1) * 5
    assert op.elements("weights") == 4 * 3 * 2 * 3
    assert op.elements("outputs") == 2 * 4 * 3 * 4 * 5
    assert op.rows == ("q", "p", "d", "n")
    assert op.reduction == ("s", "r", "t", "c")


def test_a_3d_conv_refuses_a_stride_of_0():
    with pytest.raises(ValueError, match="stride_d must be at least 1"):
        Op.conv3d("x", k=1, c=1, d=1, p=1, q=1, t=1, r=1, s=1, stride_d=0)
