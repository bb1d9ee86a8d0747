"""Run folders read back as the evaluations that they were."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import archsim
from archsim.api.runs import read_evaluation
from archsim.core.errors import InputError

DESIGN: dict[str, Any] = {
    "hardware": {
        "kind": "systolic",
        "clock": "1 GHz",
        "node": "28 nm",
        "array": {"rows": 8, "cols": 8, "dataflows": ["ws"]},
        "memory": [
            {"name": "dram", "technology": "lpddr4"},
            {"name": "glb", "technology": "sram", "capacity": "32 KiB"},
        ],
    },
    "quantization": {"weights": "int8", "activations": "int8"},
}
TRACE = "name,kind,m,n,k\nfirst,gemm,64,48,96\nsecond,gemm,32,64,64\n"


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> archsim.Evaluation:
    trace = tmp_path_factory.mktemp("work") / "work.csv"
    trace.write_text(TRACE, encoding="utf-8")
    return archsim.evaluate(DESIGN | {"workload": {"trace": str(trace)}})


@pytest.fixture
def folder(evaluation: archsim.Evaluation, tmp_path: Path) -> Path:
    return evaluation.save(tmp_path / "run")


def test_what_was_saved_is_read_back(evaluation: archsim.Evaluation, folder: Path) -> None:
    found = read_evaluation(folder)
    assert found.totals == evaluation.totals
    assert found.accelerator.memories == evaluation.accelerator.memories
    assert found.accelerator.clock_hz == evaluation.accelerator.clock_hz
    assert found.layers.equals(evaluation.layers)
    assert found.traffic.equals(evaluation.traffic)
    assert found.stalls.equals(evaluation.stalls)
    assert found.energy.equals(evaluation.energy)
    assert found.cost.estimates == evaluation.cost.estimates


def test_files_that_do_not_belong_together_are_refused(folder: Path) -> None:
    lines = (folder / "layers.csv").read_text().splitlines()
    (folder / "layers.csv").write_text("\n".join([lines[0], *lines[:0:-1]]))
    with pytest.raises(InputError, match="does not list the layers"):
        read_evaluation(folder)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("summary.json", "[]", "must hold one JSON object"),
        ("summary.json", '{"schema": "other"}', "is not an archsim.evaluation/1 document"),
        ("design.resolved.json", "{}", "has no table 'design'"),
        ("layers.csv", "\x00", "is not a layer table|does not list the layers"),
    ],
)
def test_damaged_files_are_named(folder: Path, name: str, text: str, message: str) -> None:
    (folder / name).write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_evaluation(folder)
    assert str(folder / name) in str(caught.value)


def test_a_summary_without_its_totals_is_refused(folder: Path) -> None:
    document = json.loads((folder / "summary.json").read_text())
    del document["totals"]["latency_s"]
    (folder / "summary.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match="is not the summary of a run"):
        read_evaluation(folder)
