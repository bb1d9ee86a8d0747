"""The transformer builder: shapes, dependencies, and the exactness of grouped decode steps."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.core.errors import InputError
from archsim.workloads.models import model, model_config
from archsim.workloads.op import Op, Role, VectorOp
from archsim.workloads.request import Request
from archsim.workloads.segments import SEGMENT_LIMIT, decode_segments, odd_lengths
from archsim.workloads.transformer import transformer_trace
from archsim.workloads.transformer_config import TransformerConfig

TINY = TransformerConfig(
    name="tiny",
    hidden=12,
    layers=2,
    heads=6,
    kv_heads=2,
    head_dim=3,
    ffn=20,
    context=16,
    vocab=31,
    gated=True,
    activation="silu",
    norm="rmsnorm",
    positions="rotary",
    head="lm",
)


def by_name(trace):
    return {op.name: op for op in trace.ops}


def test_block_of_a_gated_decoder_has_the_common_names():
    names = [op.name for op in transformer_trace(TINY, Request(phase="prefill", context=4)).ops]
    block = [
        "input_norm",
        "q_proj",
        "k_proj",
        "v_proj",
        "q_rope",
        "k_rope",
        "qk",
        "softmax",
        "av",
        "o_proj",
        "attn_add",
    ]
    block += ["post_norm", "gate_proj", "up_proj", "act", "down_proj", "mlp_add"]
    layers = [f"layers.{index}.{name}" for index in range(2) for name in block]
    assert names == ["embed", *layers, "final_norm", "lm_head"]


def test_dependencies_are_exact():
    ops = by_name(transformer_trace(TINY, Request(phase="prefill", context=4)))
    expected = {
        "embed": (),
        "layers.0.input_norm": ("embed",),
        "layers.0.q_proj": ("layers.0.input_norm",),
        "layers.0.k_proj": ("layers.0.input_norm",),
        "layers.0.v_proj": ("layers.0.input_norm",),
        "layers.0.q_rope": ("layers.0.q_proj",),
        "layers.0.k_rope": ("layers.0.k_proj",),
        "layers.0.qk": ("layers.0.q_rope", "layers.0.k_rope"),
        "layers.0.softmax": ("layers.0.qk",),
        "layers.0.av": ("layers.0.softmax", "layers.0.v_proj"),
        "layers.0.o_proj": ("layers.0.av",),
        "layers.0.attn_add": ("layers.0.o_proj", "embed"),
        "layers.0.post_norm": ("layers.0.attn_add",),
        "layers.0.gate_proj": ("layers.0.post_norm",),
        "layers.0.up_proj": ("layers.0.post_norm",),
        "layers.0.act": ("layers.0.gate_proj", "layers.0.up_proj"),
        "layers.0.down_proj": ("layers.0.act",),
        "layers.0.mlp_add": ("layers.0.down_proj", "layers.0.attn_add"),
        "layers.1.input_norm": ("layers.0.mlp_add",),
        "lm_head": ("final_norm",),
    }
    assert {name: ops[name].after for name in expected} == expected


def test_grouped_queries_are_rows_over_shared_keys():
    ops = by_name(transformer_trace(TINY, Request(phase="prefill", batch=5, context=4)))
    assert dict(ops["layers.0.qk"].dims) == {"b": 5 * 2, "m": 3 * 4, "n": 4, "k": 3}
    assert dict(ops["layers.0.av"].dims) == {"b": 5 * 2, "m": 3 * 4, "n": 3, "k": 4}
    assert ops["layers.0.qk"].weights.role is Role.KV
    assert ops["layers.0.qk"].elements("weights") == 5 * 4 * 2 * 3
    assert ops["layers.0.softmax"].elements == 5 * 6 * 4 * 4
    assert dict(ops["layers.0.k_proj"].dims) == {"b": 1, "m": 20, "n": 6, "k": 12}


def test_decode_attends_to_the_cache_and_its_own_token():
    trace = transformer_trace(TINY, Request(phase="decode", batch=2, context=7))
    ops = by_name(trace)
    assert dict(ops["layers.1.qk"].dims) == {"b": 4, "m": 3, "n": 8, "k": 3}
    assert (trace.kv_tokens, trace.batch) == (2 * 8, 2)


def test_head_runs_on_the_last_token_in_prefill_and_on_all_in_forward():
    rows = {
        phase: by_name(transformer_trace(TINY, Request(phase=phase, batch=3, context=5)))["lm_head"].dims["m"]
        for phase in ("prefill", "decode", "forward")
    }
    assert rows == {"prefill": 3, "decode": 3, "forward": 15}


def test_first_decode_with_an_empty_cache():
    assert by_name(transformer_trace(TINY, Request(phase="decode", context=0)))["layers.0.qk"].dims["n"] == 1


def test_post_norm_encoder_has_norms_behind_the_sums():
    ops = by_name(model("bert-base", context=8))
    assert ops["layers.0.q_proj"].after == ("embed_norm",)
    assert ops["layers.0.attn_add"].after == ("layers.0.o_proj", "embed_norm")
    assert ops["layers.0.mlp_add"].after == ("layers.0.fc2", "layers.0.post_norm")
    assert ops["layers.1.q_proj"].after == ("layers.0.output_norm",)
    assert ops["layers.0.qk"].weights.role is Role.ACTIVATION
    assert ops["pooler"].dims["m"] == 1


def test_vision_transformer_starts_with_patches_and_ends_with_classes():
    ops = by_name(model("vit-b", batch=2))
    assert ops["patch_embed"].macs == 2 * 14 * 14 * 768 * 768
    assert dict(ops["head"].dims) == {"b": 1, "m": 2, "n": 1000, "k": 768}
    assert ops["layers.0.q_proj"].dims["m"] == 2 * 197


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 400), st.integers(1, 60), st.integers(1, 4), st.none() | st.integers(1, 450))
def test_generation_has_the_macs_of_its_steps(context, tokens, batch, window):
    config = dataclasses.replace(TINY, layers=1, window=window)
    whole = transformer_trace(config, Request(phase="generate", batch=batch, context=context, output_tokens=tokens))
    steps = [transformer_trace(config, Request(phase="prefill", batch=batch, context=context))]
    steps += [
        transformer_trace(config, Request(phase="decode", batch=batch, context=context + step))
        for step in range(tokens - 1)
    ]
    assert whole.macs == sum(step.macs for step in steps)
    assert whole.kv_tokens == max(step.kv_tokens for step in steps)
    elements = [
        sum(op.elements * op.count for op in trace.ops if isinstance(op, VectorOp)) for trace in (whole, *steps)
    ]
    assert elements[0] == sum(elements[1:])


@given(st.integers(1, 100_000))
def test_odd_lengths_add_up(steps):
    lengths = odd_lengths(steps, SEGMENT_LIMIT)
    assert sum(lengths) == steps
    assert len(lengths) <= SEGMENT_LIMIT
    assert all(length % 2 == 1 for length in lengths)
    assert max(lengths) - min(lengths) <= 2


@given(st.integers(0, 5000), st.integers(1, 5000), st.none() | st.integers(1, 8000))
def test_segments_keep_the_sum_of_lengths(cached, steps, window):
    segments = decode_segments(cached, steps, window)
    expected = sum(min(cached + step, window or cached + step) for step in range(1, steps + 1))
    assert sum(segment.kv_len * segment.count for segment in segments) == expected
    assert sum(segment.count for segment in segments) == steps
    assert len(segments) <= SEGMENT_LIMIT


def test_generation_phases_and_order():
    trace = model("gpt-2", phase="generate", context=10, output_tokens=21)
    segments = {op.name.split(".")[0] for op in trace.ops if op.phase == "decode"}
    assert segments == {f"decode{number}" for number in range(1, 9)}
    ops = by_name(trace)
    assert ops["decode1.embed"].after == ("lm_head",)
    assert ops["decode2.embed"].after == ("decode1.lm_head",)
    assert sum(ops[f"decode{number}.lm_head"].count for number in range(1, 9)) == 20
    assert trace.output_tokens == 21


@pytest.mark.parametrize("name", ["llama-3-8b", "bert-base", "vit-b", "opt-1.3b"])
def test_names_are_unique_and_every_dependency_stands_before(name):
    seen = set()
    for op in model(name).ops:
        assert op.name not in seen
        assert set(op.after) <= seen
        seen.add(op.name)


def test_parameters_are_those_of_the_ops_and_the_rest():
    """Gated, grouped, untied, biased: matrices from the ops; embedding, norms and biases counted by hand."""
    trace = transformer_trace(TINY, Request(phase="forward"))
    matrices = sum(
        op.elements("weights") for op in trace.ops if isinstance(op, Op) and op.weights.role is Role.PARAMETER
    )
    biases = 2 * ((18 + 6 + 6) + 12 + (20 + 20) + 12)
    norms = (2 * 2 + 1) * 12
    assert trace.parameters == matrices + biases + norms + 31 * 12


def test_default_context_is_the_longest():
    assert model("gpt-2").kv_tokens == 1024
    assert model("gpt-2", phase="decode").kv_tokens == 1024
    assert isinstance(model_config("gpt-2"), TransformerConfig)


@pytest.mark.parametrize("key", ["batch", "context", "output_tokens"])
def test_sizes_that_no_run_has_are_refused(key: str) -> None:
    with pytest.raises(InputError, match=f"{key}: must be at most 2147483647"):
        model("llama-3-8b", **{"phase": "generate", "context": 8, "output_tokens": 2, key: 10**19})
