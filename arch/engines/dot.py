"""The array of dot-product units: lanes that share scales, one block-aligned tree, one accumulator each.

Units of MX, NVFP4 and shared microexponents are settings of it: what they are made of follows from the operands.
"""

from __future__ import annotations

from dataclasses import dataclass

from archsim.arch.components.dot import dot_product_cost
from archsim.arch.engines.base import UnitCost
from archsim.arch.engines.stationary import StationaryEngine
from archsim.arch.engines.units import rate_of
from archsim.arch.formats import Arithmetic


@dataclass(frozen=True, kw_only=True)
class DotEngine(StationaryEngine):
    """`count` arrays per core of `rows` x `columns` units: output channels down, tokens across, as bit-serial arrays.

    A unit multiplies `lanes` pairs in a cycle, shifts products by private exponents, adds them up, applies the shared
    scales of each block once and adds the result to its accumulator (`archsim.arch.components.dot`).
    Source: Rouhani et al., With Shared Microexponents, ISCA 2023, section 3.
    """

    kind: str = "dot-product"

    def macs_per_unit_cycle(self, weights: Arithmetic, inputs: Arithmetic) -> float:
        return self.unit.lanes * rate_of(self.unit.rates, weights, inputs)

    def together(self, weights: Arithmetic, inputs: Arithmetic) -> int:
        return max(1, round(self.macs_per_unit_cycle(weights, inputs)))

    def unit_cost(self, weights: Arithmetic, inputs: Arithmetic, accumulator: Arithmetic) -> UnitCost:
        """A unit's figures where the design states them, else from gates; a rate above 1 has as many lanes more."""
        lanes = self.together(weights, inputs)
        cost = dot_product_cost(lanes, weights, inputs, accumulator, self.unit.node_nm)
        unit = self.unit.stated(
            energy_pj=cost.energy_pj / lanes,
            area_um2=cost.area_um2,
            leakage_w=cost.leakage_w,
            source=cost.source,
            estimates=cost.estimates,
        )
        return self.with_decoders(unit, weights, inputs)
