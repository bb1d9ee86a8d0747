"""Published figures of image networks that are counted by a rule of their own, and the rule."""

from dataclasses import replace

import pytest

from archsim.workloads.convnets import Stage, convnet_trace
from archsim.workloads.diffusion import diffusion_trace
from archsim.workloads.models import model, model_config
from archsim.workloads.op import Op, Role
from archsim.workloads.request import Request

TOLERANCE = 0.01


def test_squeezenext_counted_as_pytorchcv_counts():
    """Half of its FLOP: a norm takes 4 per value, an activation 1, a pool its window. Source: pytorchcv model_stats."""
    total = 0.0
    for op in model("squeezenext-23").ops:
        if isinstance(op, Op):
            total += op.macs + (4 / 2 * op.elements("outputs") if op.kind == "conv" else 0)
        elif op.kind == "pool":
            total += op.elements * op.operations_per_element / 2
        elif not op.name.endswith(".add"):
            total += op.elements / 2
    assert total == pytest.approx(287.28e6, rel=1e-4)


def test_codenet_counted_as_its_authors_count():
    """thop: 2 per normed value, and no rule for the authors' deformable convolution. Published: 1.14 G."""
    total = 0
    for op in model("codenet").ops:
        if isinstance(op, Op):
            deformable = op.name.startswith("decoder") and op.name.endswith(".dw")
            normed = not deformable and not op.name.endswith((".head", ".offset"))
            total += (0 if deformable else op.macs) + (2 * op.elements("outputs") if normed else 0)
    assert total == pytest.approx(1.14e9, rel=TOLERANCE)


def test_padded_unet_at_512_has_its_published_count():
    """A common padded variant (three channels, batch norm): 31.04 M parameters, 219.03 G as thop counts.

    It multiplies a transposed convolution by its output positions, four times too often; a norm takes 2 per value.
    """

    def padded(stage: Stage) -> Stage:
        return replace(stage, padding=1, norm=True) if stage.kernel == 3 else stage

    config = model_config("u-net")
    config = replace(config, channels=3, height=512, width=512, stages=tuple(padded(s) for s in config.stages))
    trace = convnet_trace(config, Request())
    assert trace.parameters == pytest.approx(31.04e6, rel=TOLERANCE)
    products = [op for op in trace.ops if isinstance(op, Op)]
    counted = sum(
        4 * op.macs if op.name.startswith("up") and op.name.endswith("conv") else op.macs + 2 * op.elements("outputs")
        for op in products
    )
    assert counted == pytest.approx(219.03e9, rel=TOLERANCE)


def products_with_parameters(trace):
    return sum(op.macs for op in trace.ops if isinstance(op, Op) and op.weights.role is Role.PARAMETER)


def test_flux_without_attention_has_its_published_count():
    """Hugging Face diffusers/benchmarks: 59523.04 GFLOP; its counter does not see into fused attention."""
    assert 2 * products_with_parameters(model("flux.1-dev")) == pytest.approx(59523.04e9, rel=TOLERANCE)


def test_wan_14b_at_480p_without_attention_has_its_published_count():
    """Hugging Face diffusers/benchmarks: 786 TFLOP for 81 frames of 832 x 480 (flops_G up to 786k)."""
    config = replace(model_config("wan2.1-t2v-14b"), latent=(21, 60, 104))
    trace = diffusion_trace(config, Request())
    assert 2 * products_with_parameters(trace) == pytest.approx(786e12, rel=TOLERANCE)


def test_swin_unetr_at_96_is_what_thop_counts_less_what_it_misses():
    """3D UX-Net (Lee et al. 2023): 328.4 G at 96 x 96 x 96.

    thop multiplies a transposed convolution by its output positions, eight times too often, and sees no attention
    product; softmax takes 3 per value and instance norm 4.
    """
    config = replace(model_config("swin-unetr"), depth=96, height=96, width=96)
    total = 0.0
    for op in convnet_trace(config, Request()).ops:
        if isinstance(op, Op):
            transposed = op.name.endswith(".up")
            total += op.macs * (8 if transposed else 1) if op.weights.role is Role.PARAMETER else 0
        elif op.kind == "softmax":
            total += 3 * op.elements
        elif op.name.endswith(("norm1", "norm2", "downsample_norm")):
            total += 4 * op.elements
    assert total == pytest.approx(328.4e9, rel=TOLERANCE)
