"""Components at common widths with their costs at one node: what `archsim catalog components` lists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from archsim.arch.components import gates
from archsim.arch.components.arithmetic import FP32, mac_cost
from archsim.arch.components.cost import ComponentCost
from archsim.arch.components.dot import dot_product_cost
from archsim.arch.components.gates import Circuit
from archsim.arch.components.logic import circuit_cost
from archsim.arch.components.network import router_cost, wire_cost
from archsim.arch.formats.base import Arithmetic, ArithmeticKind, Granularity, Scale

CATALOG_NODE_NM = 28.0
"""A node the constants were fitted at."""
WIDTHS = (4, 8, 16, 32)
LANES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryEntry:
    """One component: operand bits, what it does, and its cost (a bit for wires and routers)."""

    name: str
    bits: int
    what: str
    cost: ComponentCost


def library(node_nm: float = CATALOG_NODE_NM) -> tuple[LibraryEntry, ...]:
    """Adders, multipliers, shifters, comparators, tables, registers, float units, MACs, dot products, network."""
    return (*_integer(node_nm), *_float(node_nm), *_macs(node_nm), *_dot_products(node_nm), *_network(node_nm))


def _integer(node_nm: float) -> Iterator[LibraryEntry]:
    for bits in WIDTHS:
        parts: tuple[tuple[str, str, Circuit], ...] = (
            ("adder", "carry-propagate", gates.adder(bits)),
            ("multiplier", f"{bits} x {bits} bits", gates.multiplier(bits, bits)),
            ("shifter", f"{bits} positions", gates.shifter(bits, bits)),
            ("comparator", "larger of two", gates.comparator(bits)),
            ("leading-zeros", "counter", gates.leading_zeros(bits)),
            ("lut", "16 entries, constants", gates.table(16, bits)),
            ("register", "flip-flops, clocked", gates.register(bits)),
        )
        for name, what, circuit in parts:
            yield LibraryEntry(name=name, bits=bits, what=what, cost=circuit_cost(circuit, node_nm))


def _float(node_nm: float) -> Iterator[LibraryEntry]:
    for significand, exponent in ((4, 4), (8, 8), (11, 5), (24, 8)):
        bits, what = significand + exponent, f"significand {significand}, exponent {exponent}"
        multiplier = gates.float_multiplier(significand, significand, exponent)
        adder = gates.float_adder(significand, exponent)
        yield LibraryEntry(name="float-multiplier", bits=bits, what=what, cost=circuit_cost(multiplier, node_nm))
        yield LibraryEntry(name="float-adder", bits=bits, what=what, cost=circuit_cost(adder, node_nm))


def _integer_of(bits: int, scale: Scale | None = None) -> Arithmetic:
    return Arithmetic(kind=ArithmeticKind.INTEGER, integer_bits=bits, scale=scale or Scale())


def _float_of(significand: int, exponent: int, scale: Scale | None = None) -> Arithmetic:
    kind = ArithmeticKind.FLOAT
    return Arithmetic(kind=kind, significand_bits=significand, exponent_bits=exponent, scale=scale or Scale())


def _macs(node_nm: float) -> Iterator[LibraryEntry]:
    int32 = _integer_of(32)
    cases = (
        (4, "int4 x int4, int32 sum", _integer_of(4), int32),
        (8, "int8 x int8, int32 sum", _integer_of(8), int32),
        (8, "e4m3 x e4m3, fp32 sum", _float_of(4, 4), FP32),
        (16, "bf16 x bf16, fp32 sum", _float_of(8, 8), FP32),
        (16, "fp16 x fp16, fp32 sum", _float_of(11, 5), FP32),
    )
    for bits, what, operand, total in cases:
        yield LibraryEntry(name="mac", bits=bits, what=what, cost=mac_cost(operand, operand, total, node_nm))


def _dot_products(node_nm: float) -> Iterator[LibraryEntry]:
    power = Scale(granularity=Granularity.GROUP, group_size=32, kind="e8m0", bits=8)
    minifloat = Scale(granularity=Granularity.GROUP, group_size=16, kind="e4m3", bits=8)
    cases = (
        (8, "e4m3, e8m0 scale of 32", _float_of(4, 4, power)),
        (8, "int8, e8m0 scale of 32", _integer_of(8, power)),
        (4, "e2m1, e8m0 scale of 32", _float_of(2, 2, power)),
        (4, "e2m1, e4m3 scale of 16", _float_of(2, 2, minifloat)),
        (4, "int4, e4m3 scale of 16", _integer_of(4, minifloat)),
    )
    for bits, what, operand in cases:
        cost = dot_product_cost(LANES, operand, operand, FP32, node_nm)
        yield LibraryEntry(name=f"dot-product-{LANES}", bits=bits, what=f"{what}, fp32 sum", cost=cost)


def _network(node_nm: float) -> Iterator[LibraryEntry]:
    yield LibraryEntry(name="wire", bits=1, what="a bit over 1 mm", cost=wire_cost(1.0, node_nm))
    yield LibraryEntry(name="router", bits=1, what="a bit and hop, 5 ports", cost=router_cost(node_nm))
