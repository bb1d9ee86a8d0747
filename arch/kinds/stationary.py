"""What kinds of arrays that hold their results have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archsim.arch.kinds.base import Conflicts, needs_rows_and_cols
from archsim.core.errors import Problem
from archsim.core.toml import KeyPath

DATAFLOW = "os"


def output_stationary_conflicts(kind: str, array: Mapping[str, Any], path: KeyPath) -> Conflicts:
    """Conflicts of kinds whose rows by columns hold their results."""
    yield from needs_rows_and_cols(kind, array, path)
    given = array.get("dataflows") if array.get("dataflows") is not None else array.get("dataflow")
    if given is not None and given not in (DATAFLOW, [DATAFLOW], "any", ["any"]):
        key = "dataflow" if array.get("dataflow") is not None else "dataflows"
        yield (*path, key), Problem(message=f"a {kind} array holds its results: '{DATAFLOW}' only (got {given!r})")
