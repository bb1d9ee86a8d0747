"""Quantization and sparsity policies, and the summary of what they lead to."""

import json
from dataclasses import replace
from fractions import Fraction

import pytest

from archsim.arch.formats import format
from archsim.core.errors import InputError
from archsim.workloads.models import model
from archsim.workloads.op import Op
from archsim.workloads.policies import QuantizationPolicy, SparsityPolicy, apply_quantization, apply_sparsity
from archsim.workloads.sparsity import parse_sparsity
from archsim.workloads.summary import trace_summary

INT4, INT8, FP16, FP32 = (format(name) for name in ("int4:g128", "int8", "fp16", "fp32"))


def policy(*layers):
    return QuantizationPolicy(weights=INT4, inputs=INT8, outputs=FP16, kv_cache=INT8, accumulator=FP32, layers=layers)


def quantized(trace, *layers):
    result, warnings = apply_quantization(trace, policy(*layers))
    assert warnings == ()
    return {op.name: op for op in result.ops}


def of(op):
    return (op.weights.format, op.inputs.format, op.outputs.format)


def test_roles_decide():
    ops = quantized(model("llama-3-8b", phase="decode", context=4))
    assert of(ops["layers.0.q_proj"]) == (INT4, INT8, FP16)
    assert of(ops["layers.0.k_proj"]) == (INT4, INT8, FP16)
    assert of(ops["layers.0.qk"]) == (INT8, INT8, FP16)
    assert (ops["embed"].input_format, ops["embed"].format) == (INT4, FP16)
    assert (ops["layers.0.softmax"].input_format, ops["layers.0.softmax"].format) == (INT8, FP16)


def test_cache_format_is_not_for_encoders():
    ops = quantized(model("bert-base", context=4), ("*.av", {"kv_cache": FP32}))
    assert of(ops["layers.0.qk"]) == (INT8, INT8, FP16)
    assert of(ops["layers.0.av"]) == (INT8, INT8, FP16)


def test_last_glob_wins_key_by_key():
    layers = (
        ("*.down_proj", {"weights": FP16, "inputs": FP16}),
        ("layers.1.*", {"weights": INT8}),
        ("lm_head", {"activations": FP32, "outputs": FP16}),
    )
    ops = quantized(model("llama-2-7b", context=2), *layers)
    assert of(ops["layers.0.down_proj"]) == (FP16, FP16, FP16)
    assert of(ops["layers.1.down_proj"]) == (INT8, FP16, FP16)
    assert of(ops["layers.1.qk"])[0] == INT8
    assert of(ops["lm_head"]) == (INT4, FP32, FP16)


def test_globs_mean_the_layer_in_every_decode_segment():
    trace = model("gpt-2", phase="generate", context=3, output_tokens=20)
    ops = quantized(trace, ("layers.0.fc1", {"weights": FP16}))
    found = {op.weights.format for name, op in ops.items() if name.endswith("layers.0.fc1")}
    assert found == {FP16}


def test_formats_of_the_trace_win():
    trace = model("vgg-16")
    first = trace.ops[0]
    assert isinstance(first, Op)
    given = replace(first, weights=replace(first.weights, format=FP32))
    ops = quantized(replace(trace, ops=(given, *trace.ops[1:])), ("conv1.0", {"weights": INT8}))
    assert of(ops["conv1.0"]) == (FP32, INT8, FP16)


def test_glob_without_a_match_is_a_warning():
    _, warnings = apply_quantization(model("vgg-16"), policy(("conv11.0", {"weights": INT8}), ("conv*", {})))
    assert warnings == ("quantization.layers: 'conv11.0' matches no op of vgg-16 (did you mean 'conv1.0'?)",)


def test_unknown_operand_of_a_layer():
    with pytest.raises(InputError) as caught:
        policy(("fc", {"wieghts": INT8}))
    assert str(caught.value).startswith(
        "quantization.layers.fc: unknown operand 'wieghts'\nhint: did you mean 'weights'?"
    )


def test_sparsity_is_for_parameters():
    trace = model("opt-1.3b", phase="decode", context=4)
    pattern = SparsityPolicy(weights=" 2:4", layers=(("*.fc1", {"weights": "random:0.3"}), ("nothing", {})))
    result, warnings = apply_sparsity(trace, pattern)
    ops = {op.name: op for op in result.ops}
    assert ops["layers.0.q_proj"].weights.sparsity == "2:4"
    assert ops["layers.0.fc1"].weights.sparsity == "random:0.3"
    assert ops["layers.0.qk"].weights.sparsity is None
    assert ops["layers.0.q_proj"].inputs.sparsity is None
    assert len(warnings) == 1


@pytest.mark.parametrize(("text", "density"), [("2:4", "1/2"), ("4:4", "1"), ("random:0.25", "1/4"), ("random:1", "1")])
def test_densities(text, density):
    assert parse_sparsity(text).density == Fraction(density)


@pytest.mark.parametrize(
    "text",
    ["", "2", "5:4", "0:4", "random:0", "random:1.5", "random:x", "block0x16:0.5", "block16x16", "window:4", "-1:4"],
)
def test_wrong_sparsity(text):
    with pytest.raises(InputError):
        SparsityPolicy(weights=text)


def test_summary_counts_bytes_and_intensity():
    trace, _ = apply_quantization(model("llama-3-8b", phase="decode", context=99), policy())
    summary = trace_summary(trace)
    assert summary["schema"] == "archsim.trace/1"
    assert summary["macs"] == sum(op["macs"] * op["count"] for op in summary["ops"])
    assert summary["kv_bytes_per_token"] == 2 * 32 * 1024
    q_proj = next(op for op in summary["ops"] if op["name"] == "layers.0.q_proj")
    assert (q_proj["weight_bytes"], q_proj["input_bytes"], q_proj["output_bytes"]) == (
        4096 * 4096 * 4.125 / 8,
        4096,
        8192,
    )
    assert q_proj["ops_per_byte"] == pytest.approx(2 * 4096**2 / (4096 * 4096 * 4.125 / 8 + 3 * 4096))
    assert json.loads(json.dumps(summary)) == summary


def test_summary_without_formats_has_null_bytes():
    summary = trace_summary(model("gpt-2", context=5))
    assert summary["kv_bytes_per_token"] is None
    assert {op["input_bytes"] for op in summary["ops"]} == {None}
