from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from archsim.core.errors import InputError
from archsim.reports import run_folder
from archsim.reports.run_folder import default_folder, run_name, write_files, write_text
from tests.reports import samples

FILES = {
    "design.resolved.json", "summary.json", "layers.csv", "layers.parquet", "roofline.png", "latency.png",
    "energy.png",
}  # fmt: skip


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_run_folder_holds_the_documented_files(tmp_path: Path) -> None:
    folder = samples.small().save(tmp_path / "runs" / "sample")
    assert set(contents(folder)) == FILES
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["sample"]


def test_two_saves_of_one_result_are_the_same_bytes(tmp_path: Path) -> None:
    first = samples.small().save(tmp_path / "a")
    second = samples.small().save(tmp_path / "b")
    assert contents(first) == contents(second)


def test_the_summary_is_the_document(tmp_path: Path) -> None:
    folder = samples.small().save(tmp_path / "a")
    assert json.loads((folder / "summary.json").read_text("utf-8")) == samples.small().to_dict()


def test_the_resolved_design_says_what_computed_it(tmp_path: Path) -> None:
    folder = samples.small().save(tmp_path / "a")
    document = json.loads((folder / "design.resolved.json").read_text("utf-8"))
    assert document["schema"] == "archsim.resolved-design/1"
    assert document["design"] == samples.small().resolved
    assert set(document["versions"]) == {"archsim", "python", "numpy", "numba"}
    assert None not in document["versions"].values()


@pytest.mark.parametrize("name", ["plain", 'quote"comma, newline\n', "µ\u4e2d"])
def test_csv_and_parquet_hold_the_layer_table(tmp_path: Path, name: str) -> None:
    evaluation = samples.evaluation((samples.gemm(name, 8, 8, 8), samples.vector("norm", 64)))
    folder = evaluation.save(tmp_path / "a")
    expected = evaluation.layers
    parquet = pd.read_parquet(folder / "layers.parquet").astype(expected.dtypes)
    table = pd.read_csv(folder / "layers.csv", keep_default_na=False, na_values=[""], dtype=str)
    for read in (parquet, table.astype(expected.dtypes)):
        for column in expected.columns:
            missing = expected[column].isna()
            assert (read[column].isna() == missing).all()
            assert read[column][~missing].tolist() == expected[column][~missing].tolist()


def test_an_earlier_run_is_replaced_and_other_files_stay(tmp_path: Path) -> None:
    folder = samples.small().save(tmp_path / "a")
    (folder / "notes.txt").write_text("mine", "utf-8")
    samples.large(2).save(folder)
    assert set(contents(folder)) == FILES | {"notes.txt"}
    assert json.loads((folder / "summary.json").read_text("utf-8"))["design"] == "large"


def test_a_folder_of_something_else_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "layers.csv").write_text("mine", "utf-8")
    with pytest.raises(InputError, match=r"holds layers.csv but no design.resolved.json"):
        samples.small().save(tmp_path)
    assert contents(tmp_path) == {"layers.csv": b"mine"}


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine", "utf-8")
    with pytest.raises(InputError, match="is a file, not a folder"):
        samples.small().save(tmp_path / "file")


def test_a_failing_writer_leaves_nothing(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        path.write_text("half", "utf-8")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_files(tmp_path / "x" / "y", {"a.txt": lambda path: write_text(path, "a"), "b.txt": fail})
    assert list(tmp_path.iterdir()) == []


def test_a_failing_plot_leaves_an_earlier_run_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = samples.small().save(tmp_path / "a")
    before = contents(folder)

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("archsim.reports.plots.write_png", fail)
    with pytest.raises(OSError, match="disk full"):
        samples.large(2).save(folder)
    assert contents(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_run_folder_has_the_permissions_of_any_folder(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    folder = samples.small().save(tmp_path / "a")
    assert folder.stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize(
    ("design", "folder"),
    [
        ("edge-array", "edge-array"),
        ("../../etc/passwd", "etc-passwd"),
        ("..", "design"),
        ("", "design"),
        (".hidden", "hidden"),
        ("a/b c", "a-b-c"),
        ("x\x00y", "x-y"),
    ],
)
def test_a_designs_name_never_leaves_the_runs_folder(design: str, folder: str) -> None:
    assert run_name(design) == folder
    assert default_folder(design) == run_folder.RUNS / folder
