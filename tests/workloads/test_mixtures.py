"""Mixtures of experts and their routing, latent attention in its two forms, layers with and without a window."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.workloads.cache import cached_operands
from archsim.workloads.models import model, model_config
from archsim.workloads.op import Op, Role, VectorOp
from archsim.workloads.request import Request
from archsim.workloads.routing import BalancedRouting, ExpertGroup, UniformRouting, even_groups, expected_experts
from archsim.workloads.segments import SEGMENT_LIMIT, decode_segments
from archsim.workloads.transformer import transformer_trace
from archsim.workloads.transformer_parts import LatentAttention, MoeConfig
from tests.workloads.test_transformer import TINY

MOE = dataclasses.replace(TINY, moe=MoeConfig(experts=8, active=2, ffn=10, shared_ffn=6, dense_layers=1))
LATENT = dataclasses.replace(
    TINY,
    kv_heads=6,
    head_dim=5,
    qkv_bias=False,
    output_bias=False,
    mlp_bias=False,
    latent=LatentAttention(kv_rank=8, q_rank=7, nope_dim=3, rope_dim=2, value_dim=4),
)


def by_name(trace):
    return {op.name: op for op in trace.ops}


def routed(trace, layer=1, name="up_proj"):
    return [op for op in trace.ops if f"layers.{layer}.experts." in op.name and op.name.endswith(name)]


class Skewed:
    """A measured routing: one busy expert."""

    def groups(self, *, layer, phase, tokens, experts, active):
        return (ExpertGroup(experts=1, tokens=tokens), ExpertGroup(experts=active - 1, tokens=tokens))


def test_one_token_touches_exactly_its_experts():
    (up,) = routed(transformer_trace(MOE, Request(phase="decode", context=3)))
    assert dict(up.dims) == {"b": 2, "m": 1, "n": 10, "k": 12}


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5), st.integers(1, 40))
def test_experts_together_take_the_active_share(batch, tokens):
    trace = transformer_trace(MOE, Request(phase="prefill", batch=batch, context=tokens))
    assert sum(op.dims["b"] * op.dims["m"] for op in routed(trace)) == 2 * batch * tokens
    assert sum(op.dims["b"] for op in routed(trace)) <= 8


def test_dense_layers_come_first_and_shared_experts_take_all_tokens():
    ops = by_name(transformer_trace(MOE, Request(phase="prefill", context=9)))
    assert ops["layers.0.up_proj"].dims["n"] == 20
    assert "layers.1.up_proj" not in ops
    assert ops["layers.1.shared_experts.up_proj"].dims["m"] == 9
    assert ops["layers.1.shared_experts.up_proj"].after == ("layers.1.post_norm",)
    assert ops["layers.1.router"].dims["n"] == 8
    assert set(ops["layers.1.combine"].after) > {"layers.1.router_topk", "layers.1.shared_experts.down_proj"}


def test_routing_can_be_replaced():
    (first, second) = routed(transformer_trace(MOE, Request(phase="decode", batch=6, context=3, routing=Skewed())))
    assert (first.dims["b"], first.dims["m"], second.dims["b"], second.dims["m"]) == (1, 6, 1, 6)
    balanced = model("mixtral-8x7b", phase="decode", batch=4, context=8, routing=BalancedRouting())
    assert [op.dims["b"] for op in routed(balanced, 0)] == [8]
    uniform = model("mixtral-8x7b", phase="decode", batch=4, context=8)
    assert sum(op.dims["b"] for op in routed(uniform, 0)) == round(8 * (1 - 0.75**4))


def test_expected_experts_are_those_of_drawing_them():
    rng = np.random.default_rng(7)
    drawn = [len({*np.concatenate([rng.permutation(32)[:4] for _ in range(5)])}) for _ in range(4000)]
    assert expected_experts(5, 32, 4) == pytest.approx(np.mean(drawn), rel=0.01)


@given(st.integers(1, 10_000), st.integers(1, 300), st.data())
def test_groups_keep_every_assignment(tokens, experts, data):
    active = data.draw(st.integers(1, experts))
    for routing in (UniformRouting(), BalancedRouting()):
        groups = routing.groups(layer=0, phase="decode", tokens=tokens, experts=experts, active=active)
        assert sum(group.experts * group.tokens for group in groups) == tokens * active
        touched = sum(group.experts for group in groups)
        assert active <= touched <= min(experts, tokens * active)
        assert all(group.tokens <= tokens for group in groups)


def test_even_groups_are_one_token_apart():
    assert [(group.experts, group.tokens) for group in even_groups(7, 7)] == [(7, 1)]
    assert [(group.experts, group.tokens) for group in even_groups(9, 7)] == [(2, 2), (5, 1)]


def test_deepseek_caches_576_elements_per_token_and_layer():
    assert model("deepseek-v3", phase="decode", context=9).kv_elements_per_token == 61 * 576
    naive = model("deepseek-v3", phase="decode", context=9, latent_attention="naive")
    assert naive.kv_elements_per_token == 61 * 128 * (192 + 128)


def test_absorbed_decode_attends_to_the_latents():
    ops = by_name(transformer_trace(LATENT, Request(phase="decode", batch=2, context=9)))
    assert dict(ops["layers.0.q_absorb"].dims) == {"b": 6, "m": 2, "n": 8, "k": 3}
    assert dict(ops["layers.0.qk"].dims) == {"b": 2, "m": 6, "n": 10, "k": 10}
    assert dict(ops["layers.0.av"].dims) == {"b": 2, "m": 6, "n": 8, "k": 10}
    assert dict(ops["layers.0.v_absorb"].dims) == {"b": 6, "m": 2, "n": 4, "k": 8}
    assert ops["layers.0.qk"].weights.role is Role.KV
    assert "layers.0.kv_b_proj" not in ops


def test_naive_decode_expands_the_new_token_and_caches_heads():
    ops = by_name(transformer_trace(LATENT, Request(phase="decode", batch=2, context=9, latent_attention="naive")))
    assert dict(ops["layers.0.kv_b_proj"].dims) == {"b": 1, "m": 2, "n": 6 * 7, "k": 8}
    assert dict(ops["layers.0.qk"].dims) == {"b": 12, "m": 1, "n": 10, "k": 5}
    assert dict(ops["layers.0.av"].dims) == {"b": 12, "m": 1, "n": 4, "k": 10}
    assert ops["layers.0.av"].weights.role is Role.KV


def test_prefill_expands_and_keeps_the_latent():
    trace = transformer_trace(LATENT, Request(phase="prefill", context=9))
    ops = by_name(trace)
    assert ops["layers.0.qk"].weights.role is Role.ACTIVATION
    assert [elements for _, elements in cached_operands(trace)] == [9 * 8] * 2
    assert ops["layers.0.qk"].after == ("layers.0.q_rope", "layers.0.kv_b_proj", "layers.0.k_rope")


@pytest.mark.parametrize("form", ["absorbed", "naive"])
def test_parameters_of_latent_attention_and_mixtures_are_those_of_the_ops(form):
    """With every expert touched, matrices come from the ops; norms, biases and the embedding are counted by hand."""
    every = dataclasses.replace(LATENT, moe=MoeConfig(experts=4, active=4, ffn=10, shared_ffn=6, router_bias=True))
    trace = transformer_trace(every, Request(phase="decode", context=3, latent_attention=form))
    matrices = sum(
        op.elements("weights") for op in trace.ops if isinstance(op, Op) and op.weights.role is Role.PARAMETER
    )
    norms = 2 * (2 * 12 + 7 + 8) + 12
    assert trace.parameters == matrices + norms + 2 * 4 + 31 * 12


def test_layers_alternate_between_window_and_everything():
    config = dataclasses.replace(TINY, layers=4, window=5, full_attention_every=2)
    ops = by_name(transformer_trace(config, Request(phase="decode", context=20)))
    assert [ops[f"layers.{layer}.qk"].dims["n"] for layer in range(4)] == [5, 21, 5, 21]
    trace = transformer_trace(config, Request(phase="decode", batch=3, context=20))
    assert trace.kv_elements_per_token * trace.kv_tokens == 3 * 2 * 6 * (2 * 5 + 2 * 21)
    gemma = by_name(model("gemma-3-1b", phase="decode", context=2000))
    full = [layer for layer in range(26) if gemma[f"layers.{layer}.qk"].dims["n"] == 2001]
    assert full == [5, 11, 17, 23]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 80))
def test_generation_with_mixed_windows_has_the_work_of_its_steps(context, tokens, window):
    config = dataclasses.replace(TINY, layers=2, window=window, full_attention_every=2)
    whole = transformer_trace(config, Request(phase="generate", context=context, output_tokens=tokens))
    steps = [transformer_trace(config, Request(phase="prefill", context=context))]
    steps += [transformer_trace(config, Request(phase="decode", context=context + step)) for step in range(tokens - 1)]
    assert whole.macs == sum(step.macs for step in steps)
    elements = [
        sum(op.elements * op.count for op in trace.ops if isinstance(op, VectorOp)) for trace in (whole, *steps)
    ]
    assert elements[0] == sum(elements[1:])
    assert whole.kv_tokens == max(step.kv_tokens for step in steps)


@given(st.integers(0, 5000), st.integers(1, 5000), st.integers(1, 8000))
def test_segments_of_mixed_windows_stop_where_the_window_is_full(cached, steps, window):
    segments = decode_segments(cached, steps, window, grows=True)
    lengths = range(cached + 1, cached + steps + 1)
    assert sum(segment.kv_len * segment.count for segment in segments) == sum(lengths)
    assert sum(min(segment.kv_len, window) * segment.count for segment in segments) == sum(
        min(length, window) for length in lengths
    )
    assert len(segments) <= SEGMENT_LIMIT


@pytest.mark.parametrize(
    "name", ["deepseek-v2-lite", "gpt-oss-20b", "qwen-3-30b-a3b", "phi-2", "gemma-2-2b", "opt-350m"]
)
@pytest.mark.parametrize("phase", ["prefill", "decode", "generate", "forward", "training"])
def test_every_phase_has_unique_names_and_dependencies_before(name, phase):
    tokens = 12 if phase == "generate" else None
    seen = set()
    for op in model(name, phase=phase, batch=3, context=5, output_tokens=tokens).ops:
        assert op.name not in seen
        assert set(op.after) <= seen
        seen.add(op.name)


def test_impossible_parts_are_refused():
    with pytest.raises(ValueError, match="active experts must be from 1 to 8"):
        MoeConfig(experts=8, active=9, ffn=4)
    with pytest.raises(ValueError, match="at least 1"):
        ExpertGroup(experts=0, tokens=4)
    assert model_config("deepseek-v3").is_moe(3)
    assert not model_config("deepseek-v3").is_moe(2)
