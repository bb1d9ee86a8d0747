from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archsim.api.statistics import statistics_of, trace_statistics
from archsim.api.trace import Request
from archsim.arch.formats import format
from archsim.core.errors import ArchsimError, InputError
from archsim.workloads.models import model
from archsim.workloads.op import Op
from archsim.workloads.statistics.records import TensorStatistics, combined
from archsim.workloads.statistics.side_file import write_statistics
from archsim.workloads.statistics.sources import Drawing, channels_last, drawn_weights
from archsim.workloads.statistics.tensor import tensor_statistics
from archsim.workloads.table import read_trace, write_trace
from archsim.workloads.trace import Trace

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def small_trace() -> Trace:
    ops = (Op.gemm("fc1", m=4, n=6, k=8), Op.conv("conv", k=4, c=3, p=5, q=5, r=3, s=3), Op.gemm("fc2", m=4, n=2, k=6))
    return Trace(name="small", ops=ops, parameters=0)


def trace_file(folder: Path) -> Path:
    write_trace(small_trace(), folder / "small.csv")
    return folder / "small.csv"


def onnx_model(folder: Path, *, op: str = "") -> Path:
    """x -> Conv (c1) -> Relu -> Flatten -> Gemm (g1), with an attention-like product of two activations (m1)."""
    random = np.random.default_rng(0)
    weight = onnx.numpy_helper.from_array(random.standard_normal((4, 3, 3, 3)).astype(np.float32), "w")
    matrix = onnx.numpy_helper.from_array(random.standard_normal((5, 4 * 4 * 4)).astype(np.float32), "g")
    make = onnx.helper.make_node
    nodes = [
        make("Conv", ["x", "w"], ["a"], name="c1", pads=[1, 1, 1, 1]),
        make(op or "Relu", ["a"], ["b"], name="r1", domain="no.such.domain" if op else ""),
        make("Flatten", ["b"], ["f"], name="f1"),
        make("Gemm", ["f", "g"], ["y"], name="g1", transB=1),
        make("Transpose", ["f"], ["t"], name="t1", perm=[1, 0]),
        make("MatMul", ["f", "t"], ["z"], name="m1"),
    ]
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "net",
        [value("x", onnx.TensorProto.FLOAT, [2, 3, 4, 4])],
        [value("y", onnx.TensorProto.FLOAT, [2, 5]), value("z", onnx.TensorProto.FLOAT, [2, 2])],
        [weight, matrix],
    )
    opsets = [onnx.helper.make_opsetid("", 17)] + ([onnx.helper.make_opsetid("no.such.domain", 1)] if op else [])
    path = folder / "net.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=9), str(path))
    return path


def samples(folder: Path) -> Path:
    np.savez(folder / "x.npz", x=np.random.default_rng(1).standard_normal((2, 3, 4, 4)).astype(np.float32))
    return folder / "x.npz"


def same_counts(found: TensorStatistics, array: np.ndarray) -> bool:
    expected = tensor_statistics(array, [format("int8")], layer="x", source="x")
    one, two = found.of("int8").histogram("essential_bits", 16), expected.of("int8").histogram("essential_bits", 16)
    return found.shape == expected.shape and np.array_equal(one, two)


def test_arrays_of_an_npz_are_the_weights_of_layers_of_the_same_name(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    arrays = {"fc1": random.random((6, 8)), "conv": random.random((4, 3, 3, 3)), "other": np.ones(3)}
    np.savez(tmp_path / "w.npz", **arrays)
    counted = trace_statistics(trace_file(tmp_path), weights=tmp_path / "w.npz")
    assert [tensor.layer for tensor in counted.statistics.tensors] == ["fc1", "conv"]
    assert same_counts(counted.statistics.of("fc1"), arrays["fc1"])
    assert same_counts(counted.statistics.of("conv"), arrays["conv"].transpose(0, 2, 3, 1).reshape(4, 27))
    assert counted.statistics.notes == ("no weights for fc2",)


@pytest.mark.parametrize(("layer", "shape"), [("fc1", (8, 6)), ("conv", (4, 3, 3)), ("fc2", (2, 7))])
def test_arrays_in_another_shape_than_their_layer_are_refused(
    tmp_path: Path, layer: str, shape: tuple[int, ...]
) -> None:
    np.savez(tmp_path / "w.npz", **{layer: np.ones(shape)})
    with pytest.raises(InputError, match=f"'{layer}' has shape .*; the layer's weights are"):
        trace_statistics(trace_file(tmp_path), weights=tmp_path / "w.npz")


def test_lanes_of_a_volume_are_its_channels() -> None:
    op = Op.conv3d("v", k=2, c=5, d=4, p=4, q=4, t=3, r=2, s=1)
    array = np.arange(60.0).reshape(2, 5, 3, 2, 1)
    assert np.array_equal(channels_last(array, op), array.transpose(0, 2, 3, 4, 1).reshape(2, 30))


def test_the_entropy_of_one_value_is_not_negative() -> None:
    found = tensor_statistics(np.zeros((2, 2)), [format("int8")], layer="x", source="x").of("int8")
    assert str(found.entropy_bits) == "0.0"


def test_the_linked_trace_names_the_side_file_and_is_read_back_with_it(tmp_path: Path) -> None:
    counted = trace_statistics(trace_file(tmp_path), ["int8"], weights="synthetic:gaussian:3")
    write_statistics(counted.statistics, tmp_path / "small.stats.parquet")
    write_trace(counted.linked("small.stats.parquet"), tmp_path / "linked.csv")
    trace = read_trace(tmp_path / "linked.csv")
    assert {op.stats for op in trace.ops if isinstance(op, Op)} == {"small.stats.parquet"}
    found = statistics_of(tmp_path / "linked.csv").of("fc2").of("int8")
    assert np.array_equal(found.codes, counted.statistics.of("fc2").of("int8").codes)


@pytest.mark.parametrize("name", ["../out.parquet", "/etc/passwd"])
def test_a_side_file_outside_the_traces_folder_is_refused(tmp_path: Path, name: str) -> None:
    counted = trace_statistics(trace_file(tmp_path), weights="synthetic:gaussian")
    write_trace(counted.linked(name), tmp_path / "linked.csv")
    with pytest.raises(InputError, match="outside"):
        statistics_of(tmp_path / "linked.csv")


def test_drawn_weights_are_marked_as_estimates_and_repeat() -> None:
    one = trace_statistics("bert-base", weights="synthetic:laplace:1").statistics
    two = trace_statistics("bert-base", weights="synthetic:laplace:1").statistics
    other = trace_statistics("bert-base", weights="synthetic:laplace:2").statistics
    assert all(tensor.source.startswith("estimate: drawn, Laplace") for tensor in one.tensors)
    assert any(note.startswith("estimate:") for note in one.notes)
    layer = "layers.0.q_proj"
    codes = [item.of(layer).of("int8").codes for item in (one, two, other)]
    assert np.array_equal(codes[0], codes[1])
    assert not np.array_equal(codes[0], codes[2])


def test_a_drawing_has_the_shape_of_the_op_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = {
        tensor.layer: tensor.array.shape for tensor in drawn_weights(small_trace(), Drawing(distribution="laplace"))
    }
    assert drawn == {"fc1": (6, 8), "conv": (4, 27), "fc2": (2, 6)}
    monkeypatch.setattr("archsim.workloads.statistics.sources.LARGEST_DRAWING", 20)
    assert Drawing(distribution="gaussian").draw(100, 8).shape == (2, 8)
    assert Drawing(distribution="gaussian").draw(100, 50).shape == (1, 20)


def test_channels_are_neighbours_in_a_convolutions_weights() -> None:
    op = small_trace().ops[1]
    assert isinstance(op, Op)
    weights = np.arange(4 * 27).reshape(4, 3, 3, 3)
    assert np.array_equal(channels_last(weights.reshape(4, 27), op), weights.transpose(0, 2, 3, 1).reshape(4, 27))


def test_weights_and_activations_of_an_onnx_model(tmp_path: Path) -> None:
    path = onnx_model(tmp_path)
    found = trace_statistics(path, ["int8"], samples=samples(tmp_path)).statistics
    x = np.load(tmp_path / "x.npz")["x"]
    names = {(tensor.layer, tensor.operand) for tensor in found.tensors}
    assert names == {
        ("c1", "weights"),
        ("g1", "weights"),
        ("c1", "inputs"),
        ("g1", "inputs"),
        ("m1", "inputs"),
        ("m1", "weights"),
    }
    assert same_counts(found.of("c1", "inputs"), x.transpose(0, 2, 3, 1).reshape(-1, 3))
    gemm = found.of("g1", "inputs")
    assert gemm.shape == (2, 64)
    assert gemm.values is not None
    assert 0.2 < gemm.values.density < 0.8, "behind a ReLU, about half of the activations are zero"
    assert same_counts(found.of("m1", "weights"), np.zeros((2, 64))) is False
    codes = [tensor.of("int8").codes for tensor in (found.of("m1", "weights"), gemm)]
    assert np.array_equal(*[np.asarray(counts) for counts in codes])
    assert found.of("c1", "inputs").source == "run on x.npz"


def test_activations_repeat_to_the_bit(tmp_path: Path) -> None:
    path = onnx_model(tmp_path)
    runs = [trace_statistics(path, ["int8"], samples="synthetic:gaussian:5").statistics for _ in range(2)]
    for one, two in zip(runs[0].tensors, runs[1].tensors, strict=True):
        assert np.array_equal(one.of("int8").codes, two.of("int8").codes)
    assert runs[0].of("c1", "inputs").source.startswith("estimate:")


def open_model(tmp_path: Path) -> Path:
    """x [n, width, 3] times a matrix, then times another in the branch of an If that `scale` decides."""
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["y"], name="outside"),
        helper.make_node("Equal", ["scale", "two"], ["is_two"], name="is_two"),
        helper.make_node("If", ["is_two"], ["z"], name="branch", then_branch=_branch("a"), else_branch=_branch("b")),
    ]
    stored = [
        numpy_helper.from_array(np.arange(12, dtype=np.float32).reshape(3, 4), "w"),
        numpy_helper.from_array(np.eye(4, dtype=np.float32), "v"),
        numpy_helper.from_array(np.array(2), "two"),
    ]
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", "width", 3]),
        helper.make_tensor_value_info("scale", TensorProto.INT64, []),
    ]
    outputs = [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)]
    graph = helper.make_graph(nodes, "open", inputs, outputs, stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "open.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def _branch(name: str) -> Any:
    from onnx import TensorProto, helper

    node = helper.make_node("MatMul", ["y", "v"], [name], name=f"inside_{name}")
    return helper.make_graph([node], name, [], [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)])


def test_open_dimensions_and_deciding_inputs_are_drawn_as_stated(tmp_path: Path) -> None:
    stated = ["workload.dims.width=5", "workload.values.scale=2"]
    found = trace_statistics(
        open_model(tmp_path), samples="synthetic:gaussian", request=Request(batch=7), overrides=stated
    ).statistics
    assert found.of("outside", "inputs").shape == (35, 3)
    layers = {tensor.layer for tensor in found.tensors}
    assert any("inside_a" in layer for layer in layers)
    assert not any("inside_b" in layer for layer in layers)
    assert any(note.startswith("no inputs for") and "inside_a" in note for note in found.notes)


def test_open_dimensions_without_a_size_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"dims\.width"):
        trace_statistics(open_model(tmp_path), samples="synthetic:gaussian")


def test_samples_that_do_not_fit_the_model_are_refused_with_every_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "y.npz", image=np.ones((2, 3, 4, 4)))
    with pytest.raises(InputError, match="no array for the input 'x'") as caught:
        trace_statistics(onnx_model(tmp_path), samples=tmp_path / "y.npz")
    assert "unknown input 'image'" in str(caught.value)


def test_samples_of_a_wrong_shape_say_so_without_a_traceback(tmp_path: Path) -> None:
    np.savez(tmp_path / "y.npz", x=np.ones((2, 3, 9, 9), dtype=np.float32))
    with pytest.raises(ArchsimError, match="does not run on these samples"):
        trace_statistics(onnx_model(tmp_path), samples=tmp_path / "y.npz")


def test_pickled_samples_are_refused_and_not_run(tmp_path: Path) -> None:
    np.savez(tmp_path / "y.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match="cannot be read"):
        trace_statistics(onnx_model(tmp_path), samples=tmp_path / "y.npz")


def test_custom_operators_are_not_run(tmp_path: Path) -> None:
    path = onnx_model(tmp_path, op="Mine")
    with pytest.raises(ArchsimError):
        trace_statistics(path, samples=samples(tmp_path))


def test_a_source_without_weights_says_how_to_give_them() -> None:
    with pytest.raises(InputError, match="synthetic:laplace"):
        trace_statistics("bert-base")
    with pytest.raises(InputError, match="unknown distribution 'cauchy'"):
        trace_statistics("bert-base", weights="synthetic:cauchy")
    with pytest.raises(InputError, match="seed"):
        trace_statistics("bert-base", weights="synthetic:laplace:-1")


def test_samples_for_a_model_that_cannot_be_run_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be run"):
        trace_statistics("bert-base", weights="synthetic:laplace", samples=samples(tmp_path))


def test_weights_alone_are_counted_under_their_own_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", a=np.ones((2, 3)), b=np.array([[1, 2]], dtype=np.int8))
    counted = trace_statistics(tmp_path / "w.npz", ["int4"])
    assert counted.trace is None
    assert [tensor.formats[0].format for tensor in counted.statistics.tensors] == ["int4", "int8"]


def test_tensors_that_cannot_be_counted_are_named_in_the_notes(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", a=np.array([[np.nan, 1.0]]), b=np.ones((2, 3)))
    notes = trace_statistics(tmp_path / "w.npz").statistics.notes
    assert len(notes) == 1
    assert notes[0].startswith("left out: a: holds elements that are NaN")


def test_a_damaged_npz_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w.npz").write_bytes(b"PK\x03\x04" + struct.pack("<Q", 1) * 20)
    with pytest.raises(InputError, match=r"w\.npz"):
        trace_statistics(tmp_path / "w.npz")


def test_experts_of_a_layer_are_counted_together() -> None:
    random = np.random.default_rng(0)
    parts = [
        tensor_statistics(random.standard_normal((4, 32)), [format("int8:channel")], layer="e", source="x")
        for _ in range(3)
    ]
    both = combined(parts)
    assert both.shape == (12, 32)
    assert both.values is not None
    assert both.values.elements == 3 * 128
    for name, counts in both.formats[0].groups[16].items():
        assert np.array_equal(counts, sum(part.formats[0].groups[16][name] for part in parts))


def test_every_layer_of_a_catalog_model_can_be_drawn() -> None:
    layers = [op for op in model("mobilenet-v2").ops if isinstance(op, Op)]
    found = trace_statistics("mobilenet-v2", weights="synthetic:gaussian").statistics
    assert len(found.tensors) == len(layers)
