"""Which ops of a trace are a chain, and why others are not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from archsim.mappers.chains import find_chains
from archsim.workloads.models import model
from archsim.workloads.op import AnyOp, Op, VectorOp
from archsim.workloads.trace import Trace
from tests.mappers.fusion_builders import attention, convs, mlp, vector


def trace(*ops: AnyOp) -> Trace:
    return Trace(name="t", ops=ops, parameters=0)


def refusal(*ops: AnyOp) -> str:
    chains, refusals = find_chains(trace(*ops))
    assert not chains
    (found,) = refusals
    return found.why


@pytest.mark.parametrize(
    ("name", "kinds"),
    [("llama-2-7b", {"attention", "gated-mlp"}), ("gpt-2", {"attention", "mlp"}), ("vit-b", {"attention", "mlp"})],
)
def test_every_block_of_a_transformer_has_its_attention_and_its_mlp(name: str, kinds: set[str]) -> None:
    request = {"phase": "forward"} if name == "vit-b" else {"phase": "prefill", "context": 64}
    chains, _ = find_chains(model(name, batch=1, **request))
    assert {chain.kind for chain in chains} == kinds
    assert [chain.name for chain in chains[:2]] == ["layers.0.attn", "layers.0.mlp"]


def test_a_bottleneck_has_two_chains_that_share_its_middle() -> None:
    chains, _ = find_chains(model("resnet-50", phase="forward", batch=1))
    names = [chain.name for chain in chains if chain.name.startswith("layer1.1.")]
    assert names == ["layer1.1.conv1-conv2", "layer1.1.conv2-conv3"]


def test_depthwise_separable_convolutions_are_chains() -> None:
    chains, _ = find_chains(model("mobilenet-v2", phase="forward", batch=1))
    assert {"block2.0.expand-dw", "block2.0.dw-project"} <= {chain.name for chain in chains}


def test_members_stand_in_order_of_the_trace() -> None:
    (chain,), _ = find_chains(trace(*mlp(gated=True)))
    assert [op.name for op in chain.members] == ["l.gate", "l.up", "l.act", "l.down"]
    assert (chain.kind, chain.at, chain.end) == ("gated-mlp", 0, 4)


def test_what_another_op_reads_too_must_leave_the_chip() -> None:
    reader = vector("l.probe", 64 * 64, "l.qk")
    assert refusal(*attention(), reader) == "l.probe reads l.qk too"


def test_ops_between_break_a_chain() -> None:
    first, act, last = mlp()
    other = vector("l.other", 8)
    assert refusal(first, replace(other, after=()), act, last) == "other ops stand between its own"


def test_a_sum_with_something_else_needs_it_on_chip_too() -> None:
    first, act, last = mlp()
    assert isinstance(act, VectorOp)
    source = replace(vector("x", 64 * 64), after=())
    added = replace(act, after=("l.up", "x"))
    assert refusal(source, first, added, last) == "l.act reads x too"


def test_ops_that_run_differently_often_are_no_chain() -> None:
    first, act, last = mlp()
    assert refusal(first, act, replace(last, count=2)) == "its ops do not run equally often"


def test_a_strided_filter_that_skips_rows_is_refused() -> None:
    first, act, last = convs(p=4, q=4, r2=1, stride2=1, padding=0)
    assert isinstance(last, Op)
    skipping = Op.conv("l.b", k=4, c=4, p=2, q=2, r=1, s=1, stride_h=2, stride_w=2, after=("l.act",))
    skipping = skipping.with_formats(
        inputs=last.inputs.format, weights=last.weights.format, outputs=last.outputs.format
    )
    assert refusal(first, act, skipping) == "l.b skips rows of what l.a makes"


def test_a_norm_between_suggests_no_chain() -> None:
    first, act, last = mlp()
    assert find_chains(trace(first, replace(act, kind="norm"), last)) == ((), ())


def test_a_quantizer_between_is_refused_and_a_3d_convolution_suggests_nothing() -> None:
    first, act, last = mlp()
    assert refusal(first, replace(act, kind="quantize"), last) == "l.act may need the largest of a whole row"
    flat, relu, _ = convs(p=4, q=4, r2=1, padding=0)
    deep = Op.conv3d("l.b", k=4, c=4, d=2, p=4, q=4, t=1, r=1, s=1, after=("l.act",))
    assert find_chains(trace(flat, relu, deep)) == ((), ())
