"""Design files for tests, written into a folder of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

DESIGN = """\
[hardware]
kind = "systolic"
clock = "1 GHz"
node = "28 nm"

[hardware.array]
rows = 16
cols = 16
dataflows = ["ws"]

[[hardware.memory]]
name = "dram"
technology = "lpddr4"

[[hardware.memory]]
name = "glb"
technology = "sram"
capacity = "64 KiB"

[workload]
model = "resnet-50"
"""


@pytest.fixture
def design_text() -> str:
    """A small design that is right."""
    return DESIGN


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes a file into the test's folder, which is the working directory, so that messages hold bare names."""
    monkeypatch.chdir(tmp_path)

    def write_file(text: str | bytes, name: str = "design.toml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return Path(name)

    return write_file
