"""`archsim report` and `archsim compare` of sweeps: the page says what the run's table says, and shows its designs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archsim
from archsim.cli.main import run as command
from archsim.core.errors import InputError
from archsim.explore.axes import Axis
from archsim.explore.compare import compare_sweeps
from archsim.explore.compare_report import sweeps_report
from archsim.explore.load import load_run, open_run
from archsim.explore.report import Report, report
from archsim.explore.report_columns import axis_column, page_columns, quantities
from archsim.reports.page.figures import places
from archsim.reports.page.record import Column
from tests.explore import sweeps

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 18 points, of which those with the smallest buffer fail."""
    path = tmp_path_factory.mktemp("report")
    text = sweeps.SWEEP.replace('"1 KiB"', '"4 B"').replace("factor = 4", "factor = 128")
    source = sweeps.write(path, f'name = "{HOSTILE}"\n{text}')
    archsim.sweep(source, out=path / "run", workers=1)
    return path / "run"


@pytest.fixture(scope="module")
def made(folder: Path) -> Report:
    return report(folder)


def column(made: Report, key: str) -> Column:
    return next(found for found in made.page.columns if found.key == key)


def test_the_page_holds_the_table_of_the_run(made: Report, folder: Path) -> None:
    frame = load_run(folder)
    assert made.page.index.tolist() == frame["index"].tolist()
    for key in ("latency_s", "area_mm2", "energy_j", "energy_j.dram", "hardware.array.rows"):
        np.testing.assert_array_equal(column(made, key).values, frame[key].to_numpy(float))
    failed = frame["status"] == "failed"
    assert 0 < failed.sum() < len(frame)
    assert (made.page.reason > 0).tolist() == failed.tolist()


def test_the_front_is_that_of_the_run(made: Report, folder: Path) -> None:
    front = {row["index"] for row in open_run(folder).front}
    assert set(made.page.index[made.page.fronts[0].rows].tolist()) == front


def test_every_design_of_a_small_run_shows_its_layers(made: Report) -> None:
    shown = [design.row for design in made.page.designs]
    assert sorted(row for row in shown if row is not None) == np.flatnonzero(made.page.reason == 0).tolist()
    assert shown.count(None) == 1  # the base design
    for design in made.page.designs:
        assert [layer.name for layer in design.layers] == ["first", "second"]
        if design.row is not None:
            whole = column(made, "latency_s").values[design.row]
            assert sum(layer.time_s for layer in design.layers) == pytest.approx(whole, rel=1e-12)
            assert sum(filter(None, design.energy_j.values())) == pytest.approx(
                column(made, "energy_j").values[design.row], rel=1e-12
            )
    assert made.page.evidence.warnings == ()


def test_the_front_comes_first_where_not_all_can_be_shown(folder: Path) -> None:
    made = report(folder, designs=2)
    assert [design.row for design in made.page.designs[:2]] == made.page.fronts[0].rows[:2].tolist()
    assert len(made.page.designs) == 3
    assert report(folder, designs=0).page.designs == ()


def test_designs_of_a_sweep_with_fixed_mappings_are_shown_with_them(tmp_path: Path) -> None:
    source = sweeps.write(tmp_path, f'mappings = "fixed"\n{sweeps.SWEEP}'.replace("[4, 8, 16]", "[8, 16]"))
    archsim.sweep(source, out=tmp_path / "run", workers=1)
    page = report(tmp_path / "run", designs=3).page
    assert page.evidence.warnings == ()
    assert len(page.designs) >= 2


def test_estimates_and_versions_are_told(made: Report) -> None:
    assert any(text.startswith("estimate:") for text in made.page.evidence.estimates)
    assert dict(made.page.evidence.versions)["archsim"] == archsim.__version__


def test_a_design_that_gives_other_figures_now_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from archsim.explore import report_designs

    truth = report_designs.evaluation_values

    def other(document: dict[str, Any]) -> dict[str, float | None]:
        values = truth(document)
        return values | {"latency_s": 2 * (values["latency_s"] or 0.0)}

    monkeypatch.setattr(report_designs, "evaluation_values", other)
    warnings = report(folder, designs=1).page.evidence.warnings
    assert len(warnings) == 1
    assert "gives latency_s" in warnings[0]


def test_the_same_run_gives_the_same_bytes(made: Report, folder: Path) -> None:
    assert report(folder).html == made.html


def test_a_name_with_markup_is_nowhere_in_the_page_as_markup(made: Report) -> None:
    assert made.page.title == HOSTILE
    assert "<script>alert" not in made.html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in made.html


def test_files_are_written_beside_the_run(made: Report, folder: Path, tmp_path: Path) -> None:
    document = made.save(tmp_path)
    written = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    names = ("design-space", "energy", "latency", "parallel", "roofline")
    figures = [f"figures/{name}.{ending}" for name in names for ending in ("png", "svg")]
    assert written == [*figures, "report.html"]
    assert document["bytes"] == (tmp_path / "report.html").stat().st_size
    point = made.page.index[made.page.designs[0].row or 0]
    assert f", point {point}" in (tmp_path / "figures" / "latency.svg").read_text("utf-8")
    before = (tmp_path / "figures" / "design-space.svg").read_bytes()
    report(folder).save(tmp_path)
    assert (tmp_path / "figures" / "design-space.svg").read_bytes() == before


def test_the_command_writes_the_page_and_says_where(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert command(["report", str(folder), "--json", "--out", str(tmp_path), "--designs", "1"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "archsim.report/1"
    assert document["page"] == str(tmp_path / "report.html")
    assert document["designs"] == 2
    assert command(["report", str(folder), "--no-files", "--designs", "0"]) == 0
    assert "nothing written" in capsys.readouterr().out


def test_the_folder_of_an_evaluation_has_a_page_too(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    evaluation = archsim.evaluate(folder.parent / "design.toml")
    evaluation.save(tmp_path / "run")
    made = report(tmp_path / "run")
    assert made.page.designs == report(evaluation).page.designs
    assert command(["report", str(tmp_path / "run"), "--quiet"]) == 0
    assert (tmp_path / "run" / "report.html").is_file()


@pytest.mark.parametrize("name", ["nothing", "."])
def test_what_is_no_run_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds neither run\.json|no such folder"):
        report(tmp_path / name)


class TestColumns:
    @pytest.mark.parametrize(
        ("texts", "unit", "values"),
        [
            (["64 KiB", "1 MiB"], "B", (65536.0, 1048576.0)),
            (["8 GB/s", "512 MB/s"], "B/s", (8e9, 5.12e8)),
            (["0.5 GHz", "1 GHz"], "Hz", (5e8, 1e9)),
            (["3 furlongs", "4 furlongs"], "furlongs", (3.0, 4.0)),
        ],
    )
    def test_texts_that_are_quantities_are_placed_by_their_numbers(
        self, texts: list[str], unit: str, values: tuple[float, ...]
    ) -> None:
        found = quantities(texts)
        assert found is not None
        assert found[0].unit == unit
        assert found[1] == values

    @pytest.mark.parametrize("texts", [["int4", "int8"], ["8 GB/s", "8"], ["1 KiB", "1 GHz"]])
    def test_other_texts_are_names(self, texts: list[str]) -> None:
        assert quantities(texts) is None

    def test_an_axis_of_switches_and_lists_is_one_of_names(self) -> None:
        axis = Axis(key="hardware.array.dataflows", values=(["ws"], ["os", "ws"]))
        found = axis_column(axis, ['["os", "ws"]', None], "dataflows")
        assert found.categories == ('["ws"]', '["os", "ws"]')
        assert found.values[0] == 1
        assert np.isnan(found.values[1])

    def test_a_page_of_a_run_has_its_axes_first_and_no_empty_columns(self, folder: Path) -> None:
        run = open_run(folder)
        columns = page_columns(run.table(), run.sweep.space.axes, run.sweep.objectives)
        assert [found.role for found in columns[:6]] == ["axis"] * 4 + ["objective"] * 2
        assert not any(np.isnan(places(found)).all() for found in columns)


@pytest.fixture(scope="module")
def folders(folder: Path) -> tuple[Path, Path]:
    """The run, and one in which DRAM is twice as wide and the arrays are larger."""
    text = (folder.parent / "sweep.toml").read_text().replace("[4, 8, 16]", "[8, 16, 32]")
    path = sweeps.write(folder.parent / "other", text)
    overrides = ["hardware.memory.dram.bandwidth='51.2 GB/s'"]
    archsim.sweep(path, out=path.parent / "run", workers=1, overrides=overrides)
    return folder, path.parent / "run"


class TestComparison:
    def test_a_run_compared_with_itself_does_not_move(self, folder: Path) -> None:
        result = compare_sweeps(folder, folder)
        assert result.moved == ()
        assert result.matched == len(load_run(folder))
        assert result.a.covered == result.b.covered
        assert (result.a.beaten, result.b.beaten) == (0, 0)

    def test_runs_of_different_workloads_are_told_to_be(self, folder: Path) -> None:
        result = compare_sweeps(folder, folder)
        assert not any("workloads" in line for line in result.findings)
        run = result.b.run
        spec = replace(run.sweep.spec, overrides=("workload.batch=2",))
        other = replace(result.b, run=replace(run, sweep=replace(run.sweep, spec=spec)))
        assert "different workloads" in replace(result, b=other).findings[0]

    def test_what_differs_beside_the_axes_is_told(self, folders: tuple[Path, Path]) -> None:
        result = compare_sweeps(*folders)
        told = [(one.key, one.a, one.b) for one in result.differences]
        assert told == [("hardware.memory.dram.bandwidth", None, "51.2 GB/s")]
        assert any("hardware.memory.dram.bandwidth (not stated and 51.2 GB/s)" in line for line in result.findings)
        assert result.to_dict()["design"] == [{"key": told[0][0], "a": told[0][1], "b": told[0][2]}]

    def test_points_are_matched_by_their_axis_values(self, folders: tuple[Path, Path]) -> None:
        a, b = (load_run(folder) for folder in folders)
        result = compare_sweeps(*folders)
        keys = ["hardware.array.rows", "hardware.memory.glb.capacity", "quantization.weights"]
        both = a.merge(b, on=keys, suffixes=("_a", "_b"))
        assert result.matched == len(both)
        moved = both[(both["latency_s_a"] != both["latency_s_b"]) & both["latency_s_a"].notna()]
        assert {(one.index_a, one.index_b) for one in result.moved} == set(
            zip(moved["index_a"], moved["index_b"], strict=True)
        )
        factors = [one.largest for one in result.moved]
        assert factors == sorted(factors, reverse=True)

    def test_designs_of_a_front_that_the_other_run_beats_are_counted(self, folders: tuple[Path, Path]) -> None:
        result = compare_sweeps(*folders)
        a, b = ([(row["latency_s"], row["area_mm2"]) for row in open_run(folder).front] for folder in folders)
        beaten = sum(any(p <= x and q <= y and (p, q) != (x, y) for p, q in b) for x, y in a)
        assert result.a.beaten == beaten

    def test_the_page_shows_the_points_of_both_runs(self, folders: tuple[Path, Path]) -> None:
        page = sweeps_report(compare_sweeps(*folders)).page
        frames = [load_run(folder) for folder in folders]
        assert page.points == sum(map(len, frames))
        latency = next(found for found in page.columns if found.key == "latency_s")
        np.testing.assert_array_equal(latency.values, np.concatenate([frame["latency_s"] for frame in frames]))
        rows = next(found for found in page.columns if found.key == "hardware.array.rows")
        np.testing.assert_array_equal(rows.values, np.concatenate([frame["hardware.array.rows"] for frame in frames]))
        for front, frame, start in zip(page.fronts, frames, (0, len(frames[0])), strict=True):
            assert frame["status"].iloc[front.rows - start].tolist() == ["ok"] * len(front.rows)

    def test_the_command_writes_json_and_page(
        self, folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture
    ) -> None:
        assert command(["compare", *map(str, folders), "--json", "--out", str(tmp_path / "out")]) == 0
        document = json.loads(capsys.readouterr().out)
        assert document["schema"] == "archsim.sweep-comparison/1"
        assert document == json.loads((tmp_path / "out" / "comparison.json").read_text())
        assert (tmp_path / "out" / "comparison.html").is_file()

    def test_runs_without_a_common_objective_are_refused(self, folder: Path) -> None:
        text = (folder.parent / "sweep.toml").read_text().replace('latency_s = "min"\narea_mm2 = "min"', 'tops = "max"')
        path = sweeps.write(folder.parent / "third", text)
        archsim.sweep(path, out=path.parent / "run", workers=1)
        with pytest.raises(InputError, match="no objective in common"):
            compare_sweeps(folder, path.parent / "run")
