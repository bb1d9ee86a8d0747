"""The version of the model: what a stored point rests on, besides its design."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import archsim

MODEL_ROOMS = ("core", "arch", "workloads", "sim", "mappers", "api", "explore")
"""Rooms that decide a result. Reports and the command line only show it."""
_SUFFIXES = frozenset({".py", ".toml", ".csv", ".json"})


@cache
def model_version() -> str:
    """archsim's version with a hash (16 hex digits) of the sources and the data that decide results."""
    digest = hashlib.sha256()
    for room in MODEL_ROOMS:
        root = next(Path(entry) / room for entry in archsim.__path__ if (Path(entry) / room).is_dir())
        for path in sorted(root.rglob("*")):
            if path.suffix in _SUFFIXES and path.is_file():
                digest.update(f"{room}/{path.relative_to(root).as_posix()}\0".encode())
                digest.update(path.read_bytes())
    return f"{archsim.__version__}+{digest.hexdigest()[:16]}"
