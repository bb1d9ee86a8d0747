"""Single heads and experts: told apart, split, and treated by policies."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.arch.formats import format
from archsim.core.errors import InputError
from archsim.workloads.models import model
from archsim.workloads.op import Op, Role, VectorOp
from archsim.workloads.parts import PartFinder, merged_name, parse_range, range_text, split
from archsim.workloads.policies import (
    PartRule,
    QuantizationPolicy,
    SparsityPolicy,
    apply_quantization,
    apply_sparsity,
)
from archsim.workloads.surgery import sources
from archsim.workloads.trace import Trace

INT4, INT8, FP16 = (format(name) for name in ("int4", "int8", "fp16"))
LLAMA = model("llama-3-8b", phase="decode", batch=3, context=20)


def policy(**changes: object) -> QuantizationPolicy:
    base = QuantizationPolicy(weights=INT4, inputs=INT8, outputs=FP16, kv_cache=INT4, accumulator=FP16)
    return replace(base, **changes)


def mixture(groups: tuple[int, ...] = (8,), routed: int | None = 8) -> Trace:
    """One layer of experts in groups of equal load, behind a router."""
    ops: list[Op | VectorOp] = [] if routed is None else [Op.gemm("layers.0.router", m=4, n=routed, k=16, after=())]
    last = []
    for number, size in enumerate(groups):
        at = "layers.0.experts." + (f"group{number}." if len(groups) > 1 else "")
        ops.append(Op.gemm(at + "up_proj", b=size, m=number + 1, n=32, k=16, after=()))
        ops.append(Op.gemm(at + "down_proj", b=size, m=number + 1, n=16, k=32))
        last.append(ops[-1].name)
    ops.append(VectorOp(name="layers.0.combine", kind="elementwise", elements=64, after=tuple(last)))
    return Trace(name="mixture", ops=tuple(ops), parameters=1)


def weights(trace: Trace) -> int:
    return sum(op.elements("weights") * op.count for op in trace.ops if isinstance(op, Op))


def readers(trace: Trace) -> set[tuple[str, str]]:
    """Which op reads which, by the names of whole ops."""
    pairs = zip(trace.ops, sources(trace), strict=True)
    return {(merged_name(op.name), merged_name(name)) for op, read in pairs for name in read}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=8, max_size=8))
def test_splitting_keeps_macs_weights_and_dependencies(choice: list[int]) -> None:
    def by_index(name: str) -> object:
        parts = [part for part in name.split(".") if part.isdigit()]
        return choice[int(parts[-1])] if {"heads", "experts"} & set(name.split(".")) and len(parts) > 1 else None

    for trace in (LLAMA, mixture()):
        apart = split(trace, by_index)
        assert apart.macs == trace.macs
        assert weights(apart) == weights(trace)
        assert readers(apart) == readers(trace)
        names = [op.name for op in apart.ops]
        assert len(set(names)) == len(names)
        first = {name: at for at, name in reversed(list(enumerate(names)))}
        assert all(first[name] < at for at, read in enumerate(sources(apart)) for name in read)


def test_a_policy_that_treats_all_alike_splits_nothing() -> None:
    trace, _ = apply_quantization(
        LLAMA, policy(parts=(PartRule(glob="*", kind="heads", indices=frozenset({0}), formats={}),))
    )
    assert [op.name for op in trace.ops] == [op.name for op in LLAMA.ops]


def test_the_first_heads_keep_a_wider_cache() -> None:
    rule = PartRule(glob="*", kind="heads", indices=frozenset({0, 1}), formats={"kv_cache": INT8})
    trace, warnings = apply_quantization(LLAMA, policy(parts=(rule,)))
    ops = {op.name: op for op in trace.ops}
    first, rest = ops["layers.0.heads.0-1.qk"], ops["layers.0.heads.2-7.qk"]
    assert (first.loops["b"], rest.loops["b"]) == (3 * 2, 3 * 6)
    assert (first.weights.format, rest.weights.format) == (INT8, INT4)
    assert ops["layers.0.softmax"].after == (first.name, rest.name)
    assert warnings == ()


def test_keys_and_values_have_formats_of_their_own() -> None:
    trace, _ = apply_quantization(LLAMA, policy(keys=INT8, layers=(("layers.1.*", {"values": FP16}),)))
    ops = {op.name: op for op in trace.ops}
    found = [ops[f"layers.{i}.{name}"].weights.format for i in (0, 1) for name in ("qk", "av")]
    assert found == [INT8, INT4, INT8, FP16]


@pytest.mark.parametrize("glob", ["*.experts.3.*", "layers.0.experts.3.up_proj"])
def test_a_glob_names_an_expert(glob: str) -> None:
    trace, warnings = apply_quantization(mixture(), policy(layers=((glob, {"weights": INT8}),)))
    ops = {op.name: op for op in trace.ops}
    assert warnings == ()
    assert ops["layers.0.experts.3.up_proj"].weights.format is INT8
    assert ops["layers.0.experts.0-2,4-7.up_proj"].weights.format is INT4


def test_a_rule_for_experts_wins_over_globs_and_is_for_experts_only() -> None:
    rule = PartRule(glob="*", kind="experts", indices=frozenset(range(4)), formats={"weights": INT8})
    trace, _ = apply_quantization(mixture(), policy(layers=(("*", {"weights": FP16}),), parts=(rule,)))
    found = {op.name: op.weights.format for op in trace.ops if isinstance(op, Op)}
    assert found["layers.0.router"] is FP16
    assert found["layers.0.experts.0-3.up_proj"] is INT8
    assert found["layers.0.experts.4-7.up_proj"] is FP16


def test_sparsity_splits_experts_that_are_split_already() -> None:
    trace, _ = apply_quantization(mixture(), policy(layers=(("*.experts.[0-3].*", {"weights": INT8}),)))
    sparse, _ = apply_sparsity(trace, SparsityPolicy(layers=(("*.experts.2.up_proj", {"weights": "2:4"}),)))
    found = {op.name: op.weights.sparsity for op in sparse.ops if isinstance(op, Op)}
    assert found["layers.0.experts.2.up_proj"] == "2:4"
    assert found["layers.0.experts.0-1,3.up_proj"] is None
    assert sparse.macs == mixture().macs


@pytest.mark.parametrize(
    ("groups", "routed", "indices"),
    [
        ((8,), 8, [[0, 1, 2, 3, 4, 5, 6, 7]]),
        ((2,), 8, [[2, 6]]),
        ((2,), None, [[0, 1]]),
        ((1, 3), 8, [[1], [3, 5, 7]]),
        ((1,), 8, [[4]]),
    ],
)
def test_touched_experts_stand_for_indices_spread_over_all(
    groups: tuple[int, ...], routed: int | None, indices: list[list[int]]
) -> None:
    trace = mixture(groups, routed)
    finder = PartFinder(trace)
    products = [op for op in trace.ops if isinstance(op, Op) and op.name.endswith("up_proj")]
    found = [finder.parts(op) for op in products]
    assert [list(parts.indices) for parts in found if parts is not None] == indices


def test_a_single_touched_expert_is_treated_as_the_one_it_stands_for() -> None:
    trace, _ = apply_quantization(mixture((1,)), policy(layers=(("*.experts.4.*", {"weights": INT8}),)))
    assert [op.weights.format for op in trace.ops if isinstance(op, Op)] == [INT4, INT8, INT8]


def test_heads_that_no_layer_has_are_a_warning() -> None:
    rule = PartRule(glob="*", kind="heads", indices=frozenset({9}), formats={"kv_cache": INT8})
    _, warnings = apply_quantization(LLAMA, policy(parts=(rule,)))
    assert warnings == ("quantization.heads: 9 treats nothing: layers that match '*' have 0-7",)


def test_heads_beyond_those_of_a_layer_are_named() -> None:
    rule = PartRule(glob="*", kind="heads", indices=frozenset(range(6, 11)), formats={"kv_cache": INT8})
    _, warnings = apply_quantization(LLAMA, policy(parts=(rule,)))
    assert warnings == ("quantization.heads: 8-10 treats nothing: layers that match '*' have 0-7",)


def test_experts_that_a_step_does_not_run_are_told_from_those_it_does() -> None:
    rule = PartRule(glob="*", kind="experts", indices=frozenset({3}), formats={"weights": INT8})
    _, warnings = apply_quantization(model("mixtral-8x7b", phase="decode", context=10), policy(parts=(rule,)))
    assert warnings == ("quantization.experts: 3 treats nothing: layers that match '*' run 2,6",)


@given(st.sets(st.integers(0, 99), min_size=1))
def test_ranges_are_spelled_and_read(indices: set[int]) -> None:
    assert parse_range(range_text(indices)) == indices


@pytest.mark.parametrize("text", ["", "-1", "3-1", "a", "0-", "0,,1", "99999999"])
def test_what_is_no_range(text: str) -> None:
    with pytest.raises(InputError, match="such as '0-3'"):
        parse_range(text)


def test_encoders_have_heads_too() -> None:
    trace = model("bert-base", context=4)
    scores = next(op for op in trace.ops if op.name == "layers.0.qk")
    assert isinstance(scores, Op)
    assert scores.weights.role is Role.ACTIVATION
    parts = PartFinder(trace).parts(scores)
    assert parts is not None
    assert len(parts.indices) == 12
