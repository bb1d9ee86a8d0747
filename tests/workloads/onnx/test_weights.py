"""Weights of ONNX models: named as the trace's ops, the reduction last."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")

from archsim.workloads.onnx.importer import trace_from_onnx  # noqa: E402
from archsim.workloads.onnx.weights import iter_weights  # noqa: E402
from archsim.workloads.op import Op  # noqa: E402


def stored(build, name):
    return next(onnx.numpy_helper.to_array(tensor) for tensor in build.tensors if tensor.name == name)


def test_the_last_axis_is_the_reduction(build):
    conv = build.node("Conv", [build.input("x", 1, 4, 6, 6), build.weight("w", 6, 2, 3, 3)], ["conv"], group=2)
    up = build.node("ConvTranspose", [conv, build.weight("t", 6, 2, 2, 2)], ["up"], group=3, strides=[2, 2])
    flat = build.node("Flatten", [up], ["flat"])
    gemm = build.node("Gemm", [flat, build.weight("g", 384, 5)], ["gemm"])
    turned = build.node("Transpose", [build.weight("m", 3, 5)], ["turned"], perm=[1, 0])
    product = build.node("MatMul", [gemm, turned], ["matmul"])
    left = build.node("MatMul", [build.weight("l", 7, 1), product], ["left"])
    build.node("Einsum", [left, build.weight("e", 3, 2, 4)], ["einsum"], equation="ij,jkl->ikl")
    path = build.save("net.onnx", "einsum")
    found = dict(iter_weights(path))
    assert np.array_equal(found["conv"], stored(build, "w").reshape(6, 18))
    kernel = stored(build, "t").reshape(3, 2, 8)
    assert np.array_equal(found["up"], kernel.swapaxes(1, 2))
    assert np.array_equal(found["gemm"], stored(build, "g").T)
    assert np.array_equal(found["matmul"], stored(build, "m"))
    assert np.array_equal(found["left"], stored(build, "l"))
    assert np.array_equal(found["einsum"], stored(build, "e").reshape(3, 8).T)
    ops = {op.name: op for op in trace_from_onnx(path).ops if isinstance(op, Op)}
    assert {name: array.size for name, array in found.items()} == {
        name: op.elements("weights") for name, op in ops.items()
    }
    assert all(array.shape[-1] == ops[name].size(ops[name].reduction) for name, array in found.items())


def test_weights_that_a_graph_puts_together_are_followed(build):
    parts = build.node("Concat", [build.weight("a", 4, 2), build.weight("b", 4, 3)], axis=1)
    starts, ends, axes = (
        build.weight(name, values=[value], dtype=np.int64) for name, value in (("s", 1), ("e", 4), ("x1", 1))
    )
    cut = build.node("Slice", [parts, starts, ends, axes])
    wide = build.node("Unsqueeze", [cut, build.weight("zero", values=[0], dtype=np.int64)])
    build.node("MatMul", [build.input("x", 2, 4), build.node("Squeeze", [wide, "zero"])], ["y"])
    ((_, array),) = iter_weights(build.save("net.onnx", "y"))
    whole = np.concatenate([stored(build, "a"), stored(build, "b")], axis=1)
    assert np.array_equal(array, whole[:, 1:4].T)


def test_quantized_weights_are_their_codes(build):
    codes = np.arange(-6, 6).reshape(4, 3)
    inputs = [build.weight("w", dtype=np.int8, values=codes), build.weight("s", values=0.5)]
    build.node("MatMul", [build.input("x", 2, 4), build.node("DequantizeLinear", inputs)], ["y"])
    ((_, array),) = iter_weights(build.save("net.onnx", "y"))
    assert array.dtype == np.int8
    assert np.array_equal(array, codes.T)


def test_a_sparse_weight_is_written_out(build):
    values = onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, [2], [5.0, 7.0])
    places = onnx.helper.make_tensor("places", onnx.TensorProto.INT64, [2], [1, 10])
    build.node("MatMul", [build.input("x", 2, 4), "w"], ["y"])
    build.output("y")
    model = build.model()
    model.graph.sparse_initializer.append(onnx.helper.make_sparse_tensor(values, places, [4, 3]))
    path = build.folder / "sparse.onnx"
    path.write_bytes(model.SerializeToString())
    dense = np.zeros(12, np.float32)
    dense[[1, 10]] = [5, 7]
    ((_, array),) = iter_weights(path)
    assert np.array_equal(array, dense.reshape(4, 3).T)
    assert trace_from_onnx(path).parameters == 12


def test_recurrent_weights_are_those_of_both_products(build):
    inputs = [build.input("x", 5, 1, 3), build.weight("w", 1, 16, 3), build.weight("r", 1, 16, 4)]
    build.node("LSTM", inputs, ["y"], hidden_size=4)
    found = dict(iter_weights(build.save("net.onnx", "y")))
    assert np.array_equal(found["y.input"], stored(build, "w")[0])
    assert np.array_equal(found["y.recurrent"], stored(build, "r")[0])
