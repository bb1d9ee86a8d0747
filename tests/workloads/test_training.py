"""Training steps: three times the forward products, exact gradients of convolutions, dependencies, updates."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.workloads.models import model
from archsim.workloads.op import Op, Role, Transfer, VectorOp
from archsim.workloads.request import Request
from archsim.workloads.trace import Trace
from archsim.workloads.training import training_trace
from archsim.workloads.training_products import input_gradients, weight_gradient
from archsim.workloads.transformer import transformer_trace
from tests.workloads.test_transformer import TINY

FAMILIES = ("gpt-2", "mixtral-8x7b", "deepseek-v2-lite", "gemma-3-1b", "mamba-130m", "t5-small", "bert-base", "phi-2")


def by_name(trace):
    return {op.name: op for op in trace.ops}


def chain(*ops):
    return Trace(name="chain", ops=ops, parameters=0)


@pytest.mark.parametrize("name", FAMILIES)
def test_language_models_take_three_times_the_forward_products(name):
    forward = model(name, phase="forward", batch=2, context=8)
    step = model(name, phase="training", batch=2, context=8)
    assert step.macs == 3 * forward.macs
    assert (step.parameters, step.batch, step.kv_tokens) == (forward.parameters, 2, 0)


@pytest.mark.parametrize(("name", "first"), [("resnet-50", "conv1"), ("vit-b", "patch_embed"), ("mobilenet-v2", None)])
def test_image_models_skip_the_gradient_of_the_image(name, first):
    forward, step = model(name), model(name, phase="training")
    conv = next(op for op in forward.ops if op.name == first) if first else forward.ops[0]
    assert step.macs == 3 * forward.macs - conv.macs
    assert not any(op.name.startswith(f"{conv.name}.dgrad") for op in step.ops)


@pytest.mark.parametrize("name", [*FAMILIES, "resnet-50", "mobilenet-v2"])
@pytest.mark.parametrize("recompute", ["none", "blocks"])
def test_names_are_unique_and_every_dependency_stands_before(name, recompute):
    forward = model(name, phase="forward")
    seen = set()
    for op in training_trace(forward, recompute=recompute).ops:
        assert op.name not in seen
        assert set(op.after) <= seen
        assert op.phase == "training"
        seen.add(op.name)


@pytest.mark.parametrize("name", ["gpt-2", "llama-3.2-1b", "deepseek-v2-lite", "resnet-50", "bert-base"])
@pytest.mark.parametrize(("optimizer", "values"), [("adam", 3), ("momentum", 2), ("sgd", 1)])
def test_every_parameter_and_state_is_updated_once(name, optimizer, values):
    forward = model(name, phase="forward")
    ops = training_trace(forward, optimizer=optimizer).ops
    updates = [op for op in ops if isinstance(op, VectorOp) and op.name.endswith(".update")]
    assert sum(op.elements * op.count for op in updates) == values * forward.parameters


def test_tied_head_is_updated_once():
    """The head's matrix is the embedding: both gradients, one update."""
    names = [op.name for op in model("gpt-2", phase="training", context=4).ops]
    assert "lm_head.update" in names
    assert "embed.grad" in names
    assert "embed.update" not in names


def test_gradients_of_a_block():
    ops = by_name(training_trace(transformer_trace(TINY, Request(phase="forward", context=4))))
    up = ops["layers.0.up_proj"]
    assert dict(ops["layers.0.up_proj.dgrad"].dims) == {"b": 1, "m": 4, "n": up.dims["k"], "k": up.dims["n"]}
    assert dict(ops["layers.0.up_proj.wgrad"].dims) == {"b": 1, "m": up.dims["k"], "n": up.dims["n"], "k": 4}
    assert ops["layers.0.up_proj.dgrad"].weights.role is Role.PARAMETER
    assert ops["layers.0.up_proj.wgrad"].weights.role is Role.ACTIVATION
    assert ops["layers.0.up_proj.wgrad"].after == ("layers.0.act.grad", "layers.0.post_norm")
    assert ops["layers.0.post_norm.grad_sum"].after == ("layers.0.up_proj.dgrad", "layers.0.gate_proj.dgrad")
    assert ops["layers.0.softmax.grad"].after == ("layers.0.av.dgrad", "layers.0.qk")
    assert ops["layers.0.v_proj.wgrad"].after == ("layers.0.av.wgrad", "layers.0.input_norm")
    assert ops["layers.0.qk"].weights.role is Role.ACTIVATION
    assert "layers.0.mlp_add.grad" not in ops


def test_recomputed_blocks_run_their_forward_ops_again():
    forward = transformer_trace(TINY, Request(phase="forward", context=4))
    kept, again = training_trace(forward), training_trace(forward, recompute="blocks")
    inside = sum(op.macs for op in forward.ops if op.name.startswith("layers."))
    assert again.macs == kept.macs + inside
    ops = by_name(again)
    assert list(ops["layers.1.up_proj.wgrad"].after or ())[-1] == "recompute.layers.1.post_norm"
    names = list(ops)
    assert (
        names.index("recompute.layers.1.qk") < names.index("layers.1.qk.dgrad") < names.index("recompute.layers.0.qk")
    )


def test_gradient_of_nothing_trained_is_left_out():
    """A product of the input with itself has nothing to learn from; sources default to the op before."""
    ops = (
        Op.gemm("scores", m=4, n=4, k=8, weight_role=Role.ACTIVATION, after=()),
        Op.gemm("mix", m=4, n=8, k=4),
        VectorOp(name="act", kind="elementwise", elements=32),
        Transfer(name="send", bytes=64, link="ring"),
    )
    names = [op.name for op in training_trace(chain(*ops)).ops]
    assert names[:4] == ["scores", "mix", "act", "send"]
    assert names[4:] == ["send.loss", "send.grad", "act.grad", "mix.wgrad", "mix.update"]


sizes = st.fixed_dictionaries(
    {
        "n": st.integers(1, 3),
        "p": st.integers(1, 4),
        "q": st.integers(1, 4),
        "r": st.integers(1, 5),
        "s": st.integers(1, 5),
        "stride_h": st.integers(1, 3),
        "stride_w": st.integers(1, 3),
        "dilation_h": st.integers(1, 3),
        "dilation_w": st.integers(1, 3),
    }
)


@settings(max_examples=100, deadline=None)
@given(sizes, st.integers(1, 3), st.integers(1, 2), st.integers(1, 2))
def test_gradients_of_any_convolution_have_its_macs(dims, groups, k, c):
    conv = Op.conv("conv", k=groups * k, c=groups * c, groups=groups, count=3, **dims)
    assert sum(op.macs * op.count for op in input_gradients(conv)) == 3 * conv.macs
    assert weight_gradient(conv).macs == conv.macs
    assert weight_gradient(conv).elements("outputs") == conv.elements("weights")
    assert weight_gradient(conv).elements("weights") == conv.elements("outputs")
    kernels = sum(op.elements("weights") * op.count for op in input_gradients(conv))
    assert kernels == 3 * conv.elements("weights")


@settings(max_examples=40, deadline=None)
@given(sizes)
def test_weight_gradient_is_the_convolution_it_claims_to_be(dims):
    """The gradient op's loop nest, run on numbers, gives the derivative of the forward loop nest."""
    conv = Op.conv("conv", k=2, c=3, **dims)
    rng = np.random.default_rng(1)
    height = (dims["p"] - 1) * dims["stride_h"] + (dims["r"] - 1) * dims["dilation_h"] + 1
    width = (dims["q"] - 1) * dims["stride_w"] + (dims["s"] - 1) * dims["dilation_w"] + 1
    image = rng.integers(-3, 4, (dims["n"], 3, height, width))
    outputs = rng.integers(-3, 4, (dims["n"], 2, dims["p"], dims["q"]))
    expected = np.zeros((2, 3, dims["r"], dims["s"]), dtype=int)
    for r in range(dims["r"]):
        for s in range(dims["s"]):
            top, left = r * dims["dilation_h"], s * dims["dilation_w"]
            rows = slice(top, top + (dims["p"] - 1) * dims["stride_h"] + 1, dims["stride_h"])
            columns = slice(left, left + (dims["q"] - 1) * dims["stride_w"] + 1, dims["stride_w"])
            expected[:, :, r, s] = np.einsum("nkpq,ncpq->kc", outputs, image[:, :, rows, columns])
    found = _run_conv(weight_gradient(conv).dims, image.transpose(1, 0, 2, 3), outputs.transpose(1, 0, 2, 3))
    assert np.array_equal(found.transpose(1, 0, 2, 3), expected)


def _run_conv(dims, inputs, weights):
    """A convolution by its definition; inputs may be larger than what it touches."""
    result = np.zeros((dims["n"], dims["k"], dims["p"], dims["q"]), dtype=int)
    for p in range(dims["p"]):
        for q in range(dims["q"]):
            rows = p * dims["stride_h"] + np.arange(dims["r"]) * dims["dilation_h"]
            columns = q * dims["stride_w"] + np.arange(dims["s"]) * dims["dilation_w"]
            window = inputs[:, :, rows][:, :, :, columns]
            result[:, :, p, q] = np.einsum("ncrs,kcrs->nk", window, weights)
    return result
