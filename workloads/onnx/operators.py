"""What each operator is to a trace, from `operators.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from archsim.workloads.op import VectorKind

_FILE = Path(__file__).with_name("operators.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorRule:
    """Lane operations of an operator of the vector unit, for what `per` counts."""

    kind: VectorKind
    operations: float
    source: str
    per: Literal["output", "input", "window"] = "output"


@cache
def vector_rules() -> Mapping[str, VectorRule]:
    """Every operator of the vector unit."""
    rules: dict[str, VectorRule] = {}
    for group in _table()["vector"]:
        rule = VectorRule(**{key: value for key, value in group.items() if key != "operators"})
        rules |= dict.fromkeys(group["operators"], rule)
    return MappingProxyType(rules)


@cache
def free_operators() -> frozenset[str]:
    """Operators that only change a layout."""
    return frozenset(_table()["free"])


@cache
def foldable_operators() -> frozenset[str]:
    """Operators whose results on small constants are followed."""
    return frozenset(_table()["foldable"])


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(_FILE.read_text(encoding="utf-8"))
