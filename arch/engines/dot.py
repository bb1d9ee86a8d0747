"""The array of dot-product units: lanes that share scales, one block-aligned tree, one accumulator each.

Units of MX, NVFP4 and shared microexponents are settings of it: what they are made of follows from the operands.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from archsim.arch.components.dot import dot_product_cost
from archsim.arch.engines.base import Dataflow, GridEngine, UnitCost
from archsim.arch.engines.bit_serial import output_stationary
from archsim.arch.engines.units import UnitModel, rate_of
from archsim.arch.formats import Arithmetic


@dataclass(frozen=True, kw_only=True)
class DotEngine(GridEngine):
    """`count` arrays per core of `rows` x `columns` units: output channels down, tokens across, as bit-serial arrays.

    A unit multiplies `lanes` pairs in a cycle, shifts products by private exponents, adds them up, applies the shared
    scales of each block once and adds the result to its accumulator (`archsim.arch.components.dot`).
    Source: Rouhani et al., With Shared Microexponents, ISCA 2023, section 3.
    """

    unit: UnitModel
    kind: str = "dot-product"

    @cached_property
    def dataflows(self) -> tuple[Dataflow, ...]:
        return (output_stationary(self.rows, self.columns),)

    def macs_per_unit_cycle(self, weights: Arithmetic, inputs: Arithmetic) -> float:
        return self.unit.lanes * rate_of(self.unit.rates, weights, inputs)

    def unit_cost(self, weights: Arithmetic, inputs: Arithmetic, accumulator: Arithmetic) -> UnitCost:
        """A unit's figures where the design states them, else from gates; a rate above 1 has as many lanes more."""
        given, unit = self.unit.overrides, self.unit
        lanes = max(1, round(self.macs_per_unit_cycle(weights, inputs)))
        cost = dot_product_cost(lanes, weights, inputs, accumulator, unit.node_nm)
        per_mac = cost.energy_pj / lanes if given.mac_energy_pj is None else given.mac_energy_pj
        stated = given.mac_energy_pj is not None and given.pe_area_um2 is not None
        return unit.with_decoders(
            UnitCost(
                energy_pj=per_mac * given.energy_factor,
                area_um2=cost.area_um2 if given.pe_area_um2 is None else given.pe_area_um2,
                leakage_w=cost.leakage_w if given.pe_leakage_w is None else given.pe_leakage_w,
                cycle_pj=given.pe_cycle_energy_pj,
                source="given in the design" if stated else cost.source,
                estimates=() if stated else cost.estimates,
            ),
            self.rows,
            self.columns,
            self.rows * self.columns * self.macs_per_unit_cycle(weights, inputs),
        )
