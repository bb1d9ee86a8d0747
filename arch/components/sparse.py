"""What picks the operands that belong together before a multiplier: selectors and the encoders that steer them."""

from __future__ import annotations

from functools import lru_cache

from archsim.arch.components.cost import ComponentCost
from archsim.arch.components.gates import leading_zeros, selector
from archsim.arch.components.logic import circuit_cost
from archsim.arch.components.operands import operand_of
from archsim.arch.formats.base import Arithmetic


@lru_cache(maxsize=256)
def selection_cost(operand: Arithmetic, ways: int, node_nm: float) -> ComponentCost:
    """One operand out of `ways`, and the counter of leading zeros that finds the next one in a mask of as many bits."""
    return circuit_cost(leading_zeros(ways) >> selector(operand_of(operand).stored_bits, ways), node_nm)
