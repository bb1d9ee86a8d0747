"""A network's bits on a design: played and in closed form, with what they rest on."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archsim.api.bits import play
from archsim.api.design import design_from_dict
from archsim.api.evaluate import evaluate
from archsim.api.statistics import trace_statistics
from archsim.core.errors import InputError
from archsim.workloads.statistics.side_file import write_statistics
from archsim.workloads.table import write_trace

TRACE = "name,kind,count,phase,m,n,k\nfc1,gemm,2,forward,40,64,96\nfc2,gemm,1,forward,16,33,50\n"
CONV = "name,kind,count,phase,n,k,c,p,q,r,s\nconv,conv,1,forward,1,40,3,5,18,5,5\n"


def design(path: Path, base: str, trace: str = TRACE, **array: Any) -> dict[str, Any]:
    file = path / "net.csv"
    file.write_text(trace, encoding="utf-8")
    return {
        "hardware": {"base": base, **({"array": array} if array else {})},
        "workload": {"trace": str(file)},
        "quantization": {"weights": "int8:channel", "inputs": "int8", "outputs": "int8"},
    }


def test_stripes_takes_a_step_for_each_bit_of_each_group(tmp_path: Path) -> None:
    found = play(design(tmp_path, "stripes-28nm"))
    first, second = found.layers
    assert first.played.cycles == 8 * 2 * 12 * 3  # bits, tiles of 32 channels, groups of 8, tiles of 16 tokens
    assert second.played.cycles == 8 * 2 * 7 * 1
    assert found.array_cycles == 2 * first.played.cycles + second.played.cycles
    assert first.memory_cycles == 64 * 96 / 16


@pytest.mark.parametrize(
    ("weights", "terms"),
    [("int8:channel", 4), ("bitmod-int6:g128", 3), ("bitmod-fp3:g128", 2), ("fp16", 6), ("nf4:g64", 8), ("pot4", 1)],
)
def test_without_skipping_groups_take_the_terms_that_evaluate_counts(tmp_path: Path, weights: str, terms: int) -> None:
    values = design(tmp_path, "bitmod-28nm")
    values["quantization"]["weights"] = weights
    first = play(values).layers[0]
    assert first.played.cycles == first.closed_form_cycles == terms * 2 * 24 * 2  # tiles of 32 x 32, groups of 4
    assert first.played.speedup == 1


@pytest.mark.parametrize("base", ["loom-28nm", "laconic-28nm"])
def test_where_both_operands_are_serial_floats_take_all_their_terms(tmp_path: Path, base: str) -> None:
    values = design(tmp_path, base)
    values["quantization"]["weights"] = "fp8_e4m3"
    first = play(values).layers[0]
    assert first.played.cycles == first.closed_form_cycles == first.played.dense_cycles


@pytest.mark.parametrize(("weights", "most"), [("fp8_e4m3", 4), ("mxfp4", 2), ("pot4", 1), ("bitmod-fp4:g128", 2)])
def test_the_sign_of_a_float_takes_no_step(tmp_path: Path, weights: str, most: int) -> None:
    values = design(tmp_path, "pragmatic-28nm")
    values["quantization"]["weights"] = weights
    first = play(values).layers[0]
    assert 1 <= first.played.steps_per_group <= most
    assert first.closed_form_cycles == pytest.approx(first.played.cycles, rel=0.02)


def test_flipping_bits_of_unsigned_weights_keeps_their_topmost_columns(tmp_path: Path) -> None:
    values = design(tmp_path, "bitwave-28nm", kept_columns=4)
    values["quantization"]["weights"] = "int4:g32:asym"
    first = play(values).layers[0]
    assert first.closed_form_cycles == pytest.approx(first.played.cycles, rel=0.02)


NARROW = "name,kind,count,phase,n,k,c,p,q,r,s,groups\ndw,conv,1,forward,1,64,64,16,16,3,3,64\n"


@pytest.mark.parametrize(
    "name",
    [
        "bitlet", "bitwave", "bitvert-moderate", "pragmatic", "dynamic-stripes", "loom", "laconic", "bit-tactical",
        "bitmod",
    ],
)  # fmt: skip
def test_evaluate_knows_lanes_and_rows_without_work(tmp_path: Path, name: str) -> None:
    """Nine taps and one filter in each group of a depthwise convolution."""
    values = design(tmp_path, f"{name}-28nm", NARROW)
    (counted,), (played,) = evaluate(values).to_dict()["layers"], play(values).layers
    assert counted["compute_cycles"] == pytest.approx(played.closed_form_cycles, rel=0.02)


@pytest.mark.parametrize(("base", "steps"), [("block-dot-28nm", 1), ("olaccel-28nm", 1), ("lut-tensor-core-28nm", 9)])
def test_lanes_that_a_reduction_leaves_empty_take_their_step(tmp_path: Path, base: str, steps: int) -> None:
    """Nine products in 32 or 16 lanes are one step; in tables of four, three looks of each of three bits."""
    values = design(tmp_path, base, "name,kind,phase,m,n,k\nfc,gemm,forward,128,64,9\n")
    values["quantization"] |= {"weights": "int3:channel", "inputs": "int4"}
    if base == "olaccel-28nm":
        values["hardware"]["array"] = {"outlier_fraction": 0.0}
    (layer,) = evaluate(values).to_dict()["layers"]
    engine = design_from_dict(values).accelerator.engine
    rows, columns = engine.rows, engine.columns
    tiles = -(-64 // rows) * -(-128 // columns) / engine.arrays
    assert layer["compute_cycles"] == pytest.approx(tiles * steps)


def test_several_bits_a_cycle_leave_the_last_cycle_partly_empty(tmp_path: Path) -> None:
    found = play(design(tmp_path, "stripes-28nm", terms_per_cycle=3))
    assert found.layers[0].played.cycles == 3 * 2 * 12 * 3  # 3, 3 and 2 of 8 bits
    assert found.layers[0].closed_form_cycles == pytest.approx(found.layers[0].played.cycles)
    assert found.layers[0].played.speedup == 1


def test_windows_of_a_row_and_taps_of_a_channel_fill_an_array_as_they_are_wired(tmp_path: Path) -> None:
    (layer,) = play(design(tmp_path, "stripes-28nm", CONV)).layers
    assert layer.played.cycles == 8 * 2 * (3 * 4) * (2 * 5)  # 25 taps of each of 3 channels in groups of 8


def test_the_best_wiring_is_taken(tmp_path: Path) -> None:
    first, second = play(design(tmp_path, "bitwave-28nm", kept_columns=4)).layers
    assert first.played.shape == (32, 8, 16)  # 40 tokens are five times 8
    assert first.played.cycles == pytest.approx(4 * 2 * 6 * 5)
    assert second.played.cycles <= 4 * 2 * 7


def test_dense_channels_fill_whole_tiles(tmp_path: Path) -> None:
    first, _ = play(design(tmp_path, "bitvert-moderate-28nm")).layers
    assert first.played.cycles == (8 + 4) * 6 * 3  # 20 % of 64 channels are one tile of two


def test_real_weights_are_played_as_they_are(tmp_path: Path) -> None:
    weights = np.zeros((64, 96), dtype=np.int8)
    weights[:, 0] = 127  # one lane of the first group with seven ones
    np.savez(tmp_path / "weights.npz", fc1=weights, fc2=np.full((33, 50), 3, dtype=np.int8))
    first, second = play(design(tmp_path, "pragmatic-28nm"), weights=tmp_path / "weights.npz").layers
    assert first.played.cycles == (7 + 11) * 2 * 3
    assert second.played.cycles == 2 * 7 * 2
    assert not first.source.startswith("estimate:")


def test_the_closed_form_is_near_what_is_played(tmp_path: Path) -> None:
    big = "name,kind,count,phase,m,n,k\nfc,gemm,1,forward,64,512,768\n"
    for base in ("pragmatic-28nm", "bitlet-28nm", "bitwave-28nm"):
        found = play(design(tmp_path, base, big))
        assert found.closed_form_cycles == pytest.approx(found.array_cycles, rel=0.01)
        assert found.to_dict()["estimates"]


@pytest.mark.parametrize("weights", ["int4:g128:asym", "int3:g32:asym", "int8:channel:asym"])
def test_neighbours_that_share_a_zero_point_are_not_taken_as_independent(tmp_path: Path, weights: str) -> None:
    """A place that is full in one lane is likely full in the others, which takes a tenth of the time."""
    big = "name,kind,count,phase,m,n,k\nfc,gemm,1,forward,64,512,768\n"
    values = design(tmp_path, "bitlet-28nm", big)
    values["quantization"]["weights"] = weights
    (layer,) = play(values).layers
    assert layer.closed_form_cycles == pytest.approx(layer.played.cycles, rel=0.015)


@pytest.mark.parametrize(
    ("base", "array"),
    [
        ("loom-28nm", {"rows": 16}),
        ("laconic-28nm", {}),
        ("laconic-28nm", {"sync": "pe"}),
        ("bit-tactical-28nm", {}),
        ("bit-tactical-28nm", {"skip": "booth"}),
    ],
)
def test_both_operands_are_played_where_both_count(tmp_path: Path, base: str, array: dict[str, Any]) -> None:
    big = "name,kind,count,phase,m,n,k\nfc,gemm,2,forward,64,128,2048\nsmall,gemm,1,forward,5,7,40\n"
    values = design(tmp_path, base, big, **array) | {"sparsity": {"weights": "random:0.4"}}
    found = play(values)
    first, second = found.layers
    assert first.closed_form_cycles == pytest.approx(first.played.cycles, rel=0.03)
    assert second.closed_form_cycles == pytest.approx(second.played.cycles, rel=0.2)
    assert first.count == 2
    assert first.played.cycles <= first.played.dense_cycles
    if array.get("sync") == "pe":
        assert first.played.waiting == pytest.approx(0.0, abs=0.05)
    else:
        assert first.played.waiting > 0.05


def test_integers_of_wide_types_are_played_as_the_design_states_them(tmp_path: Path) -> None:
    weights = np.random.default_rng(0).integers(-127, 128, size=(64, 96))
    np.savez(tmp_path / "wide.npz", fc1=weights)
    np.savez(tmp_path / "narrow.npz", fc1=weights.astype(np.int8))
    values = design(tmp_path, "pragmatic-28nm")
    wide, narrow = (play(values, weights=tmp_path / f"{name}.npz").layers[0] for name in ("wide", "narrow"))
    assert wide.played == narrow.played


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("fc1", np.full((64, 96), 300), "op 'fc1': weights of .* are int64 from 300 to 300"),
        ("fc1", np.full((64, 96), np.nan), "op 'fc1': weights: NaN"),
        ("other", np.zeros((64, 96)), "nothing to play: it has none of the weights"),
    ],
)
def test_files_that_cannot_be_played_are_refused(tmp_path: Path, name: str, array: Any, message: str) -> None:
    np.savez(tmp_path / "weights.npz", **{name: array})
    with pytest.raises(InputError, match=message):
        play(design(tmp_path, "pragmatic-28nm"), weights=tmp_path / "weights.npz")


def test_weights_of_a_file_meet_drawn_inputs(tmp_path: Path) -> None:
    weights = np.zeros((64, 96), dtype=np.int8)
    weights[:, :16] = 1  # one row of 16 lanes of six: all others are passed over
    np.savez(tmp_path / "weights.npz", fc1=weights)
    values = design(tmp_path, "bit-tactical-28nm") | {"sparsity": {"weights": "random:0.167"}}
    (layer,) = play(values, weights=tmp_path / "weights.npz").layers
    groups = 4 * 3  # tiles of 16 channels by tiles of 16 tokens
    assert 6 * groups <= layer.played.cycles <= 8 * groups
    assert layer.source == "weights.npz"


def test_zeros_of_a_stated_pattern_are_drawn(tmp_path: Path) -> None:
    big = "name,kind,count,phase,m,n,k\nfc,gemm,1,forward,64,512,768\n"
    values = design(tmp_path, "pragmatic-28nm", big) | {"sparsity": {"weights": "random:0.1"}}
    found = play(values)
    assert found.closed_form_cycles == pytest.approx(found.array_cycles, rel=0.01)
    assert found.array_cycles < play(design(tmp_path, "pragmatic-28nm", big)).array_cycles


@pytest.mark.parametrize("base", ["pragmatic-28nm", "bitlet-28nm"])
@pytest.mark.parametrize("spec", ["ternary", "int1", "int4:g128:asym", "mxint8", "fp8_e4m3", "pot4", "bitmod-fp4:g128"])
def test_the_closed_form_knows_what_formats_make_of_numbers(tmp_path: Path, base: str, spec: str) -> None:
    big = "name,kind,count,phase,m,n,k\nfc,gemm,1,forward,64,256,768\n"
    given = design(tmp_path, base, big)
    given["quantization"]["weights"] = spec
    found = play(given)
    within = 0.1 if spec.endswith("asym") else 0.04  # a group's operands lie around one zero point: not independent
    assert found.closed_form_cycles == pytest.approx(found.array_cycles, rel=within)


@pytest.mark.parametrize(("spec", "why"), [("nf4", "are looked up"), ("fp32", "have 25 bits; 16 at most are played")])
def test_operands_without_bits_to_play_are_refused(tmp_path: Path, spec: str, why: str) -> None:
    given = design(tmp_path, "pragmatic-28nm")
    given["quantization"]["weights"] = spec
    with pytest.raises(InputError, match=why):
        play(given)


def test_other_engines_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="bit-serial"):
        play(design(tmp_path, "tpu-v1"))


def test_an_onnx_workload_brings_its_own_weights(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
    weights = np.zeros((24, 32), dtype=np.float32)
    weights[::8] = 1.0  # of each group of 8 lanes one has all seven ones of 127
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["x", "w"], ["y"], name="fc")],
        "net",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [16, 24])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [16, 32])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    onnx.save(onnx.helper.make_model(graph), tmp_path / "net.onnx")
    (layer,) = play(design(tmp_path, "pragmatic-28nm") | {"workload": {"onnx": str(tmp_path / "net.onnx")}}).layers
    assert layer.source == "net.onnx"
    assert layer.played.cycles == 7 * 3


def test_a_real_networks_histograms_foretell_what_its_weights_take(tmp_path: Path) -> None:
    """Within 5 %: filters that share an input share, too, how small its weights are, so their rows wait less."""
    found = find_spec("nudenet")
    if found is None or found.origin is None:
        pytest.skip("nudenet is not installed")
    model = Path(found.origin).parent / "320n.onnx"
    sizes = ["workload.dims.height=320", "workload.dims.width=320"]
    counted = trace_statistics(model, ["int8:channel"], groups=(8, 32), overrides=sizes)
    write_statistics(counted.statistics, tmp_path / "net.stats.parquet")
    write_trace(counted.linked("net.stats.parquet"), tmp_path / "net.csv")
    for base, array in (("pragmatic-28nm", {"words": "magnitude"}), ("bitlet-28nm", {})):
        given = design(tmp_path, base, (tmp_path / "net.csv").read_text("utf-8"), **array)
        played = play(given, weights=model)
        assert played.closed_form_cycles == pytest.approx(played.array_cycles, rel=0.05)
