"""What PEs of every engine share: rates by format and unit costs with a design's overrides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from archsim.arch.engines.base import UnitCost
from archsim.arch.engines.edge import Decoder
from archsim.arch.formats import Arithmetic, ArithmeticKind


def rate_of(rates: Mapping[str, float], weights: Arithmetic, inputs: Arithmetic) -> float:
    """MACs per PE and cycle: the rate given for the wider operand's class (``int8``, ``fp8``, ...), else 1.

    Classes are spelled by kind and width, so that a format's name plays no part.
    """
    classes = (arithmetic_class(weights), arithmetic_class(inputs))
    given = [rates.get(name, 1.0) for name in classes]
    return min(given) if given else 1.0


def arithmetic_class(arithmetic: Arithmetic) -> str:
    """``int`` or ``fp`` with the operand's total width.

    >>> arithmetic_class(Arithmetic(kind=ArithmeticKind.INTEGER, integer_bits=8))
    'int8'
    """
    if arithmetic.kind is ArithmeticKind.FLOAT:
        return f"fp{arithmetic.significand_bits + arithmetic.exponent_bits}"
    return f"int{arithmetic.integer_bits}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitOverrides:
    """PE figures a design gives; None: from the component models."""

    mac_energy_pj: float | None = None
    pe_area_um2: float | None = None
    pe_leakage_w: float | None = None
    pe_cycle_energy_pj: float = 0.0
    """Energy of one PE and cycle besides the MAC (`pe_energy`)."""
    energy_factor: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitModel:
    """PE cost at a node: multiplier, accumulator adder and the registers an element passes through."""

    node_nm: float
    lanes: int = 1
    overrides: UnitOverrides = UnitOverrides()
    rates: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    decoders: tuple[Decoder, ...] = ()
    operations: str = "gates"
    """Where the energy of a MAC comes from: `gates`, or a published table of single operations by name."""

    def with_decoders(self, cost: UnitCost, rows: int, columns: int, macs_per_cycle: float) -> UnitCost:
        """The cost with the decoders of one array of `rows` x `columns` PEs that makes `macs_per_cycle` at its peak."""
        if not self.decoders:
            return cost
        counts = [(decoder, decoder.count(rows, columns)) for decoder in self.decoders]
        return replace(
            cost,
            decode_pj=cost.decode_pj + sum(decoder.cycle_pj * count for decoder, count in counts) / macs_per_cycle,
            decoder_area_um2=cost.decoder_area_um2 + sum(decoder.area_um2 * count for decoder, count in counts),
        )

    def stated(
        self,
        *,
        energy_pj: float,
        area_um2: float | None,
        leakage_w: float,
        source: str,
        estimates: tuple[str, ...],
    ) -> UnitCost:
        """A unit's cost with the design's own figures in the place of those that it states."""
        given = self.overrides
        stated = given.mac_energy_pj is not None and given.pe_area_um2 is not None
        return UnitCost(
            energy_pj=(energy_pj if given.mac_energy_pj is None else given.mac_energy_pj) * given.energy_factor,
            area_um2=area_um2 if given.pe_area_um2 is None else given.pe_area_um2,
            leakage_w=leakage_w if given.pe_leakage_w is None else given.pe_leakage_w,
            cycle_pj=given.pe_cycle_energy_pj,
            source="given in the design" if stated else source,
            estimates=() if stated else estimates,
        )

    def cost(
        self, weights: Arithmetic, inputs: Arithmetic, accumulator: Arithmetic, *, pipeline_bits: int = 0
    ) -> UnitCost:
        """Energy of a MAC, area and leakage of a PE with `pipeline_bits` of registers."""
        from archsim.arch.components.arithmetic import mac_cost, register_cost
        from archsim.arch.components.operations import GATES, product_cost

        given = self.overrides
        if self.operations == GATES:
            mac = mac_cost(weights, inputs, accumulator, self.node_nm)
        else:
            mac = product_cost(self.operations, weights, inputs, accumulator, self.node_nm)
        register = register_cost(1, self.node_nm)
        estimates = list(register.estimates) if pipeline_bits else []
        if given.mac_energy_pj is None or given.pe_area_um2 is None:
            estimates = [*mac.estimates, *estimates]
        energy_pj = mac.energy_pj if given.mac_energy_pj is None else given.mac_energy_pj
        area_um2 = given.pe_area_um2
        if area_um2 is None and mac.area_um2 is not None:
            area_um2 = mac.area_um2 * self.lanes + (register.area_um2 or 0.0) * pipeline_bits
        leakage_w = mac.leakage_w * self.lanes if given.pe_leakage_w is None else given.pe_leakage_w
        return UnitCost(
            energy_pj=energy_pj * given.energy_factor,
            area_um2=area_um2,
            leakage_w=leakage_w,
            cycle_pj=given.pe_cycle_energy_pj,
            hop_pj_per_bit=register.energy_pj * given.energy_factor,
            source=mac.source if given.mac_energy_pj is None else "given in the design",
            estimates=tuple(estimates),
        )
