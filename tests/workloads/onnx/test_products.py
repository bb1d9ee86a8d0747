"""Products of small ONNX models: MACs and elements equal a brute-force count over the loops of the operator."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")

from archsim.workloads.onnx.importer import import_onnx, trace_from_onnx  # noqa: E402
from archsim.workloads.op import Op, Role, VectorOp  # noqa: E402


def only(trace):
    (op,) = trace.ops
    return op


def conv_macs(result, weights):
    """Every output takes one product for each weight of its filter: counted one by one."""
    return sum(math.prod(weights[1:]) for _ in itertools.product(*map(range, result)))


@pytest.mark.parametrize(
    ("data", "weights", "attributes", "result"),
    [
        ((2, 3, 9, 8), (4, 3, 3, 2), {}, (2, 4, 7, 7)),
        ((1, 3, 9, 9), (4, 3, 3, 3), {"strides": [2, 2], "pads": [1, 1, 1, 1]}, (1, 4, 5, 5)),
        ((1, 3, 9, 9), (4, 3, 3, 3), {"dilations": [2, 3], "auto_pad": "VALID"}, (1, 4, 5, 3)),
        ((1, 3, 9, 9), (4, 3, 3, 3), {"strides": [2, 3], "auto_pad": "SAME_UPPER"}, (1, 4, 5, 3)),
        ((1, 4, 5, 5), (6, 2, 3, 3), {"group": 2}, (1, 6, 3, 3)),
        ((1, 4, 5, 5), (4, 1, 3, 3), {"group": 4}, (1, 4, 3, 3)),
        ((2, 3, 10), (5, 3, 4), {"strides": [2]}, (2, 5, 4)),
        ((1, 2, 5, 6, 7), (3, 2, 2, 3, 3), {"strides": [1, 2, 1]}, (1, 3, 4, 2, 5)),
        ((1, 2, 4, 6, 6), (2, 1, 2, 2, 2), {"group": 2, "strides": [2, 2, 2]}, (1, 2, 2, 3, 3)),
    ],
)
def test_a_convolution_counts_every_product_once(build, data, weights, attributes, result):
    build.node("Conv", [build.input("x", *data), build.weight("w", *weights)], ["y"], **attributes)
    op = only(trace_from_onnx(build.save("net.onnx", "y")))
    assert op.kind == "conv"
    assert op.macs == conv_macs(result, weights)
    assert op.elements("weights") == math.prod(weights)
    assert op.elements("outputs") == math.prod(result)
    assert (op.weights.role, op.inputs.role) == (Role.PARAMETER, Role.ACTIVATION)


def test_a_convolution_of_two_axes_keeps_its_dimensions(build):
    build.node("Conv", [build.input("x", 2, 6, 9, 8), build.weight("w", 4, 3, 3, 2)], ["y"], group=2, strides=[2, 1])
    op = only(trace_from_onnx(build.save("net.onnx", "y")))
    wanted = Op.conv("y", n=2, k=4, c=6, p=4, q=7, r=3, s=2, stride_h=2, groups=2, after=())
    assert (op.dims, op.loops, op.name, op.after) == (wanted.dims, wanted.loops, "y", ())


@pytest.mark.parametrize(
    ("kernel", "stride", "group", "overlaps"), [(2, 2, 1, False), (3, 2, 1, True), (2, 3, 2, False), (3, 1, 2, True)]
)
def test_a_transposed_convolution_multiplies_each_input_with_the_kernel(build, kernel, stride, group, overlaps):
    data = build.input("x", 2, 4, 5, 6)
    weights = build.weight("w", 4, 3, kernel, kernel)
    build.node("ConvTranspose", [data, weights], ["y"], strides=[stride, stride], group=group)
    trace = trace_from_onnx(build.save("net.onnx", "y"))
    brute = sum(3 * kernel * kernel for _ in itertools.product(range(2), range(4), range(5), range(6)))
    assert trace.macs == brute
    assert trace.ops[0].elements("weights") == 4 * 3 * kernel * kernel
    assert [op.name for op in trace.ops] == (["y", "y.overlap"] if overlaps else ["y"])
    if overlaps:
        out = [(size - 1) * stride + kernel for size in (5, 6)]
        assert trace.ops[1].elements == 2 * 3 * group * math.prod(out)
        assert trace.ops[1].after == ("y",)


def test_a_deformable_convolution_samples_its_windows_first(build):
    inputs = [build.input("x", 1, 4, 6, 6), build.weight("w", 5, 4, 3, 3), build.input("o", 1, 18, 4, 4)]
    opset = build.opset[0]
    opset.version = 19
    build.node("DeformConv", inputs, ["y"])
    sample, conv = trace_from_onnx(build.save("net.onnx", "y")).ops
    assert conv.macs == conv_macs((1, 5, 4, 4), (5, 4, 3, 3))
    assert (sample.name, sample.kind, sample.elements, conv.after) == ("y.sample", "gather", 4 * 9 * 16, ("y.sample",))


def matmul_macs(left, right):
    """Multiply-accumulates of numpy's product, counted on its broadcast operands."""
    result = np.matmul(np.ones(left), np.ones(right))
    return int(result.size * left[-1])


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((3, 4), (4, 5)),
        ((2, 3, 4), (4, 5)),
        ((2, 3, 4), (2, 4, 5)),
        ((2, 6, 3, 4), (2, 1, 4, 5)),
        ((1, 3, 4), (7, 4, 5)),
        ((6, 3, 4), (2, 1, 4, 5)),
        ((4,), (4, 5)),
        ((3, 4), (4,)),
    ],
)
@pytest.mark.parametrize("constant", ["second", "first", "neither"])
def test_a_matrix_product_equals_numpys(build, left, right, constant):
    one = build.weight("a", *left) if constant == "first" else build.input("a", *left)
    other = build.weight("b", *right) if constant == "second" else build.input("b", *right)
    build.node("MatMul", [one, other], ["y"])
    op = only(trace_from_onnx(build.save("net.onnx", "y")))
    assert op.macs == matmul_macs(left, right)
    sizes = {"inputs": math.prod(left), "weights": math.prod(right)}
    if constant == "first":
        sizes = {"inputs": math.prod(right), "weights": math.prod(left)}
    assert {name: op.elements(name) for name in sizes} == sizes
    assert op.elements("outputs") == np.matmul(np.ones(left), np.ones(right)).size
    assert op.weights.role is (Role.ACTIVATION if constant == "neither" else Role.PARAMETER)


@pytest.mark.parametrize(("a", "b"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_gemm_transposes_as_it_says_and_its_bias_is_free(build, a, b):
    left = build.input("x", *((6, 2) if a else (2, 6)))
    right = build.weight("w", *((5, 6) if b else (6, 5)))
    build.node("Gemm", [left, right, build.weight("c", 5)], ["y"], transA=a, transB=b)
    trace = trace_from_onnx(build.save("net.onnx", "y"))
    assert dict(only(trace).dims) == {"b": 1, "m": 2, "n": 5, "k": 6}
    assert trace.parameters == 35


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij,jk->ik", ((2, 3), (3, 4))),
        ("bhqd,bhkd->bhqk", ((2, 3, 4, 5), (2, 3, 6, 5))),
        ("bhqk,bhkd->bqhd", ((2, 3, 4, 6), (2, 3, 6, 5))),
        ("...ij,jk", ((7, 2, 3), (3, 4))),
        ("ibnd,jbnd->bnij", ((4, 2, 3, 5), (6, 2, 3, 5))),
        ("bsh,hnd->bsnd", ((2, 4, 6), (6, 3, 2))),
        ("i,j->ij", ((3,), (4,))),
    ],
)
def test_einsum_counts_what_its_letters_span(build, equation, shapes):
    build.node("Einsum", [build.input("a", *shapes[0]), build.weight("b", *shapes[1])], ["y"], equation=equation)
    op = only(trace_from_onnx(build.save("net.onnx", "y")))
    spans = {}
    for term, shape in zip(equation.partition("->")[0].split(","), shapes, strict=True):
        spans |= dict(zip(term.replace("...", "@"), shape, strict=True))
    assert op.macs == math.prod(spans.values())
    assert op.elements("weights") == math.prod(shapes[1])
    assert op.elements("outputs") == np.einsum(equation, *(np.ones(shape) for shape in shapes)).size


@pytest.mark.parametrize(("op", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
@pytest.mark.parametrize("directions", [1, 2])
def test_a_recurrent_layer_is_its_input_product_and_a_step_per_token(build, op, gates, directions):
    steps, batch, width, hidden = 5, 2, 3, 4
    inputs = [
        build.input("x", steps, batch, width),
        build.weight("w", directions, gates * hidden, width),
        build.weight("r", directions, gates * hidden, hidden),
        build.weight("b", directions, 2 * gates * hidden),
    ]
    direction = "bidirectional" if directions == 2 else "forward"
    build.node(op, inputs, ["y"], hidden_size=hidden, direction=direction)
    trace = trace_from_onnx(build.save("net.onnx", "y"))
    brute = steps * batch * directions * gates * hidden * (width + hidden)
    assert trace.macs == brute
    assert [(entry.name, entry.count) for entry in trace.ops] == [("y.input", 1), ("y.recurrent", 5), ("y.cell", 5)]
    assert [entry.after for entry in trace.ops] == [(), ("y.input",), ("y.recurrent",)]
    assert trace.parameters == directions * gates * hidden * (width + hidden + 2)


def test_attention_written_out_reads_activations_and_is_chained_through_its_layout_changes(build):
    x = build.input("x", 2, 6, 8)
    heads = []
    for name in "qkv":
        made = build.node("MatMul", [x, build.weight(f"w{name}", 8, 8)], [name])
        split = build.node("Reshape", [made, build.weight(f"s{name}", dtype=np.int64, values=[2, 6, 2, 4])])
        heads.append(build.node("Transpose", [split], perm=[0, 2, 3, 1] if name == "k" else [0, 2, 1, 3]))
    scores = build.node("MatMul", heads[:2], ["qk"])
    weights = build.node("Softmax", [scores], ["softmax"])
    build.node("MatMul", [weights, heads[2]], ["av"])
    ops = {op.name: op for op in trace_from_onnx(build.save("net.onnx", "av")).ops}
    assert list(ops) == ["q", "k", "v", "qk", "softmax", "av"]
    assert dict(ops["qk"].dims) == {"b": 4, "m": 6, "n": 6, "k": 4}
    assert [ops[name].weights.role for name in ("q", "qk", "av")] == [Role.PARAMETER, Role.ACTIVATION, Role.ACTIVATION]
    assert ops["qk"].after == ("q", "k")
    assert ops["av"].after == ("softmax", "v")
    assert ops["softmax"].kind == "softmax"


def test_keys_that_join_a_cache_of_earlier_tokens_have_the_role_kv(build):
    past, new = build.input("past_key", 2, 3, 7, 4), build.input("k", 2, 3, 1, 4)
    keys = build.node("Concat", [past, new], ["keys"], axis=2)
    turned = build.node("Transpose", [keys], perm=[0, 1, 3, 2])
    build.node("MatMul", [build.input("q", 2, 3, 1, 4), turned], ["qk"])
    trace = trace_from_onnx(build.save("net.onnx", "qk", "keys"))
    assert only(trace).weights.role is Role.KV
    assert (trace.kv_elements_per_token, trace.kv_tokens) == (3 * 4, 2 * 8)


def test_the_fused_attention_of_onnxruntime_is_four_ops(builder):
    build = builder(domains=["com.microsoft"])
    inputs = [build.input("x", 2, 6, 8), build.weight("w", 8, 24), build.weight("b", 24)]
    build.node("Attention", inputs, ["y"], domain="com.microsoft", num_heads=2)
    trace = trace_from_onnx(build.save("net.onnx", "y"))
    assert [op.name for op in trace.ops] == ["y.qkv", "y.qk", "y.softmax", "y.av"]
    assert trace.macs == 2 * 6 * 8 * 24 + 2 * (2 * 2 * 6 * 6 * 4)


def test_grouped_query_attention_reads_the_cache_once_for_the_heads_that_share_it(builder):
    build = builder(domains=["com.microsoft"])
    inputs = [build.input("q", 1, 1, 32), build.input("k", 1, 1, 8), build.input("v", 1, 1, 8)]
    inputs += [build.input(name, 1, 2, 9, 4) for name in ("past_key", "past_value")]
    build.node("GroupQueryAttention", inputs, ["y", "pk", "pv"], domain="com.microsoft", num_heads=8, kv_num_heads=2)
    trace = trace_from_onnx(build.save("net.onnx", "y"))
    qk, softmax, av = trace.ops
    assert dict(qk.dims) == {"b": 2, "m": 4, "n": 10, "k": 4}
    assert (qk.weights.role, av.weights.role) == (Role.KV, Role.KV)
    assert softmax.elements == 8 * 10


def test_layers_share_a_weight_that_counts_once(build):
    weight = build.weight("w", 4, 4)
    first = build.node("MatMul", [build.input("x", 2, 4), weight])
    build.node("MatMul", [first, weight], ["y"])
    assert trace_from_onnx(build.save("net.onnx", "y")).parameters == 16


def test_batch_norm_bias_and_scale_join_the_convolution_before_them(build):
    conv = build.node("Conv", [build.input("x", 1, 3, 5, 5), build.weight("w", 4, 3, 3, 3)], ["conv"])
    scaled = build.node("Mul", [conv, build.weight("s", 1, 4, 1, 1)], ["scaled"])
    shifted = build.node("Add", [build.weight("t", 1, 4, 1, 1), scaled], ["shifted"])
    norm = build.node("BatchNormalization", [shifted, *(build.weight(name, 4) for name in "abcd")], ["norm"])
    build.node("Relu", [norm], ["y"])
    found = import_onnx(build.save("net.onnx", "y"))
    assert [op.name for op in found.trace.ops] == ["conv", "y"]
    assert [account.fate for account in found.accounts] == ["imported", "folded", "folded", "folded", "imported"]
    assert found.trace.parameters == 4 * 27 + 4 + 4 + 8


def test_an_addition_after_a_product_that_is_read_twice_stays_an_op(build):
    product = build.node("MatMul", [build.input("x", 2, 4), build.weight("w", 4, 3)], ["m"])
    added = build.node("Add", [product, build.weight("b", 3)], ["a"])
    build.node("Mul", [added, product], ["y"])
    trace = trace_from_onnx(build.save("net.onnx", "y"))
    assert [op.name for op in trace.ops] == ["m", "a", "y"]
    assert [type(op) for op in trace.ops] == [Op, VectorOp, VectorOp]
    assert trace.ops[2].after == ("a", "m")
