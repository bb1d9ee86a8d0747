"""Published energies and areas of single operations: what papers price networks with (multiply, add, shift)."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from archsim.arch.components.cost import ComponentCost
from archsim.arch.formats.base import Arithmetic, ArithmeticKind
from archsim.arch.interpolation import log_log
from archsim.arch.technology import logic_scaling
from archsim.core.errors import InputError, Problem, unknown_name
from archsim.core.provenance import ESTIMATE

GATES = "gates"
"""No table: the gate-level model."""

_TABLE = Path(__file__).parent / "data" / "operations.csv"


class Operation(StrEnum):
    """What a unit does to a pair of operands before it adds the product up."""

    MULTIPLY = "multiply"
    SHIFT = "shift"
    ADD = "add"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRow:
    """One operation on operands of a kind (``integer`` or ``float``) and width, at the table's node."""

    operation: str
    kind: str
    bits: int
    energy_pj: float
    area_um2: float
    node_nm: float
    source: str


@lru_cache(maxsize=1)
def operation_tables() -> dict[str, tuple[OperationRow, ...]]:
    """The tables that ship, by name."""
    tables: dict[str, tuple[OperationRow, ...]] = {}
    with _TABLE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            entry = OperationRow(
                operation=row["operation"],
                kind=row["kind"],
                bits=int(row["bits"]),
                energy_pj=float(row["energy_pj"]),
                area_um2=float(row["area_um2"]),
                node_nm=float(row["node_nm"]),
                source=row["source"],
            )
            tables[row["table"]] = (*tables.get(row["table"], ()), entry)
    return tables


def operation_of(weights: Arithmetic, inputs: Arithmetic) -> Operation:
    """What the pair needs: nothing but a sign where one is 0 or +-1, a shift where one is a power of two.

    >>> from archsim.arch.formats import format
    >>> names = ("binary", "ternary", "pot4", "int8")
    >>> [operation_of(format(name).arithmetic, format("fp16").arithmetic).value for name in names]
    ['add', 'add', 'shift', 'multiply']
    """
    if is_sign(weights) or is_sign(inputs):
        return Operation.ADD
    if ArithmeticKind.POWER_OF_TWO in (weights.kind, inputs.kind):
        return Operation.SHIFT
    return Operation.MULTIPLY


def is_sign(arithmetic: Arithmetic) -> bool:
    """Whether an element is 0 or +-1 (times a scale): binary or ternary."""
    return arithmetic.kind is ArithmeticKind.INTEGER and arithmetic.integer_bits <= 2 and arithmetic.serial_terms == 1


@lru_cache(maxsize=256)
def operation_cost(table: str, operation: Operation, kind: str, bits: int, node_nm: float) -> ComponentCost:
    """Energy and area of one operation on operands of `bits` at a node, from a published table.

    A width between two of the table's lies on the power law through them, one below its narrowest is charged as that:
    estimates both. Raises InputError for an unknown table and for operands that are wider than all of its entries.
    """
    tables = operation_tables()
    if table not in tables:
        raise InputError(unknown_name("table of operations", table, tables))
    rows = sorted(
        (row for row in tables[table] if (row.operation, row.kind) == (operation, kind)), key=lambda row: row.bits
    )
    wider = [row for row in rows if row.bits >= bits]
    if not wider:
        known = ", ".join(f"{row.operation} {row.kind} {row.bits}" for row in tables[table])
        message = f"{table} has no {operation} of {kind} operands of {bits} bits"
        raise InputError(Problem(key="hardware.array.operations", message=message, hint=f"it has: {known}"))
    row = wider[0]
    scaling = logic_scaling(row.node_nm, node_nm)
    energy_pj, area_um2, notes = _at_width(table, rows, row, bits)
    if scaling.estimate or node_nm != row.node_nm:
        notes.append(f"{ESTIMATE} {table} carried from {row.node_nm:g} nm to {node_nm:g} nm: {scaling.source}")
    return ComponentCost(
        energy_pj=energy_pj * scaling.energy,
        area_um2=area_um2 * scaling.area,
        leakage_w=0.0,
        source=row.source,
        estimates=tuple(notes),
    )


def _at_width(
    table: str, rows: list[OperationRow], next_one: OperationRow, bits: int
) -> tuple[float, float, list[str]]:
    """Energy and area of an operation on `bits`, and what they rest on; `next_one` is as wide or wider."""
    if next_one.bits == bits:
        return next_one.energy_pj, next_one.area_um2, []
    what = f"{ESTIMATE} {next_one.operation} of {bits} bits"
    narrower = [row.bits for row in rows if row.bits < bits]
    if not narrower:
        note = f"{what} charged as one of {next_one.bits}, the narrowest in {table}"
        return next_one.energy_pj, next_one.area_um2, [note]
    widths = [row.bits for row in rows]
    energy_pj = log_log(bits, widths, [row.energy_pj for row in rows])
    area_um2 = log_log(bits, widths, [row.area_um2 for row in rows])
    note = f"{what} on the power law through those of {narrower[-1]} and {next_one.bits} in {table}"
    return energy_pj, area_um2, [note]


def product_cost(
    table: str,
    weights: Arithmetic,
    inputs: Arithmetic,
    accumulator: Arithmetic,
    node_nm: float,
    *,
    multiplier: bool = True,
) -> ComponentCost:
    """Energy and area of one product and its accumulation: a multiplication, a shift or nothing, and an addition.

    Without a `multiplier` what would need one is shifted, a step at a time. A float is shifted by its exponent, charged
    as an integer of its width.
    """
    operation = operation_of(weights, inputs)
    added = operation_cost(table, Operation.ADD, *_class(accumulator), node_nm)
    if operation is Operation.ADD:
        return added
    kind, bits = max(_class(weights), _class(inputs), key=lambda found: (found[0] == "float", found[1]))
    if operation is Operation.SHIFT or not multiplier:
        operation, kind = Operation.SHIFT, "integer"
    product = operation_cost(table, operation, kind, bits, node_nm)
    return ComponentCost(
        energy_pj=product.energy_pj + added.energy_pj,
        area_um2=(product.area_um2 or 0.0) + (added.area_um2 or 0.0),
        leakage_w=0.0,
        source=product.source,
        estimates=tuple(dict.fromkeys((*product.estimates, *added.estimates))),
    )


def _class(arithmetic: Arithmetic) -> tuple[str, int]:
    """(kind, bits) of an operand as tables of operations have them: a power of two has the bits of its exponent."""
    if arithmetic.kind is ArithmeticKind.FLOAT or arithmetic.significand_bits:
        return "float", arithmetic.significand_bits + arithmetic.exponent_bits
    return "integer", max(arithmetic.integer_bits, arithmetic.exponent_bits, 1)
