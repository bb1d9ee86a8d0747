"""Kind ``lookup``: units that pick sums of activations from tables instead of multiplying."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from archsim.arch.engines.lookup import LookupEngine
from archsim.arch.kinds.base import Kind, ignoring, stated, unit_model
from archsim.arch.kinds.stationary import DATAFLOW, output_stationary_conflicts
from archsim.core.options import Count, Options

if TYPE_CHECKING:
    from archsim.arch.array_options import ArrayOptions

LARGEST_GROUP = 8
"""Activations of one table: beyond, tables outgrow what they save."""


class LookupKeys(Options):
    """Keys of lookup arrays."""

    table_group: Annotated[int, Field(strict=True, ge=1, le=LARGEST_GROUP)] = 4
    """Activations whose sums one table holds."""
    table_adders: Count = 2
    """Adders per column that make the next table."""
    table_digits: Literal["binary", "ternary"] = "binary"
    """Whether a look takes one bit of each weight, or whole ternary weights."""
    table_bits: Count | None = None
    """Width of the entries of quantized tables; absent: wide enough for the sums."""


def _build(array: ArrayOptions, node_nm: float) -> LookupEngine:
    return LookupEngine(
        rows=stated(array.rows),
        columns=stated(array.cols),
        group=array.table_group,
        adders=array.table_adders,
        ternary=array.table_digits == "ternary",
        entry_bits=array.table_bits or 0,
        count=array.count,
        unit=unit_model(array, node_nm),
    )


LOOKUP = Kind(
    name="lookup",
    idle_keys=ignoring("lookup", "lanes", "rates"),
    build=_build,
    keys=(LookupKeys,),
    conflicts=output_stationary_conflicts,
    dataflows=lambda array: (DATAFLOW,),
)
