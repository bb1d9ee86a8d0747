"""Layers whose weights split outlier channels: longer reductions, wider weights, and what stays as it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import archsim
from archsim.arch.formats import format
from archsim.workloads.op import Op
from archsim.workloads.policies import QuantizationPolicy, apply_quantization
from archsim.workloads.splitting import with_split_channels
from archsim.workloads.trace import Trace

INT8 = format("int8")


def quantized(trace: Trace, weights: str) -> Trace:
    policy = QuantizationPolicy(
        weights=format(weights), inputs=INT8, outputs=INT8, kv_cache=INT8, accumulator=format("int32")
    )
    return apply_quantization(trace, policy)[0]


@pytest.fixture
def split() -> Callable[[str], tuple[Trace, Trace]]:
    """A model before and after its channels are split, 10 percent of them."""

    def made(model: str) -> tuple[Trace, Trace]:
        before = quantized(archsim.model(model), "ocs-int8:channel:s10")
        return before, with_split_channels(before)

    return made


def test_a_reduction_grows_by_the_channels_that_are_split(split: Callable[[str], tuple[Trace, Trace]]) -> None:
    before, after = split("resnet-18")
    for old, new in zip(before.ops, after.ops, strict=True):
        if isinstance(old, Op) and isinstance(new, Op):
            dim = "k" if old.kind == "gemm" else "c"
            assert new.loops[dim] == old.loops[dim] + int(old.loops[dim] * 0.1 + 0.5)
            assert new.weights.format == format("int8:channel")
            assert new.elements("outputs") == old.elements("outputs")


def test_parameters_grow_with_the_weights(split: Callable[[str], tuple[Trace, Trace]]) -> None:
    before, after = split("resnet-18")
    weights = [sum(op.elements("weights") for op in trace.ops if isinstance(op, Op)) for trace in (before, after)]
    assert after.parameters - before.parameters == weights[1] - weights[0] > 0
    assert 1.09 < after.macs / before.macs < 1.11


def test_depthwise_layers_have_no_channel_to_split(split: Callable[[str], tuple[Trace, Trace]]) -> None:
    before, after = split("mobilenet-v2")
    for old, new in zip(before.ops, after.ops, strict=True):
        if isinstance(old, Op) and isinstance(new, Op) and old.loops.get("g", 1) > 1:
            assert new.loops == old.loops


def test_products_of_activations_stay_as_they_are(split: Callable[[str], tuple[Trace, Trace]]) -> None:
    before, after = split("vit-ti")
    for old, new in zip(before.ops, after.ops, strict=True):
        if old.name.endswith((".qk", ".av")):
            assert new == old


def test_other_formats_change_nothing() -> None:
    trace = quantized(archsim.model("resnet-18"), "int8:channel")
    assert with_split_channels(trace) is trace
