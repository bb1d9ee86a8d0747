"""pyproject.toml, MANIFEST.in and the scripts agree with what lies in the checkout."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import archsim

ROOT = Path(__file__).resolve().parent.parent
SOURCE_SUFFIXES = {".py", ".pyc", ".pyi"}
"""Never data: setuptools takes .py files by package, .pyc files are not shipped."""


@cache
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def rooms() -> dict[str, Path]:
    """Folder of each top-level package, by the name it installs as."""
    mapping: dict[str, str] = pyproject()["tool"]["setuptools"]["package-dir"]
    return {package: ROOT / folder for package, folder in mapping.items()}


def folders_of_packages() -> dict[str, Path]:
    """Every folder with an __init__.py below the rooms, by the name it must install as."""
    found = {}
    for package, folder in rooms().items():
        for init in folder.rglob("__init__.py"):
            parts = init.parent.relative_to(folder).parts
            found[".".join((package, *parts))] = init.parent
    return found


def tracked_files() -> list[Path]:
    """Files that belong to the project: those git knows or would add, else all but the generated."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs git and a checkout to tell the project's files from generated ones")
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_packages_listed_are_the_folders_that_hold_them() -> None:
    assert sorted(pyproject()["tool"]["setuptools"]["packages"]) == sorted(folders_of_packages())


def test_every_top_level_package_folder_is_a_room() -> None:
    folders = {init.parent for init in ROOT.glob("*/__init__.py")} - {ROOT / "tests"}
    assert folders == set(rooms().values())


def test_folders_with_modules_are_packages() -> None:
    """A folder of modules without an __init__.py works in a checkout and is missing from the wheel."""
    with_modules = {path.parent for folder in rooms().values() for path in folder.rglob("*.py")}
    assert with_modules == set(folders_of_packages().values())


def test_every_data_file_ships() -> None:
    data = pyproject()["tool"]["setuptools"]["package-data"]
    packages = {folder: package for package, folder in folders_of_packages().items()}
    lost = []
    for path in tracked_files():
        folder = next((parent for parent in path.parents if parent in packages), None)
        if folder is None or path.suffix in SOURCE_SUFFIXES:
            continue
        patterns = data.get("*", []) + data.get(packages[folder], [])
        if not any(path in folder.glob(pattern) for pattern in patterns):
            lost.append(str(path.relative_to(ROOT)))
    assert lost == []


def test_the_package_is_marked_as_typed() -> None:
    assert (ROOT / "archsim" / "py.typed").is_file()


def test_every_room_has_its_layer() -> None:
    contract = next(entry for entry in pyproject()["tool"]["importlinter"]["contracts"] if entry["type"] == "layers")
    layers = {name.strip() for row in contract["layers"] for name in row.split("|")}
    modules = {f"archsim.{path.stem}" for path in (ROOT / "archsim").glob("[!_]*.py")}
    packages = {name for name in folders_of_packages() if name.count(".") == 1}
    assert layers == packages | modules


def test_version_is_stated_once() -> None:
    assert archsim.__version__ == pyproject()["project"]["version"]


def test_changelog_has_the_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[({re.escape(archsim.__version__)}|Unreleased)\]", text, re.MULTILINE)


def test_manifest_ships_what_the_wheel_is_built_and_tested_from() -> None:
    lines = (ROOT / "MANIFEST.in").read_text(encoding="utf-8").splitlines()
    grafted = {line.split()[1] for line in lines if line.startswith("graft ")}
    assert {"tests", "docs", "designs", ".ci"} <= grafted


MACHINE_PATH = re.compile(rb"(?<![\w.$}/-])/(?:home|root|work|Users|opt|mnt|srv)/[\w.-]+|[A-Z]:\\\\?Users\\")


def test_no_file_names_a_path_of_one_machine() -> None:
    named = []
    for path in tracked_files():
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            if MACHINE_PATH.search(line) and path != Path(__file__).resolve():
                named.append(f"{path.relative_to(ROOT)}:{number}: {line[:120].decode(errors='replace')}")
    assert named == []


@pytest.mark.parametrize("line", [b'open("/home/me/x.csv")', b"cd /work/clone", b"C:\\Users\\me"])
def test_paths_of_one_machine_are_recognised(line: bytes) -> None:
    assert MACHINE_PATH.search(line)


class TestFindPython:
    """`.ci/find-python`, with which `make run` starts on a machine it knows nothing of."""

    def run(self, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        script = ROOT / ".ci" / "find-python"
        environment = {**os.environ, "PATH": str(folder)}
        return subprocess.run(
            ["/bin/sh", str(script), *arguments], env=environment, capture_output=True, text=True, check=False
        )

    def fake(self, folder: Path, name: str, body: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        (folder / name).chmod(0o755)

    def test_without_a_python_it_says_so(self, tmp_path: Path) -> None:
        outcome = self.run(tmp_path)
        assert outcome.returncode == 1
        assert "error: no Python >= 3.11 found" in outcome.stderr
        assert outcome.stdout == ""

    def test_an_old_python_is_passed_over(self, tmp_path: Path) -> None:
        self.fake(tmp_path, "python3", "echo")
        assert "no Python >= 3.11" in self.run(tmp_path).stderr

    def test_a_name_that_fails_to_start_is_passed_over(self, tmp_path: Path) -> None:
        self.fake(tmp_path, "python3.13", "exit 127")
        self.fake(tmp_path, "python3.11", f"echo {tmp_path}/python3.11")
        assert self.run(tmp_path).stdout.strip() == f"{tmp_path}/python3.11"

    def test_a_python_without_venv_is_named(self, tmp_path: Path) -> None:
        self.fake(tmp_path, "python3", f'case $2 in *ensurepip*) exit 1 ;; *) echo "{tmp_path}/python3" ;; esac')
        outcome = self.run(tmp_path)
        assert outcome.returncode == 1
        assert f"error: {tmp_path}/python3 cannot make virtual environments" in outcome.stderr
        assert "hint:" in outcome.stderr

    def test_a_named_python_is_the_only_candidate(self, tmp_path: Path) -> None:
        self.fake(tmp_path, "python3", f"echo {tmp_path}/python3")
        assert "tried: python9" in self.run(tmp_path, "python9").stderr
