"""Circuits counted in gate equivalents: adders, multipliers, shifters, counters, tables, registers.

One gate equivalent (GE) is the area of a two-input NAND. Every function says which cells it counts; cell sizes come
from `data/gates.toml`. Widths are bits. Nothing here knows a node, an energy or a number format.
"""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

_DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Sizes of the cells that circuits are made of, in GE."""

    and2: float
    xor2: float
    mux2: float
    half_adder: float
    full_adder: float
    flip_flop: float
    buffer: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """What a circuit is made of, and how many gate levels its longest path between flip-flops has.

    `a + b` stand side by side; in `a >> b` the second works on what the first gives, in the same cycle.
    """

    logic_ge: float = 0.0
    flip_flops: float = 0.0
    levels: float = 0.0

    def __add__(self, other: Circuit) -> Circuit:
        return self._with(other, max(self.levels, other.levels))

    def __rshift__(self, other: Circuit) -> Circuit:
        return self._with(other, self.levels + other.levels)

    def __mul__(self, count: float) -> Circuit:
        return Circuit(logic_ge=self.logic_ge * count, flip_flops=self.flip_flops * count, levels=self.levels)

    @property
    def area_ge(self) -> float:
        """All cells together."""
        return self.logic_ge + self.flip_flops * cells().flip_flop

    def _with(self, other: Circuit, levels: float) -> Circuit:
        return Circuit(
            logic_ge=self.logic_ge + other.logic_ge, flip_flops=self.flip_flops + other.flip_flops, levels=levels
        )


@lru_cache(maxsize=1)
def gate_table() -> dict[str, Any]:
    """The tables of `data/gates.toml`."""
    return tomllib.loads((_DATA / "gates.toml").read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def cells() -> Cells:
    """The cells of the table."""
    table = gate_table()["cells"]
    return Cells(**{name: float(table[name]) for name in Cells.__slots__})


def gates(width: float) -> Circuit:
    """An AND a bit: one row of partial products, or a gate that lets a word through."""
    return _logic(width * cells().and2, 1)


def adder(width: float) -> Circuit:
    """A carry-propagate adder or subtractor: a full adder a bit, carries in a tree's time."""
    return _logic(width * cells().full_adder, _tree(width) + 2)


def incrementer(width: float) -> Circuit:
    """A half adder a bit: rounding, negation's plus one, counters."""
    return _logic(width * cells().half_adder, _tree(width) + 1)


def inverter(width: float) -> Circuit:
    """An XOR a bit: the sign of an operand that an adder's carry completes."""
    return _logic(width * cells().xor2, 1)


def negater(width: float) -> Circuit:
    """Two's complement on demand, into or out of sign and magnitude: an XOR and a half adder a bit."""
    return inverter(width) >> incrementer(width)


def comparator(width: float) -> Circuit:
    """Which of two numbers is larger: the carries of a subtraction without its sums."""
    return _logic(width * (cells().full_adder - cells().xor2), _tree(width) + 1)


def selector(width: float, inputs: float) -> Circuit:
    """One of `inputs` words: a tree of two-way multiplexers."""
    return _logic(width * max(inputs - 1, 0) * cells().mux2, _tree(inputs))


def maximum(width: float, inputs: float) -> Circuit:
    """The largest of `inputs` numbers: a tree of comparators and selectors."""
    node = comparator(width) >> selector(width, 2)
    return _logic(node.logic_ge * max(inputs - 1, 0), node.levels * _tree(inputs))


def shifter(width: float, positions: float) -> Circuit:
    """A barrel shifter to one of `positions`: a multiplexer a bit and level."""
    return _logic(width * _tree(positions) * cells().mux2, _tree(positions))


def leading_zeros(width: float) -> Circuit:
    """A leading-zero counter: a tree whose nodes join two counts, an AND and a multiplexer for each input bit."""
    return _logic(width * (cells().and2 + cells().mux2), _tree(width))


def register(bits: float, *, enable: bool = False, reset: bool = False) -> Circuit:
    """Flip-flops; with a multiplexer that holds them, with an AND that clears them."""
    gating = enable * cells().mux2 + reset * cells().and2
    return Circuit(logic_ge=bits * gating, flip_flops=bits)


def table(entries: float, width: float) -> Circuit:
    """A fixed table: a tree of multiplexers between constants, half of which fall away."""
    return selector(width, entries) * 0.5


def carry_save(inputs: float, width: float) -> Circuit:
    """Sum of `inputs` words: a full adder for every bit that goes in and does not come out, in a tree."""
    if inputs <= 1:
        return Circuit()
    out = width + _tree(inputs)
    full_adders = max(inputs * width - out, inputs - 1)
    return _logic(full_adders * cells().full_adder, _reduction_levels(inputs) + _tree(out) + 2)


def multiplier(a: float, b: float) -> Circuit:
    """An integer multiplier of a x b bits: an AND array or radix-4 Booth recoding, whichever is smaller.

    Every operand bit drives a row through buffers, one for four cells. Array: a*b ANDs, b - 2 rows of full adders and
    one of half adders. Booth: a row for every two bits of the multiplier, each bit of a row a two-way choice and an
    XOR, a recoder of two XORs and two ANDs a row.
    """
    wide, narrow = max(a, b), min(a, b)
    if narrow <= 1:
        return gates(wide)
    final = _tree(wide + narrow) + 2
    drivers_ge = wide * narrow / 2 * cells().buffer
    array_ge = drivers_ge + wide * narrow * cells().and2
    array_ge += wide * ((narrow - 2) * cells().full_adder + cells().half_adder)
    rows = math.ceil((narrow + 1) / 2)
    row = (wide + 1) * (cells().mux2 + cells().xor2) + 2 * (cells().xor2 + cells().and2)
    booth_ge = drivers_ge / 2 + rows * row + (rows - 1) * (wide + 2) * cells().full_adder
    rows_of = ((array_ge, _reduction_levels(narrow), 1), (booth_ge, _reduction_levels(rows), 4))
    smallest_ge, reduction, first = min(rows_of)
    return _logic(smallest_ge, first + reduction + final)


def float_multiplier(a: float, b: float, exponent: float, *, subnormals: bool = False, rounded: bool = True) -> Circuit:
    """Multiplier of two significands, exponents' sum less bias beside it, one-place normalisation, rounding if asked.

    With subnormals both significands are normalised first and the product is shifted back.
    """
    product = a + b
    circuit = multiplier(a, b) + (adder(exponent + 1) >> incrementer(exponent + 1))
    if subnormals:
        normalise = [leading_zeros(width) >> shifter(width, width) for width in (a, b)]
        circuit = ((normalise[0] + normalise[1]) >> circuit) >> (shifter(product, product) + adder(exponent + 1))
    circuit >>= selector(product, 2)
    return circuit >> incrementer(max(a, b)) if rounded else circuit


def float_adder(significand: float, exponent: float, *, guard: float = 3) -> Circuit:
    """Exponents' difference, swap, alignment with guard bits, addition, leading zeros, normalisation, rounding."""
    width = significand + guard
    align = adder(exponent) >> selector(2 * significand + exponent, 2) >> shifter(width, width)
    add = inverter(width) >> adder(width + 1)
    normalise = leading_zeros(width) >> (shifter(width, width) + adder(exponent))
    return align >> add >> normalise >> incrementer(significand)


def _logic(gate_equivalents: float, levels: float) -> Circuit:
    return Circuit(logic_ge=gate_equivalents, levels=levels)


def _tree(count: float) -> float:
    """Levels of a binary tree over `count`."""
    return math.ceil(math.log2(count)) if count > 1 else 0


def _reduction_levels(rows: float) -> float:
    """Levels of a carry-save reduction of `rows` words to two: two gates for each factor of 3/2."""
    return 2 * math.ceil(math.log(rows / 2) / math.log(1.5)) if rows > 2 else 0
