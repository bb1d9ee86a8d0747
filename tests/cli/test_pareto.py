"""`archsim pareto` on runs of an evaluator that needs no kernels."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import archsim
from archsim.cli.main import run
from archsim.explore import workers
from archsim.explore.answers import pareto
from archsim.explore.load import load_run
from archsim.explore.results import PointResult
from archsim.explore.run import sweep
from archsim.explore.space import Point
from tests.explore import sweeps
from tests.explore.sweeps import FakeEvaluator

Capture = pytest.CaptureFixture[str]
RANDOM = sweeps.SWEEP + '\n[search]\nmethod = "random"\npoints = 9\nseed = 3\n'


class Evaluator(FakeEvaluator):
    """Latency and area from the values; counts what it was asked."""

    asked: list[tuple[int, ...]]

    def evaluate(self, points: Sequence[Point]) -> list[PointResult]:
        self.asked += [point.genes for point in points]
        return super().evaluate(points)

    def design(self, point: Point, workload: Any) -> Any:
        from archsim.explore.evaluate_points import PointEvaluator

        return PointEvaluator(self.spec).design(point, workload)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the runs ``grid`` and ``random``, made by the fake evaluator, which stays in place."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        Evaluator.asked = []
        patch.setattr(workers, "PointEvaluator", Evaluator)
        workers._evaluator.cache_clear()
        sweep(sweeps.write(folder / "a"), out=folder / "grid", workers=1)
        sweep(sweeps.write(folder / "b", RANDOM), out=folder / "random", workers=1)
        yield folder
        workers._evaluator.cache_clear()


def document(capsys: Capture, *arguments: str, code: int = 0) -> dict[str, Any]:
    assert run(["pareto", *arguments, "--json", "--quiet"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def printed(capsys: Capture, *arguments: str) -> str:
    assert run(["pareto", *arguments]) == 0
    return capsys.readouterr().out


def test_the_front_as_json(runs: Path, capsys: Capture) -> None:
    found = document(capsys, str(runs / "grid"))
    assert found["schema"] == "archsim.pareto/1"
    rows = (runs / "grid" / "pareto.csv").read_text().splitlines()[1:]
    assert sorted(item["index"] for item in found["front"]) == sorted(int(row.split(",")[0]) for row in rows)
    assert [one["name"] for one in found["objectives"]] == ["latency_s", "area_mm2"]
    assert found["constraints"] == ["area_mm2 <= 10"]
    assert (found["points"], found["further"]) == (24, 0)
    assert found["sensitivity"] is found["dominate"] is found["find"] is None


def test_the_front_as_a_table(runs: Path, capsys: Capture) -> None:
    text = printed(capsys, str(runs / "grid"))
    front = document(capsys, str(runs / "grid"))["front"]
    assert f"Pareto front of sweep: {len(front)} of" in text
    for word in ("array rows", "glb capacity", "latency", "area", "24 points"):
        assert word in text


def test_other_objectives_and_conditions(runs: Path, capsys: Capture) -> None:
    found = document(capsys, str(runs / "grid"), "--objectives", "energy_j:max", "--where", "latency_s <= 900 ms")
    frame = load_run(runs / "grid")
    kept = frame[(frame["status"] == "ok") & (frame["area_mm2"] <= 10) & (frame["latency_s"] <= 0.9)]
    assert [item["values"]["energy_j"] for item in found["front"]] == [kept["energy_j"].max()]


def test_files_of_the_front_are_the_same_bytes_twice(runs: Path, tmp_path: Path, capsys: Capture) -> None:
    arguments = ["pareto", str(runs / "grid"), "--sensitivity", "--color", "quantization.weights", "--quiet"]
    assert run([*arguments, "--out", str(tmp_path / "a")]) == 0
    assert run([*arguments, "--out", str(tmp_path / "b")]) == 0
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    plots = [f"{kind}.{suffix}" for kind in ("pareto", "sensitivity") for suffix in ("png", "svg")]
    assert names == sorted(["pareto.csv", "pareto.json", *plots])
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert (tmp_path / "a" / "pareto.png").read_bytes().startswith(b"\x89PNG")
    assert ElementTree.parse(tmp_path / "a" / "pareto.svg").getroot().tag.endswith("svg")
    assert json.loads((tmp_path / "a" / "pareto.json").read_text())["schema"] == "archsim.pareto/1"
    capsys.readouterr()


def test_a_front_of_one_objective_and_of_many_are_written(runs: Path, tmp_path: Path, capsys: Capture) -> None:
    for text in ("latency_s", "latency_s,area_mm2,energy_j", "latency_s,area_mm2,energy_j,latency_s"):
        code = run(["pareto", str(runs / "grid"), "--objectives", text, "--out", str(tmp_path / "out"), "--quiet"])
        assert code == (2 if text.count("latency_s") == 2 else 0)
    capsys.readouterr()


def test_what_would_dominate_a_design(runs: Path, capsys: Capture) -> None:
    front = [item["index"] for item in document(capsys, str(runs / "grid"))["front"]]
    frame = load_run(runs / "grid")
    other = next(
        int(row["index"]) for _, row in frame.iterrows() if row["status"] == "ok" and row["index"] not in front
    )
    found = document(capsys, str(runs / "grid"), "--dominate", str(other))["dominate"]
    assert found["dominated"]
    assert found["dominating"][0]["changes"]
    text = printed(capsys, str(runs / "grid"), "--dominate", str(other))
    assert re.search(rf"\d+ designs dominate point {other} ", text)
    text = printed(capsys, str(runs / "grid"), "--dominate", str(front[0]))
    assert f"Nothing dominates point {front[0]}" in text


def test_an_inverse_question(runs: Path, capsys: Capture) -> None:
    frame = load_run(runs / "grid")
    ok = frame[(frame["status"] == "ok") & (frame["area_mm2"] <= 10)]
    bound = float(ok["latency_s"].median())
    arguments = [str(runs / "grid"), "--find", f"latency_s <= {bound}", "--minimize", "area_mm2"]
    found = document(capsys, *arguments)["find"]
    assert found["answer"]["values"]["area_mm2"] == ok[ok["latency_s"] <= bound]["area_mm2"].min()
    assert (found["proven"], found["tried"], found["space"]) == (True, 24, 24)
    text = printed(capsys, *arguments)
    for word in ("smallest area with", "answer", "What each condition does", "this is proven"):
        assert word in text


def test_a_question_without_conditions_has_no_table_of_them(runs: Path, tmp_path: Path, capsys: Capture) -> None:
    sweep(sweeps.write(tmp_path, sweeps.SWEEP.partition("[constraints]")[0]), out=tmp_path / "run", workers=1)
    text = printed(capsys, str(tmp_path / "run"), "--minimize", "area_mm2")
    assert "smallest area" in text
    assert "smallest area with" not in text
    assert "What each condition does" not in text


def test_an_inverse_question_without_an_answer_has_exit_code_1(runs: Path, capsys: Capture) -> None:
    arguments = [str(runs / "grid"), "--find", "latency_s < 0", "--minimize", "area_mm2"]
    found = document(capsys, *arguments, code=1)["find"]
    assert found["answer"] is None
    assert found["nearest"]
    assert run(["pareto", *arguments]) == 1
    assert "No design has area <= 10 mm² and latency < 0 s" in capsys.readouterr().out


def test_further_points_are_evaluated_once_and_kept_apart_from_the_run(runs: Path, capsys: Capture) -> None:
    frame = load_run(runs / "random")
    known = {tuple(row) for row in frame[["hardware.array.rows", "quantization.weights"]].itertuples(index=False)}
    assert known
    Evaluator.asked.clear()
    arguments = [str(runs / "random"), "--sensitivity", "--around", "best", "--evaluate", "6", "--workers", "1"]
    first = document(capsys, *arguments)
    asked = list(Evaluator.asked)
    assert 0 < len(asked) == len(set(asked)) == first["sensitivity"]["evaluated"] <= 6  # values change with the version
    Evaluator.asked.clear()
    second = document(capsys, *arguments)
    assert not set(Evaluator.asked) & set(asked)
    assert second["further"] >= len(asked)
    assert load_run(runs / "random").equals(frame)
    text = printed(capsys, str(runs / "random"))
    assert "of them evaluated for questions" in text


def test_a_base_design_that_is_no_point_of_the_space_is_no_centre(runs: Path, capsys: Capture) -> None:
    assert run(["pareto", str(runs / "grid"), "--sensitivity", "--around", "base"]) == 2
    error = capsys.readouterr().err
    assert "glb.capacity is '32 KiB', which the axis does not have" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--find", "latency_s <= 1"], "--find: needs what to minimize or maximize"),
        (["--find", "latency_s", "--minimize", "area_mm2"], "must be a condition such as"),
        (["--minimize", "a", "--maximize", "b"], "stands beside --minimize"),
        (["--dominate", "4000"], "--dominate: no such point: '4000'"),
        (["--objectives", "latency"], "unknown total 'latency'"),
        (["--where", "latency <= 10 ms"], "unknown total 'latency'"),
        (["--where", "utilization <= 10 ms"], "utilization has no unit (got 'ms')"),
        (["--color", "rows"], "unknown axis 'rows'"),
        (["--log", "power_w"], "unknown objective 'power_w'"),
        (["--evaluate", "5"], "--evaluate: needs a question"),
        (["--evaluate", "-5"], "must be at least 0"),
        (["--around", "knee"], "--around: says where --sensitivity looks"),
        (["--set", "a=1"], "nothing to set"),
    ],
)
def test_wrong_questions_are_refused(runs: Path, capsys: Capture, arguments: list[str], message: str) -> None:
    assert run(["pareto", str(runs / "grid"), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_all_that_is_wrong_with_a_question_is_told_at_once(runs: Path, capsys: Capture) -> None:
    assert run(["pareto", str(runs / "grid"), "--where", "x", "--find", "y", "--knees", "-1"]) == 2
    assert capsys.readouterr().err.count("error: ") == 4


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, capsys: Capture) -> None:
    assert run(["pareto", str(tmp_path)]) == 2
    assert "not the run of a sweep" in capsys.readouterr().err


def test_the_api_answers_the_same_as_the_command(runs: Path, capsys: Capture) -> None:
    found = document(capsys, str(runs / "grid"), "--dominate", "3", "--sensitivity")
    assert pareto(runs / "grid", dominate=3, sensitivity=True).to_dict() == found
    assert archsim.pareto is pareto
