"""Runs opened for questions: their points as arrays, and further ones beside them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from archsim.core.errors import ArchsimError, InputError
from archsim.explore import workers
from archsim.explore.answers import pareto
from archsim.explore.axes import Axis
from archsim.explore.base_point import position_of
from archsim.explore.load import open_run
from archsim.explore.questions import evaluating, table_of_run
from archsim.explore.run import sweep
from archsim.explore.runs import Run
from tests.explore import sweeps

CONDITIONAL = """\
design = "design.toml"

[axes]
"quantization.weights" = ["int8", "int4"]
hardware.array.rows = { from = 4, to = 16, factor = 2 }
"hardware.array.cols" = "hardware.array.rows"
hardware.array.fold_overlap = [true, false]
"quantization.inputs" = { values = ["int8", "int4"], when = { "quantization.weights" = "int4" } }
"hardware.array.dataflows" = [["ws"], ["os"], ["ws", "os"]]

[objectives]
latency_s = "min"
"""
RANDOM = CONDITIONAL + '\n[search]\nmethod = "random"\npoints = 12\n'


@pytest.fixture(autouse=True)
def _fake_evaluator(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(workers, "PointEvaluator", sweeps.FakeEvaluator)
    workers._evaluator.cache_clear()
    yield
    workers._evaluator.cache_clear()


def run_of(folder: Path, text: str = CONDITIONAL) -> Run:
    sweep(sweeps.write(folder, text), out=folder / "run", workers=1)
    return open_run(folder / "run")


def test_points_are_read_back_with_their_genes_whatever_their_values(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    table = table_of_run(run)
    space = run.sweep.space
    assert len(table) == space.size == 54
    assert [tuple(row) for row in table.genes.tolist()] == [space.grid(index).genes for index in range(space.size)]
    assert table.point_values(20) == dict(space.grid(20).values)
    frame = run.frame()
    assert table.ok.tolist() == (frame["status"] == "ok").tolist()
    assert table.values["latency_s"][table.ok].tolist() == frame["latency_s"].dropna().tolist()


def test_further_points_join_those_of_the_run_but_not_its_table(tmp_path: Path) -> None:
    run = run_of(tmp_path, RANDOM)
    before = table_of_run(run)
    missing = [point for i in range(54) if before.row((point := run.sweep.space.grid(i)).genes) is None][:5]
    with evaluating(run, 5, workers=1) as evaluate:
        results = evaluate(missing)
    assert [result.point.genes for result in results] == [point.genes for point in missing]
    after = table_of_run(open_run(run.folder))
    assert (len(before), len(after), len(run.frame())) == (12, 17, 12)
    assert after.indices.tolist() == [*range(12), *[-1] * 5]
    assert after.ids[12:] == tuple(result.point_id for result in results)


def test_a_damaged_file_of_further_points_is_named(tmp_path: Path) -> None:
    run = run_of(tmp_path, RANDOM)
    with evaluating(run, 1, workers=1) as evaluate:
        evaluate([run.sweep.space.grid(0)])
    path = next((run.folder / "further" / "points").iterdir())
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ArchsimError, match=rf"{path.name}: is damaged.*questions evaluate its points again"):
        pareto(run.folder)


def test_a_damaged_chunk_of_the_run_is_named(tmp_path: Path) -> None:
    run = run_of(tmp_path, RANDOM)
    path = next((run.folder / "points").iterdir())
    path.write_bytes(b"")
    with pytest.raises(ArchsimError, match="resuming the sweep"):
        pareto(run.folder)


def test_points_of_another_version_of_the_model_are_not_added(tmp_path: Path) -> None:
    run = run_of(tmp_path, RANDOM)
    text = (run.folder / "run.json").read_text(encoding="utf-8")
    version = run.sweep.spec.model_version
    (run.folder / "run.json").write_text(text.replace(version, "0.0.1+old"), encoding="utf-8")
    other = open_run(run.folder)
    assert len(table_of_run(other)) == 12
    with pytest.raises(InputError, match=r"was made by archsim 0\.0\.1\+old"), evaluating(other, 1, workers=1):
        pass


def test_values_of_the_base_design_are_found_by_size() -> None:
    axis = Axis(key="a", values=("64 KiB", "0.5 MiB"))
    assert position_of(axis, "512 KiB") == 1
    assert position_of(axis, "1 KiB") is None
    assert position_of(Axis(key="a", values=("int4", "int8")), "int8") == 1
    assert position_of(Axis(key="a", values=(1, 2)), None) is None
