from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from archsim.arch.formats import format_names
from archsim.cli.main import run
from archsim.reports.format_tables import COMPARISON_HEADER, FORMAT_HEADER

Capture = pytest.CaptureFixture[str]
ROOT = Path(__file__).resolve().parents[2]
SMALL = ["--elements", "2048"]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def document(arguments: list[str], capsys: Capture) -> dict[str, Any]:
    assert run(["formats", *arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_without_arguments_every_example_is_listed(capsys: Capture) -> None:
    entries = document([], capsys)["formats"]
    assert [entry["name"] for entry in entries] == list(format_names())
    assert run(["formats"]) == 0
    captured = capsys.readouterr()
    assert all(heading in captured.out for heading, _ in FORMAT_HEADER)
    assert captured.err == ""
    assert list(Path().iterdir()) == []


def test_with_arguments_exactly_those(capsys: Capture) -> None:
    found = document(["INT4:g128:asym", "fp8", "int4:g128:asym", "fp32"], capsys)
    assert found["schema"] == "archsim.formats/1"
    assert [entry["name"] for entry in found["formats"]] == ["int4:g128:asym", "fp8_e4m3", "fp32"]


def test_an_entry_says_size_range_arithmetic_and_scale(capsys: Capture) -> None:
    entry = document(["int4:g128:asym"], capsys)["formats"][0]
    assert Fraction(entry["bits_per_element_exact"]) == Fraction(67, 16)
    assert (entry["bits_per_element"], entry["element_bits"]) == (4.1875, 4)
    assert (entry["smallest"], entry["largest"]) == (1, 15)
    assert entry["dynamic_range_db"] == pytest.approx(23.52, abs=0.01)
    assert entry["dynamic_range_octaves"] == pytest.approx(3.907, abs=0.001)
    assert entry["arithmetic"]["integer_bits"] == 4
    assert entry["scale"].items() >= {
        "granularity": "group", "group_size": 128, "kind": "fp16", "bits": 16, "zero_point_bits": 8,
    }.items()  # fmt: skip


@pytest.mark.parametrize(
    ("name", "smallest", "largest"),
    [
        ("fp8_e4m3", 2.0**-9, 448.0),
        ("fp32", 2.0**-149, float(np.finfo(np.float32).max)),
        ("int32", 1.0, 2.0**31 - 1),
        ("int48", 1.0, 2.0**47 - 1),
        ("int16", 1.0, 32767.0),
    ],
)
def test_the_range_of_an_element(name: str, smallest: float, largest: float, capsys: Capture) -> None:
    entry = document([name], capsys)["formats"][0]
    assert (entry["smallest"], entry["largest"]) == (smallest, largest)


def test_out_writes_the_document(capsys: Capture) -> None:
    found = document(["int4", "--out", "here"], capsys)
    assert json.loads(Path("here/formats.json").read_text("utf-8")) == found


def test_every_unknown_format_is_reported_with_the_nearest(capsys: Capture) -> None:
    assert run(["formats", "in8:g128", "int4", "bf61"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "error: unknown format 'in8:g128'",
        "hint: did you mean 'int8:g128'?",
        "error: unknown format 'bf61'",
        "hint: did you mean 'bf16'?",
    ]


@pytest.mark.parametrize("command", [["formats"], ["formats", "compare"]])
def test_formats_read_no_design(command: list[str], capsys: Capture) -> None:
    assert run([*command, "--set", "a=1"]) == 2
    assert "nothing to set" in capsys.readouterr().err


def test_formats_alone_loads_neither_numba_nor_pandas(tmp_path: Path) -> None:
    code = (
        "import sys; from archsim.cli.main import run; assert run(['formats', 'int4', '--quiet']) == 0;"
        "print(sorted({'numba', 'pandas', 'matplotlib', 'pyarrow'} & set(sys.modules)), file=sys.stderr)"
    )
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True, timeout=60)
    assert done.stderr == "[]\n"


def test_compare_prints_a_table_for_each_tensor_and_writes_a_run_folder(capsys: Capture) -> None:
    assert run(["formats", "compare", "int8", "int4:g128", *SMALL]) == 0
    captured = capsys.readouterr()
    assert all(heading in captured.out for heading, _ in COMPARISON_HEADER)
    for name in ("gaussian", "laplace", "student-t", "variance"):
        assert f"{name}: 2,048 elements (2×1024)" in captured.out
    assert captured.err == f"wrote {Path('runs', 'formats')}\n"
    assert sorted(path.name for path in Path("runs/formats").iterdir()) == [
        "format-comparison.json", "formats.csv", "formats.parquet", "sqnr.png",
    ]  # fmt: skip


def test_compare_as_json_without_files(capsys: Capture) -> None:
    found = document(["compare", "int8", "--data", "uniform", *SMALL, "--no-files"], capsys)
    assert found["schema"] == "archsim.format-comparison/1"
    assert [(row["data"], row["format"]) for row in found["formats"]] == [("uniform", "int8")]
    assert list(Path().iterdir()) == []


def test_two_comparisons_leave_the_same_bytes(capsys: Capture) -> None:
    for folder in ("a", "b"):
        assert run(["formats", "compare", "int8", "int4", *SMALL, "--quiet", "--out", folder]) == 0
    assert capsys.readouterr().err == ""
    for path in Path("a").iterdir():
        assert path.read_bytes() == (Path("b") / path.name).read_bytes()


def test_the_seed_changes_the_data(capsys: Capture) -> None:
    arguments = ["compare", "int4", "--data", "gaussian", *SMALL, "--no-files", "--seed"]
    first, second = (document([*arguments, seed], capsys) for seed in ("1", "2"))
    assert first["seed"] == 1
    assert first["formats"][0]["sqnr_db"] != second["formats"][0]["sqnr_db"]


def test_tables_on_disk_hold_the_document(capsys: Capture) -> None:
    found = document(["compare", "int8:g128", "fp8_e4m3", *SMALL, "--out", "here"], capsys)
    for table in (pd.read_csv("here/formats.csv"), pd.read_parquet("here/formats.parquet")):
        assert table["sqnr_db"].tolist() == [row["sqnr_db"] for row in found["formats"]]
        assert table["format"].tolist() == [row["format"] for row in found["formats"]]


def test_a_tensor_from_a_file(capsys: Capture) -> None:
    np.save("w.npy", np.linspace(-1, 1, 300, dtype=np.float32).reshape(3, 100))
    found = document(["compare", "int8:channel", "--data", "w.npy", "--no-files"], capsys)
    assert found["seed"] is None
    assert found["data"][0]["shape"] == [3, 100]
    assert Fraction(found["formats"][0]["bits_per_element_exact"]) == 8 + Fraction(16, 100)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "gausian"], "error: data: unknown data 'gausian'\nhint: did you mean 'gaussian'?\n"),
        (["--data", "w.pt"], "error: w.pt: cannot read .pt files\nhint: known: .npy, .npz, .safetensors, .csv\n"),
        (["--data", "w.npy"], "error: w.npy: no such file\n"),
        (["--elements", "0"], "error: elements: must be 1 to 1,000,000,000 (got 0)\n"),
        (["--seed", "-1"], "error: seed: must be at least 0 (got -1)\n"),
        (["--elements", "many"], "error: "),
        (["in4"], "error: unknown format 'in4'\nhint: did you mean 'int4'?\n"),
    ],
)
def test_wrong_input_of_compare(arguments: list[str], message: str, capsys: Capture) -> None:
    assert run(["formats", "compare", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(message)
    assert list(Path().iterdir()) == []


def test_a_foreign_folder_is_not_overwritten(capsys: Capture) -> None:
    Path("here").mkdir()
    Path("here/formats.csv").write_text("mine", "utf-8")
    assert run(["formats", "compare", "int8", *SMALL, "--out", "here"]) == 2
    assert "holds formats.csv but no format-comparison.json" in capsys.readouterr().err
    assert Path("here/formats.csv").read_text("utf-8") == "mine"
