"""Open dimensions, values of deciding inputs, and control flow."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from archsim.core.errors import InputError  # noqa: E402
from archsim.workloads.onnx.importer import import_onnx, trace_from_onnx  # noqa: E402


def problems(path, **given):
    with pytest.raises(InputError) as caught:
        trace_from_onnx(path, **given)
    return [str(problem).replace(str(path), "net.onnx") for problem in caught.value.problems]


def linear(build, *shape):
    build.node("MatMul", [build.input("x", *shape), build.weight("w", 4, 3)], ["y"])
    return build.save("net.onnx", "y")


@pytest.mark.parametrize("name", ["batch", "batch_size", "N", "unk__12", None, "p2o.DynamicDimension.0"])
def test_an_open_first_dimension_that_counts_samples_is_the_batch(build, name):
    path = linear(build, name, 4)
    assert trace_from_onnx(path).ops[0].dims["m"] == 1
    trace = trace_from_onnx(path, batch=5)
    assert (trace.ops[0].dims["m"], trace.batch) == (5, 5)


def test_other_open_dimensions_are_asked_for_all_at_once(build):
    path = linear(build, "batch", "tokens", None, 4)
    assert problems(path) == [
        "net.onnx: dims.tokens: input 'x' has the shape [batch, tokens, ?, 4], and axis 1 has no size\n"
        "hint: --set 'workload.dims.tokens=128'",
        "net.onnx: dims.\"x[2]\": input 'x' has the shape [batch, tokens, ?, 4], and axis 2 has no size\n"
        "hint: --set 'workload.dims.\"x[2]\"=128'",
    ]
    assert trace_from_onnx(path, dims={"tokens": 6, "x[2]": 7}, batch=2).ops[0].dims["m"] == 2 * 6 * 7


def test_the_context_fills_a_sequence(build):
    assert trace_from_onnx(linear(build, "batch", "sequence_length", 4), context=9).ops[0].dims["m"] == 9


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"dims": {"tokns": 3}}, "dims.tokns: names no open dimension of the model\nhint: did you mean 'tokens'?"),
        ({"dims": {"x[2]": 3}}, "dims.x[2]: is fixed at 4 by the model (got 3)"),
        ({"values": {"z": 3}}, "values.z: names no input of the model\nhint: its inputs: x"),
        ({"values": {"x": 3}}, "values.x: is no input of few integers: only those decide branches and shapes"),
        (
            {"context": 3},
            "context: no open dimension of the inputs is called seq, seq_len, seq_length, seqlen, sequence,",
        ),
        ({"phase": "generate"}, "phase: an ONNX model has no phase 'generate'"),
        ({"output_tokens": 3}, "output_tokens: says nothing for an ONNX model: it runs once"),
        ({"batch": 0}, "batch: must be at least 1 (got 0)"),
    ],
)
def test_what_fits_nothing_is_an_error(build, given, words):
    path = linear(build, "batch", "tokens", 4)
    assert any(words in problem for problem in problems(path, **{"dims": {"tokens": 2}} | given))


def test_a_fixed_batch_cannot_be_changed(build):
    path = linear(build, 1, 4)
    assert problems(path, batch=8)[0].startswith("net.onnx: batch: the model's inputs have fixed sizes")
    assert trace_from_onnx(path, batch=1).macs == 12


def test_the_phase_marks_the_ops(build):
    assert trace_from_onnx(linear(build, 1, 4), phase="decode").ops[0].phase == "decode"


def branch(build, name, columns):
    weights = numpy_helper.from_array(np.ones((4, columns), np.float32), f"{name}.w")
    node = helper.make_node("MatMul", ["r", f"{name}.w"], [f"{name}.y"], name=f"{name}/product")
    result = helper.make_tensor_value_info(f"{name}.y", TensorProto.FLOAT, [2, None])
    return helper.make_graph([node], name, [], [result], [weights])


def test_a_branch_that_an_input_decides_is_taken_and_the_other_one_is_not(build):
    build.node("Relu", [build.input("x", 2, 4)], ["r"])
    rate = build.input("sr", kind=TensorProto.INT64)
    condition = build.node("Equal", [rate, build.weight("k", values=16000, dtype=np.int64)])
    branches = {"then_branch": branch(build, "then", 5), "else_branch": branch(build, "other", 7)}
    build.node("If", [condition], ["y"], **branches)
    path = build.save("net.onnx", "y")
    found = import_onnx(path, values={"sr": 16000})
    assert [op.name for op in found.trace.ops] == ["r", "then/product"]
    assert found.trace.macs == 2 * 4 * 5
    assert {account.node: account.fate for account in found.accounts}["other/product"] == "not taken"
    assert import_onnx(path, values={"sr": 8000}).trace.macs == 2 * 4 * 7
    open_end = import_onnx(path).trace
    assert [op.name for op in open_end.ops] == ["r", "Equal1"]
    assert open_end.warnings == (
        "y (If) is not imported: its condition depends on data; "
        "it may be decided by workload.values.sr (2 nodes inside)",
    )


def loop_body(*, known_end):
    weights = numpy_helper.from_array(np.ones((4, 4), np.float32), "loop.w")
    nodes = [
        helper.make_node("MatMul", ["h", "loop.w"], ["h.next"], name="loop/product"),
        helper.make_node("Identity", ["go" if known_end else "stop"], ["go.next"], name="loop/go"),
    ]
    inputs = [
        helper.make_tensor_value_info("i", TensorProto.INT64, []),
        helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        helper.make_tensor_value_info("h", TensorProto.FLOAT, [2, 4]),
    ]
    outputs = [
        helper.make_tensor_value_info("go.next", TensorProto.BOOL, []),
        helper.make_tensor_value_info("h.next", TensorProto.FLOAT, [2, 4]),
    ]
    return helper.make_graph(nodes, "body", inputs, outputs, [weights])


@pytest.mark.parametrize("known_end", [True, False])
def test_a_loop_of_known_length_counts_its_body_as_often(build, known_end):
    build.input("stop", kind=TensorProto.BOOL)
    trips = build.weight("trips", values=6, dtype=np.int64)
    go = build.weight("always", values=True, dtype=np.bool_)
    build.node("Loop", [trips, go, build.input("x", 2, 4)], ["y"], body=loop_body(known_end=known_end))
    build.node("Relu", ["y"], ["z"])
    build.node("Relu", ["x"], ["r"])
    trace = trace_from_onnx(build.save("net.onnx", "z", "r"))
    if known_end:
        assert [(op.name, op.count) for op in trace.ops] == [("loop/product", 6), ("z", 1), ("r", 1)]
        assert (trace.macs, trace.parameters, trace.ops[1].after) == (6 * 2 * 4 * 4, 16, ("loop/product",))
    else:
        assert trace.warnings[0] == "y (Loop) is not imported: its end depends on data (2 nodes inside)"


def test_a_scan_runs_its_body_for_each_slice(build):
    weights = numpy_helper.from_array(np.ones((3, 4), np.float32), "w")
    nodes = [
        helper.make_node("MatMul", ["part", "w"], ["made"], name="scan/product"),
        helper.make_node("Add", ["state", "made"], ["state.next"], name="scan/add"),
        helper.make_node("Identity", ["state.next"], ["out"], name="scan/out"),
    ]
    shapes = {"state": [2, 4], "part": [2, 3], "state.next": [2, 4], "out": [2, 4]}
    infos = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()}
    inputs, outputs = [infos["state"], infos["part"]], [infos["state.next"], infos["out"]]
    body = helper.make_graph(nodes, "body", inputs, outputs, [weights])
    build.node(
        "Scan", [build.input("s", 2, 4), build.input("x", 5, 2, 3)], ["last", "all"], body=body, num_scan_inputs=1
    )
    build.node("Relu", ["all"], ["y"])
    trace = trace_from_onnx(build.save("net.onnx", "y"))
    assert [(op.name, op.count) for op in trace.ops] == [("scan/product", 5), ("scan/add", 5), ("y", 1)]
    assert trace.ops[2].elements == 5 * 2 * 4


def test_local_functions_are_written_out(build):
    inner = [helper.make_node("MatMul", ["a", "b"], ["c"]), helper.make_node("Relu", ["c"], ["d"])]
    opset = [helper.make_opsetid("", 17)]
    function = helper.make_function("mine", "Block", ["a", "b"], ["d"], inner, opset)
    build.opset.append(helper.make_opsetid("mine", 1))
    first = build.node("Block", [build.input("x", 2, 4), build.weight("w", 4, 4)], domain="mine")
    build.node("Block", [first, "w"], ["y"], domain="mine")
    build.output("y")
    model = build.model()
    model.functions.append(function)
    path = build.folder / "functions.onnx"
    path.write_bytes(model.SerializeToString())
    trace = trace_from_onnx(path)
    assert [getattr(op, "kind", "") for op in trace.ops] == ["gemm", "elementwise"] * 2
    assert trace.parameters == 16
