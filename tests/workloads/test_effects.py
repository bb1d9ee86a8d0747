"""Rotation, quantization, expansion and scaling as vector operations."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.arch.formats import Format, format
from archsim.core.errors import InputError
from archsim.workloads.effects import insert_dequantize, insert_quantize, insert_rotations, insert_scaling
from archsim.workloads.format_costs import (
    common_formats,
    dequantize_operations,
    quantize_operations,
    same_arithmetic,
    scale_operations,
)
from archsim.workloads.models import model
from archsim.workloads.op import AnyOp, Op, VectorOp
from archsim.workloads.policies import QuantizationPolicy, apply_quantization
from archsim.workloads.rotation import Rotation, parse_rotation
from archsim.workloads.surgery import sources
from archsim.workloads.trace import Trace

INT4, INT8, FP16, FP32 = (format(name) for name in ("int4:g128", "int8:token", "fp16", "fp32"))


def quantized(trace: Trace, **formats: Format) -> Trace:
    chosen = {"weights": INT4, "inputs": INT8, "outputs": FP16, "kv_cache": format("int4:head")} | formats
    return apply_quantization(trace, QuantizationPolicy(**chosen, accumulator=FP32))[0]


DECODE = quantized(model("llama-2-7b", phase="decode", context=99))


def by_name(trace: Trace) -> dict[str, AnyOp]:
    return {op.name: op for op in trace.ops}


def new_ops(trace: Trace, old: Trace) -> list[VectorOp]:
    known = {op.name for op in old.ops}
    added = [op for op in trace.ops if op.name not in known]
    assert all(isinstance(op, VectorOp) for op in added)
    return [op for op in added if isinstance(op, VectorOp)]


def reads(trace: Trace) -> dict[str, tuple[str, ...]]:
    return dict(zip((op.name for op in trace.ops), sources(trace), strict=True))


@pytest.mark.parametrize("length", [1, 2, 64, 4096, 2**15])
def test_a_hadamard_transform_takes_log2_additions_per_element(length: int) -> None:
    assert Rotation().operations(length) == math.log2(length)


@pytest.mark.parametrize(
    ("length", "operations"), [(11008, 6 + 171), (13824, 7 + 107), (14336, 9 + 27), (5120, 8 + 19), (12, 11)]
)
def test_other_lengths_take_a_dense_factor(length: int, operations: int) -> None:
    assert Rotation().operations(length) == operations


@pytest.mark.parametrize(("length", "block"), [(6, 0), (167 * 4, 0), (100, 8), (147, 0)])
def test_lengths_without_a_rotation(length: int, block: int) -> None:
    with pytest.raises(InputError):
        Rotation(block).operations(length)


@given(st.integers(0, 14), st.integers(0, 14))
def test_smaller_blocks_are_cheaper(first: int, second: int) -> None:
    small, large = sorted((2**first, 2**second))
    assert Rotation(small).operations(2**14) <= Rotation(large).operations(2**14)


@pytest.mark.parametrize("text", ["", "hadamard:0", "hadamard:", "hadamard:x", "givens"])
def test_unknown_rotations(text: str) -> None:
    with pytest.raises(InputError, match="write hadamard"):
        parse_rotation(text)


def test_queries_and_keys_are_rotated_and_weights_are_not() -> None:
    trace, warnings = insert_rotations(DECODE, [("*.qk", Rotation()), ("*.down_proj", Rotation(64))])
    added = {op.name: op for op in new_ops(trace, DECODE) if op.name.startswith("layers.0.")}
    assert warnings == ()
    assert {name: (op.elements, op.operations_per_element) for name, op in added.items()} == {
        "layers.0.q_rope.rotate": (4096, 7),
        "layers.0.k_rope.rotate": (4096, 7),
        "layers.0.act.rotate": (11008, 6),
    }
    assert reads(trace)["layers.0.qk"] == ("layers.0.q_rope.rotate", "layers.0.k_rope.rotate")
    assert reads(trace)["layers.0.down_proj"] == ("layers.0.act.rotate",)


def test_readers_of_one_tensor_share_its_quantization() -> None:
    trace = insert_quantize(DECODE)
    ops, read = by_name(trace), reads(trace)
    assert [read[f"layers.0.{name}_proj"] for name in "qkv"] == [("layers.0.input_norm.quantize",)] * 3
    quantize = ops["layers.0.input_norm.quantize"]
    assert isinstance(quantize, VectorOp)
    assert (quantize.input_format, quantize.format, quantize.elements) == (FP16, INT8, 4096)
    assert quantize.operations_per_element == 6, "scale, round, clamp twice, magnitude, maximum"
    assert "layers.0.attn_add.quantize" not in ops, "residual sums read what was written"
    assert read["layers.0.attn_add"] == ("layers.0.o_proj", "embed")


def test_only_new_keys_and_values_are_quantized() -> None:
    ops = by_name(insert_quantize(DECODE))
    for name in ("k_rope", "v_proj"):
        quantize = ops[f"layers.0.{name}.quantize"]
        assert isinstance(quantize, VectorOp)
        assert (quantize.elements, quantize.format) == (4096, format("int4:head"))


def test_the_head_quantizes_the_tokens_it_reads() -> None:
    trace = quantized(model("llama-2-7b", phase="prefill", context=64))
    quantize = by_name(insert_quantize(trace))["final_norm.quantize"]
    assert isinstance(quantize, VectorOp)
    assert quantize.elements == 4096


def test_results_in_a_scaled_format_are_rounded_in_the_stream() -> None:
    trace = insert_quantize(quantized(model("resnet-50"), outputs=INT8))
    rounding = by_name(trace)["conv1.round"]
    assert isinstance(rounding, VectorOp)
    assert (rounding.reads_per_element, rounding.writes_per_element) == (0, 0)
    assert rounding.elements == 64 * 112 * 112
    assert not any(name.endswith(".quantize") for name in by_name(trace))


def test_vector_operations_read_what_was_written() -> None:
    ops = by_name(insert_quantize(DECODE))
    softmax = ops["layers.0.softmax"]
    assert isinstance(softmax, VectorOp)
    assert softmax.input_format == FP16


def test_expansion_keeps_stored_bits() -> None:
    trace = insert_dequantize(
        quantized(model("llama-2-7b", phase="decode", context=99), inputs=FP16), lambda w, x: w != x
    )
    product, expand = by_name(trace)["layers.0.q_proj"], by_name(trace)["layers.0.q_proj.dequantize"]
    assert isinstance(product, Op)
    assert isinstance(expand, VectorOp)
    assert product.weights.format == format("fp16@4.125")
    assert (expand.elements, expand.operations_per_element) == (4096 * 4096, 2)
    assert (expand.reads_per_element, expand.writes_per_element) == (0, 0)


def test_nothing_is_expanded_where_the_unit_takes_the_formats() -> None:
    assert insert_dequantize(DECODE, lambda w, x: False) is DECODE


@pytest.mark.parametrize(
    ("weights", "inputs", "expected"),
    [
        ("int4:g128", "fp16", ("fp16@4.125", "fp16")),
        ("int4:channel", "int8:token", ("int8@4", "int8:token")),
        ("fp16", "int8", ("fp16", "fp16@8")),
        ("bf16", "fp16", ("fp16", "fp16")),
        ("mxfp4", "mxfp8", ("fp8_e4m3@4.25", "mxfp8")),
        ("int8:channel", "int8:token", ("int8:channel", "int8:token")),
    ],
)
def test_the_narrower_operand_is_expanded(weights: str, inputs: str, expected: tuple[str, str]) -> None:
    found = common_formats(format(weights), format(inputs))
    assert tuple(fmt.name for fmt in found) == expected
    assert same_arithmetic(*found)


@pytest.mark.parametrize(
    ("fmt", "into", "out"),
    [("int8", 4, 1), ("int8:token", 6, 1), ("int4:g128", 6, 2), ("fp16", 1, 1), ("int4:g128:asym", 7, 3)],
)
def test_operations_per_element(fmt: str, into: float, out: float) -> None:
    assert (quantize_operations(format(fmt)), dequantize_operations(format(fmt))) == (into, out)


@pytest.mark.parametrize(
    ("weights", "inputs", "in_unit", "operations"),
    [
        ("int8", "int8", False, 1),
        ("int8:tensor", "int8:tensor", False, 1),
        ("int8:channel", "int8:token", False, 2),
        ("int4:g128", "int8:token", False, 1 + 4 * 2),
        ("int4:g128", "int8:token", True, 1),
        ("int4:g128", "int8:g128", False, 4 * 3),
        ("fp16", "fp16", False, 0),
    ],
)
def test_scales_of_groups_are_applied_to_partial_sums(
    weights: str, inputs: str, in_unit: bool, operations: float
) -> None:
    assert scale_operations(format(weights), format(inputs), 512, groups_in_unit=in_unit) == operations


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from(("llama-3-8b", "bert-base", "mobilenet-v2", "gpt-2")),
    st.sampled_from(("int8", "fp16", "int8:token", "bf16")),
    st.sampled_from(("int8", "fp16", "int4:g128")),
    st.booleans(),
)
def test_effects_change_no_product(name: str, outputs: str, weights: str, rotate: bool) -> None:
    tokens = {} if name == "mobilenet-v2" else {"context": 8}
    before = quantized(model(name, **tokens), outputs=format(outputs), weights=format(weights))
    after = before
    if rotate:
        after, _ = insert_rotations(after, [("*.fc2", Rotation()), ("*.down_proj", Rotation())])
    after = insert_scaling(insert_quantize(after), lambda w, x: False)
    after = insert_dequantize(after, lambda w, x: not same_arithmetic(w, x))
    assert after.macs == before.macs
    products = [op for op in after.ops if isinstance(op, Op)]
    assert [(op.name, op.loops) for op in products] == [(op.name, op.loops) for op in before.ops if isinstance(op, Op)]
    seen: set[str] = set()
    for op, read in zip(after.ops, sources(after), strict=True):
        assert set(read) <= seen
        assert op.name not in seen
        seen.add(op.name)


def test_an_op_that_follows_silently_still_follows_the_same_op() -> None:
    ops = (Op.gemm("a", m=4, n=4, k=4), Op.gemm("b", m=4, n=4, k=4), Op.gemm("c", m=4, n=4, k=4, after=("a",)))
    trace = quantized(Trace(name="t", ops=ops, parameters=48), outputs=INT8, weights=format("int8:channel"))
    rounded = insert_scaling(insert_quantize(trace), lambda w, x: False)
    read = reads(rounded)
    assert (read["b"], read["c"]) == (("a",), ("a",))
    assert read["a.round"] == read["a.scale"] == ("a",)


def test_a_transfer_may_make_what_is_read() -> None:
    from archsim.workloads.op import Transfer

    ops = (Transfer(name="t", bytes=64, link="pcie"), Op.gemm("a", m=4, n=4, k=4, after=("t",)))
    trace = quantized(Trace(name="t", ops=ops, parameters=16))
    assert [op.name for op in insert_quantize(trace).ops] == ["t", "a"]
    rotated, _ = insert_rotations(trace, [("a", Rotation())])
    assert [op.name for op in rotated.ops] == ["t", "t.rotate", "a"]


def test_what_the_network_is_given_cannot_be_rotated() -> None:
    ops = (Op.gemm("a", m=4, n=4, k=4),)
    same, warnings = insert_rotations(Trace(name="t", ops=ops, parameters=16), [("a", Rotation()), ("b", Rotation())])
    assert same.ops == ops
    assert warnings == (
        "quantization.rotate: 'b' matches no product of t",
        "quantization.rotate.a: a reads what the network is given, which is not rotated",
    )


def test_repeated_segments_keep_their_counts() -> None:
    trace = quantized(model("gpt-2", phase="generate", context=4, output_tokens=40))
    after = insert_quantize(trace)
    counts = {op.name: op.count for op in after.ops}
    segments = [name for name in counts if name.endswith("layers.0.act.quantize") and name.startswith("decode")]
    assert sum(counts[name] for name in segments) == 39
