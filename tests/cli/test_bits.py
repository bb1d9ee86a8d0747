from __future__ import annotations

import json
from pathlib import Path

import pytest

from archsim.cli.main import run

DESIGN = str(Path(__file__).resolve().parents[2] / "designs" / "bit-serial.toml")


def test_bits_prints_layers_and_what_they_rest_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bits", DESIGN]) == 0
    printed = capsys.readouterr().out
    assert "layer3.0.conv2 and 4 more" in printed
    assert "drawn, normal" in printed


def test_bits_prints_one_json_document_and_keeps_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    overrides = ["--set", "hardware.base=bitwave-28nm", "--set", "hardware.array.kept_columns=4"]
    assert run(["bits", DESIGN, *overrides, "--json", "--out", str(tmp_path)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "archsim.bits/1"
    assert document["totals"]["speedup"] == pytest.approx(2.0)
    assert [json.loads(path.read_text("utf-8")) for path in tmp_path.iterdir()] == [document]


def test_bits_of_another_engine_or_of_no_file_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    quickstart = str(Path(DESIGN).parent / "quickstart.toml")
    assert run(["bits", quickstart]) == 2
    assert "bit-serial" in capsys.readouterr().err
    assert run(["bits", DESIGN, "--weights", "missing.npz"]) == 2
    assert "missing.npz: no such file" in capsys.readouterr().err
