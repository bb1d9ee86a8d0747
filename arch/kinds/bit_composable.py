"""Kind ``bit-composable``: a systolic array of units that split into bricks for narrow operands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from archsim.arch.engines.bit_composable import ComposableEngine
from archsim.arch.kinds.base import Conflicts, Kind, needs_rows_and_cols
from archsim.arch.kinds.systolic import SystolicKeys, build_array
from archsim.core.errors import Problem
from archsim.core.options import Count, Options
from archsim.core.toml import KeyPath

if TYPE_CHECKING:
    from archsim.arch.array_options import ArrayOptions

DEFAULT_UNIT_BITS, DEFAULT_BRICK_BITS = 8, 2


class ComposableKeys(Options):
    """Keys of arrays whose PEs are made of bricks."""

    unit_bits: Count = DEFAULT_UNIT_BITS
    """Widest operand that a PE takes in one cycle."""
    brick_bits: Count = DEFAULT_BRICK_BITS
    """Narrowest operand that it can be split for."""


def _build(array: ArrayOptions, node_nm: float) -> ComposableEngine:
    return ComposableEngine(array=build_array(array, node_nm), unit_bits=array.unit_bits, brick_bits=array.brick_bits)


def _conflicts(kind: str, array: Mapping[str, Any], path: KeyPath) -> Conflicts:
    yield from needs_rows_and_cols(kind, array, path)
    unit, brick = array.get("unit_bits", DEFAULT_UNIT_BITS), array.get("brick_bits", DEFAULT_BRICK_BITS)
    if isinstance(unit, int) and isinstance(brick, int) and brick > unit:
        yield (*path, "brick_bits"), Problem(message=f"must be at most unit_bits, {unit} (got {brick})")


BIT_COMPOSABLE = Kind(name="bit-composable", build=_build, keys=(SystolicKeys, ComposableKeys), conflicts=_conflicts)
