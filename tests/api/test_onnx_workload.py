"""ONNX models in designs and on the command line."""

from __future__ import annotations

import json

import pytest

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
import numpy as np  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from archsim.api.design import load_design  # noqa: E402
from archsim.core.errors import InputError  # noqa: E402

DESIGN = """
[hardware]
kind = "systolic"
clock = "1 GHz"
node = "28 nm"
[hardware.array]
rows = 8
cols = 8
dataflows = ["ws"]
[[hardware.memory]]
name = "dram"
technology = "lpddr5"
bandwidth = "8 GB/s"
[[hardware.memory]]
name = "glb"
technology = "sram"
capacity = "64 KiB"
read_bandwidth = "32 B/cycle"
write_bandwidth = "32 B/cycle"
[workload]
onnx = "net.onnx"
"""


@pytest.fixture
def folder(tmp_path):
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"], name="fc"),
        helper.make_node("Odd", ["m"], ["o"], name="odd", domain="mine"),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "tokens", 4])]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("m", "o")]
    weights = [numpy_helper.from_array(np.ones((4, 3), np.float32), "w")]
    graph = helper.make_graph(nodes, "g", inputs, outputs, weights)
    opset = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    (tmp_path / "net.onnx").write_bytes(
        helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString()
    )
    (tmp_path / "design.toml").write_text(DESIGN, encoding="utf-8")
    return tmp_path


def test_a_design_names_a_model_and_the_sizes_it_leaves_open(folder):
    design = load_design(folder / "design.toml", ["workload.dims.tokens=6", "workload.batch=2"])
    (op,) = design.trace.ops
    assert (op.name, op.dims["m"], str(op.weights.format)) == ("fc", 12, "int8")
    assert design.warnings[0] == "odd (mine:Odd) is not imported: the operator is not known"
    assert design.resolved["workload"]["dims"] == {"tokens": 6}


def test_an_open_dimension_is_an_error_that_says_how_to_set_it(folder):
    with pytest.raises(InputError) as caught:
        load_design(folder / "design.toml")
    text = str(caught.value)
    assert "net.onnx: dims.tokens: input 'x'" in text
    assert "axis 1 has no size" in text
    assert "hint: --set 'workload.dims.tokens=128'" in text


def test_sizes_beside_another_source_are_told(folder):
    text = DESIGN.replace('onnx = "net.onnx"', 'model = "resnet-50"\ndims = { tokens = 3 }')
    (folder / "design.toml").write_text(text, encoding="utf-8")
    warnings = load_design(folder / "design.toml").warnings
    assert "workload.dims says nothing without onnx: only its dimensions are open" in warnings


def run(*arguments):
    from archsim.cli.main import app

    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_trace_prints_a_model_and_saves_it(folder):
    sizes = ["--set", "workload.dims.tokens=6", "--batch", "2"]
    result = run("trace", folder / "net.onnx", *sizes, "--json", "--out", folder / "saved.csv")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert (document["macs"], document["parameters"]) == (2 * 6 * 4 * 3, 12)
    assert document["warnings"] == ["odd (mine:Odd) is not imported: the operator is not known"]
    assert "2 nodes: 1 imported, 1 listed" in document["source"]
    again = run("trace", folder / "saved.csv", "--json")
    assert json.loads(again.stdout)["macs"] == document["macs"]


def test_sizes_of_open_dimensions_are_for_onnx_models_only(folder):
    result = run("trace", "resnet-50", "--set", "workload.dims.tokens=6")
    assert isinstance(result.exception, InputError)
    assert "only an ONNX model has open ends" in str(result.exception)


def test_without_the_package_the_remedy_is_named(folder, monkeypatch):
    from archsim.workloads.onnx import extra

    monkeypatch.setattr(extra, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install"):
        load_design(folder / "design.toml")
