"""Multiply-accumulate units, registers and vector lanes from the gate-level model."""

from __future__ import annotations

from functools import lru_cache

from archsim.arch.components.cost import ComponentCost
from archsim.arch.components.gates import (
    Circuit,
    adder,
    float_adder,
    float_multiplier,
    leading_zeros,
    multiplier,
    negater,
    register,
    shifter,
)
from archsim.arch.components.logic import circuit_cost, logic_estimates
from archsim.arch.components.operands import Operand, operand_of
from archsim.arch.formats.base import Arithmetic, ArithmeticKind
from archsim.core.errors import InputError, Problem
from archsim.core.provenance import ESTIMATE

FP32 = Arithmetic(kind=ArithmeticKind.FLOAT, significand_bits=24, exponent_bits=8)
"""The arithmetic of a vector lane unless told otherwise."""


@lru_cache(maxsize=1024)
def mac_cost(weights: Arithmetic, inputs: Arithmetic, accumulator: Arithmetic, node_nm: float) -> ComponentCost:
    """Energy of one multiply-accumulate, area and leakage of its multiplier and adder; registers are not included.

    Multiplier and adder work in two stages of a pipeline at a clock that suits the node. An integer that meets a float
    multiplies its significand, and the product is normalised. An integer product enters a float accumulator through a
    normaliser, a float product an integer accumulator through an aligning shifter. Shared scales are left out: see
    `dot_product_cost`. Source: the gate-level model (docs/components.md).
    """
    a, b, total = operand_of(weights), operand_of(inputs), operand_of(accumulator)
    circuit = multiply(a, b) + accumulate(total, a, b)
    notes = (*a.estimates, *b.estimates, *total.estimates)
    cost = circuit_cost(circuit, node_nm)
    return ComponentCost(
        energy_pj=cost.energy_pj,
        area_um2=cost.area_um2,
        leakage_w=cost.leakage_w,
        source=cost.source,
        estimates=tuple(dict.fromkeys((*notes, *cost.estimates))),
    )


@lru_cache(maxsize=256)
def vector_cost(node_nm: float, lane: Arithmetic = FP32) -> ComponentCost:
    """Energy of one operation of a vector lane (the mean of a multiplication and an addition), area of both together.

    Exponentials, divisions and roots are charged by the operations they take: see the vector unit's rates.
    """
    operand = operand_of(lane)
    cost = circuit_cost(multiply(operand, operand) + add(operand), node_nm)
    estimate = f"{ESTIMATE} a vector operation costs the mean of a multiplication and an addition"
    return ComponentCost(
        energy_pj=cost.energy_pj / 2,
        area_um2=cost.area_um2,
        leakage_w=cost.leakage_w,
        source=cost.source,
        estimates=(*operand.estimates, estimate, *cost.estimates),
    )


@lru_cache(maxsize=256)
def register_cost(bits: float, node_nm: float) -> ComponentCost:
    """Energy of writing or reading a flip-flop register of `bits` once (a clocked cycle), and its area."""
    if bits <= 0:
        raise InputError(Problem(message=f"a register has more than 0 bits (got {bits:g})"))
    cost = circuit_cost(register(bits), node_nm)
    return ComponentCost(
        energy_pj=cost.energy_pj,
        area_um2=cost.area_um2,
        leakage_w=cost.leakage_w,
        source=cost.source,
        estimates=logic_estimates(node_nm, 1.0)[1:],
    )


def multiply(a: Operand, b: Operand) -> Circuit:
    """Multiplier with the operands' decoders; floats are rounded, an integer's product with a float normalised."""
    decoders = a.decoder + b.decoder
    if not a.is_float and not b.is_float:
        places = a.places * b.places
        return decoders + (multiplier(a.width, b.width) >> shifter(a.width + b.width, places))
    exponent = max(a.exponent_bits, b.exponent_bits)
    if a.is_float and b.is_float:
        return decoders + float_multiplier(a.width, b.width, exponent, subnormals=a.subnormals and b.subnormals)
    width = a.magnitude_bits + b.magnitude_bits
    product = float_multiplier(a.magnitude_bits, b.magnitude_bits, exponent)
    return decoders + (product >> leading_zeros(width) >> shifter(width, width))


def add(operand: Operand) -> Circuit:
    """Adder of two operands of one kind."""
    return float_adder(operand.width, operand.exponent_bits) if operand.is_float else adder(operand.width)


def accumulate(total: Operand, a: Operand, b: Operand) -> Circuit:
    """Adds a product of `a` and `b` to `total`, with the conversion between integer and float where they differ."""
    product_is_float = a.is_float or b.is_float
    if total.is_float and not product_is_float:
        width = a.width + b.width
        return negater(width) >> leading_zeros(width) >> shifter(width, width) >> add(total)
    if product_is_float and not total.is_float:
        return shifter(total.width, total.width) >> negater(total.width) >> add(total)
    return add(total)
