"""What one result of a vector operation costs in lane operations and reads, from `vector_costs.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

_FILE = Path(__file__).with_name("vector_costs.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorCost:
    """Lane operations and elements read for one result element."""

    operations: float
    reads: float
    source: str


@cache
def vector_costs() -> Mapping[str, VectorCost]:
    """Every function of the table by name."""
    table = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return MappingProxyType({name: _cost(**entry) for name, entry in table.items()})


def _cost(operations: float, reads: float, source: str) -> VectorCost:
    return VectorCost(operations=float(operations), reads=float(reads), source=source)
