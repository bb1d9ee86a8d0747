"""The command as people run it: a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.reports import samples

ROOT = Path(__file__).resolve().parents[2]


def archsim(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, "-m", "archsim", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": path} | environment,
        check=False,
        timeout=120,
    )


def test_python_dash_m_runs_the_command(tmp_path: Path) -> None:
    done = archsim("--version", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("archsim ")


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from archsim.cli.main import run; assert run(['--help']) == 0;"
        "heavy = {'numpy', 'numba', 'pandas', 'pydantic', 'matplotlib', 'pyarrow', 'pint', 'rich', 'scipy'};"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True,
        timeout=60,
    )
    assert done.stderr == "[]\n"


def test_a_missing_design_is_wrong_input(tmp_path: Path) -> None:
    done = archsim("evaluate", "nowhere.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: nowhere.toml: no such file")
    assert list(tmp_path.iterdir()) == []


def test_output_survives_an_ascii_terminal(tmp_path: Path) -> None:
    samples.small().save(tmp_path / "a")
    done = archsim("compare", "a", "a", "--no-files", cwd=tmp_path, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (done.returncode, done.stderr) == (0, "")
    assert "0.5256 mm?" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of Unix")
def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "archsim", "trace", "llama-2-7b", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(timeout=60) == 1
    assert "Traceback" not in errors
    assert "BrokenPipe" not in errors


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
@pytest.mark.parametrize("sent", ["SIGINT", "SIGTERM"])
def test_an_interrupt_ends_quietly(tmp_path: Path, sent: str) -> None:
    code = (
        "import os, signal, sys; import archsim.api.catalog as c; from archsim.cli.main import main\n"
        f"c.model_entries = lambda: os.kill(os.getpid(), signal.{sent}) or __import__('time').sleep(10)\n"
        "sys.argv = ['archsim', 'catalog', 'models']; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
        # What a shell starts in the background ignores ctrl-C, and so does what that starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (128 + signal.SIGINT, "", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_said_plainly(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "archsim", "schema"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            check=False,
            timeout=60,
        )
    assert (done.returncode, done.stderr) == (1, "error: cannot write the output: No space left on device\n")
