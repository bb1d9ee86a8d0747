"""The lookup array: sums of a few activations are tabulated once, and weights' bits pick from the table."""

from __future__ import annotations

from dataclasses import dataclass, replace

from archsim.arch.components.lookup import lookup_cost, table_adder_cost, table_cost, table_entries
from archsim.arch.components.operations import is_sign
from archsim.arch.engines.base import UnitCost
from archsim.arch.engines.stationary import StationaryEngine
from archsim.arch.formats import Arithmetic, ArithmeticKind
from archsim.arch.formats.base import LEVEL_BITS
from archsim.core.provenance import ESTIMATE

LEVELS = f"{ESTIMATE} tabulated weights that are no fixed-point numbers are rounded to {LEVEL_BITS} bits"


def places(weights: Arithmetic) -> int:
    """Binary places of a weight as a fixed-point number, the sign included: each weighs the same in all weights.

    >>> from archsim.arch.formats import format
    >>> [places(format(name).arithmetic) for name in ("int4", "fp4_e2m1", "pot4", "fp16")]
    [4, 5, 8, 42]
    """
    match weights.kind:
        case ArithmeticKind.INTEGER:
            return weights.integer_bits
        case ArithmeticKind.FLOAT:
            return weights.significand_bits + (1 << weights.exponent_bits) - 1
        case ArithmeticKind.POWER_OF_TWO:
            return (1 << weights.exponent_bits) - 1 + int(weights.signed)
        case ArithmeticKind.LOOKUP:
            return weights.integer_bits or LEVEL_BITS


@dataclass(frozen=True, kw_only=True)
class LookupEngine(StationaryEngine):
    """`count` arrays per core of `rows` x `columns` lookups: output channels down, tokens across.

    The table of a column holds the signed sums of `group` activations of a token; the units of its rows each pick one
    with the bits that `group` weights have in one place, a place a cycle. `adders` per column make the next table
    meanwhile; where they need longer than the weights have bits, the units wait. A `ternary` table has the sums with
    any activations left out, too: one look takes `group` ternary weights whole; others' bits are signs, which it has.
    Source: structure as in Mo et al., LUT Tensor Core, ISCA 2025 (recalled); ternary tables as in Qiao et al., TeLLMe,
    2025, and the TL kernels of bitnet.cpp (arXiv 2502.11880).
    """

    group: int = 4
    adders: int = 2
    ternary: bool = False
    entry_bits: int = 0
    """Width of quantized tables' entries; 0: wide enough for the sums."""
    kind: str = "lookup"

    @property
    def entries(self) -> int:
        """Sums in one table."""
        return table_entries(self.group, ternary=self.ternary)

    def looks(self, weights: Arithmetic) -> int:
        """Looks that weights take: one for each place, one in all for ternary ones in a ternary table."""
        return 1 if self.ternary and is_sign(weights) else places(weights)

    def steps(self, weights: Arithmetic) -> int:
        """Cycles that a table is in use."""
        return max(self.looks(weights), -(-self.entries // self.adders))

    def macs_per_unit_cycle(self, weights: Arithmetic, inputs: Arithmetic) -> float:
        return self.group / self.steps(weights)

    def together(self, weights: Arithmetic, inputs: Arithmetic) -> int:
        return self.group

    def unit_cost(self, weights: Arithmetic, inputs: Arithmetic, accumulator: Arithmetic) -> UnitCost:
        """A unit's figures where the design states them, else from gates; tables are counted with the decoders."""
        node_nm = self.unit.node_nm
        made_of = {"ternary": self.ternary, "entry_bits": self.entry_bits}
        unit = lookup_cost(self.group, inputs, accumulator, node_nm, **made_of)
        adder, table = table_adder_cost(self.group, inputs, node_nm), table_cost(self.group, inputs, node_nm, **made_of)
        inexact = weights.rounded or not weights.integer_bits
        rounded = (LEVELS,) if weights.kind is ArithmeticKind.LOOKUP and inexact else ()
        cost = self.unit.stated(
            energy_pj=unit.energy_pj * self.looks(weights) / self.group,
            area_um2=unit.area_um2,
            leakage_w=unit.leakage_w,
            source=unit.source,
            estimates=unit.estimates,
        )
        with_tables = replace(
            cost,
            decode_pj=self.entries * (adder.energy_pj + table.energy_pj) / (self.group * self.rows),
            decoder_area_um2=self.columns * (self.adders * (adder.area_um2 or 0.0) + (table.area_um2 or 0.0)),
            estimates=tuple(dict.fromkeys((*adder.estimates, *cost.estimates, *rounded))),
        )
        return self.with_decoders(with_tables, weights, inputs)
