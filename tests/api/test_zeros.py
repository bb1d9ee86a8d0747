"""A network's masks on a design: occupancy, speed and waiting as played are those that the closed form expects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archsim
from archsim.api.design import design_from_dict
from archsim.api.zeros import play_zeros
from archsim.cli.main import run
from archsim.core.errors import InputError

TRACE = "name,kind,m,n,k\nfc1,gemm,64,128,512\nfc2,gemm,16,64,256\n"


def design(path: Path, base: str, weights: str, inputs: str = "random:0.4", **array: Any) -> dict[str, Any]:
    file = path / "net.csv"
    file.write_text(TRACE, encoding="utf-8")
    return {
        "hardware": {"base": base, **({"array": array} if array else {})},
        "workload": {"trace": str(file)},
        "quantization": {"weights": "int8", "inputs": "int8", "outputs": "int8"},
        "sparsity": {"weights": weights, "inputs": inputs},
    }


@pytest.mark.parametrize(
    ("base", "weights"),
    [
        ("sparten", "random:0.3"),
        ("sparten", "2:4"),
        ("dual-side-tensor-core", "random:0.5"),
        ("scnn", "random:0.3"),
        ("sparse-tensor-core", "2:4"),
        ("sparse-tensor-core", "3:4"),
    ],
)
def test_what_is_played_is_what_is_expected(tmp_path: Path, base: str, weights: str) -> None:
    layers = play_zeros(design(tmp_path, base, weights)).to_dict()["layers"]
    assert [layer["name"] for layer in layers] == ["fc1", "fc2"]
    for layer in layers:
        assert layer["occupancy"] == pytest.approx(layer["expected_occupancy"], rel=0.01)
        assert layer["speedup"] == pytest.approx(layer["expected_speedup"], rel=0.04)
        assert layer["waiting"] == pytest.approx(layer["expected_waiting"], abs=0.03)


@pytest.mark.parametrize(("base", "inputs"), [("dual-side-tensor-core", 0.01), ("scnn", 0.02), ("sparten", 0.01)])
def test_few_non_zeros_are_drawn_until_their_time_is_known(tmp_path: Path, base: str, inputs: float) -> None:
    """At 1 % a vector of 64 has 0.6 non-zeros: 64 rows of 512 know their time within some 10 % only."""
    found = play_zeros(design(tmp_path, base, "random:0.01", f"random:{inputs}")).to_dict()
    for layer in found["layers"]:
        assert layer["speedup"] == pytest.approx(layer["expected_speedup"], rel=0.05)
    assert found["totals"]["speedup"] == pytest.approx(found["totals"]["expected_speedup"], rel=0.05)


def test_totals_are_those_of_all_macs(tmp_path: Path) -> None:
    found = play_zeros(design(tmp_path, "sparten", "random:0.3")).to_dict()
    first, second = found["layers"]
    totals = found["totals"]
    assert totals["macs"] == first["macs"] + second["macs"] == 64 * 128 * 512 + 16 * 64 * 256
    for prefix in ("", "expected_"):
        times = [layer["macs"] / layer[f"{prefix}speedup"] for layer in (first, second)]
        assert totals[f"{prefix}speedup"] == pytest.approx(totals["macs"] / sum(times))
        waited = sum(time * layer[f"{prefix}waiting"] for time, layer in zip(times, (first, second), strict=True))
        assert totals[f"{prefix}waiting"] == pytest.approx(waited / sum(times))
    done = sum(layer["macs"] * layer["occupancy"] for layer in (first, second))
    assert totals["occupancy"] == pytest.approx(done / totals["macs"])


def test_gated_macs_take_their_time(tmp_path: Path) -> None:
    values = design(tmp_path, "tensor-core", "random:0.3", zeros="gate")
    (first, _) = play_zeros(values).to_dict()["layers"]
    assert first["speedup"] == first["expected_speedup"] == 1.0
    assert first["occupancy"] == pytest.approx(0.12, rel=0.01)


def test_real_masks_are_played_as_they_are(tmp_path: Path) -> None:
    mask = np.zeros((128, 512))
    mask[:, :128] = 1.0  # the first quarter of every row: lanes wait for no one, windows differ
    np.savez(tmp_path / "masks.npz", fc1=mask)
    values = design(tmp_path, "sparten", "random:0.5", "dense")
    (first, second) = play_zeros(values, masks=tmp_path / "masks.npz").to_dict()["layers"]
    assert first["weight_density"] == first["occupancy"] == 0.25
    assert second["weight_density"] == 0.5
    assert first["speedup"] == pytest.approx(512 / (128 + 3), rel=0.01)
    np.savez(tmp_path / "other.npz", conv9=mask)
    with pytest.raises(InputError, match="no mask of a layer"):
        play_zeros(values, masks=tmp_path / "other.npz")


def test_other_arrays_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='needs kind = "sparse"'):
        play_zeros(design(tmp_path, "edge-array", "2:4"))


def test_the_command_prints_one_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.csv").write_text(TRACE, encoding="utf-8")
    (tmp_path / "d.toml").write_text(
        '[hardware]\nbase = "sparten"\n[workload]\ntrace = "net.csv"\n[sparsity]\nweights = "random:0.5"\n',
        encoding="utf-8",
    )
    assert run(["zeros", "d.toml", "--json", "--no-files"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["schema"] == "archsim.zeros/1"
    assert run(["zeros", "d.toml", "--no-files", "--seed", "1"]) == 0
    printed = capsys.readouterr().out
    assert "fc1" in printed
    assert "all, by MACs" in printed


def test_a_token_alone_passes_over_its_zeros(tmp_path: Path) -> None:
    """One row of inputs fills no vector: each of its non-zeros takes the steps of its weights, a zero takes none."""
    (tmp_path / "one.csv").write_text("name,kind,m,n,k\nfc,gemm,1,256,4096\n", encoding="utf-8")
    cycles = []
    for inputs in ("random:0.25", "dense"):
        values = design(tmp_path, "dual-side-tensor-core", "random:0.5", inputs)
        values["workload"] = {"trace": str(tmp_path / "one.csv")}
        values["hardware"]["memory"] = [{"name": "dram", "read_bandwidth": "unlimited"}]
        (layer,) = archsim.evaluate(design_from_dict(values)).to_dict()["layers"]
        cycles.append(layer["compute_cycles"])
    assert cycles[0] == pytest.approx(0.25 * cycles[1], rel=0.02)
