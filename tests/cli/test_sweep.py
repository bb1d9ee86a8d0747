"""`archsim sweep` as people type it; points come from an evaluator that needs no kernels."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from archsim.cli import sweep_progress
from archsim.cli.main import run
from archsim.explore import workers
from archsim.explore.load import load_run
from archsim.explore.results import PointResult
from archsim.explore.space import Point
from tests.explore import sweeps

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a sweep in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(workers, "PointEvaluator", sweeps.FakeEvaluator)
    workers._evaluator.cache_clear()
    sweeps.write(tmp_path)
    return tmp_path


def archsim(*arguments: str) -> int:
    return run(["sweep", "sweep.toml", "--workers", "1", *arguments])


def test_it_prints_the_front_and_names_the_folder(capsys: Capture) -> None:
    assert archsim() == 0
    captured = capsys.readouterr()
    assert "on the front" in captured.out
    assert "Why points failed" in captured.out
    assert "op …: needs …" in captured.out
    assert "latency_s" in captured.out
    assert captured.err.endswith("wrote runs/sweep\n")


def test_json_is_the_one_document_on_stdout(capsys: Capture) -> None:
    assert archsim("--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "archsim.sweep/1"
    assert document["run"] == "runs/sweep"
    assert document["points"] == 24
    assert sum(document["failed"].values()) == (load_run("runs/sweep")["status"] == "failed").sum()
    assert {"index", "point_id", "hardware.array.rows", "latency_s"} <= document["pareto"][0].keys()
    assert document["rate_per_s"] > 0


def test_no_files_leaves_none(folder: Path, capsys: Capture) -> None:
    before = sorted(folder.rglob("*"))
    assert archsim("--no-files", "--json") == 0
    assert json.loads(capsys.readouterr().out)["run"] is None
    assert sorted(folder.rglob("*")) == before


def test_quiet_says_nothing_on_stderr(capsys: Capture) -> None:
    assert archsim("--quiet") == 0
    assert capsys.readouterr().err == ""


def test_wrong_input_is_told_before_anything_runs(folder: Path, capsys: Capture) -> None:
    text = (folder / "sweep.toml").read_text().replace("array.rows = [4", "array.rowz = [4")
    (folder / "sweep.toml").write_text(text.replace('"hardware.array.cols" = "hardware.array.rows"', ""))
    assert archsim() == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "error: sweep.toml:4: hardware.array.rowz: unknown key\nhint: did you mean 'rows'?\n"
    assert not (folder / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--resume", "runs/none"), "runs/none: no such folder"),
        (("--resume", "a", "--out", "b"), "--out: says nothing beside --resume"),
        (("--resume", "a", "--no-files"), "--no-files: leaves nothing to resume"),
        (("--cluster", "tcp://x"), "--workers: says nothing beside --cluster"),
        (("--workers", "0"), "--workers: must be at least 1 (got 0)"),
    ],
)
def test_options_that_exclude_each_other_are_wrong_input(
    arguments: tuple[str, ...], words: str, capsys: Capture
) -> None:
    assert archsim(*arguments) == 2
    assert words in capsys.readouterr().err


def stop_at(monkeypatch: pytest.MonkeyPatch, number: int, error: BaseException) -> None:
    """Raise an error in the place of a point's evaluation."""
    evaluate = sweeps.FakeEvaluator.evaluate

    def stopped(self: Any, points: Sequence[Point]) -> list[PointResult]:
        if points[0].index == number:
            raise error
        return evaluate(self, points)

    monkeypatch.setattr(sweeps.FakeEvaluator, "evaluate", stopped)


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (KeyboardInterrupt(), 130, "interrupted: 5 of 24 points are stored in"),
        (OSError(28, "No space left on device", "points/x"), 1, "error: points/x: No space left on device; 5 of 24"),
    ],
)
def test_a_run_that_stopped_prints_the_command_that_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, error: BaseException, code: int, words: str
) -> None:
    with monkeypatch.context() as patch:
        stop_at(patch, 5, error)
        assert archsim("--set", "hardware.clock=2 GHz", "--out", "my run") == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err
    hint = captured.err.splitlines()[-1].removeprefix("hint: go on with: ")
    command, *arguments = shlex.split(hint)
    assert command == "archsim"
    assert run([*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["run"], document["points"], document["evaluated"]) == ("my run", 24, 19)


def test_a_run_goes_on_from_its_folder_alone(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    with monkeypatch.context() as patch:
        stop_at(patch, 5, KeyboardInterrupt())
        assert archsim("--set", "hardware.clock=2 GHz", "--out", "begun") == 130
    assert capsys.readouterr().err.splitlines()[-1] == "hint: go on with: archsim sweep --resume begun --workers 1"
    (folder / "sweep.toml").unlink()
    design = folder / "design.toml"
    design.write_text(design.read_text().replace("rows = 8", "rows = 4"))
    assert run(["sweep", "--resume", "begun", "--workers", "1", "--json"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert (document["name"], document["points"], document["evaluated"]) == ("sweep", 24, 19)
    assert "design.toml has changed; the run goes on with the design that it was begun with" in captured.err


def test_a_run_whose_trace_has_changed_does_not_go_on(folder: Path, capsys: Capture) -> None:
    assert archsim("--out", "begun") == 0
    trace = folder / "work.csv"
    trace.write_text(trace.read_text().replace("64,48", "64,32"))
    capsys.readouterr()
    assert run(["sweep", "--resume", "begun"]) == 2
    assert "begun: holds points of another sweep: the design or a file that it names" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Missing argument 'SWEEP.toml'\nhint: or --resume RUN"),
        (("--resume", "x", "--set", "hardware.clock=1 GHz"), "--set: says nothing beside --resume alone"),
        (("--resume", "sweep.toml"), "sweep.toml: is a file, not the folder of a run"),
        (("--resume", "."), ".: holds no run.json"),
    ],
)
def test_nothing_to_go_on_with_is_wrong_input(arguments: tuple[str, ...], words: str, capsys: Capture) -> None:
    assert run(["sweep", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_sweep_whose_points_all_fail_has_no_answer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failed(self: Any, points: Sequence[Point]) -> list[PointResult]:
        return [PointResult(point_id="0", point=point, status="failed", reason="too small") for point in points]

    monkeypatch.setattr(sweeps.FakeEvaluator, "evaluate", failed)
    assert archsim() == 1


def test_progress_tells_rate_time_left_and_front(folder: Path) -> None:
    from archsim.explore.run import sweep
    from archsim.explore.runs import Run

    done: Run = sweep(folder / "sweep.toml", out="run", workers=1)
    text = sweep_progress.progress_text(done.tally, 48, 12, 6.0)
    failed = done.tally.failed.total()
    assert text.startswith(f"24 of 48 points, 2/s, 12 s left, {failed} failed, front: {done.tally.front_size} designs")
    assert "best latency_s " in text


@pytest.mark.parametrize("kind", [sweep_progress.Bar, sweep_progress.Log])
def test_progress_goes_to_stderr(kind: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(sweep_progress, "watcher", lambda sweep, quiet: kind())
    monkeypatch.setattr(sweep_progress, "LOG_EVERY_S", 0.0)
    assert archsim("--json") == 0
    captured = capsys.readouterr()
    json.loads(captured.out)
    if kind is sweep_progress.Log:
        assert "24 of 24 points" in captured.err
