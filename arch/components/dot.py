"""Dot-product units: lanes that multiply, one tree that adds, one product of shared scales, one accumulator."""

from __future__ import annotations

import math
from functools import lru_cache

from archsim.arch.components.arithmetic import add
from archsim.arch.components.cost import ComponentCost
from archsim.arch.components.gates import (
    Circuit,
    adder,
    carry_save,
    leading_zeros,
    maximum,
    multiplier,
    negater,
    register,
    shifter,
)
from archsim.arch.components.logic import circuit_cost, logic_table
from archsim.arch.components.operands import Operand, exponent_sum, operand_of, scale_operand
from archsim.arch.formats.base import Arithmetic, Granularity
from archsim.core.errors import InputError, Problem


@lru_cache(maxsize=512)
def dot_product_cost(
    lanes: int, weights: Arithmetic, inputs: Arithmetic, accumulator: Arithmetic, node_nm: float
) -> ComponentCost:
    """Energy of one step (`lanes` MACs), area and leakage of a dot-product unit with its accumulator register.

    Everything follows from widths, exponents and scales (see `dot_product`). Raises InputError without lanes.
    """
    if lanes < 1:
        raise InputError(Problem(message=f"a dot-product unit has at least 1 lane (got {lanes})"))
    cost = circuit_cost(dot_product(lanes, weights, inputs, accumulator), node_nm)
    notes = (*operand_of(weights).estimates, *operand_of(inputs).estimates, *operand_of(accumulator).estimates)
    return ComponentCost(
        energy_pj=cost.energy_pj,
        area_um2=cost.area_um2,
        leakage_w=cost.leakage_w,
        source=cost.source,
        estimates=tuple(dict.fromkeys((*notes, *cost.estimates))),
    )


def dot_product(lanes: int, weights: Arithmetic, inputs: Arithmetic, accumulator: Arithmetic) -> Circuit:
    """A pipelined unit of `lanes` lanes: products, fixed-point sum, shared scales, accumulator and its register.

    Each lane multiplies integers or significands. Products with exponents are shifted to a common place: to any their
    exponents can reach while that fits the tree's widest word, else to the largest exponent of the lanes. The sum of a
    block is in two's complement and is multiplied by the significands of the blocks' scales, their exponents added,
    once for the lanes that share them. Several blocks are aligned to the largest of their exponents and added up; then
    the sum is normalised and added to the accumulator.
    Source of the widest word: Rouhani et al., ISCA 2023 (25 bits).
    """
    a, b, total = operand_of(weights), operand_of(inputs), operand_of(accumulator)
    width, aligned = _aligned(a, b)
    lane = a.decoder + b.decoder + multiplier(a.width, b.width) + exponent_sum(a, b) + aligned
    sum_bits = width + math.ceil(math.log2(lanes)) if lanes > 1 else width
    scales, scaled_bits = _scales(weights, inputs, sum_bits)
    blocks = _blocks(lanes, weights, inputs)
    joined, joined_bits = _joined(blocks, scaled_bits, weights, inputs)
    into = _into_accumulator(total, joined_bits)
    unit = lane * lanes + _common_exponent(a, b, lanes) + carry_save(lanes, width)
    return unit + scales * blocks + joined + into + add(total) + register(total.stored_bits, enable=True, reset=True)


def _reach(a: Operand, b: Operand) -> int:
    """Places between the smallest and the largest exponent of a product."""
    return (a.places - 1) * bool(a.exponent_bits) + (b.places - 1) * bool(b.exponent_bits)


def _tree_bits() -> int:
    return int(logic_table()["dot_product"]["tree_bits"])


def _aligned(a: Operand, b: Operand) -> tuple[int, Circuit]:
    """(width of a lane's word in the tree, shifter and sign of a lane)."""
    product, reach = a.width + b.width, _reach(a, b)
    signs = negater(product) if a.is_float or b.is_float else Circuit()
    if not reach:
        return product, signs
    width = min(product + reach, max(_tree_bits(), product))
    distance = Circuit() if width == product + reach else adder(_exponent_bits(a, b))
    return width, signs + distance + shifter(width, min(reach + 1, width))


def _common_exponent(a: Operand, b: Operand, lanes: int) -> Circuit:
    """The largest exponent of the lanes, where products are aligned to it."""
    reach = _reach(a, b)
    if a.width + b.width + reach <= _tree_bits() or not reach:
        return Circuit()
    return maximum(_exponent_bits(a, b), lanes)


def _exponent_bits(a: Operand, b: Operand) -> int:
    return max(a.exponent_bits, b.exponent_bits) + 1


def _scale_of(arithmetic: Arithmetic) -> Operand | None:
    """The scale that changes along the reduction, so that the unit must apply it."""
    scale = arithmetic.scale
    shared = scale.granularity is Granularity.GROUP and scale.kind != "none"
    return scale_operand(scale.kind, scale.bits) if shared else None


def _blocks(lanes: int, weights: Arithmetic, inputs: Arithmetic) -> int:
    """Sets of lanes that share their scales."""
    sizes = [arithmetic.scale.group_size for arithmetic in (weights, inputs) if arithmetic.scale.group_size]
    return math.ceil(lanes / min(sizes)) if sizes else 1


def _scales(weights: Arithmetic, inputs: Arithmetic, sum_bits: int) -> tuple[Circuit, int]:
    """(circuit that applies one block's scales to its sum, bits of the scaled sum)."""
    scales = [scale for scale in (_scale_of(weights), _scale_of(inputs)) if scale is not None]
    significand = sum(scale.width for scale in scales if scale.width > 1)
    circuit = Circuit()
    if len(scales) == 2:
        circuit += exponent_sum(*scales)
        if min(scale.width for scale in scales) > 1:
            circuit += multiplier(scales[0].width, scales[1].width)
    if significand:
        circuit += multiplier(sum_bits, significand)
    return circuit, sum_bits + significand


def _joined(blocks: int, width: int, weights: Arithmetic, inputs: Arithmetic) -> tuple[Circuit, int]:
    """(circuit that adds up the sums of several blocks, bits of the result).

    Blocks of different scales are aligned to the largest exponent among them, in the tree's widest word at most.
    """
    if blocks <= 1:
        return Circuit(), width
    scales = [scale for scale in (_scale_of(weights), _scale_of(inputs)) if scale is not None]
    exponent = max((scale.exponent_bits for scale in scales), default=0) + 1
    word = max(_tree_bits(), width)
    align = negater(width) + adder(exponent) + shifter(word, word)
    return align * blocks + maximum(exponent, blocks) + carry_save(blocks, word), word + math.ceil(math.log2(blocks))


def _into_accumulator(total: Operand, width: int) -> Circuit:
    """A fixed-point sum normalised for a float accumulator; an integer one takes it as it is."""
    if not total.is_float:
        return Circuit()
    return negater(width) >> leading_zeros(width) >> (shifter(width, width) + adder(total.exponent_bits))
