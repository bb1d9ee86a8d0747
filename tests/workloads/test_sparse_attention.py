"""Windows and top-k: the attention products shrink as the algorithm says, and nothing else does."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.workloads.models import model
from archsim.workloads.op import Op, Role, VectorOp
from archsim.workloads.policies import SparsityPolicy, apply_sparsity
from archsim.workloads.surgery import sources
from archsim.workloads.trace import Trace


def attended(trace: Trace, pattern: str | None, *layers: tuple[str, dict[str, str]]) -> Trace:
    return apply_sparsity(trace, SparsityPolicy(attention=pattern, layers=layers))[0]


def product(trace: Trace, stem: str) -> list[Op]:
    return [op for op in trace.ops if isinstance(op, Op) and op.name in (stem, f"{stem}.last")]


def test_a_decode_step_reads_window_and_sinks() -> None:
    trace = attended(model("llama-3-8b", phase="decode", context=4000, batch=2), "window:512+4")
    (scores,), (mix,) = product(trace, "layers.0.qk"), product(trace, "layers.0.av")
    assert (scores.loops["n"], mix.loops["k"]) == (516, 516)
    softmax = next(op for op in trace.ops if op.name == "layers.0.softmax")
    assert isinstance(softmax, VectorOp)
    assert softmax.elements == scores.elements("outputs")


@pytest.mark.parametrize("context", [256, 300, 1000])
@pytest.mark.parametrize("name", ["llama-3-8b", "bert-base"])
def test_blocks_of_queries_read_the_band_they_see(name: str, context: int) -> None:
    plain = model(name, context=context)
    trace = attended(plain, "window:100+2")
    scores = product(trace, "layers.0.qk")
    whole = product(plain, "layers.0.qk")[0]
    heads = whole.loops["m"] // context
    queries = sum(op.loops["m"] // heads * op.count for op in scores)
    assert queries == context
    for op in scores:
        block = op.loops["m"] // heads
        seen = [min(context, 100 + 2 + block - 1)]
        assert [op.loops["n"]] == seen
    elements = sum(op.elements("outputs") * op.count for op in scores)
    softmax = next(op for op in trace.ops if op.name == "layers.0.softmax")
    assert isinstance(softmax, VectorOp)
    assert softmax.elements == elements
    assert set(softmax.after or ()) == {op.name for op in scores}


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 700), st.integers(0, 50), st.sampled_from(("prefill", "decode")))
def test_a_wider_window_never_computes_less_and_the_widest_changes_nothing(keys: int, sinks: int, phase: str) -> None:
    trace = model("gpt-2", phase=phase, context=500)
    narrow, wide = (attended(trace, f"window:{size}+{sinks}").macs for size in (keys, keys + 1))
    assert narrow <= wide <= trace.macs
    assert attended(trace, "window:501") == trace


@settings(max_examples=30, deadline=None)
@given(st.floats(0.001, 1), st.sampled_from(("prefill", "decode", "generate")))
def test_top_k_mixes_its_share_of_the_values(share: float, phase: str) -> None:
    tokens = 9 if phase == "generate" else None
    trace = model("gpt-2", phase=phase, context=60, output_tokens=tokens)
    sparse = attended(trace, f"topk:{share:f}")
    before = {op.name: op for op in trace.ops if isinstance(op, Op)}
    for op in sparse.ops:
        if not isinstance(op, Op):
            continue
        old = before[op.name]
        if op.name.endswith(".av"):
            kept = math.ceil(round(share, 6) * old.loops["k"] - 1e-9)
            assert op.macs * op.count * old.loops["k"] == old.macs * old.count * kept
        else:
            assert op.macs * op.count == old.macs * old.count


def test_selection_is_an_op_that_reads_every_score() -> None:
    trace = attended(model("llama-3-8b", phase="decode", context=999), "topk:0.1")
    select = next(op for op in trace.ops if op.name == "layers.0.qk.topk")
    assert isinstance(select, VectorOp)
    assert select.elements == 32 * 100
    assert select.elements * select.reads_per_element == pytest.approx(32 * 1000)
    assert select.elements * select.operations_per_element == pytest.approx(32 * 1000 * 2 * (1 + 0.3250829733914482))
    read = dict(zip((op.name for op in trace.ops), sources(trace), strict=True))
    assert read["layers.0.softmax"] == ("layers.0.qk.topk",)


def test_layers_choose_for_themselves() -> None:
    trace = model("llama-3-8b", phase="decode", context=999)
    sparse = attended(trace, "window:10", ("layers.1.*", {"attention": "dense"}))
    assert [product(sparse, f"layers.{i}.qk")[0].loops["n"] for i in (0, 1, 2)] == [10, 1000, 10]


@pytest.mark.parametrize(
    "pattern", [{"weights": "2:4"}, {"inputs": "topk:0.1"}, {"outputs": "random:0.5"}, {"kv_cache": "block1x8:0.5"}]
)
def test_patterns_of_operands_change_no_size(pattern: dict[str, str]) -> None:
    trace = model("llama-3-8b", phase="decode", context=99)
    sparse, _ = apply_sparsity(trace, SparsityPolicy(**pattern))
    assert sparse.macs == trace.macs
    ((key, text),) = pattern.items()
    operand = "weights" if key == "kv_cache" else key
    for op in sparse.ops:
        if isinstance(op, Op):
            role = {"weights": Role.PARAMETER, "kv_cache": Role.KV}.get(key, Role.ACTIVATION)
            found = getattr(op, operand)
            assert found.sparsity == (text if found.role is role else None)


def test_patterns_of_operands_that_a_network_lacks_are_warnings() -> None:
    _, warnings = apply_sparsity(model("resnet-18"), SparsityPolicy(attention="topk:0.1", kv_cache="2:4"))
    assert warnings == (
        "sparsity.attention changes nothing: resnet-18 has no attention",
        "sparsity.kv_cache changes nothing: resnet-18 reads no cached keys and values",
    )
    _, warnings = apply_sparsity(
        model("opt-125m", phase="decode"), SparsityPolicy(attention="topk:0.1", kv_cache="2:4")
    )
    assert warnings == ()
