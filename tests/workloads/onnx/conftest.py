"""Tiny ONNX models, built node by node."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402


class Build:
    """A graph under construction: `build.node(...)` appends, `build.save(...)` writes a file."""

    def __init__(self, folder, opset=17, domains=()):
        self.folder, self.nodes, self.tensors, self.inputs, self.outputs = folder, [], [], [], []
        self.opset = [helper.make_opsetid("", opset), *(helper.make_opsetid(name, 1) for name in domains)]
        self.random = np.random.default_rng(1)

    def input(self, name, *shape, kind=TensorProto.FLOAT):
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def weight(self, name, *shape, dtype=np.float32, values=None):
        array = self.random.standard_normal(shape).astype(dtype) if values is None else np.asarray(values, dtype)
        self.tensors.append(numpy_helper.from_array(array, name))
        return name

    def node(self, op, inputs, outputs=None, name=None, **attributes):
        outputs = [f"{op}{len(self.nodes)}"] if outputs is None else outputs
        self.nodes.append(helper.make_node(op, list(inputs), list(outputs), name=name or outputs[0], **attributes))
        return outputs[0]

    def output(self, name, *shape, kind=TensorProto.FLOAT):
        self.outputs.append(helper.make_tensor_value_info(name, kind, shape or None))

    def model(self):
        graph = helper.make_graph(self.nodes, "g", self.inputs, self.outputs, self.tensors)
        return helper.make_model(graph, opset_imports=self.opset, ir_version=10)

    def save(self, name="net.onnx", *results):
        for result in results:
            self.output(result)
        path = self.folder / name
        path.write_bytes(self.model().SerializeToString())
        return path


@pytest.fixture
def build(tmp_path):
    return Build(tmp_path)


@pytest.fixture
def builder(tmp_path):
    """`Build` itself, for other operator sets and domains."""
    return lambda **options: Build(tmp_path, **options)
