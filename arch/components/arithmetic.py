"""Multiply-accumulate units, registers and vector lanes, from published adders and multipliers."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from archsim.arch.components.cost import ComponentCost
from archsim.arch.formats.base import Arithmetic, ArithmeticKind
from archsim.arch.interpolation import is_outside, log_log
from archsim.arch.technology import logic_scaling
from archsim.core.errors import InputError, Problem
from archsim.core.provenance import ESTIMATE

_TABLE = Path(__file__).parent / "data" / "arithmetic.toml"

FP32 = Arithmetic(kind=ArithmeticKind.FLOAT, significand_bits=24, exponent_bits=8)
"""The arithmetic of a vector lane unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Energy and area of one operator by width, as published."""

    name: str
    widths: tuple[float, ...]
    energies_pj: tuple[float, ...]
    areas_um2: tuple[float, ...]
    slope: float | None = None
    """Exponent outside the widths; None goes on as the last segment does."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator at the table's node."""

    energy_pj: float
    area_um2: float
    estimates: tuple[str, ...] = ()

    def __add__(self, other: Operator) -> Operator:
        return Operator(
            self.energy_pj + other.energy_pj, self.area_um2 + other.area_um2, self.estimates + other.estimates
        )

    def __mul__(self, share: float) -> Operator:
        return Operator(self.energy_pj * share, self.area_um2 * share, self.estimates)


@dataclass(frozen=True, slots=True)
class Operand:
    """How an operand enters the multiplier: as an integer of `width` bits or a float with that significand."""

    is_float: bool
    width: int
    magnitude_bits: int
    """What its significand holds when it meets a float: the width without an integer's sign."""
    estimates: tuple[str, ...] = ()


@lru_cache(maxsize=1024)
def mac_cost(weights: Arithmetic, inputs: Arithmetic, accumulator: Arithmetic, node_nm: float) -> ComponentCost:
    """Energy of one multiply-accumulate, area and leakage of its multiplier and adder; registers are not included.

    Integers: multiplier by the product of the operand widths, adder by the accumulator's width. Floats: multiplier and
    adder by significand widths (unequal ones: their geometric mean). An integer that meets a float enters the float
    multiplier with its magnitude's bits as significand. Log-log between the published widths, scaled to `node_nm`.
    Exponents' widths, rounding modes and pipelining are not distinguished.
    Source: Horowitz, ISSCC 2014 (45 nm); Stillmaker and Baas 2017.
    """
    operator = _multiplier(_operand(weights), _operand(inputs)) + _accumulate(
        _operand(accumulator), _operand(weights).is_float or _operand(inputs).is_float
    )
    return _at_node(operator, node_nm)


@lru_cache(maxsize=256)
def vector_cost(node_nm: float, lane: Arithmetic = FP32) -> ComponentCost:
    """Energy of one operation of a vector lane (the mean of a multiplication and an addition), area of both together.

    Exponentials, divisions and roots are charged by the operations they take: see the vector unit's rates.
    """
    operand = _operand(lane)
    both = _multiplier(operand, operand) + _adder(operand)
    estimate = f"{ESTIMATE} a vector operation costs the mean of a multiplication and an addition"
    return _at_node(Operator(both.energy_pj / 2, both.area_um2, (*both.estimates, estimate)), node_nm)


@lru_cache(maxsize=256)
def register_cost(bits: float, node_nm: float) -> ComponentCost:
    """Energy of writing or reading a flip-flop register of `bits` once, and its area.

    Source: Aladdin's 40 nm table; Stillmaker and Baas 2017.
    """
    if bits <= 0:
        raise InputError(Problem(message=f"a register has more than 0 bits (got {bits:g})"))
    table = _table()["register"]
    scaling = logic_scaling(float(table["node_nm"]), node_nm)
    return ComponentCost(
        energy_pj=float(table["energy_pj_per_bit"]) * bits * scaling.energy,
        area_um2=float(table["area_um2_per_bit"]) * bits * scaling.area,
        leakage_w=0.0,
        source=f"{table['source']}; {scaling.source}",
        estimates=(scaling.source,) if scaling.estimate else (),
    )


def _operand(arithmetic: Arithmetic) -> Operand:
    """How `arithmetic` enters a conventional multiplier, looked-up and power-of-two operands too."""
    match arithmetic.kind:
        case ArithmeticKind.INTEGER:
            return _integer(arithmetic)
        case ArithmeticKind.FLOAT:
            return _float(arithmetic)
        case ArithmeticKind.POWER_OF_TWO:
            note = f"{ESTIMATE} a power of two enters the multiplier as a float with a 1-bit significand"
            return _float(arithmetic, note)
        case ArithmeticKind.LOOKUP:
            note = f"{ESTIMATE} a looked-up operand enters the multiplier as the value it stands for, the table is free"
            return _float(arithmetic, note) if arithmetic.significand_bits else _integer(arithmetic, note)


def _integer(arithmetic: Arithmetic, *notes: str) -> Operand:
    width = max(arithmetic.integer_bits, 1)
    return Operand(False, width, max(width - arithmetic.signed, 1), notes)


def _float(arithmetic: Arithmetic, *notes: str) -> Operand:
    width = max(arithmetic.significand_bits, 1)
    return Operand(True, width, width, notes)


def _multiplier(a: Operand, b: Operand) -> Operator:
    notes = a.estimates + b.estimates
    if not a.is_float and not b.is_float:
        return _read(_curve("integer_multiply"), math.sqrt(a.width * b.width), notes)
    if a.is_float != b.is_float:
        integer = b if a.is_float else a
        bits = integer.magnitude_bits
        notes += (f"{ESTIMATE} an integer of {integer.width} bits meets a float as a significand of {bits} bits",)
    return _read(_curve("float_multiply"), math.sqrt(a.magnitude_bits * b.magnitude_bits), notes)


def _adder(operand: Operand) -> Operator:
    return _read(_curve("float_add" if operand.is_float else "integer_add"), operand.width, operand.estimates)


def _accumulate(accumulator: Operand, products_are_floats: bool) -> Operator:
    if accumulator.is_float and not products_are_floats:
        note = f"{ESTIMATE} an integer product enters the float adder without a converter of its own"
        return _adder(replace(accumulator, estimates=(*accumulator.estimates, note)))
    if accumulator.is_float or not products_are_floats:
        return _adder(accumulator)
    rule = _table()["fixed_point_accumulator"]
    share = float(rule["float_add_share"])
    shifted = _read(_curve("float_add"), accumulator.width, (str(rule["source"]),))
    return shifted * share + _adder(accumulator) * (1 - share)


def _read(curve: Curve, width: float, notes: tuple[str, ...] = ()) -> Operator:
    if is_outside(width, curve.widths):
        published = f"{curve.widths[0]:g} to {curve.widths[-1]:g} bits"
        notes += (f"{ESTIMATE} {curve.name} of {width:.3g} bits, published for {published}",)
    return Operator(
        log_log(width, curve.widths, curve.energies_pj, curve.slope),
        log_log(width, curve.widths, curve.areas_um2, curve.slope),
        notes,
    )


def _at_node(operator: Operator, node_nm: float) -> ComponentCost:
    table = _table()
    base_nm, leakage = float(table["node"]["base_nm"]), table["leakage"]
    scaling = logic_scaling(base_nm, node_nm, float(table["node"]["supply_v"]))
    from_leaky = logic_scaling(float(leakage["node_nm"]), node_nm)
    to_leaky = logic_scaling(base_nm, float(leakage["node_nm"]))
    notes = (*operator.estimates, str(leakage["source"]), *((scaling.source,) if scaling.estimate else ()))
    return ComponentCost(
        energy_pj=operator.energy_pj * scaling.energy,
        area_um2=operator.area_um2 * scaling.area,
        leakage_w=operator.area_um2 * to_leaky.area * float(leakage["watts_per_um2"]) * from_leaky.energy,
        source=f"{table['source']['energy']}; areas: {table['source']['area']}; {scaling.source}",
        estimates=tuple(dict.fromkeys(notes)),
    )


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    return tomllib.loads(_TABLE.read_text(encoding="utf-8"))


@lru_cache(maxsize=8)
def _curve(name: str) -> Curve:
    operator = _table()["operator"][name]
    widths, energies, areas = zip(*operator["anchors"], strict=True)
    return Curve(name.replace("_", " "), tuple(widths), tuple(energies), tuple(areas), operator.get("exponent"))
