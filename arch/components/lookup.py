"""Units that look partial products up in a table of sums of activations instead of multiplying."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

from archsim.arch.components.arithmetic import accumulate, add
from archsim.arch.components.cost import ComponentCost
from archsim.arch.components.gates import inverter, register, selector
from archsim.arch.components.logic import circuit_cost
from archsim.arch.components.operands import Operand, operand_of
from archsim.arch.formats.base import Arithmetic


def table_entries(group: int, *, ternary: bool = False) -> int:
    """Sums that a table of `group` activations holds: half of all patterns of signs, the others are their negatives.

    With ternary weights patterns have zeros, too, and the one of zeros alone needs no entry.

    >>> table_entries(4), table_entries(3, ternary=True)
    (8, 13)
    """
    return int((3**group - 1) // 2 if ternary else 2 ** (group - 1))


@lru_cache(maxsize=256)
def lookup_cost(
    group: int,
    inputs: Arithmetic,
    accumulator: Arithmetic,
    node_nm: float,
    *,
    ternary: bool = False,
    entry_bits: int = 0,
) -> ComponentCost:
    """One unit that picks an entry of a table, negates it where its sign bit says so, and accumulates it.

    `entry_bits`: entries are integers of that width (quantized tables), added up as integers as wide as the
    accumulator's significand and scaled when a result is done; 0: wide enough for their sums.

    Source: structure as in Mo et al., LUT Tensor Core, ISCA 2025 (recalled); gates as docs/components.md counts them.
    """
    entry, total = _stored(group, inputs, entry_bits), operand_of(accumulator)
    if entry_bits:
        total = Operand(is_float=False, width=total.width)
    pick = selector(entry.stored_bits, table_entries(group, ternary=ternary)) >> inverter(entry.stored_bits)
    return circuit_cost(pick >> accumulate(total, entry, entry), node_nm)


@lru_cache(maxsize=256)
def table_adder_cost(group: int, inputs: Arithmetic, node_nm: float) -> ComponentCost:
    """One adder that makes an entry of a table a cycle."""
    return circuit_cost(add(_entry(group, inputs)), node_nm)


@lru_cache(maxsize=256)
def table_cost(
    group: int, inputs: Arithmetic, node_nm: float, *, ternary: bool = False, entry_bits: int = 0
) -> ComponentCost:
    """The registers that hold one table; energy of one entry written."""
    entry, entries = _stored(group, inputs, entry_bits), table_entries(group, ternary=ternary)
    one, all_entries = (circuit_cost(register(entry.stored_bits * n), node_nm) for n in (1, entries))
    return replace(all_entries, energy_pj=one.energy_pj)


def _stored(group: int, inputs: Arithmetic, entry_bits: int) -> Operand:
    """An entry as the table keeps it: the sum itself, or quantized to an integer."""
    if not entry_bits:
        return _entry(group, inputs)
    return Operand(is_float=False, width=entry_bits, magnitude_bits=max(entry_bits - 1, 1))


def _entry(group: int, inputs: Arithmetic) -> Operand:
    """A sum of `group` activations: integers grow by the bits of the sum, floats stay."""
    operand = operand_of(inputs)
    return operand if operand.is_float else replace(operand, width=operand.width + math.ceil(math.log2(group)))
