from __future__ import annotations

import json
from pathlib import Path

import pytest

from archsim.cli.main import run


def test_trace_stats_prints_a_table_and_leaves_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["trace", "bert-base", "--stats", "--weights", "synthetic:laplace", "--formats", "int8,int4:g128"]
    assert run([*command, "--groups", "8,16", "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr()
    assert "int4:g128" in printed.out
    assert "estimate: drawn" in printed.out
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"bert-base.csv", "bert-base.stats.parquet", "statistics.csv", "statistics.json", "statistics.png"}


def test_trace_stats_prints_one_json_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["trace", "bert-base", "--stats", "--weights", "synthetic:gaussian", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "archsim.statistics/1"
    first = document["tensors"][0]
    assert first["values"]["pairs_at_3_sigma"].keys() == {"normal", "outlier_victim", "outlier_outlier"}
    assert first["formats"][0]["groups"]["16"]["essential_bits"] > first["formats"][0]["groups"]["1"]["essential_bits"]


def test_a_narrow_terminal_keeps_layers_readable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "90")
    assert run(["trace", "bert-base", "--stats", "--weights", "synthetic:gaussian", "--formats", "int8,int4:g128"]) == 0
    printed = capsys.readouterr().out
    assert "layers.0.q_proj" in printed
    assert "entropy" not in printed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--weights", "x.npz"], "says nothing without --stats"),
        (["--stats"], "has no weights of its own"),
        (["--stats", "--weights", "synthetic:laplace", "--groups", "9"], "powers of two"),
        (["--stats", "--weights", "synthetic:laplace", "--groups", "a"], "numbers with commas"),
        (["--stats", "--weights", "synthetic:laplace", "--formats", "int99"], "int99"),
        (["--stats", "--weights", "none.npz"], "none.npz"),
        (["--stats", "--weights", "synthetic:laplace", "--out", "x.csv"], "name a folder"),
        (["--stats", "--weights", "synthetic:laplace", "--cfg", "x.cfg"], "says nothing beside --stats"),
        (["--stats", "--weights", "synthetic:laplace", "--set", "quantization.scheme=w4a8"], "are --formats"),
    ],
)
def test_wrong_options_are_refused_with_exit_code_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["trace", "bert-base", *arguments]) == 2
    assert said in capsys.readouterr().err
