"""`archsim map` and `archsim explain` on the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from archsim.cli.main import run

Capture = pytest.CaptureFixture[str]

DESIGN = """\
[hardware]
kind = "systolic"
clock = "1 GHz"
node = "28 nm"
[hardware.array]
rows = 16
cols = 16
dataflows = ["os", "ws"]
[[hardware.memory]]
name = "dram"
technology = "lpddr5"
bandwidth = "16 GB/s"
[[hardware.memory]]
name = "glb"
technology = "sram"
capacity = "64 KiB"
read_bandwidth = "32 B/cycle"
write_bandwidth = "32 B/cycle"
double_buffer = true
[hardware.vector]
lanes = 16
[quantization]
weights = "int8"
activations = "int8"
"""
TRACE = "name,kind,m,n,k\na,gemm,64,64,64\nb,gemm,8,100,64\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("d.toml").write_text(DESIGN, "utf-8")
    Path("t.csv").write_text(TRACE, "utf-8")
    Path("w.toml").write_text(f'{DESIGN}[workload]\ntrace = "t.csv"\n', "utf-8")
    return tmp_path


def document(capsys: Capture, *arguments: str, code: int = 0) -> dict[str, Any]:
    assert run([*arguments, "--json", "--quiet"]) == code
    values: dict[str, Any] = json.loads(capsys.readouterr().out)
    return values


def errors(capsys: Capture, *arguments: str) -> list[str]:
    assert run([*arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


def test_a_gemm_on_a_design_without_a_workload(capsys: Capture) -> None:
    found = document(capsys, "map", "d.toml", "--gemm", "64,128,256", "--objective", "latency")
    assert found["schema"] == "archsim.mapping/1"
    assert found["op"]["dims"] == {"b": 1, "m": 64, "n": 128, "k": 256}
    assert found["objective"] == "latency"
    assert found["value"] == found["cycles"]


def test_what_is_printed_for_people(capsys: Capture) -> None:
    assert run(["map", "d.toml", "--gemm", "2,64,128,256"]) == 0
    text = capsys.readouterr().out
    for part in ("gemm: b=2 m=64", "dataflow os", "for k in 0..", "parallel-for m in 16 on row", "Buffers", "Traffic",
                 "Ports", "bound by", "What would help"):  # fmt: skip
        assert part in text


def test_all_layers_as_a_table_and_one_by_name(capsys: Capture) -> None:
    found = document(capsys, "map", "w.toml")
    assert found["schema"] == "archsim.mappings/1"
    assert [item["op"]["name"] for item in found["mappings"]] == ["a", "b"]
    assert document(capsys, "map", "w.toml", "--layer", "b")["op"]["name"] == "b"
    assert run(["map", "w.toml"]) == 0
    assert "Best mappings on w" in capsys.readouterr().out


def test_the_document_is_written_where_out_says(capsys: Capture) -> None:
    found = document(capsys, "map", "d.toml", "--conv", "1,16,8,7,7,3,3,2", "--out", "o")
    assert json.loads(Path("o/mapping.json").read_text("utf-8")) == found
    assert document(capsys, "map", "d.toml", "--conv", "1,16,8,7,7,3,3,2", "--mapping", "o/mapping.json")["legal"]


def test_a_mapping_that_does_not_fit_is_exit_code_1_with_the_remedy(capsys: Capture) -> None:
    Path("m.txt").write_text("dataflow os\nglb: inputs | weights | outputs\n", "utf-8")
    arguments = ["map", "d.toml", "--gemm", "300,300,300", "--mapping", "m.txt"]
    assert run([*arguments, "--json"]) == 1
    captured = capsys.readouterr()
    assert not json.loads(captured.out)["legal"]
    assert "error: glb holds 64.0 KiB and needs " in captured.err
    assert "would fit" in captured.err


def test_formats_by_dataflows_with_their_files(capsys: Capture) -> None:
    arguments = ("map", "d.toml", "--gemm", "64,64,64", "--formats", "int8,int4:g128/fp16", "--dataflows", "os,ws,any")
    found = document(capsys, *arguments, "--out", "o")
    assert found["schema"] == "archsim.dataflows/1"
    assert [(row["weights"], row["inputs"], row["dataflow"]) for row in found["rows"]][:4] == [
        ("int8", "int8", "os"),
        ("int8", "int8", "ws"),
        ("int8", "int8", "any"),
        ("int4:g128", "fp16", "os"),
    ]
    assert {path.name for path in Path("o").iterdir()} == {"dataflows.csv", "dataflows.png", "dataflows.json"}
    assert Path("o/dataflows.png").read_bytes().startswith(b"\x89PNG")
    assert run(list(arguments)) == 0
    captured = capsys.readouterr()
    assert "wins" in captured.out
    (folder,) = Path("runs").iterdir()
    assert captured.err.endswith(f"wrote {folder}\n")
    assert {path.name for path in folder.iterdir()} == {"dataflows.csv", "dataflows.png", "dataflows.json"}


def test_one_dataflow_is_a_choice_not_a_comparison(capsys: Capture) -> None:
    found = document(capsys, "map", "d.toml", "--gemm", "64,64,64", "--dataflows", "ws")
    assert found["mapping"]["dataflow"] == "ws"


@pytest.mark.parametrize("last", [[], ["--gemm", "64,64,64"]])
def test_pareto_alone_is_the_front_of_energy_and_time(capsys: Capture, last: list[str]) -> None:
    first = [] if last else ["--gemm", "64,64,64"]
    found = document(capsys, "map", *first, "--pareto", "d.toml", *last)
    assert found["schema"] == "archsim.mapping/1"
    assert found["pareto"]
    assert document(capsys, "map", "d.toml", *first, *last, "--pareto")["pareto"] == found["pareto"]


def test_pareto_with_a_memory_is_the_front_of_energy_and_its_size(capsys: Capture) -> None:
    found = document(capsys, "map", "d.toml", "--gemm", "64,64,64", "--pareto", "glb", "--out", "o")
    assert found["memory"] == "glb"
    assert {path.name for path in Path("o").iterdir()} == {"front.csv", "front.png", "front.json"}
    assert run(["map", "d.toml", "--gemm", "64,64,64", "--pareto", "glb", "--quiet"]) == 0
    assert "size of glb" in capsys.readouterr().out


def test_enumerate_places_the_best_found_among_all_mappings(capsys: Capture) -> None:
    few = ("--gemm", "8,8,8", "--set", "mapper.factors=perfect", "--set", 'mapper.dataflows=["ws"]')
    found = document(capsys, "map", "d.toml", *few, "--enumerate", "--out", "o")
    assert found["schema"] == "archsim.space/1"
    assert found["mappings"] >= found["legal"] > 0
    assert found["found"]["better"] == 0
    assert found["found"]["value"] == pytest.approx(found["best"]["edp"]["value"])
    assert sum(cell["mappings"] for cell in found["histogram"]) == found["legal"]
    assert {path.name for path in Path("o").iterdir()} == {"space.csv", "space.png", "space.json"}
    Path("m.json").write_text(json.dumps(found["best"]["latency"]), "utf-8")
    given = document(capsys, "map", "d.toml", *few, "--enumerate", "--mapping", "m.json")["given"]
    assert given["cycles"] == found["cycles"]["least"]
    assert run(["map", "d.toml", *few, "--enumerate", "--quiet"]) == 0
    assert "no legal mapping is better" in capsys.readouterr().out


def test_a_space_above_the_limit_is_refused(capsys: Capture) -> None:
    assert run(["map", "d.toml", "--gemm", "64,64,64", "--enumerate", "--limit", "10", "--quiet"]) == 1
    assert "more than 10 mappings" in capsys.readouterr().err
    assert run(["map", "d.toml", "--gemm", "64,64,64", "--limit", "10"]) == 2
    assert run(["map", "d.toml", "--gemm", "64,64,64", "--enumerate", "--pareto"]) == 2


def test_an_order_of_loops_is_kept_and_a_given_mapping_that_breaks_it_is_told(capsys: Capture) -> None:
    gemm = ("--gemm", "64,64,64", "--set", 'mapper.dataflows=["ws"]', "--set", "mapper.objective=energy")
    text = 'dataflow = "ws"\nloops = [{ dim = "k", factor = 4 }, { dim = "m", factor = 4 }]\n'
    Path("m.toml").write_text(f"{text}[tiles.glb]\ninputs = 2\nweights = 2\noutputs = 2\n", "utf-8")
    order = ("--set", 'mapper.constraints.order.dram=["m", "k"]')
    assert run(["map", "d.toml", *gemm, *order, "--mapping", "m.toml"]) == 0
    assert "mapper.constraints.order.dram: below the tile of inputs come k, m" in capsys.readouterr().err
    small = ("--set", "hardware.memory.glb.capacity='1 KiB'")
    found = document(capsys, "map", "d.toml", *gemm, *order, *small)["mapping"]
    for height in found["tiles"]["glb"].values():
        above = [loop["dim"] for loop in found["loops"][:height] if loop["dim"] in ("m", "k")]
        assert above == sorted(above, key=("m", "k").index)


def test_explain_of_a_run_and_of_a_design(capsys: Capture) -> None:
    assert run(["evaluate", "w.toml", "--out", "r", "--quiet"]) == 0
    capsys.readouterr()
    found = document(capsys, "explain", "r", "--layer", "a", "--out", "o")
    assert found == document(capsys, "explain", "w.toml", "--layer", "a") | {"design": found["design"]}
    assert found["schema"] == "archsim.explanation/1"
    assert found["changes"]
    assert json.loads(Path("o/explanation.json").read_text("utf-8")) == found
    assert run(["explain", "w.toml"]) == 0
    captured = capsys.readouterr()
    assert "What would help" in captured.out
    assert "evaluating: twice the bandwidth of " in captured.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["map", "d.toml"], "error: d.toml: has no [workload] table"),
        (["map", "d.toml", "--gemm", "1,2"], "error: --gemm: takes M,N,K or B,M,N,K (got [1, 2])"),
        (["map", "d.toml", "--gemm", "1,2,99999999999"], "error: --gemm: sizes have at most 10 digits (got '1,2,9"),
        (["map", "d.toml", "--gemm", "1,2,3,4,5,6,7,8,9,10,11"],
         "error: --gemm: takes M,N,K or B,M,N,K (got [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])"),
        (["map", "d.toml", "--gemm", "a,b,c"], "error: --gemm: takes M,N,K or B,M,N,K (got 'a,b,c')"),
        (["map", "d.toml", "--conv", "1,2,3"], "error: --conv: takes N,K,C,P,Q,R,S[,STRIDE"),
        (["map", "d.toml", "--gemm", "1,2,3", "--conv", "1"], "error: --conv: says another op than --gemm"),
        (["map", "d.toml", "--gemm", "8,8,8", "--dataflows", "os,ow"], "error: --dataflows: unknown dataflow 'ow'"),
        (["map", "d.toml", "--gemm", "8,8,8", "--objective", "speed"],
         "error: --objective: must be one of latency, energy, edp, weighted (got 'speed')"),
        (["map", "d.toml", "--gemm", "8,8,8", "--budget", "soon"], "error: --budget: "),
        (["map", "d.toml", "--gemm", "8,8,8", "--mapping", "no.txt"], "error: no.txt: cannot be read: No such file"),
        (["map", "d.toml", "--mapping", "t.csv", "--pareto"], "error: --pareto: says nothing beside --mapping"),
        (["map", "d.toml", "--gemm", "8,8,8", "--mapping", "t.csv"], "error: t.csv:1: is no line of a loop nest"),
        (["map", "w.toml", "--layer", "c"], "error: --layer: no layer 'c' in t"),
        (["explain", "w.toml", "--layer", "c"], "error: --layer: no layer 'c' in w"),
        (["explain", "nowhere"], "error: nowhere: no such file"),
    ],
)  # fmt: skip
def test_wrong_input_is_exit_code_2_with_its_place(arguments: list[str], message: str, capsys: Capture) -> None:
    assert errors(capsys, *arguments)[0].startswith(message)


def test_mapping_loads_neither_plots_nor_tables_of_data() -> None:
    code = (
        "import sys; from archsim.cli.main import run; run(['map', 'd.toml', '--gemm', '8,8,8', '--json', '--quiet']); "
        "print([name for name in ('matplotlib', 'pandas', 'pyarrow', 'rich') if name in sys.modules], "
        "file=sys.stderr)"
    )
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stderr.splitlines()[-1] == "[]"


def test_only_a_search_that_its_budget_ended_asks_for_a_larger_one(capsys: Capture) -> None:
    few = ["map", "d.toml", "--gemm", "100,200,300", "--no-files", "--quiet"]
    assert run([*few, "--objective", "latency", "--set", "mapper.tolerance=0.2"]) == 0
    assert "--budget" not in capsys.readouterr().out
    assert run([*few, "--budget", "1 ns"]) == 0
    assert "above the optimum; a larger --budget searches on" in capsys.readouterr().out
