"""Formats that quantized graphs state: QDQ, QLinear, integer and few-bit products, QONNX."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
from onnx import TensorProto  # noqa: E402

from archsim.workloads.onnx.importer import import_onnx, trace_from_onnx  # noqa: E402
from archsim.workloads.onnx.weights import iter_weights  # noqa: E402


def formats(op):
    return tuple(None if fmt is None else fmt.name for fmt in (op.inputs.format, op.weights.format, op.outputs.format))


def scaled(build, name, scale, zero, dtype):
    return [build.weight(f"{name}.scale", values=scale), build.weight(f"{name}.zero", values=zero, dtype=dtype)]


def dequantized(build, name, tensor, scale, zero, dtype, **attributes):
    return build.node("DequantizeLinear", [tensor, *scaled(build, name, scale, zero, dtype)], **attributes)


@pytest.mark.parametrize(
    ("dtype", "zero", "format"),
    [(np.int8, 0, "int8"), (np.uint8, 0, "uint8"), (np.uint8, 7, "int8:asym"), (np.int8, -3, "int8:asym")],
)
def test_qdq_around_a_convolution_gives_it_formats_and_costs_nothing(build, dtype, zero, format):
    x = build.input("x", 1, 3, 8, 8, kind=TensorProto.UINT8 if dtype is np.uint8 else TensorProto.INT8)
    data = dequantized(build, "x", x, 0.1, zero, dtype)
    kernel = build.weight("w", dtype=np.int8, values=np.ones((4, 3, 3, 3)))
    weights = dequantized(build, "w", kernel, [0.1] * 4, [0] * 4, np.int8, axis=0)
    conv = build.node("Conv", [data, weights], ["conv"])
    build.node("QuantizeLinear", [conv, *scaled(build, "y", 0.2, zero, dtype)], ["y"])
    found = import_onnx(build.save("net.onnx", "y"))
    (op,) = found.trace.ops
    assert formats(op) == (format, "int8:channel", format)
    assert [account.fate for account in found.accounts] == ["format", "format", "imported", "format"]
    assert found.trace.parameters == 108


def test_quantizing_what_two_ops_read_is_work_of_its_own(build):
    product = build.node("MatMul", [build.input("x", 2, 4), build.weight("w", 4, 4)], ["m"])
    build.node("QuantizeLinear", [product, *scaled(build, "y", 0.2, 0, np.int8)], ["q"])
    build.node("Relu", [product], ["y"])
    trace = trace_from_onnx(build.save("net.onnx", "q", "y"))
    assert [(op.name, op.kind) for op in trace.ops] == [("m", "gemm"), ("q", "elementwise"), ("y", "elementwise")]
    assert str(trace.ops[1].format) == "int8"
    assert formats(trace.ops[0]) == (None, None, None)


def test_a_network_that_gives_floats_back_dequantizes_them(build):
    x = build.input("x", 2, 4, kind=TensorProto.INT8)
    dequantized(build, "x", x, 0.1, 0, np.int8)
    (op,) = trace_from_onnx(build.save("net.onnx", build.nodes[-1].output[0])).ops
    assert (op.kind, op.elements, op.operations_per_element) == ("dequantize", 8, 2)


def test_four_bit_weights_in_blocks_have_groups(builder):
    build = builder(opset=21)
    codes = np.arange(-8, 8).reshape(8, 2).astype(np.int8)
    build.tensors.append(onnx.helper.make_tensor("w", TensorProto.INT4, [8, 2], codes.reshape(-1)))
    scale = build.weight("s", 2, 2)
    weights = build.node("DequantizeLinear", ["w", scale], axis=0, block_size=4)
    build.node("MatMul", [build.input("x", 3, 8), weights], ["y"])
    path = build.save("net.onnx", "y")
    (op,) = trace_from_onnx(path).ops
    assert formats(op) == (None, "int4:g4", None)
    ((name, array),) = iter_weights(path)
    assert name == "y"
    assert np.array_equal(array.astype(np.int8), codes.T)


def test_integer_products_read_integers_and_make_int32(build):
    x = build.input("x", 2, 4)
    build.node("DynamicQuantizeLinear", [x], ["q", "s", "z"])
    weights = build.weight("w", dtype=np.int8, values=np.ones((4, 3)))
    build.node("MatMulInteger", ["q", weights, "z"], ["y"])
    trace = trace_from_onnx(build.save("net.onnx", "y"))
    assert [op.name for op in trace.ops] == ["q", "y"]
    assert formats(trace.ops[1]) == ("int8:asym", "int8", "int32")
    assert trace.ops[1].after == ("q",)


def test_conv_integer_counts_as_a_convolution(build):
    x = build.input("x", 1, 3, 5, 5, kind=TensorProto.UINT8)
    build.node("ConvInteger", [x, build.weight("w", dtype=np.int8, values=np.ones((4, 3, 3, 3)))], ["y"])
    (op,) = trace_from_onnx(build.save("net.onnx", "y")).ops
    assert (op.macs, formats(op)) == (4 * 9 * 27, ("uint8", "int8", "int32"))


def test_qlinear_convolutions_and_products_state_all_three_formats(build):
    x = build.input("x", 1, 3, 5, 5, kind=TensorProto.UINT8)
    kernel = build.weight("w", dtype=np.int8, values=np.ones((4, 3, 3, 3)))
    bias = build.weight("bias", dtype=np.int32, values=np.ones(4))
    inputs = [x, *scaled(build, "x", 0.1, 5, np.uint8), kernel, *scaled(build, "w", [0.1] * 4, [0] * 4, np.int8)]
    inputs += [*scaled(build, "y", 0.1, 0, np.uint8), bias]
    conv = build.node("QLinearConv", inputs, ["conv"])
    flat = build.node("Flatten", [conv])
    inputs = [flat, *scaled(build, "f", 0.1, 0, np.uint8), build.weight("v", dtype=np.int8, values=np.ones((36, 2)))]
    inputs += [*scaled(build, "v", 0.1, 0, np.int8), *scaled(build, "o", 0.1, 3, np.uint8)]
    build.node("QLinearMatMul", inputs, ["y"])
    trace = trace_from_onnx(build.save("net.onnx", "y"))
    assert formats(trace.ops[0]) == ("int8:asym", "int8:channel", "uint8")
    assert formats(trace.ops[1]) == ("uint8", "int8", "int8:asym")
    assert trace.parameters == 108 + 4 + 72


@pytest.mark.parametrize(
    ("bits", "zeros", "format"), [(4, False, "int4:g16"), (4, True, "int4:g16:asym"), (8, False, "int8:g16")]
)
def test_products_with_weights_of_few_bits(builder, bits, zeros, format):
    build = builder(domains=["com.microsoft"])
    blob = 16 * bits // 8
    codes = np.random.default_rng(3).integers(0, 256, (5, 2, blob)).astype(np.uint8)
    inputs = [build.input("x", 2, 3, 32), build.weight("w", dtype=np.uint8, values=codes), build.weight("s", 10)]
    inputs += [build.weight("z", dtype=np.uint8, values=np.ones(5))] if zeros else []
    build.node("MatMulNBits", inputs, ["y"], domain="com.microsoft", K=32, N=5, bits=bits, block_size=16)
    path = build.save("net.onnx", "y")
    trace = trace_from_onnx(path)
    assert (trace.macs, trace.parameters, formats(trace.ops[0])[1]) == (6 * 5 * 32, 160, format)
    ((_, array),) = iter_weights(path)
    brute = [
        [(int(codes[row].reshape(-1)[at * bits // 8]) >> (at * bits % 8)) % 2**bits for at in range(32)]
        for row in range(5)
    ]
    assert array.tolist() == brute


@pytest.mark.parametrize(
    ("bits", "signed", "scale", "format"),
    [(4, 1, 0.5, "int4"), (3, 0, 0.5, "uint3"), (2, 1, [[0.5], [0.25]], "int2:channel"), (8, 1, 1.0, "int8")],
)
def test_qonnx_quantizers_give_bits(builder, bits, signed, scale, format):
    domain = "qonnx.custom_op.general"
    build = builder(domains=[domain])
    settings = [build.weight("z", values=0.0), build.weight("b", values=float(bits))]
    values = np.array([[0.5, -1.0, 3.0], [0.25, 9.0, -9.0]], np.float32)
    own = [build.weight("w", values=values), build.weight("s", values=scale), *settings]
    weights = build.node("Quant", own, ["wq"], domain=domain, signed=signed, narrow=0)
    data = [build.input("x", 4, 3), build.weight("t", values=0.1), *settings]
    x = build.node("Quant", data, ["xq"], domain=domain, signed=1, narrow=0)
    turned = build.node("Transpose", [weights])
    product = build.node("MatMul", [x, turned], ["m"])
    activated = build.node("Relu", [product], ["r"])
    build.node("Quant", [activated, "t", *settings], ["y"], domain=domain, signed=0, narrow=0)
    path = build.save("net.onnx", "y")
    trace = trace_from_onnx(path)
    ops = {op.name: op for op in trace.ops}
    assert list(ops) == ["xq", "m", "r"]
    assert formats(ops["m"]) == (f"int{bits}", format, None)
    assert str(ops["r"].format) == f"uint{bits}"
    ((_, codes),) = iter_weights(path)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    assert np.array_equal(codes, np.clip(np.rint(values / np.asarray(scale)), low, high))


def test_qonnx_binary_and_truncated_tensors(builder):
    domain = "qonnx.custom_op.general"
    build = builder(domains=[domain])
    weights = build.node("BipolarQuant", [build.weight("w", 3, 2), build.weight("s", values=1.0)], domain=domain)
    product = build.node("MatMul", [build.input("x", 4, 3), weights], ["m"])
    settings = [build.weight(name, values=value) for name, value in (("t", 1.0), ("z", 0.0), ("i", 8.0), ("o", 4.0))]
    build.node("Trunc", [product, *settings], ["y"], domain=domain)
    (op,) = trace_from_onnx(build.save("net.onnx", "y")).ops
    assert formats(op) == (None, "binary", "int4")


def test_quantizers_with_bits_of_no_format_are_listed(builder):
    domain = "qonnx.custom_op.general"
    build = builder(domains=[domain])
    settings = [build.weight(name, values=value) for name, value in (("s", 1.0), ("z", 0.0), ("b", 2.5))]
    build.node("Quant", [build.node("Relu", [build.input("x", 2)], ["r"]), *settings], ["y"], domain=domain)
    trace = trace_from_onnx(build.save("net.onnx", "y"))
    assert trace.warnings == (f"y ({domain}:Quant) is not imported: integers of 2.5 bits are no format",)


def test_a_model_quantized_by_onnxruntime_keeps_its_formats(builder):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    quantization = pytest.importorskip("onnxruntime.quantization", reason="onnxruntime cannot quantize here")
    build = builder()
    conv = build.node(
        "Conv", [build.input("x", 1, 3, 8, 8), build.weight("w", 4, 3, 3, 3), build.weight("b", 4)], ["c"]
    )
    relu = build.node("Relu", [conv], ["r"])
    flat = build.node("Flatten", [relu], ["f"])
    build.node("MatMul", [flat, build.weight("v", 144, 10)], ["y"])
    path = build.save("float.onnx", "y")

    class Samples(quantization.CalibrationDataReader):
        def __init__(self):
            self.left = [{"x": np.random.default_rng(seed).random((1, 3, 8, 8), np.float32)} for seed in range(2)]

        def get_next(self):
            return self.left.pop() if self.left else None

    target = build.folder / "qdq.onnx"
    quantization.quantize_static(
        path, target, Samples(), quant_format=quantization.QuantFormat.QDQ, per_channel=True,
        weight_type=quantization.QuantType.QInt8, activation_type=quantization.QuantType.QUInt8,
    )  # fmt: skip
    found = import_onnx(target)
    ops = {op.name: op for op in found.trace.ops if op.macs}
    assert found.trace.macs == trace_from_onnx(path).macs
    assert formats(ops["c"])[1] == "int8:channel"
    assert formats(ops["y"])[1] == "int8:channel"
    assert all(formats(op)[0] in ("uint8", "int8:asym") for op in ops.values())
    assert not found.trace.warnings
