"""Everything but products: vector operations, free nodes, folded shapes, functions written as several nodes."""

from __future__ import annotations

import math

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
from onnx import TensorProto, defs  # noqa: E402

from archsim.workloads.onnx.importer import import_onnx, trace_from_onnx  # noqa: E402
from archsim.workloads.onnx.layers import LAYERS  # noqa: E402
from archsim.workloads.onnx.operators import foldable_operators, free_operators, vector_rules  # noqa: E402
from archsim.workloads.onnx.products import PRODUCTS  # noqa: E402
from archsim.workloads.onnx.quantization import DYNAMIC, STATING  # noqa: E402
from archsim.workloads.op import VECTOR_KINDS, Role  # noqa: E402

NEWEST_OPSET = 24
"""Operators of later sets are listed until they are looked at."""

NOT_NETWORKS = {
    "Constant", "DFT", "Det", "BlackmanWindow", "HammingWindow", "HannWindow", "MelWeightMatrix", "STFT", "Inverse",
    "NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss", "Optional", "OptionalHasElement", "SequenceAt",
    "SequenceConstruct", "SequenceEmpty", "SequenceErase", "SequenceInsert", "SequenceLength", "SequenceMap",
    "SplitToSequence", "StringConcat", "StringNormalizer", "StringSplit", "RegexFullMatch", "TfIdfVectorizer",
    "Scatter", "Upsample", "BitCast",
}  # fmt: skip
"""Operators that are listed, not imported: signal processing, training losses, sequences, text."""


def test_every_operator_of_onnx_is_known_or_listed_on_purpose():
    known = {*PRODUCTS, *LAYERS, *vector_rules(), *free_operators(), *STATING, DYNAMIC, "If", "Loop", "Scan"}
    schemas = [schema for schema in defs.get_all_schemas_with_history() if schema.since_version <= NEWEST_OPSET]
    own = {schema.name for schema in schemas if schema.domain == "" and not schema.deprecated}
    assert sorted(own - known - NOT_NETWORKS) == []
    assert sorted(foldable_operators() - own) == []


def test_rules_are_sound():
    assert {rule.kind for rule in vector_rules().values()} <= set(VECTOR_KINDS)
    assert all(rule.source and rule.operations > 0 for rule in vector_rules().values())
    assert not free_operators() & set(vector_rules())


UNARY = [
    "Abs", "Ceil", "Cos", "Elu", "Erf", "Exp", "Floor", "HardSigmoid", "HardSwish", "LeakyRelu", "Log", "LogSoftmax",
    "Neg", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign", "Sin", "Softmax", "Softplus", "Softsign", "Sqrt",
    "Tan", "Tanh",
]  # fmt: skip


@pytest.mark.parametrize("op", UNARY)
def test_a_function_reads_and_makes_every_element_once(build, op):
    build.node(op, [build.input("x", 2, 3, 4)], ["y"])
    (made,) = trace_from_onnx(build.save("net.onnx", "y")).ops
    rule = vector_rules()[op]
    assert (made.elements, made.reads_per_element, made.operations_per_element) == (24, 1, rule.operations)
    assert made.kind == rule.kind


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Pow", "PRelu", "Max", "Min", "Sum", "Mean"])
def test_a_sum_reads_what_it_broadcasts_once(build, op):
    build.node(op, [build.input("x", 2, 3, 4), build.input("z", 4)], ["y"])
    (made,) = trace_from_onnx(build.save("net.onnx", "y")).ops
    assert (made.elements, made.reads_per_element) == (24, pytest.approx(28 / 24))


@pytest.mark.parametrize(
    ("op", "attributes", "result", "window"),
    [
        ("MaxPool", {"kernel_shape": [3, 2], "strides": [2, 2]}, (2, 3, 4, 4), 6),
        ("AveragePool", {"kernel_shape": [2, 2]}, (2, 3, 8, 7), 4),
        ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}, (2, 3, 5, 4), 4),
        ("GlobalAveragePool", {}, (2, 3, 1, 1), 72),
        ("GlobalMaxPool", {}, (2, 3, 1, 1), 72),
    ],
)
def test_pooling_takes_an_operation_for_each_element_of_a_window(build, op, attributes, result, window):
    build.node(op, [build.input("x", 2, 3, 9, 8)], ["y"], **attributes)
    (made,) = trace_from_onnx(build.save("net.onnx", "y")).ops
    assert (made.kind, made.elements, made.operations_per_element) == ("pool", math.prod(result), window)
    assert made.reads_per_element == pytest.approx(2 * 3 * 9 * 8 / math.prod(result))


@pytest.mark.parametrize("op", ["ReduceMean", "ReduceMax", "ReduceSum"])
def test_a_reduction_takes_an_operation_for_each_element_it_reads(build, op):
    by_input = op == "ReduceSum"
    axes = [build.weight("a", values=[2], dtype=np.int64)] if by_input else []
    build.node(op, [build.input("x", 2, 3, 4), *axes], ["y"], keepdims=0, **({} if by_input else {"axes": [2]}))
    (made,) = trace_from_onnx(build.save("net.onnx", "y")).ops
    assert (made.elements, made.operations_per_element, made.reads_per_element) == (6, 4, 4)


def test_a_gather_reads_the_rows_it_takes_of_a_parameter(build):
    build.node("Gather", [build.weight("table", 100, 8), build.input("ids", 2, 5, kind=TensorProto.INT64)], ["y"])
    trace = trace_from_onnx(build.save("net.onnx", "y"))
    (made,) = trace.ops
    assert (made.kind, made.elements, made.reads_per_element, made.role) == ("gather", 80, 1, Role.PARAMETER)
    assert trace.parameters == 800


def test_a_resize_is_a_gather_of_its_results(build):
    scales = build.weight("s", values=[1, 1, 2, 2])
    build.node("Resize", [build.input("x", 1, 2, 3, 3), "", scales], ["y"], mode="nearest")
    (made,) = trace_from_onnx(build.save("net.onnx", "y")).ops
    assert (made.kind, made.elements) == ("gather", 72)


def test_norms_of_one_node_cost_what_the_catalogs_do(build):
    normed = build.node("LayerNormalization", [build.input("x", 2, 8), build.weight("g", 8), build.weight("b", 8)])
    build.node("Relu", [normed], ["y"])
    trace = trace_from_onnx(build.save("net.onnx", "y"))
    assert (trace.ops[0].kind, trace.ops[0].operations_per_element) == ("norm", 7)
    assert trace.parameters == 16


FREE = {
    "Transpose": {"perm": [1, 0, 2]}, "Flatten": {}, "Identity": {}, "Split": {"axis": 2}, "Dropout": {},
    "SpaceToDepth": {"blocksize": 2},
}  # fmt: skip


@pytest.mark.parametrize("op", FREE)
def test_layout_changes_are_free_and_hand_the_dependency_on(build, op):
    x = build.input("x", *((1, 2, 4, 6) if op == "SpaceToDepth" else (2, 3, 4)))
    first = build.node("Relu", [x], ["first"])
    build.node(op, [first], ["moved"] + ["rest"] * (op == "Split"), **FREE[op])
    build.node("Tanh", ["moved"], ["y"])
    found = import_onnx(build.save("net.onnx", "y"))
    assert [op.name for op in found.trace.ops] == ["first", "y"]
    assert found.trace.ops[1].after == ("first",)
    assert [account.fate for account in found.accounts] == ["imported", "free", "imported"]


def test_shape_arithmetic_of_exports_folds(build):
    """``x.view(x.shape[0], -1, 2 * x.shape[3])`` as PyTorch writes it."""
    x = build.node("Relu", [build.input("x", "batch", 3, 4, "w")], ["x1"])
    shape = build.node("Shape", [x])
    first = build.node("Gather", [shape, build.weight("i0", values=0, dtype=np.int64)], axis=0)
    last = build.node("Gather", [shape, build.weight("i3", values=3, dtype=np.int64)], axis=0)
    twice = build.node("Mul", [last, build.weight("two", values=2, dtype=np.int64)])
    axes = build.weight("axes", values=[0], dtype=np.int64)
    parts = [build.node("Unsqueeze", [name, axes]) for name in (first, twice)]
    wanted = build.node("Concat", [parts[0], build.weight("free", values=[-1], dtype=np.int64), parts[1]], axis=0)
    view = build.node("Reshape", [x, wanted])
    build.node("MatMul", [view, build.weight("w", 12, 5)], ["y"])
    found = import_onnx(build.save("net.onnx", "y"), batch=3, dims={"w": 6})
    assert dict(found.trace.ops[1].dims) == {"b": 1, "m": 3 * 6, "n": 5, "k": 12}
    assert [str(account.fate) for account in found.accounts].count("folded") == 7
    assert found.trace.parameters == 60


def layer_norm(build, x, *, reciprocal=False):
    mean = build.node("ReduceMean", [x], axes=[-1])
    centred = build.node("Sub", [x, mean])
    square = build.node("Pow", [centred, build.weight(f"two{x}", values=2.0)])
    variance = build.node("ReduceMean", [square], axes=[-1])
    root = build.node("Sqrt", [build.node("Add", [variance, build.weight(f"eps{x}", values=1e-5)])])
    if reciprocal:
        scaled = build.node("Mul", [centred, build.node("Reciprocal", [root])])
    else:
        scaled = build.node("Div", [centred, root])
    gained = build.node("Mul", [scaled, build.weight(f"gain{x}", 8)])
    return build.node("Add", [gained, build.weight(f"bias{x}", 8)], [f"ln{x}"])


@pytest.mark.parametrize("reciprocal", [False, True])
def test_a_layer_norm_written_out_is_one_op(build, reciprocal):
    normed = layer_norm(build, build.input("x", 2, 8), reciprocal=reciprocal)
    build.node("Relu", [normed], ["y"])
    found = import_onnx(build.save("net.onnx", "y"))
    assert [(op.name, op.kind) for op in found.trace.ops] == [("lnx", "norm"), ("y", "elementwise")]
    assert {str(account.fate) for account in found.accounts} == {"imported"}
    assert found.trace.parameters == 16


def test_a_layer_norm_whose_variance_is_read_elsewhere_stays_apart(build):
    layer_norm(build, build.input("x", 2, 8))
    trace = trace_from_onnx(build.save("net.onnx", "lnx", "Sqrt5"))
    assert len(trace.ops) == 9


def test_rms_norm_gelu_and_silu_written_out_are_one_op_each(build):
    x = build.input("x", 2, 8)
    square = build.node("Mul", [x, x])
    root = build.node(
        "Sqrt", [build.node("Add", [build.node("ReduceMean", [square], axes=[-1]), build.weight("e", values=1e-6)])]
    )
    normed = build.node("Mul", [build.node("Div", [x, root]), build.weight("gain", 8)], ["rms"])
    erf = build.node("Erf", [build.node("Div", [normed, build.weight("r", values=2**0.5)])])
    product = build.node("Mul", [normed, build.node("Add", [erf, build.weight("one", values=1.0)])])
    gelu = build.node("Mul", [product, build.weight("half", values=0.5)], ["gelu"])
    build.node("Mul", [gelu, build.node("Sigmoid", [gelu])], ["silu"])
    trace = trace_from_onnx(build.save("net.onnx", "silu"))
    assert [(op.name, op.kind, op.operations_per_element) for op in trace.ops] == [
        ("rms", "norm", 4), ("gelu", "elementwise", 9), ("silu", "elementwise", 3),
    ]  # fmt: skip
    assert [op.after for op in trace.ops] == [(), ("rms",), ("gelu",)]


def test_an_unknown_operator_is_listed_and_the_rest_goes_on(builder):
    build = builder(domains=["my.ops"])
    first = build.node("Relu", [build.input("x", 2, 3)], ["first"])
    odd = build.node("Secret", [first], ["odd"], domain="my.ops")
    declared = onnx.helper.make_tensor_value_info("odd", TensorProto.FLOAT, [2, 7])
    build.node("Tanh", [odd], ["y"])
    build.output("y")
    proto = build.model()
    proto.graph.value_info.append(declared)
    path = build.folder / "odd.onnx"
    path.write_bytes(proto.SerializeToString())
    found = import_onnx(path)
    assert [op.name for op in found.trace.ops] == ["first", "y"]
    assert found.trace.ops[1].elements == 14
    assert found.trace.ops[1].after == ("first",)
    assert found.trace.warnings == ("odd (my.ops:Secret) is not imported: the operator is not known",)
    assert "1 listed" in found.trace.source


def test_what_stands_behind_an_unknown_shape_is_listed_with_its_reason(build):
    rows = build.node("NonZero", [build.input("x", 4, 4)], ["rows"])
    build.node("Cast", [rows], ["y"], to=TensorProto.FLOAT)
    build.node("Relu", ["x"], ["z"])
    path = build.save("net.onnx", "y", "z")
    found = import_onnx(path)
    assert [op.name for op in found.trace.ops] == ["z"]
    assert found.trace.warnings == (
        'rows (NonZero) is not imported: the size of rows[1] depends on data; set workload.dims."rows[1]"',
        'y (Cast) is not imported: the size of rows[1] depends on data; set workload.dims."rows[1]"',
    )
    assert [op.name for op in trace_from_onnx(path, dims={"rows[1]": 5}).ops] == ["rows", "y", "z"]


def test_names_are_kept_made_printable_and_unique(build):
    names = ["block/0", "block/0", "a;b\n", " ", "block/0.2"]
    last = build.input("x", 2, 3)
    for index, name in enumerate(names):
        last = build.node("Relu", [last], [f"t{index}"], name=name)
    trace = trace_from_onnx(build.save("net.onnx", last))
    assert [op.name for op in trace.ops] == ["block/0", "block/0.2", "a_b_", "Relu", "block/0.2.2"]


def test_a_trace_of_a_model_is_written_and_read_as_any_other(build, tmp_path):
    from archsim.workloads.table import read_trace, write_trace

    conv = build.node("Conv", [build.input("x", 1, 3, 8, 8), build.weight("w", 4, 3, 3, 3)], ["c"], pads=[1, 1, 1, 1])
    build.node("Relu", [conv], ["y"])
    trace = trace_from_onnx(build.save("net.onnx", "y"))
    write_trace(trace, tmp_path / "t.csv")
    assert read_trace(tmp_path / "t.csv") == trace
