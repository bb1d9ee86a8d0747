"""Files that a design names are found from any folder: by what evaluates it again, and from its run folder."""

from __future__ import annotations

from pathlib import Path

import pytest

import archsim
from archsim.api.design import design_from_dict, load_design
from archsim.api.explain import explain

DESIGN = """
[hardware]
base = "stripes-28nm"
[workload]
trace = "work.csv"
[sparsity]
weights = "2:4"
"""
TRACE = "name,kind,m,n,k\nfc,gemm,16,32,64\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "designs"
    folder.mkdir()
    (folder / "work.csv").write_text(TRACE, encoding="utf-8")
    (folder / "net.toml").write_text(DESIGN, encoding="utf-8")
    return folder / "net.toml"


def test_a_rooted_design_reads_back_in_another_folder(path: Path) -> None:
    design = load_design(path)
    assert design.resolved["workload"]["trace"] == "work.csv"
    assert design.rooted["workload"]["trace"] == str(path.parent / "work.csv")
    assert design_from_dict(design.rooted).trace == design.trace


def test_what_would_help_is_evaluated_wherever_one_stands(path: Path) -> None:
    assert explain(path).effects


def test_a_run_is_explained_wherever_one_stands(path: Path, tmp_path: Path) -> None:
    archsim.evaluate(path).save(tmp_path / "run")
    assert explain(tmp_path / "run").effects


def test_designs_with_traces_are_compared_at_equal_area(path: Path) -> None:
    other = path.with_name("other.toml")
    other.write_text(DESIGN.replace("stripes", "pragmatic"), encoding="utf-8")
    (workload,) = archsim.compare_iso_area([path, other]).workloads
    assert workload.name == "work.csv"
