"""Plain values of a design file, read without knowing whether they are of the right type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def table(value: object) -> Mapping[str, Any]:
    """The value where it is a table, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def tables(value: object) -> Sequence[Mapping[str, Any]]:
    """The entries of a list, those that are no tables as empty ones; none where it is no list."""
    return [table(entry) for entry in value] if isinstance(value, list | tuple) else []
