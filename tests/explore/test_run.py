"""A run: what is in its folder, and that it goes on where it stopped."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import archsim
from archsim.core.errors import ArchsimError, InputError
from archsim.explore import store, workers
from archsim.explore.load import load_run, open_run
from archsim.explore.results import PointResult
from archsim.explore.run import SweepInterrupted, SweepStoppedError, Watcher, sweep
from archsim.explore.runs import Run
from archsim.explore.space import Point
from tests.explore import sweeps


class Heard(Watcher):
    """Keeps what a run said."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the points that the fake evaluator has seen."""
    seen: list[int] = []

    class Recording(sweeps.FakeEvaluator):
        def evaluate(self, points: Sequence[Point]) -> list[PointResult]:
            seen.extend(point.index for point in points)
            return super().evaluate(points)

    monkeypatch.setattr(workers, "PointEvaluator", Recording)
    workers._evaluator.cache_clear()
    return seen


@pytest.fixture
def path(tmp_path: Path, evaluated: list[int]) -> Path:
    return sweeps.write(tmp_path)


def run_sweep(path: Path, name: str = "run", **options: Any) -> Run:
    return sweep(path, out=path.parent / name, workers=1, **options)


def chunk_files(path: Path, name: str = "run") -> list[Path]:
    return sorted((path.parent / name / "points").iterdir())


def test_every_point_is_a_row_in_order(path: Path) -> None:
    run_sweep(path)
    frame = load_run(path.parent / "run")
    assert frame["index"].tolist() == list(range(24))
    assert frame["hardware.array.cols"].tolist() == frame["hardware.array.rows"].tolist()
    assert frame["hardware.memory.glb.capacity"].tolist()[:4] == ["1 KiB", "1 KiB", "4 KiB", "4 KiB"]
    assert frame["hardware.array.rows"].dtype == "int64"
    assert frame["point_id"].nunique() == 24


def test_failed_points_are_rows_with_their_reasons(path: Path) -> None:
    document = run_sweep(path).to_dict()
    frame = load_run(path.parent / "run")
    failed = frame[frame["status"] == "failed"]
    assert len(failed) > 0
    assert failed["reason"].str.contains("needs").all()
    assert failed["latency_s"].isna().all()
    assert document["failed"] == {"op …: needs …": len(failed)}
    assert document["points"] == 24


def test_the_front_is_the_rows_that_nothing_dominates(path: Path) -> None:
    run = run_sweep(path)
    frame = load_run(path.parent / "run")
    ok = frame[(frame["status"] == "ok") & (frame["area_mm2"] <= 10)]
    pairs = list(zip(ok["index"], ok["latency_s"], ok["area_mm2"], strict=True))
    expected = [
        number
        for number, latency, area in pairs
        if not any(a <= latency and b <= area and (a, b) != (latency, area) for _, a, b in pairs)
    ]
    assert [row["index"] for row in run.to_dict()["pareto"]] == expected
    csv = (path.parent / "run" / "pareto.csv").read_text().splitlines()
    assert [int(line.split(",")[0]) for line in csv[1:]] == expected


def test_a_run_that_is_complete_evaluates_nothing_again(path: Path, evaluated: list[int]) -> None:
    first = run_sweep(path).to_dict()
    evaluated.clear()
    again = run_sweep(path)
    assert evaluated == []
    assert again.to_dict() == first | {"evaluated": 0, "rate_per_s": None}


def test_a_sweep_of_values_goes_on_from_its_folder(path: Path, evaluated: list[int]) -> None:
    values = {"design": str(path.parent / "design.toml"), "axes": {"hardware.array.rows": [4, 8, 16]}}
    folder = path.parent / "begun"
    first = sweep(values, out=folder, workers=1).frame()
    chunk_files(path, "begun")[1].unlink()
    evaluated.clear()
    again = sweep(folder, workers=1)
    assert evaluated == [1]
    assert again.frame().equals(first)
    with pytest.raises(InputError, match="has its own folder"):
        sweep(folder, out="other")


def test_a_missing_chunk_alone_is_evaluated(path: Path, evaluated: list[int]) -> None:
    run_sweep(path)
    before = {file.name: file.read_bytes() for file in chunk_files(path)}
    chunk_files(path)[5].unlink()
    evaluated.clear()
    run_sweep(path)
    assert evaluated == [5]
    assert {file.name: file.read_bytes() for file in chunk_files(path)} == before


@pytest.mark.parametrize("harm", ["cut", "flipped", "empty", "text"])
def test_a_damaged_chunk_is_named_and_alone_evaluated_again(path: Path, evaluated: list[int], harm: str) -> None:
    run_sweep(path)
    before = {file.name: file.read_bytes() for file in chunk_files(path)}
    victim = chunk_files(path)[7]
    content = victim.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    victim.write_bytes({"cut": content[:-100], "flipped": flipped, "empty": b"", "text": b"index\n7\n"}[harm])
    with pytest.raises(ArchsimError, match=victim.name):
        load_run(path.parent / "run")
    heard = Heard()
    evaluated.clear()
    run_sweep(path, watcher=heard)
    assert evaluated == [7]
    assert victim.name in heard.notes[0]
    assert "points 7 to 7 are evaluated again" in heard.notes[0]
    assert {file.name: file.read_bytes() for file in chunk_files(path)} == before
    assert (path.parent / "run" / "damaged" / victim.name).exists()


def test_a_chunk_of_another_run_is_not_taken(path: Path, tmp_path: Path) -> None:
    run_sweep(path)
    other = sweeps.write(tmp_path / "other", design=sweeps.DESIGN.replace("1 GHz", "2 GHz"))
    run_sweep(other)
    chunk_files(path)[3].unlink()
    foreign = chunk_files(other)[3]
    (path.parent / "run" / "points" / foreign.name).write_bytes(foreign.read_bytes())
    heard = Heard()
    run_sweep(path, watcher=heard)
    assert "is of another run" in heard.notes[0]


@pytest.mark.parametrize(
    ("file", "old", "new", "what"),
    [
        ("design.toml", "1 GHz", "2 GHz", "the design or a file that it names"),
        ("work.csv", "64,48", "64,49", "the design or a file that it names"),
        ("sweep.toml", "[4, 8, 16]", "[4, 8]", "the axes"),
    ],
)
def test_points_of_a_changed_sweep_are_never_mixed(path: Path, file: str, old: str, new: str, what: str) -> None:
    run_sweep(path)
    before = {item.name: item.read_bytes() for item in chunk_files(path)}
    target = path.parent / file
    target.write_text(target.read_text().replace(old, new))
    with pytest.raises(InputError, match=f"holds points of another sweep: {what} changed since"):
        run_sweep(path)
    assert {item.name: item.read_bytes() for item in chunk_files(path)} == before


def test_another_version_of_the_model_is_another_run(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_sweep(path)
    monkeypatch.setattr("archsim.explore.read.model_version", lambda: "next")
    with pytest.raises(InputError, match="archsim itself changed"):
        run_sweep(path)


def test_other_objectives_find_another_front_in_the_same_points(path: Path, evaluated: list[int]) -> None:
    run_sweep(path)
    evaluated.clear()
    path.write_text(path.read_text().replace('area_mm2 = "min"', 'energy_j = "max"'))
    document = run_sweep(path).to_dict()
    assert evaluated == []
    assert document["objectives"] == {"latency_s": "min", "energy_j": "max"}
    assert open_run(path.parent / "run").to_dict()["pareto"] == document["pareto"]


def test_without_a_folder_each_sweep_gets_its_own(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    assert sweep(path, workers=1).folder == Path("runs/sweep")
    assert sweep(path, workers=1).folder == Path("runs/sweep")
    path.write_text(path.read_text().replace("[4, 8, 16]", "[4, 8]"))
    assert sweep(path, workers=1).folder == Path("runs/sweep-2")


def test_folders_of_other_things_are_left_alone(path: Path) -> None:
    (path.parent / "run").mkdir()
    (path.parent / "run" / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match=r"holds no run.json: not the run of a sweep"):
        run_sweep(path)


def full_disk(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Let writing fail for want of space after so many files."""
    written: list[Path] = []
    fsync = os.fsync

    def fail(descriptor: int) -> None:
        written.append(Path())
        if len(written) > after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    monkeypatch.setattr(store.os, "fsync", fail)


def test_a_full_disk_stops_the_run_and_keeps_what_is_finished(
    path: Path, evaluated: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        full_disk(patch, after=12)  # run.json, sweep.toml and ten chunks
        with pytest.raises(SweepStoppedError, match=r"points/000000010-.*: No space left on device; 10 of 24 points"):
            run_sweep(path)
    assert len(chunk_files(path)) == 10
    evaluated.clear()
    run_sweep(path)
    assert evaluated == list(range(10, 24))
    run_sweep(path, name="undisturbed")
    assert load_run(path.parent / "run").equals(load_run(path.parent / "undisturbed"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 128 KiB in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount a small file system here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_file_system_that_is_really_full_stops_the_run(path: Path, evaluated: list[int], small_disk: Path) -> None:
    with pytest.raises(SweepStoppedError, match=r"No space left on device; [1-9][0-9]? of 24 points are stored in"):
        sweep(path, out=small_disk / "run", workers=1)
    finished = len(load_run(small_disk / "run"))
    assert finished == len(list((small_disk / "run" / "points").iterdir()))
    shutil.copytree(small_disk / "run", path.parent / "run")
    evaluated.clear()
    run_sweep(path)
    assert evaluated == list(range(finished, 24))


def test_ctrl_c_leaves_a_run_that_goes_on(path: Path, evaluated: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate = workers.PointEvaluator.evaluate

    def interrupted(self: Any, points: Sequence[Point]) -> list[PointResult]:
        if points[0].index == 9:
            raise KeyboardInterrupt
        return evaluate(self, points)

    with monkeypatch.context() as patch:
        patch.setattr(workers.PointEvaluator, "evaluate", interrupted)
        with pytest.raises(SweepInterrupted, match="9 of 24 points are stored"):
            run_sweep(path)
    assert open_run(path.parent / "run").status == "incomplete"
    assert len(load_run(path.parent / "run")) == 9
    evaluated.clear()
    run_sweep(path)
    assert evaluated == list(range(9, 24))


def test_what_a_crash_left_half_written_is_cleared_away(path: Path) -> None:
    run_sweep(path)
    rest = path.parent / "run" / "points" / ".000000001-000000001-0123456789ab.parquet.partial"
    rest.write_bytes(b"PAR1")
    run_sweep(path)
    assert not rest.exists()


def test_two_processes_do_not_work_on_one_run(path: Path) -> None:
    run_sweep(path)
    with store.locked(path.parent / "run"), pytest.raises(ArchsimError, match="another process works on this run"):
        run_sweep(path)


def test_a_run_can_be_moved_and_read_by_itself(path: Path) -> None:
    run = run_sweep(path)
    moved = path.parent / "elsewhere"
    (path.parent / "run").rename(moved)
    opened = open_run(moved)
    assert opened.sweep.space == run.sweep.space
    assert opened.sweep.objectives == run.sweep.objectives
    assert opened.sweep.spec.design == run.sweep.spec.design
    assert opened.sweep.spec.path is not None
    assert opened.sweep.spec.path.resolve() == path.parent / "design.toml"


def test_duckdb_reads_the_folder_as_it_is(path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    run_sweep(path)
    frame = load_run(path.parent / "run")
    query = f"""select "hardware.array.rows", count(*), min(latency_s)
                from '{path.parent}/run/points/*.parquet' where status = 'ok' group by 1 order by 1"""
    expected = frame[frame["status"] == "ok"].groupby("hardware.array.rows")["latency_s"].agg(["count", "min"])
    assert duckdb.sql(query).fetchall() == [
        (rows, *values) for rows, values in zip(expected.index.tolist(), expected.to_numpy().tolist(), strict=True)
    ]


@pytest.mark.parametrize("method", ["random", "sobol", "evolutionary"])
def test_samples_and_searches_go_on_as_well(path: Path, evaluated: list[int], method: str) -> None:
    path.write_text(path.read_text() + f'[search]\nmethod = "{method}"\npoints = 20\nseed = 3\n')
    whole = run_sweep(path, name="undisturbed").frame()
    assert len(whole) == 20
    run_sweep(path)
    for file in chunk_files(path)[4::3]:
        file.unlink()
    evaluated.clear()
    again = run_sweep(path).frame()
    assert 0 < len(evaluated) < 20
    assert again.equals(whole)


def test_a_sample_chosen_by_other_libraries_is_not_taken(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(path.read_text() + '[search]\nmethod = "random"\npoints = 5\n')
    run_sweep(path)
    from archsim.explore import run as module
    from archsim.explore.samplers import sample

    real = sample
    other: Callable[..., Any] = lambda space, search: real(space, search.model_copy(update={"seed": 9}))  # noqa: E731
    monkeypatch.setattr(module, "sample", other)
    heard = Heard()
    run_sweep(path, watcher=heard)
    assert "has other points than this sweep asks for" in heard.notes[0]


def test_conditional_axes_are_empty_where_they_do_not_exist(tmp_path: Path, evaluated: list[int]) -> None:
    axes = """[axes]
"quantization.weights" = ["int8", "int4:g128"]
"hardware.cores" = { values = [1, 2], when = { "quantization.weights" = "int8" } }
"hardware.array.dataflows" = [["ws"], ["os"]]
"""
    path = sweeps.write(tmp_path, f'design = "design.toml"\n{axes}')
    frame = run_sweep(path).frame()
    assert frame["hardware.cores"].isna().tolist() == [False] * 4 + [True] * 2
    assert set(frame["hardware.array.dataflows"]) == {'["ws"]', '["os"]'}


def test_rows_are_what_evaluate_gives(tmp_path: Path) -> None:
    """With the real evaluator, in two processes."""
    axes = '[axes]\n"hardware.array.rows" = [4, 8]\n"hardware.memory.glb.capacity" = ["1 KiB", "32 KiB", "1 B"]\n'
    path = sweeps.write(tmp_path, f'design = "design.toml"\n{axes}')
    workers._evaluator.cache_clear()
    frame = sweep(path, out=tmp_path / "run", workers=2, overrides=["hardware.clock=2 GHz"]).frame()
    assert frame["status"].tolist() == ["ok", "ok", "failed"] * 2
    assert frame["reason"][2] == "hardware: an SRAM's port has from 1 bit to its capacity (got 64 bit of 8 bit)"
    for _, row in frame[frame["status"] == "ok"].iterrows():
        stated = [f"{key}={row[key]}" for key in ("hardware.array.rows", "hardware.memory.glb.capacity")]
        document = archsim.evaluate(path.parent / "design.toml", overrides=["hardware.clock=2 GHz", *stated]).to_dict()
        totals = {name: value for name, value in document["totals"].items() if isinstance(value, int | float)}
        assert {name: row[name] for name in totals} == totals
        assert row["energy_j.glb"] == document["energy_j"]["glb"]
