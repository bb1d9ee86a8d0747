"""Accelerators that exist: `[hardware]` tables in a design file's syntax, each with the sources of its figures."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from archsim.core.errors import InputError, unknown_name
from archsim.core.toml import TomlDocument, read_toml

_FOLDER = Path(__file__).parent


@cache
def hardware_names() -> tuple[str, ...]:
    """Names of the catalog's accelerators, sorted. Reads no file."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def hardware(name: str) -> dict[str, Any]:
    """The `[hardware]` table of a catalog entry. Raises InputError with the nearest name for an unknown one."""
    table: dict[str, Any] = deepcopy(hardware_document(name).values["hardware"])
    return table


@cache
def hardware_document(name: str) -> TomlDocument:
    """The file of a catalog entry, with the lines of its keys. Raises InputError as `hardware`."""
    if name not in hardware_names():
        raise InputError(unknown_name("hardware", name, hardware_names()))
    return read_toml(_FOLDER / f"{name}.toml", name=f"catalog entry {name}")
