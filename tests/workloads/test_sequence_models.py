"""State space models and encoder-decoders: shapes, dependencies, parameters from the ops, phases."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.core.errors import InputError
from archsim.workloads.encoder_decoder import EncoderDecoderConfig, encoder_decoder_trace
from archsim.workloads.mamba import MambaConfig, mamba_trace
from archsim.workloads.models import model
from archsim.workloads.op import Op, Role, VectorOp
from archsim.workloads.request import Request

MAMBA = MambaConfig(name="m", hidden=8, layers=2, inner=16, state=4, dt_rank=3, conv=4, context=32, vocab=50)
T5 = EncoderDecoderConfig(
    name="t", hidden=8, encoder_layers=2, decoder_layers=3, heads=2, head_dim=5, ffn=20, context=16, vocab=50
)
BUILD = {"mamba": (MAMBA, mamba_trace), "t5": (T5, encoder_decoder_trace)}


def by_name(trace):
    return {op.name: op for op in trace.ops}


def weights(trace):
    return sum(op.elements("weights") for op in trace.ops if isinstance(op, Op) and op.weights.role is Role.PARAMETER)


def test_mamba_parameters_are_those_of_the_ops_and_the_rest():
    per_layer = 16 + 16 + 16 * 4 + 16 + 8  # convolution and step biases, A, D, norm
    assert MAMBA.parameters == weights(mamba_trace(MAMBA, Request(phase="forward"))) + 2 * per_layer + 8


def test_mamba_convolves_every_channel_for_itself():
    conv = by_name(mamba_trace(MAMBA, Request(phase="prefill", batch=3, context=7)))["layers.0.conv1d"]
    assert (conv.dims["groups"], conv.dims["q"], conv.dims["s"], conv.macs) == (16, 7, 4, 3 * 7 * 16 * 4)


def test_mamba_keeps_the_state_inside_in_prefill_and_moves_it_in_decode():
    prefill = by_name(mamba_trace(MAMBA, Request(phase="prefill", context=7)))
    decode = by_name(mamba_trace(MAMBA, Request(phase="decode", batch=2, context=7)))
    assert prefill["layers.0.scan"].elements == 7 * 16
    assert prefill["layers.0.scan"].operations_per_element == 4 * 6 + 4 * 2 + 2
    assert "layers.0.scan_update" not in prefill
    assert decode["layers.0.scan_update"].elements == 2 * 16 * 4
    assert decode["layers.0.scan_update"].role is Role.KV
    assert MAMBA.state_elements == 2 * 16 * (4 + 3)


def test_mamba_decodes_at_the_same_cost_after_any_context():
    one, other = (mamba_trace(MAMBA, Request(phase="decode", context=context)) for context in (1, 100_000))
    assert one == other
    assert one.kv_elements_per_token == 0


def test_t5_parameters_are_those_of_the_ops_and_the_rest():
    norms = 8 * (2 * 2 + 3 * 3 + 2)
    assert T5.parameters == weights(encoder_decoder_trace(T5, Request(phase="forward"))) + norms + 2 * 32 * 2
    untied = dataclasses.replace(T5, head="lm", gated=True)
    assert untied.parameters == weights(encoder_decoder_trace(untied, Request(phase="forward"))) + norms + 128 + 400


def test_decoder_attends_to_the_encoders_output():
    ops = by_name(encoder_decoder_trace(T5, Request(phase="prefill", batch=3, context=7)))
    assert dict(ops["decoder.layers.0.cross_qk"].dims) == {"b": 6, "m": 1, "n": 7, "k": 5}
    assert dict(ops["decoder.layers.0.cross_k_proj"].dims) == {"b": 1, "m": 21, "n": 10, "k": 8}
    assert ops["decoder.layers.0.cross_k_proj"].after == ("encoder.final_norm",)
    assert dict(ops["decoder.layers.0.qk"].dims) == {"b": 6, "m": 1, "n": 1, "k": 5}
    assert ops["encoder.layers.0.qk"].weights.role is Role.ACTIVATION
    assert ops["decoder.layers.0.qk"].weights.role is Role.KV


def test_decode_reads_the_cached_input():
    trace = encoder_decoder_trace(T5, Request(phase="decode", batch=3, context=7))
    ops = by_name(trace)
    assert "decoder.layers.0.cross_k_proj" not in ops
    assert not any(name.startswith("encoder.") for name in ops)
    assert ops["decoder.layers.0.qk"].dims["n"] == 8
    assert trace.kv_tokens == 3 * (7 + 8)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(1, 40))
def test_generation_is_prefill_and_steps(context, tokens):
    whole = encoder_decoder_trace(T5, Request(phase="generate", context=context, output_tokens=tokens))
    first = encoder_decoder_trace(T5, Request(phase="prefill", context=context))
    steps = [op for op in whole.ops if op.phase == "decode"]
    assert sum(op.count for op in steps if op.name.endswith("lm_head")) == tokens - 1
    lengths = sum(op.dims["n"] * op.count for op in steps if op.name.endswith("decoder.layers.0.qk"))
    assert lengths == sum(range(2, tokens + 1))
    assert whole.macs - first.macs == sum(op.macs * op.count for op in steps)


@pytest.mark.parametrize("name", BUILD)
@pytest.mark.parametrize("phase", ["prefill", "decode", "generate", "forward"])
def test_names_are_unique_and_every_dependency_stands_before(name, phase):
    config, build = BUILD[name]
    seen = set()
    for op in build(config, Request(phase=phase, context=5, output_tokens=9)).ops:
        assert op.name not in seen
        assert set(op.after) <= seen
        seen.add(op.name)


@pytest.mark.parametrize("name", BUILD)
def test_generation_of_mamba_and_t5_needs_a_length(name):
    config, build = BUILD[name]
    with pytest.raises(InputError, match="generate needs the number"):
        build(config, Request(phase="generate"))
    with pytest.raises(InputError, match="did you mean 'decode'"):
        build(config, Request(phase="decod"))


def test_an_empty_input_cannot_be_decoded_from():
    with pytest.raises(InputError, match="decodes from an input"):
        encoder_decoder_trace(T5, Request(phase="decode", context=0))
    assert mamba_trace(MAMBA, Request(phase="decode", context=0)).macs > 0


def test_scan_is_a_small_part_of_the_projections():
    trace = model("mamba-130m", phase="prefill", context=64)
    operations = sum(op.elements * op.operations_per_element for op in trace.ops if isinstance(op, VectorOp))
    assert 0 < operations < trace.macs
