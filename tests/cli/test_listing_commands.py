from __future__ import annotations

import json
from pathlib import Path

import pytest

from archsim.cli.main import run

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("kind", ["hardware", "models", "formats", "memories", "components"])
def test_a_kind_of_the_catalog(kind: str, capsys: Capture) -> None:
    assert run(["catalog", kind, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"schema", kind}
    assert run(["catalog", kind]) == 0
    text = capsys.readouterr().out
    for entry in document[kind]:
        assert entry["name"] in text


def test_the_whole_catalog(capsys: Capture) -> None:
    assert run(["catalog", "--json", "--out", "here"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"schema", "hardware", "models", "formats", "memories", "components"}
    assert json.loads(Path("here/catalog.json").read_text("utf-8")) == document


def test_a_kind_that_is_not_there(capsys: Capture) -> None:
    assert run(["catalog", "modles"]) == 2
    assert capsys.readouterr().err == "error: unknown kind 'modles'\nhint: did you mean 'models'?\n"


def test_a_command_without_a_design_has_nothing_to_set(capsys: Capture) -> None:
    assert run(["catalog", "--set", "a=1"]) == 2
    assert "nothing to set" in capsys.readouterr().err


def test_a_trace_as_json(capsys: Capture) -> None:
    assert run(["trace", "resnet-50", "--json", "--quiet"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert document["schema"] == "archsim.trace/1"
    assert document["macs"] == sum(op["macs"] * op["count"] for op in document["ops"])
    assert captured.err == ""
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("file", ["t.csv", "t.parquet"])
def test_a_written_trace_reads_back_the_same(file: str, capsys: Capture) -> None:
    arguments = ["--phase", "decode", "--context", "100", "--batch", "2"]
    assert run(["trace", "gpt-2", *arguments, "--json", "--out", file]) == 0
    first = json.loads(capsys.readouterr().out)
    assert run(["trace", file, "--json"]) == 0
    second = json.loads(capsys.readouterr().out)
    assert second["ops"] == first["ops"]
    assert second["parameters"] == first["parameters"]


def test_a_folder_gets_tables_document_and_plots(capsys: Capture) -> None:
    assert run(["trace", "resnet-50", "--out", "here"]) == 0
    endings = (".csv", ".json", ".parquet", "-bytes.png", "-intensity.png")
    assert {path.name for path in Path("here").iterdir()} == {f"resnet-50{ending}" for ending in endings}


def test_set_chooses_formats(capsys: Capture) -> None:
    assert run(["trace", "gpt-2", "--json", "--set", "quantization.weights=int4:g128"]) == 0
    document = json.loads(capsys.readouterr().out)
    formats = {op["formats"]["weights"] for op in document["ops"] if op["kind"] == "gemm"}
    assert "int4:g128" in formats


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["resnt-50"], "error: model: unknown model 'resnt-50'\nhint: did you mean 'resnet-50'?\n"),
        (["resnet-50", "--out", "x.txt"], "error: --out: cannot write a .txt file\n"),
        (["resnet-50", "--set", "hardware.rows=1"], "error: --set: hardware: unknown key\n"),
        (["resnet-50", "--set", "quantization.weights=int99"], "error: --set: quantization.weights: "),
        (["missing.csv"], "error: missing.csv: no such file\n"),
        (["missing.json"], "error: missing.json: no such file\n"),
        (["resnet-50", "--batch", "0"], "error: batch: must be at least 1 (got 0)\n"),
    ],
)
def test_wrong_input_of_trace(arguments: list[str], message: str, capsys: Capture) -> None:
    assert run(["trace", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(message)


def test_a_request_beside_a_trace_file_is_refused(capsys: Capture) -> None:
    assert run(["trace", "gpt-2", "--out", "t.csv", "--quiet"]) == 0
    assert run(["trace", "t.csv", "--phase", "decode", "--batch", "2"]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert [line.split(":")[2] for line in errors] == [" phase", " batch"]


def test_the_schema_is_a_json_schema(capsys: Capture) -> None:
    assert run(["schema", "--out", "here"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert "properties" in document
    assert json.loads(Path("here/design.schema.json").read_text("utf-8")) == document
