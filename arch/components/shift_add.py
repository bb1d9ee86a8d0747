"""Units without a multiplier: a product with a power of two is a shift, one with a sign an addition."""

from __future__ import annotations

from functools import lru_cache

from archsim.arch.components.arithmetic import add
from archsim.arch.components.cost import ComponentCost
from archsim.arch.components.gates import Circuit, adder, inverter, leading_zeros, negater, shifter
from archsim.arch.components.logic import circuit_cost
from archsim.arch.components.operands import Operand, operand_of
from archsim.arch.formats.base import Arithmetic


@lru_cache(maxsize=256)
def shift_add_cost(other: Arithmetic, places: int, accumulator: Arithmetic, node_nm: float) -> ComponentCost:
    """Energy of one step, area and leakage of a unit that shifts `other` to one of `places` and adds it up.

    An integer goes through a barrel shifter, a float's exponent through an adder; with one place only the sign is left.
    Registers are not included. Raises InputError for a node out of reach.
    """
    operand, total = operand_of(other), operand_of(accumulator)
    cost = circuit_cost(shift(operand, places) + _accumulate(operand, places, total), node_nm)
    return ComponentCost(
        energy_pj=cost.energy_pj,
        area_um2=cost.area_um2,
        leakage_w=cost.leakage_w,
        source=cost.source,
        estimates=tuple(dict.fromkeys((*operand.estimates, *total.estimates, *cost.estimates))),
    )


def shift(operand: Operand, places: int) -> Circuit:
    """What brings an operand to one of `places`, with its sign."""
    if places <= 1:
        return inverter(1 if operand.is_float else operand.width)
    if operand.is_float:
        return adder(operand.exponent_bits + 1) + inverter(1)
    return shifter(operand.width + places - 1, places) >> inverter(operand.width + places - 1)


def _accumulate(operand: Operand, places: int, total: Operand) -> Circuit:
    """The accumulator's adder, after a conversion where one of the two is an integer and the other a float."""
    if total.is_float and not operand.is_float:
        width = operand.width + places - 1
        return negater(width) >> leading_zeros(width) >> shifter(width, width) >> add(total)
    if operand.is_float and not total.is_float:
        return shifter(total.width, total.width) >> negater(total.width) >> add(total)
    return add(total)
