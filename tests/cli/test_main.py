from __future__ import annotations

import json
from pathlib import Path

import pytest

import archsim
from archsim.cli.main import run
from archsim.core.errors import InfeasibleError, InputError, Problem
from archsim.reports.evaluation import Evaluation
from tests.reports import samples

COMMANDS = ("evaluate", "compare", "catalog", "formats", "formats compare", "trace", "schema")
SHARED = ("--json", "--out", "--no-files", "--set", "--quiet", "--debug")

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command says is compared, whether this version's kernels lie compiled or not."""
    monkeypatch.setattr("archsim.core.kernels.compiled_before", lambda module: True)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, tuple[str, ...]]]:
    """Evaluations answered by the small sample; what was asked is recorded."""
    asked: list[tuple[object, tuple[str, ...]]] = []

    def evaluate(design: object, *, overrides: tuple[str, ...] = ()) -> Evaluation:
        asked.append((design, tuple(overrides)))
        return samples.small()

    monkeypatch.setattr("archsim.api.evaluate.evaluate", evaluate)
    return asked


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def evaluate(*_: object, **__: object) -> Evaluation:
        raise error

    monkeypatch.setattr("archsim.api.evaluate.evaluate", evaluate)


def test_version(capsys: Capture) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"archsim {archsim.__version__}\n"


def test_help_lists_every_command(capsys: Capture) -> None:
    assert run(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {command} " in text for command in COMMANDS)


def test_no_command_shows_the_help_as_a_mistake(capsys: Capture) -> None:
    assert run([]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Usage: archsim" in captured.err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_the_shared_options(command: str, capsys: Capture) -> None:
    assert run([*command.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert all(option in text for option in SHARED)


def test_evaluate_prints_tables_and_writes_a_run_folder(calls: list[object], capsys: Capture) -> None:
    assert run(["evaluate", "design.toml"]) == 0
    captured = capsys.readouterr()
    assert "q_proj" in captured.out
    assert captured.err.splitlines() == [
        "warning: glb: one tile does not fit twice, so loading does not overlap",
        f"wrote {Path('runs', 'sample')}",
    ]
    assert Path("runs/sample/summary.json").is_file()
    assert calls == [(Path("design.toml"), ())]


def test_json_is_one_document_on_stdout(calls: list[object], capsys: Capture) -> None:
    assert run(["evaluate", "design.toml", "--json", "--no-files"]) == 0
    assert json.loads(capsys.readouterr().out) == samples.small().to_dict()
    assert list(Path().iterdir()) == []


def test_quiet_says_nothing_on_stderr(calls: list[object], capsys: Capture) -> None:
    assert run(["evaluate", "design.toml", "--quiet", "--out", "here"]) == 0
    assert capsys.readouterr().err == ""
    assert Path("here/layers.csv").is_file()


def test_set_is_passed_on_in_order(calls: list[tuple[object, tuple[str, ...]]]) -> None:
    assert run(["evaluate", "d.toml", "--set", "a.b=1", "--set", "c='x y'", "--no-files"]) == 0
    assert calls[0][1] == ("a.b=1", "c='x y'")


def test_no_files_wins_over_out_and_says_so(calls: list[object], capsys: Capture) -> None:
    assert run(["evaluate", "d.toml", "--no-files", "--out", "x"]) == 0
    assert "warning: --no-files wins over --out" in capsys.readouterr().err
    assert list(Path().iterdir()) == []


def test_out_that_is_a_file_is_wrong_input(calls: list[object], capsys: Capture) -> None:
    Path("x").write_text("mine", "utf-8")
    assert run(["evaluate", "d.toml", "--out", "x"]) == 2
    assert capsys.readouterr().err == "error: x: is a file, not a folder\nhint: pass another --out\n"


def test_every_problem_of_an_input_is_an_error_line_with_its_hint(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    problems = [
        Problem(file="d.toml", line=14, key="hardware.array.rows", message="must be at least 1 (got 0)"),
        Problem(file="d.toml", line=20, message="unknown model 'lama'", hint="did you mean 'llama'?"),
    ]
    raising(monkeypatch, InputError(problems))
    assert run(["evaluate", "d.toml", "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "error: d.toml:14: hardware.array.rows: must be at least 1 (got 0)",
        "error: d.toml:20: unknown model 'lama'",
        "hint: did you mean 'llama'?",
    ]


def test_an_answer_of_no_is_exit_code_1(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    raising(monkeypatch, InfeasibleError("q_proj: needs 3 KiB of glb, which has 2 KiB"))
    assert run(["evaluate", "d.toml"]) == 1
    assert capsys.readouterr().err == "error: q_proj: needs 3 KiB of glb, which has 2 KiB\n"


def test_control_characters_in_an_error_do_not_reach_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    raising(monkeypatch, InputError(Problem(message="unknown key '\x1b[2J'")))
    assert run(["evaluate", "d.toml"]) == 2
    assert capsys.readouterr().err == "error: unknown key '\\x1b[2J'\n"


def test_an_unexpected_error_is_one_line_and_how_to_see_more(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    raising(monkeypatch, ZeroDivisionError("division by zero\nsecond line"))
    assert run(["evaluate", "d.toml"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "error: unexpected ZeroDivisionError: division by zero",
        "hint: run with --debug to see where",
    ]


def test_debug_shows_where(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    raising(monkeypatch, ZeroDivisionError("division by zero"))
    assert run(["evaluate", "d.toml", "--debug"]) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_an_os_error_names_its_file(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    raising(monkeypatch, PermissionError(13, "Permission denied", "runs/x"))
    assert run(["evaluate", "d.toml"]) == 1
    assert capsys.readouterr().err == "error: runs/x: Permission denied\n"


def test_an_interrupt_is_quiet(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    raising(monkeypatch, KeyboardInterrupt())
    assert run(["evaluate", "d.toml"]) == 130
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evalute"], "No such command 'evalute'"),
        (["evaluate"], "Missing argument 'DESIGN.toml'"),
        (["evaluate", "d.toml", "--jsn"], "No such option: --jsn"),
        (["evaluate", "d.toml", "--out"], "--out"),
        (["evaluate", "a.toml", "b.toml"], "unexpected extra argument"),
        (["trace", "resnet-50", "--batch", "x"], "--batch"),
    ],
)
def test_a_mistaken_command_line_is_exit_code_2(arguments: list[str], message: str, capsys: Capture) -> None:
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert message in captured.err
    assert "hint: see archsim" in captured.err


def test_compare_of_two_runs(capsys: Capture) -> None:
    samples.small().save("a")
    samples.large(2).save("b")
    assert run(["compare", "a", "b", "--json", "--out", "c"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert document["schema"] == "archsim.comparison/1"
    assert json.loads(Path("c/comparison.json").read_text("utf-8")) == document
    assert run(["compare", "a", "b"]) == 0
    assert "Energy by component" in capsys.readouterr().out


ISO_AREA = """
[hardware]
base = "{base}"
[workload]
model = "opt-125m"
[quantization]
weights = "fp16"
inputs = "fp16"
outputs = "fp16"
[simulation]
convention = "bitmod-2024"
"""


def test_compare_at_equal_area(capsys: Capture) -> None:
    for name, base in (("a", "bitmod-28nm"), ("b", "fp16-28nm")):
        Path(f"{name}.toml").write_text(ISO_AREA.format(base=base), encoding="utf-8")
    assert run(["compare", "--iso-area", "a.toml", "b.toml", "--json", "--out", "c"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "archsim.iso-area/1"
    assert json.loads(Path("c/iso-area.json").read_text("utf-8")) == document
    assert run(["compare", "--iso-area", "a.toml", "b.toml", "--area", "3 mm^2", "--models", "opt-125m,opt-350m"]) == 0
    assert "At 3 mm² of PEs and decoders" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.toml"], "compares two designs or runs (got 1)"),
        (["a.toml", "b.toml", "--models", "x"], "belong to --iso-area"),
        (["--iso-area", "a.toml"], "needs two designs or more (got 1)"),
        (["--iso-area", "a.toml", "b.toml", "--area", "2 s"], "--area"),
    ],
)
def test_wrong_input_of_compare(arguments: list[str], message: str, capsys: Capture) -> None:
    assert run(["compare", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_compare_of_what_is_not_there(capsys: Capture) -> None:
    assert run(["compare", "a.json", "b.json"]) == 2
    assert capsys.readouterr().err.splitlines()[0] == "error: a.json: no such file"
