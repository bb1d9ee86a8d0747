"""A sweep whose processes are killed at any moment loses nothing but what was in hand."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from archsim.explore import workers
from archsim.explore.load import load_run
from archsim.explore.run import sweep
from tests.explore import sweeps

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds worker processes in /proc")

SCRIPT = Path(__file__).with_name("fake_sweep.py")
SWEEP = sweeps.SWEEP.replace("factor = 4", "factor = 2").replace('["int8", "int4"]', '["int8", "int6", "int4", "int3"]')
POINTS, POINTS_OF_A_CHUNK = 3 * 7 * 4, 2
KILLS = int(os.environ.get("ARCHSIM_KILLS", "2"))
"""Sessions that end by a kill; every other one loses a worker before."""
SECONDS = 0.02
"""A point takes."""
PATIENCE_S = 240.0


def start(path: Path, folder: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"FAKE_SECONDS": str(SECONDS)}
    command = [sys.executable, str(SCRIPT), str(path), str(folder), "2"]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=hear_interrupts,
    )


def hear_interrupts() -> None:
    """What a shell starts in the background ignores ctrl-C, and so does what that starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def children(parent: int) -> list[int]:
    """Processes that a process has started."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            if int(stat.rpartition(")")[2].split()[1]) == parent:
                found.append(int(entry.name))
    return found


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """The processes that evaluate; multiprocessing has one more, which watches over resources."""
    found = []
    for pid in children(process.pid):
        try:
            if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
        except OSError:
            continue
    return found


def stored(folder: Path) -> int:
    return len(list((folder / "points").glob("*.parquet"))) if folder.exists() else 0


def wait_until_stored(process: subprocess.Popen[str], folder: Path, chunks: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while stored(folder) < chunks and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sweep that nobody disturbed, in one process."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "PointEvaluator", sweeps.FakeEvaluator)
        workers._evaluator.cache_clear()
        sweep(sweeps.write(folder, SWEEP), out=folder / "run", workers=1)
        workers._evaluator.cache_clear()
    return folder / "run"


def assert_same(folder: Path, undisturbed: Path) -> None:
    assert load_run(folder).equals(load_run(undisturbed))
    files = [{path.name: path.read_bytes() for path in (run / "points").iterdir()} for run in (folder, undisturbed)]
    assert files[0] == files[1]


def assert_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while any(map(is_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(is_alive, pids))


def test_processes_killed_at_random_moments_cost_what_they_had_in_hand(tmp_path: Path, undisturbed: Path) -> None:
    """A worker, then the main process, again and again; at last nothing."""
    path, folder = sweeps.write(tmp_path, SWEEP), tmp_path / "run"
    chance = random.Random()
    for step in range(KILLS):
        process = start(path, folder)
        wait_until_stored(process, folder, stored(folder) + 3)
        victims = workers_of(process)
        if step % 2:
            process.kill()
        elif victims:
            os.kill(chance.choice(victims), signal.SIGKILL)
            wait_until_stored(process, folder, stored(folder) + 3)
            victims = workers_of(process)
            time.sleep(chance.random() * 4 * SECONDS)
            process.send_signal(chance.choice([signal.SIGKILL, signal.SIGTERM]))
        output, errors = process.communicate(timeout=PATIENCE_S)
        if not step % 2 and "note" in output:
            assert "a worker died (killed, or out of memory): points" in output
        assert_gone(victims)
    before = stored(folder)
    process = start(path, folder)
    output, errors = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, errors) == (0, "")
    assert int(output.splitlines()[-1].split()[-1]) == POINTS - POINTS_OF_A_CHUNK * before
    assert_same(folder, undisturbed)


def test_ctrl_c_ends_at_once_and_without_a_word_from_workers(tmp_path: Path) -> None:
    path, folder = sweeps.write(tmp_path, SWEEP), tmp_path / "run"
    process = start(path, folder)
    wait_until_stored(process, folder, 4)
    running = workers_of(process)
    for pid in (*running, process.pid):  # a terminal interrupts the whole group
        with suppress(ProcessLookupError):  # ended by itself meanwhile
            os.kill(pid, signal.SIGINT)
    output, errors = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, errors) == (130, "")
    assert f"of {POINTS} points are stored in {folder}" in output.splitlines()[-1]
    assert_gone(running)
    assert len(load_run(folder)) == POINTS_OF_A_CHUNK * stored(folder)
