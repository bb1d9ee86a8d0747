"""Broken and hostile ONNX files: a clear error, nothing run, nothing written, nothing read outside."""

from __future__ import annotations

import os

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from onnx import TensorProto, helper  # noqa: E402

from archsim.core.errors import InputError  # noqa: E402
from archsim.workloads.onnx.importer import trace_from_onnx  # noqa: E402
from archsim.workloads.onnx.weights import iter_weights  # noqa: E402


def refused(path, words, **options):
    with pytest.raises(InputError) as caught:
        trace_from_onnx(path, **options)
    assert words in str(caught.value)
    assert all(problem.file == str(path) for problem in caught.value.problems)


def small(build):
    build.node("MatMul", [build.input("x", 2, 4), build.weight("w", 4, 3)], ["y"])
    build.output("y")
    return build.model()


def saved(build, model, name="bad.onnx"):
    path = build.folder / name
    path.write_bytes(model.SerializeToString())
    return path


def test_a_missing_file(tmp_path):
    refused(tmp_path / "none.onnx", "no such file")


@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"PK\x03\x04" + b"\x99" * 500, b"not a model", b"\xff" * 300])
def test_a_file_that_is_no_model(tmp_path, content):
    path = tmp_path / "x.onnx"
    path.write_bytes(content)
    with pytest.raises(InputError):
        trace_from_onnx(path)


def test_a_folder_is_no_model(tmp_path):
    refused(tmp_path, "cannot be read")


def test_every_truncation_of_a_file_is_an_error(build):
    content = small(build).SerializeToString()
    path = build.folder / "cut.onnx"
    for length in range(0, len(content) - 40, 7):
        path.write_bytes(content[:length])
        with pytest.raises(InputError):
            trace_from_onnx(path)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_damaged_file_is_imported_or_refused(build, places):
    build.nodes, build.tensors, build.inputs, build.outputs = [], [], [], []
    conv = build.node("Conv", [build.input("x", 1, 3, 8, 8), build.weight("w", 4, 3, 3, 3)], ["c"], strides=[2, 2])
    build.node("Softmax", [build.node("Flatten", [conv])], ["y"], axis=-1)
    build.output("y")
    content = bytearray(build.model().SerializeToString())
    for place, value in places:
        content[place % len(content)] = value
    path = build.folder / "damaged.onnx"
    path.write_bytes(content)
    try:
        trace_from_onnx(path)
        list(iter_weights(path))
    except InputError:
        pass


def test_a_circle_is_named(build):
    build.input("x", 2)
    build.node("Add", ["x", "b"], ["a"], name="first")
    build.node("Relu", ["a"], ["b"], name="second")
    refused(build.save("net.onnx", "b"), "runs in a circle: 2 nodes wait for each other (first, second)")


def test_a_tensor_that_nothing_makes_is_named(build):
    build.node("Add", [build.input("x", 2), "ghost"], ["y"], name="sum")
    refused(build.save("net.onnx", "y"), "node 'sum': reads 'ghost', which nothing makes")


def test_an_output_that_nothing_makes_is_named(build):
    build.node("Relu", [build.input("x", 2)], ["y"])
    refused(build.save("net.onnx", "y", "z"), "output 'z': is made by no node")


def test_nodes_out_of_order_are_put_in_order(build):
    build.node("Tanh", ["m"], ["y"])
    build.node("Relu", [build.input("x", 2)], ["m"])
    assert [op.name for op in trace_from_onnx(build.save("net.onnx", "y")).ops] == ["m", "y"]


@pytest.mark.parametrize(
    ("op", "shapes", "attributes"),
    [
        ("Conv", [(1, 3, 8, 8), (4, 5, 3, 3)], {}),
        ("Conv", [(1, 3, 8, 8), (4, 3, 3)], {}),
        ("MatMul", [(2, 3), (4, 5)], {}),
        ("Gemm", [(2, 3), (4, 5)], {}),
        ("Add", [(2, 3), (4, 5)], {}),
        ("Concat", [(2, 3), (4, 5)], {"axis": 1}),
        ("Conv", [(1, 3, 2, 2), (4, 3, 3, 3)], {}),
        ("Einsum", [(2, 3), (4, 5)], {"equation": "ij,jk->ik"}),
    ],
)
def test_shapes_that_do_not_fit_are_an_error_with_the_nodes_name(build, op, shapes, attributes):
    build.node("Relu", [build.input("z", 2)], ["r"])
    build.node(op, [build.input(f"x{index}", *shape) for index, shape in enumerate(shapes)], ["y"], **attributes)
    with pytest.raises(InputError, match="node 'y'"):
        trace_from_onnx(build.save("net.onnx", "y", "r"))


@pytest.mark.parametrize("attributes", [{"strides": [0, 0]}, {"group": 0}, {"dilations": [0, 1]}, {"strides": [-1, 1]}])
def test_attributes_that_sizes_are_divided_by_are_positive(build, attributes):
    build.node("Conv", [build.input("x", 1, 4, 8, 8), build.weight("w", 4, 4, 3, 3)], ["y"], **attributes)
    refused(build.save("net.onnx", "y"), "must be at least 1")


def test_a_tensor_that_declares_more_than_it_holds(build):
    model = small(build)
    model.graph.initializer[0].dims[0] = 4000
    refused(saved(build, model), "tensor 'w': declares [4000, 3], that is 48000 bytes, but holds 48")


@pytest.mark.parametrize("dims", [[2**62, 2**62], [-1, 4], [1] * 100])
def test_a_tensor_of_impossible_size(build, dims):
    model = small(build)
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend(dims)
    refused(saved(build, model), "tensor 'w'")


def test_constants_that_would_fill_the_memory_are_never_made(build):
    size = build.weight("size", values=[2**20, 2**19], dtype=np.int64)
    big = build.node("ConstantOfShape", [size])
    build.node(
        "Add", [build.node("Tile", [big, build.weight("t", values=[1, 2], dtype=np.int64)]), build.input("x", 1)], ["y"]
    )
    trace = trace_from_onnx(build.save("net.onnx", "y"))
    assert trace.ops[0].elements == 2**40


def test_results_larger_than_any_machine_are_refused(build):
    target = build.weight("shape", values=[2**40, 2**22], dtype=np.int64)
    build.node("Relu", [build.node("Expand", [build.input("x", 1, 1), target])], ["y"])
    with pytest.raises(InputError, match="impossible result"):
        trace_from_onnx(build.save("net.onnx", "y"))


def test_concatenations_of_themselves_do_not_explode(build):
    name = build.weight("w", 4, 4)
    for _ in range(40):
        name = build.node("Concat", [name, name], axis=1)
    build.node("MatMul", [build.input("x", 2, 4), name], ["y"])
    path = build.save("net.onnx", "y")
    with pytest.raises(InputError):
        trace_from_onnx(path)
    assert list(iter_weights(path)) == []


def external(build, location, **keys):
    model = small(build)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **keys}.items():
        tensor.external_data.add(key=key, value=str(value))
    return saved(build, model)


def test_external_data_beside_the_model_are_read(build):
    values = np.arange(12, dtype=np.float32)
    (build.folder / "w.bin").write_bytes(b"\0" * 16 + values.tobytes())
    path = external(build, "w.bin", offset=16, length=48)
    assert trace_from_onnx(path).parameters == 12
    ((name, array),) = iter_weights(path)
    assert (name, array.tolist()) == ("y", values.reshape(4, 3).T.tolist())


@pytest.mark.parametrize(
    "location", ["../secret.bin", "/etc/passwd", "sub/../../secret.bin", "link.bin", "folder/secret.bin", "", "a\0b"]
)
def test_external_data_outside_the_folder_are_refused(build, tmp_path_factory, location):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.bin").write_bytes(b"\0" * 48)
    (build.folder.parent / "secret.bin").write_bytes(b"\0" * 48)
    os.symlink(outside / "secret.bin", build.folder / "link.bin")
    os.symlink(outside, build.folder / "folder")
    path = external(build, location)
    with pytest.raises(InputError, match="external data"):
        trace_from_onnx(path)


@pytest.mark.parametrize("keys", [{"offset": 40}, {"offset": -4}, {"length": 4}, {"length": 10**18}, {"offset": "x"}])
def test_external_data_that_end_early_are_refused(build, keys):
    (build.folder / "w.bin").write_bytes(b"\0" * 48)
    refused(external(build, "w.bin", **keys), "external data")


def test_missing_external_data_are_named(build):
    refused(external(build, "w.bin"), "tensor 'w': has external data in 'w.bin', which is no file")


@pytest.mark.parametrize("name", ["../../etc/passwd", "a\x1b[31m", "x" * 5000, "=cmd()", "# name: x", "\u202e"])
def test_hostile_names_stay_names(build, name):
    build.node("Relu", [build.input("x", 2)], ["y"], name=name)
    before = sorted(os.listdir(build.folder))
    (op,) = trace_from_onnx(build.save("net.onnx", "y")).ops
    assert op.name.isprintable()
    assert 0 < len(op.name) <= 240
    assert not op.name.startswith("#")
    assert sorted(os.listdir(build.folder)) == sorted([*before, "net.onnx"])


@pytest.mark.parametrize("domain", ["os", "builtins", "com.evil"])
def test_operators_of_other_domains_are_not_run(build, domain):
    build.opset.append(helper.make_opsetid(domain, 1))
    build.node("system", [build.weight("w", values=1.0)], ["c"], domain=domain)
    build.node("Add", [build.input("x", 2), "c"], ["y"])
    build.node("Relu", ["x"], ["z"])
    trace = trace_from_onnx(build.save("net.onnx", "y", "z"))
    assert [op.name for op in trace.ops] == ["z"]
    assert trace.warnings[0] == f"c ({domain}:system) is not imported: the operator is not known"


def test_functions_that_call_themselves_are_refused(build):
    opset = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    node = helper.make_node("F", ["a"], ["b"], domain="mine")
    model = small(build)
    model.functions.append(helper.make_function("mine", "F", ["a"], ["b"], [node], opset))
    model.graph.node.append(helper.make_node("F", ["x"], ["q"], domain="mine"))
    model.opset_import.append(helper.make_opsetid("mine", 1))
    refused(saved(build, model), "function 'F' calls itself")


def test_functions_that_grow_without_bound_are_refused(build):
    opset = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    model = small(build)
    for level in range(30):
        called = [
            helper.make_node(
                f"F{level + 1}" if level < 29 else "Relu", ["a"], [f"b{i}"], domain="mine" if level < 29 else ""
            )
            for i in range(2)
        ]
        model.functions.append(helper.make_function("mine", f"F{level}", ["a"], ["b1"], called, opset))
    model.graph.node.append(helper.make_node("F0", ["x"], ["q"], domain="mine"))
    model.opset_import.append(helper.make_opsetid("mine", 1))
    refused(saved(build, model), "functions that grow to")


def test_graphs_deep_within_graphs_are_refused(build):
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "leaf", [], [result])
    for _ in range(20):
        node = helper.make_node("If", ["c"], ["y"], then_branch=graph, else_branch=graph)
        if len(node.SerializeToString()) > 4_000_000:
            break
        graph = helper.make_graph([node], "level", [], [result])
    build.input("x", 2)
    build.input("c", kind=TensorProto.BOOL)
    build.nodes = list(graph.node)
    path = build.save("deep.onnx", "y")
    with pytest.raises(InputError):
        trace_from_onnx(path)


def test_a_model_of_constants_alone_has_nothing_to_import(build):
    build.node("Constant", [], ["y"], value_float=1.0)
    refused(build.save("net.onnx", "y"), "has no operation that can be imported (1 nodes: 1 folded)")
