"""`archsim reproduce`: document, tables, files, exit codes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from archsim.cli.main import run
from archsim.reports.reproduction import Reproduction
from archsim.reports.reproduction_tables import reproduction_tables
from archsim.reproduce import claim_ids, reproduce
from archsim.reproduce import run as engine

Capture = pytest.CaptureFixture[str]
KEYS = [
    "id",
    "system",
    "metric",
    "unit",
    "published",
    "simulated",
    "error",
    "tolerance",
    "status",
    "why",
    "kind",
    "source",
    "assumptions",
]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_document_has_every_claim(capsys: Capture) -> None:
    assert run(["reproduce", "--json"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert list(document) == ["schema", "claims"]
    assert document["schema"] == "archsim.reproduction/1"
    assert {claim["id"] for claim in document["claims"]} == set(claim_ids())
    assert all(list(claim) == KEYS for claim in document["claims"])
    assert captured.err == ""
    assert list(Path().iterdir()) == []


def test_claims_asked_for_come_with_their_details(capsys: Capture) -> None:
    assert run(["reproduce", "gpusq-size"]) == 0
    text = capsys.readouterr().out
    assert "biases, norms and position embeddings in FP16" in text
    assert "arXiv:2305.10727" in text


def test_all_claims_come_with_a_summary(capsys: Capture) -> None:
    assert run(["reproduce"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in claim_ids())
    assert [line.split()[0] for line in text.splitlines()[-7:] if line.strip()][-1] == "all"


def test_one_system(capsys: Capture) -> None:
    assert run(["reproduce", "--system", "bitmod", "--json"]) == 0
    assert {claim["system"] for claim in json.loads(capsys.readouterr().out)["claims"]} == {"BitMoD"}


def test_an_unknown_claim_is_wrong_input(capsys: Capture) -> None:
    assert run(["reproduce", "qmoe-bit"]) == 2
    assert capsys.readouterr().err == "error: unknown claim 'qmoe-bit'\nhint: did you mean 'qmoe-bits'?\n"


def test_a_claim_of_another_system_is_wrong_input(capsys: Capture) -> None:
    assert run(["reproduce", "qmoe-bits", "--system", "BitMoD"]) == 2
    assert "qmoe-bits" in capsys.readouterr().err


def test_a_claim_that_is_off_is_exit_code_1(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(engine._EVALUATORS, "storage", lambda recompute, folder: 1.0)
    assert run(["reproduce", "qbert-weights", "--json"]) == 1
    (claim,) = json.loads(capsys.readouterr().out)["claims"]
    assert (claim["status"], claim["simulated"]) == ("off", 1.0)
    assert claim["error"] == pytest.approx(-12 / 13)


def test_what_is_not_modelled_is_no_failure() -> None:
    assert run(["reproduce", "onebit-adam"]) == 0


def test_a_folder_gets_document_and_page(capsys: Capture) -> None:
    assert run(["reproduce", "gpusq-size", "--json", "--out", "here"]) == 0
    assert json.loads(Path("here/reproduction.json").read_text("utf-8")) == json.loads(capsys.readouterr().out)
    assert Path("here/scoreboard.md").read_text("utf-8").startswith("# Scoreboard")


@pytest.mark.parametrize("name", ["board.md", "claims.json"])
def test_a_file_gets_what_its_name_says(name: str) -> None:
    assert run(["reproduce", "gpusq-size", "--quiet", "--out", name]) == 0
    assert [path.name for path in Path().iterdir()] == [name]


def test_other_files_cannot_be_written(capsys: Capture) -> None:
    assert run(["reproduce", "gpusq-size", "--out", "x.txt"]) == 2
    assert capsys.readouterr().err.startswith("error: --out: cannot write a .txt file")


def test_there_is_nothing_to_set(capsys: Capture) -> None:
    assert run(["reproduce", "--set", "a=1"]) == 2
    assert "nothing to set" in capsys.readouterr().err


def test_names_cannot_steer_the_terminal(capsys: Capture) -> None:
    from archsim.cli.output import emit_tables

    (claim,) = reproduce(["gpusq-size"]).claims
    emit_tables(reproduction_tables(Reproduction(claims=(replace(claim, system="[red]\x1b[2J"),))))
    text = capsys.readouterr().out
    assert "\x1b[2J" not in text
    assert "[red]\\x1b[2J" in text
