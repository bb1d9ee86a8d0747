"""`archsim trace` on files of other tools, and what it writes for them."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from archsim.cli.main import run
from tests.workloads.checkpoints import llama, llama_tensors, write

Capture = pytest.CaptureFixture[str]
TOPOLOGY = "Layer,M,N,K,\na,30,20,40,\n"
CFG = """\
[general]
run_name = tiny
[architecture_presets]
ArrayHeight: 16
ArrayWidth: 8
IfmapSramSzkB: 64
FilterSramSzkB: 32
OfmapSramSzkB: 16
Dataflow: ws
[run_presets]
InterfaceBandwidth: CALC
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_topology_with_a_cfg_becomes_a_design_that_runs(capsys: Capture) -> None:
    Path("net.csv").write_text(TOPOLOGY)
    Path("scale.cfg").write_text(CFG)
    assert run(["trace", "net.csv", "--cfg", "scale.cfg", "--out", "here"]) == 0
    assert "note: scale.cfg: 16 x 8 PEs, ws" in capsys.readouterr().err
    design = tomllib.loads(Path("here/design.toml").read_text())
    assert design["workload"] == {"trace": "net.csv"}
    assert run(["evaluate", "here/design.toml", "--no-files", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["totals"]["macs"] == 30 * 20 * 40


def test_a_cfg_without_a_folder_says_where_the_design_goes(capsys: Capture) -> None:
    Path("net.csv").write_text(TOPOLOGY)
    Path("scale.cfg").write_text(CFG)
    assert run(["trace", "net.csv", "--cfg", "scale.cfg"]) == 0
    assert "note: --out FOLDER writes design.toml" in capsys.readouterr().err


def test_a_topology_is_written_with_what_it_cannot_say(capsys: Capture) -> None:
    assert run(["trace", "gpt-2", "--context", "8", "--scale-sim", "out/t.csv", "--set", "sparsity.weights=2:4"]) == 0
    errors = capsys.readouterr().err
    assert "wrote out/t.csv (GEMMs: run SCALE-Sim with -i gemm)" in errors
    assert "warning: SCALE-Sim: left out, as they are no products: " in errors
    assert Path("out/t.csv").read_text().startswith("Layer,M,N,K,Sparsity,\nlayers.0.q_proj,8,768,768,2:4,\n")
    assert run(["trace", "out/t.csv", "--json", "--quiet"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["ops"][0]["sparsity"] == {"weights": "2:4"}


def test_a_checkpoint_takes_what_a_model_takes(capsys: Capture) -> None:
    llama(Path("tiny"))
    assert run(["trace", "tiny", "--phase", "decode", "--context", "9", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["name"] == "tiny"
    assert document["kv_bytes_per_token"] == 2 * 2 * 2 * 16


def test_weights_alone_are_listed_with_what_is_missing(capsys: Capture) -> None:
    write(Path("w.safetensors"), llama_tensors())
    assert run(["trace", "w.safetensors"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "model.layers.1.mlp.down_proj.weight: F32, 64 x 96, 24.0 KiB\n" in captured.err
    assert "hint: put the model's config.json beside it" in captured.err
    assert run(["trace", "w.safetensors", "--json"]) == 2
    assert "down_proj" not in capsys.readouterr().err


@pytest.mark.parametrize("content", ["problem: {shape: cnn-layer, R: 3, S: 3, P: 7, Q: 7, C: 4, K: 8, N: 1}\n"])
def test_a_timeloop_problem_in_a_design(content: str, capsys: Capture) -> None:
    Path("layer.yaml").write_text(content)

    assert run(["trace", "layer.yaml", "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["macs"] == 3 * 3 * 7 * 7 * 4 * 8
    Path("d.toml").write_text(
        '[hardware]\nkind = "systolic"\nclock = "1 GHz"\nnode = "28 nm"\n'
        "[hardware.array]\nrows = 8\ncols = 8\n"
        '[[hardware.memory]]\nname = "dram"\ntechnology = "lpddr5"\nbandwidth = "8 GB/s"\n'
        '[workload]\ntrace = "layer.yaml"\nbatch = 4\n'
    )
    assert run(["evaluate", "d.toml", "--no-files", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["totals"]["macs"] == 3 * 3 * 7 * 7 * 4 * 8
    assert "workload.batch says nothing beside trace" in captured.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["resnet-50", "--scale-sim", "t.txt"], "error: --scale-sim: a topology is a .csv file (got 't.txt')"),
        (["resnet-50", "--cfg", "no.cfg"], "error: no.cfg: no such file"),
        (["no.yaml"], "error: no.yaml: no such file"),
        (["."], "error: .: is a folder without .safetensors files"),
    ],
)
def test_wrong_input(arguments: list[str], message: str, capsys: Capture) -> None:
    assert run(["trace", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert list(Path().iterdir()) == []


def test_choices_reach_the_trace_and_those_that_change_nothing_are_said(capsys: Capture) -> None:
    choices = ["--set", "workload.optimizer=sgd", "--set", "workload.recompute=blocks"]
    assert run(["trace", "gpt-2", "--phase", "training", "--context", "8", *choices, "--json"]) == 0
    captured = capsys.readouterr()
    assert any(op["name"].startswith("recompute.") for op in json.loads(captured.out)["ops"])
    assert captured.err.count("warning") == 0
    assert run(["trace", "resnet-50", *choices, "--json"]) == 0
    assert "warning: optimizer says nothing outside of phase 'training'" in capsys.readouterr().err
    assert run(["trace", "resnet-50", "--set", "workload.routing=best"]) == 2
    assert "workload.routing: must be one of balanced, uniform (got 'best')" in capsys.readouterr().err
