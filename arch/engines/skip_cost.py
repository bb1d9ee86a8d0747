"""What leaves steps out takes area and energy, too: shifters, selectors, and how many one-bit products a PE makes.

Counted from gates where a design states no figures of its PEs:

==================================  ==========================================================================
rule                                a PE has
==================================  ==========================================================================
essential, booth                    a shifter for each lane, whose term may stand in any place; with shifters of few
                                    bits these reach 2^bits places, and one for the sum of the lanes the others
precision, span, column             one shifter for the sum of its lanes, which step through the same place
interleaved                         a one-bit product for each place of the operand, that any lane may feed
bidirectional                       a one-bit product for two lanes, each fed by one of five
==================================  ==========================================================================

Sources: Albericio et al., Bit-Pragmatic, MICRO 2017 (shifters); Shi et al., BitWave, HPCA 2024; Lu et al., Bitlet,
MICRO 2021 (a lane for each significance); Chen et al., BBS, MICRO 2024 (four products for eight lanes) (recalled).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

from archsim.arch.components.cost import ComponentCost
from archsim.arch.components.gates import Circuit, selector
from archsim.arch.components.logic import circuit_cost
from archsim.arch.components.operands import Operand, operand_of
from archsim.arch.components.shift_add import shift
from archsim.arch.engines.base import UnitCost
from archsim.arch.engines.serial import operand_bits
from archsim.arch.engines.skips import Skip, SkipRule
from archsim.arch.formats import Arithmetic
from archsim.core.provenance import ESTIMATE

LANES_OF_A_CHOICE = 5
"""Lanes that one of the products of a bidirectional PE chooses among."""
LANES_OF_A_PRODUCT = 2
UNCOUNTED = f"{ESTIMATE} shifters and selectors of PEs that skip bits are counted; the search for the next bit is not"


@dataclass(frozen=True, slots=True, kw_only=True)
class SkipParts:
    """A PE's parts for a rule."""

    products: float
    """One-bit products that it makes in a step."""
    each: ComponentCost
    """What stands beside each of them."""


@lru_cache(maxsize=256)
def skip_parts(rule: SkipRule, lanes: int, serial: Arithmetic, other: Arithmetic, node_nm: float) -> SkipParts:
    """The parts of a PE of `lanes`, whose `serial` operand is taken apart and whose `other` one is whole."""
    places, operand = operand_bits(serial), operand_of(other)
    match rule.skip:
        case Skip.ESSENTIAL | Skip.BOOTH if rule.reach is not None and rule.reach + 1 < places:
            products = float(lanes)
            beside = shift(operand, rule.reach + 1) + shift(_sum(operand, lanes), places) * (1 / lanes)
        case Skip.ESSENTIAL | Skip.BOOTH:
            products, beside = float(lanes), shift(operand, places)
        case Skip.PRECISION | Skip.SPAN | Skip.COLUMN:
            products, beside = float(lanes), shift(_sum(operand, lanes), places) * (1 / lanes)
        case Skip.INTERLEAVED:
            products, beside = float(places), selector(operand.stored_bits, lanes)
        case Skip.BIDIRECTIONAL:
            products = max(1.0, lanes / LANES_OF_A_PRODUCT)
            beside = selector(operand.stored_bits, min(lanes, LANES_OF_A_CHOICE))
        case Skip.NONE:
            products, beside = float(lanes), Circuit()
    return SkipParts(products=products, each=circuit_cost(beside, node_nm))


def _sum(operand: Operand, lanes: int) -> Operand:
    """What the lanes of a PE add up to."""
    return operand if operand.is_float else replace(operand, width=operand.width + math.ceil(math.log2(lanes)))


def with_parts(cost: UnitCost, parts: SkipParts, lanes: int, *, energy: bool, area: bool) -> UnitCost:
    """A PE of `lanes` one-bit products with its parts: energy of a step by lane, area and leakage where not stated."""
    found = cost
    if energy:
        per_lane = (cost.energy_pj + parts.each.energy_pj) * parts.products / lanes
        found = replace(found, energy_pj=per_lane)
    if area and cost.area_um2 is not None:
        whole = (cost.area_um2 / lanes + (parts.each.area_um2 or 0.0)) * parts.products
        found = replace(found, area_um2=whole)
    return replace(found, estimates=tuple(dict.fromkeys((*found.estimates, UNCOUNTED)))) if energy or area else found
