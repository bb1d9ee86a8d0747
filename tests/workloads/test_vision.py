"""Image networks: layer tables, branches, squeeze-and-excitation, windows, three dimensions, diffusion transformers."""

import math

import pytest

from archsim.core.errors import InputError
from archsim.workloads.convnets import BLOCKS, ConvnetConfig, Stage, convnet_trace
from archsim.workloads.models import model, model_config, model_names
from archsim.workloads.op import Op, VectorOp
from archsim.workloads.request import Request
from archsim.workloads.table import read_trace, write_trace
from archsim.workloads.vision.net import Net, Tensor, concat

ALEXNET = {
    # Krizhevsky 2014 as torchvision prints it: name: (k, c, p, r, stride)
    "conv1": (64, 3, 55, 11, 4),
    "conv2": (192, 64, 27, 5, 1),
    "conv3": (384, 192, 13, 3, 1),
    "conv4": (256, 384, 13, 3, 1),
    "conv5": (256, 256, 13, 3, 1),
}
UNET = {
    # Ronneberger et al. 2015, figure 1: the sizes beside the boxes
    "down1.1": (64, 1, 570),
    "down1.2": (64, 64, 568),
    "down2.2": (128, 128, 280),
    "down3.2": (256, 256, 136),
    "down4.2": (512, 512, 64),
    "down5.2": (1024, 1024, 28),
    "up4.1": (512, 1024, 54),
    "up4.2": (512, 512, 52),
    "up3.2": (256, 256, 100),
    "up2.2": (128, 128, 196),
    "up1.2": (64, 64, 388),
    "out": (2, 64, 388),
}
INCEPTION = {
    # Szegedy et al. 2016, table 1 (input sizes), as torchvision's comments: last op of a block: (channels, size)
    "conv4a": (192, 71),
    "mixed5d.1x1_1": (64, 35),
    "mixed6a.3x3_1": (384, 17),
    "mixed6e.7x7dbl_5": (192, 17),
    "mixed7a.7x7x3_4": (192, 8),
    "mixed7c.3x3_2b": (384, 8),
}
MOBILENET_V3_LARGE = {
    # Howard et al. 2019, table 1: name: (groups or c, k, p, r)
    "conv1": (3, 16, 112, 3),
    "block2.expand": (16, 64, 112, 1),
    "block2.dw": (64, 64, 56, 3),
    "block4.dw": (72, 72, 28, 5),
    "block4.se.reduce": (72, 24, 1, 1),
    "block7.dw": (240, 240, 14, 3),
    "block13.dw": (672, 672, 7, 5),
    "block15.project": (960, 160, 7, 1),
    "conv_last": (160, 960, 7, 1),
}


def by_name(trace):
    return {op.name: op for op in trace.ops}


@pytest.mark.parametrize("layer", ALEXNET)
def test_alexnet_layers(layer):
    dims = by_name(model("alexnet"))[layer].dims
    assert tuple(dims[key] for key in ("k", "c", "p", "r", "stride_h")) == ALEXNET[layer]


@pytest.mark.parametrize("layer", UNET)
def test_unet_layers(layer):
    dims = by_name(model("u-net"))[layer].dims
    assert tuple(dims[key] for key in ("k", "c", "p")) == UNET[layer]


@pytest.mark.parametrize("layer", INCEPTION)
def test_inception_layers(layer):
    dims = by_name(model("inception-v3"))[layer].dims
    assert (dims["k"], dims["q"]) == INCEPTION[layer]


@pytest.mark.parametrize("layer", MOBILENET_V3_LARGE)
def test_mobilenet_v3_layers(layer):
    dims = by_name(model("mobilenet-v3-large"))[layer].dims
    assert tuple(dims[key] for key in ("c", "k", "p", "r")) == MOBILENET_V3_LARGE[layer]


@pytest.mark.parametrize("name", [name for name in model_names() if isinstance(model_config(name), ConvnetConfig)])
def test_every_op_of_an_image_network_waits_for_ops_before_it(name):
    seen: set[str] = set()
    for op in model(name).ops:
        assert set(op.after or ()) <= seen, op.name
        assert op.name not in seen
        seen.add(op.name)


@pytest.mark.parametrize("name", ["codenet", "inception-v3", "pvt-v2-b0", "swin-unetr", "yolo-v8n", "dit-xl-2"])
def test_a_table_holds_the_whole_trace(name, tmp_path):
    trace = model(name)
    write_trace(trace, tmp_path / "trace.csv")
    assert read_trace(tmp_path / "trace.csv") == trace


def test_inception_joins_its_branches():
    ops = by_name(model("inception-v3"))
    ends = ("mixed5b.1x1_1.act", "mixed5b.5x5_2.act", "mixed5b.3x3dbl_3.act", "mixed5b.pool_1.act")
    assert ops["mixed5c.1x1_1"].after == ends
    assert ops["mixed5c.pool"].after == ends
    assert ops["mixed5c.1x1_1"].dims["c"] == 256


def test_squeeze_and_excitation_scales_what_it_was_made_from():
    ops = by_name(model("efficientnet-b0"))
    assert ops["block1.se.pool"].after == ("block1.dw_act",)
    assert ops["block1.se.scale"].after == ("block1.dw_act", "block1.se.gate")
    assert ops["block1.project"].after == ("block1.se.scale",)
    assert ops["block1.se.scale"].elements == 32 * 112 * 112


def test_yolo_neck_reads_the_backbone():
    ops = by_name(model("yolo-v3"))
    assert ops["medium.1"].after == ("medium.up", "stage4.7.add")
    assert ops["medium.1"].dims["c"] == 256 + 512
    assert {ops[f"{scale}.detect"].dims["q"] for scale in ("small", "medium", "large")} == {52, 26, 13}


def test_unet_crops_what_it_joins():
    ops = by_name(model("u-net"))
    assert ops["up4.1"].after == ("down4.2.act", "up4.conv")
    assert ops["up4.conv"].dims["k"] == 512 * 4
    assert ops["up4.conv"].macs == 28 * 28 * 1024 * 512 * 4


def test_swin_attends_in_windows_and_merges_patches():
    ops = by_name(model("swin-t"))
    assert dict(ops["stage1.0.qk"].dims) == {"b": 3 * 64, "m": 49, "n": 49, "k": 32}
    assert dict(ops["stage4.1.av"].dims) == {"b": 24, "m": 49, "n": 32, "k": 49}
    assert dict(ops["merge1"].dims) == {"b": 1, "m": 28 * 28, "n": 192, "k": 384}


def test_swin_pads_what_windows_do_not_fill():
    stages = (Stage(name="s", block="swin", heads=2, window=7),)
    config = ConvnetConfig(name="odd", channels=8, height=10, width=4, stages=stages)
    ops = by_name(convnet_trace(config, Request()))
    assert dict(ops["s.qk"].dims) == {"b": 2 * 2, "m": 28, "n": 28, "k": 4}
    assert ops["s.q_proj"].dims["m"] == 14 * 4
    assert ops["s.fc1"].dims["m"] == 10 * 4


def test_pvt_attends_to_a_reduced_image():
    ops = by_name(model("pvt-v2-b0"))
    assert dict(ops["stage1.0.qk"].dims) == {"b": 1, "m": 56 * 56, "n": 49, "k": 32}
    assert ops["stage1.0.dw"].dims["groups"] == 256
    assert "stage4.0.reduce" not in ops


def test_swin_unetr_convolves_in_three_dimensions():
    ops = by_name(model("swin-unetr"))
    conv = ops["decoder1.conv1"]
    assert {key: conv.dims[key] for key in ("k", "c", "d", "p", "q", "t", "r", "s")} == {
        **dict.fromkeys("dpq", 128),
        **dict.fromkeys("trs", 3),
        "k": 48,
        "c": 96,
    }
    assert conv.macs == 48 * 96 * 27 * 128**3
    assert dict(ops["stage1.0.qk"].dims) == {"b": 3 * 10**3, "m": 343, "n": 343, "k": 16}


def test_deformable_convolution_gathers_four_neighbours_of_nine_taps():
    ops = by_name(model("codenet"))
    sample = ops["decoder1.sample"]
    assert isinstance(sample, VectorOp)
    assert (sample.kind, sample.elements, sample.reads_per_element) == ("gather", 9 * 1024 * 16 * 16, 4)
    assert sample.after == ("conv_last.act", "decoder1.offset")
    assert ops["decoder1.dw"].elements("inputs") == sample.elements


def test_flux_attends_to_text_and_image_together():
    ops = by_name(model("flux.1-dev"))
    tokens = 512 + 4096
    assert dict(ops["layers.0.qk"].dims) == {"b": 24, "m": tokens, "n": tokens, "k": 128}
    assert set(ops["layers.0.qk"].after) == {f"layers.0.{s}_{x}_norm" for s in ("img", "txt") for x in "qk"}
    assert dict(ops["single_layers.37.o_proj"].dims) == {"b": 1, "m": tokens, "n": 3072, "k": 5 * 3072}
    assert ops["final.head"].dims["m"] == 4096


def test_wan_attends_to_all_frames_head_by_head_and_then_to_the_text():
    ops = by_name(model("wan2.1-t2v-1.3b"))
    tokens = 21 * 30 * 52
    assert dict(ops["layers.0.qk"].dims) == {"b": 1, "m": tokens, "n": tokens, "k": 128}
    assert ops["layers.0.qk"].count == ops["layers.0.softmax"].count == 12
    assert dict(ops["layers.0.cross_qk"].dims) == {"b": 1, "m": tokens, "n": 512, "k": 128}
    assert ops["patch_embed"].dims["d"] == 21


@pytest.mark.parametrize("name", ["codenet", "dit-xl-2", "swin-t", "swin-unetr", "u-net"])
def test_batch_scales_every_product_of_images(name):
    one, three = model(name), model(name, batch=3)
    assert three.parameters == one.parameters
    shared = sum(op.macs * op.count for op in one.ops if not op.after and op.name not in ("conv1", "patch_embed"))
    assert three.macs == pytest.approx(3 * one.macs, abs=3 * shared)


@pytest.mark.parametrize("name", ["swin-unetr", "alexnet", "dit-xl-2"])
def test_a_training_step_has_both_gradients_of_nearly_every_product(name):
    assert model(name, phase="training").macs == pytest.approx(3 * model(name).macs, rel=0.05)


@pytest.mark.parametrize("name", ["flux.1-dev", "swin-t"])
def test_image_networks_take_no_context(name):
    with pytest.raises(InputError) as caught:
        model(name, context=5, phase="decode")
    assert [problem.key for problem in caught.value.problems] == ["phase", "context"]


def test_every_block_is_used_by_some_network():
    used = {
        stage.block
        for name in model_names()
        if isinstance(config := model_config(name), ConvnetConfig)
        for stage in config.stages
    }
    assert used == set(BLOCKS)


def test_tensors_of_different_size_are_not_joined():
    with pytest.raises(ValueError, match=r"one size \(got \(2, 2\), \(3, 3\)\)"):
        concat(*(Tensor(sources=(), channels=1, size=(side, side)) for side in (2, 3)))


def test_a_transposed_convolution_has_the_products_of_its_windows():
    net = Net(batch=2)
    x = Tensor(sources=(), channels=3, size=(4, 5, 6))
    made = net.transposed(x, "up", 7, factor=2, bias=True)
    (op,) = net.ops
    assert isinstance(op, Op)
    assert made.size == (8, 10, 12)
    assert op.macs == 2 * math.prod(x.size) * 3 * 7 * 8
    assert net.parameters == 3 * 7 * 8 + 7
