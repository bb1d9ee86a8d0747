"""SCALE-Sim's cfg files: hardware as a design, the topology they name, and what is wrong with broken ones."""

from __future__ import annotations

from pathlib import Path

import pytest

import archsim
from archsim.core.errors import InputError
from archsim.workloads.importers import read_workload
from archsim.workloads.scalesim_config import read_config

CFG = """\
[general]
run_name = "tpu%d;like"

[architecture_presets]
ArrayHeight:    16
ArrayWidth:     8
IfmapSramSzkB:  64
FilterSramSzkB: 32
OfmapSramSzkB:  16
IfmapOffset:    0
Dataflow : ws
Bandwidth : 10, 20

[run_presets]
InterfaceBandwidth: USER
"""


def config(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "scale.cfg"
    path.write_text(text)
    return path


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(InputError) as caught:
        read_config(config(tmp_path, text))
    return str(caught.value).replace(f"{tmp_path}/", "")


def test_the_hardware_of_a_cfg(tmp_path: Path) -> None:
    found = read_config(config(tmp_path, CFG))
    assert (found.name, found.rows, found.columns, found.dataflow) == ("tpu%d;like", 16, 8, "ws")
    assert (found.ifmap_kib, found.filter_kib, found.ofmap_kib) == (64, 32, 16)
    assert (found.bandwidth_bytes_per_cycle, found.topology) == (10, None)
    assert read_config(config(tmp_path, CFG.replace("USER", "CALC"))).bandwidth_bytes_per_cycle is None


def test_older_spellings_of_the_memories(tmp_path: Path) -> None:
    assert read_config(config(tmp_path, CFG.replace("SzkB", "Sz"))).filter_kib == 32


@pytest.mark.parametrize("mode", ["USER", "CALC"])
def test_its_design_runs(mode: str, tmp_path: Path) -> None:
    found = read_config(config(tmp_path, CFG.replace("USER", mode)))
    (tmp_path / "net.csv").write_text("Layer,M,N,K,\na,30,20,40,\n")
    (tmp_path / "design.toml").write_text(found.design("net.csv"))
    result = archsim.evaluate(tmp_path / "design.toml")
    assert result.design_name == "tpu%d;like"
    # scale-sim counts, ws: ceil(40/16) * ceil(20/8) folds of 2*16 + 8 + 30 - 2 cycles, less one
    assert result.cost.layers[0].cost.compute_cycles == 9 * (2 * 16 + 8 + 30 - 2) - 1


def test_a_cfg_that_names_its_topology_is_a_workload(tmp_path: Path) -> None:
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "a.csv").write_text("Layer,M,N,K,\na,3,4,5,\n")
    path = config(tmp_path, CFG + '[network_presets]\nTopologyCsvLoc: "./nets/a.csv"\n')
    assert read_workload(path).macs == 60


@pytest.mark.parametrize("place", ["../a.csv", "/etc/passwd", "none.csv", "a\\0.csv"])
def test_a_topology_outside_the_folder_is_not_opened(place: str, tmp_path: Path) -> None:
    inner = tmp_path / "in"
    inner.mkdir()
    (tmp_path / "a.csv").write_text("Layer,M,N,K,\na,3,4,5,\n")
    path = config(inner, CFG + f"[network_presets]\nTopologyCsvLoc: {place}\n")
    with pytest.raises(InputError, match="TopologyCsvLoc: names no file in its folder"):
        read_workload(path)


def test_a_cfg_without_a_network_says_how_to_get_a_design(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"16 x 8 PEs, ws, .* but names no network\nhint: archsim trace TOPOLOGY.csv"):
        read_workload(config(tmp_path, CFG))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("ArrayWidth:     8", ""), "scale.cfg: ArrayWidth: is missing\nhint: add it to [architecture_presets]"),
        (("16\n", "0\n"), "scale.cfg:5: ArrayHeight: must be an integer from 1"),
        (("16\n", "9999999999999999999\n"), "scale.cfg:5: ArrayHeight: must be an integer from 1"),
        ((": ws", ": wss"), "scale.cfg:11: Dataflow: unknown dataflow 'wss'\nhint: did you mean 'ws'?"),
        (("Dataflow : ws\n", ""), "scale.cfg: Dataflow: is missing"),
        (("USER", "AUTO"), "scale.cfg:15: InterfaceBandwidth: must be USER or CALC (got 'AUTO')"),
        ((": 10, 20", ": 10, x"), "scale.cfg:12: Bandwidth: must be words per cycle"),
        (("[general]", "general"), "scale.cfg:1: is not a cfg of sections and keys"),
        (("IfmapOffset:    0", "IfmapOffset"), "scale.cfg:10: is not a cfg"),
        (("IfmapOffset:    0", "ArrayHeight: 4"), "scale.cfg:10: is not a cfg"),
    ],
)
def test_broken_cfg_files(change: tuple[str, str], message: str, tmp_path: Path) -> None:
    assert message in refusal(tmp_path, CFG.replace(*change, 1))


def test_all_problems_at_once(tmp_path: Path) -> None:
    assert refusal(tmp_path, "[general]\nrun_name = a\n").count("is missing") == 6
