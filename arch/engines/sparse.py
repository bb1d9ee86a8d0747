"""The sparse array: PEs along axes, as in a spatial array, that gate, skip or pack what is multiplied by zero.

A new accelerator of this kind is a setting of its keys: a policy (`skipping`, `cartesian`), which operands' zeros it
sees, and how each operand is kept (`storage`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from types import MappingProxyType

from archsim.arch.components.sparse import selection_cost
from archsim.arch.engines.base import Dataflow, DerivedEngine, SpatialAxis, UnitCost
from archsim.arch.engines.cartesian import Cartesian
from archsim.arch.engines.data import DataRate, OperandData, OperandName
from archsim.arch.engines.skipping import Gating, Ignoring, Skipping, Structured, Work
from archsim.arch.engines.spatial import SpatialEngine
from archsim.arch.engines.storage import Storage
from archsim.arch.formats import Arithmetic

DENSE = Storage()
Policy = Ignoring | Gating | Structured | Skipping | Cartesian
GROUPS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "reduction": frozenset({"reduction", "c", "r", "s", "t"}),
        "columns": frozenset({"columns", "n", "k"}),
        "rows": frozenset({"rows", "m", "p", "q", "d"}),
    }
)
"""Loops of each group that an axis may unroll."""


@dataclass(frozen=True, kw_only=True)
class SparseEngine(DerivedEngine[SpatialEngine]):
    """A spatial array whose PEs make use of zeros.

    Where a policy lets PEs reach over more elements than there are (N:M, packed vectors), the axis that unrolls them is
    as much longer; otherwise a PE makes more dense MACs in a cycle.
    """

    policy: Policy
    storage: Mapping[str, Storage] = field(default_factory=lambda: MappingProxyType({}))
    """How each operand is kept; absent: dense."""
    ways: int = 0
    """Operands that a PE's selector picks one from; 0: it has none."""
    kind: str = "sparse"

    @property
    def changes_levels(self) -> bool:
        return True

    @cached_property
    def dataflows(self) -> tuple[Dataflow, ...]:
        """The array's own; where vectors can be gathered in several ways, one for each."""
        plain = self.array.dataflows
        return tuple(replace(plain[0], name=way) for way in self.policy.ways) or plain

    def work(self, weights: OperandData, inputs: OperandData) -> Work:
        """What the policy makes of this data."""
        return _work(self.policy, weights, inputs)

    def data_rate(self, weights: OperandData, inputs: OperandData) -> DataRate:
        work = self.work(weights, inputs)
        compressed = {
            name
            for name, data in (("weights", weights), ("inputs", inputs))
            if data.sparse and self.storage.get(name, DENSE).bits_per_element(data, work.ratio) < _dense_bits(data)
        }
        return DataRate(
            macs_per_unit_cycle=self.macs_per_unit_cycle(weights.arithmetic, inputs.arithmetic) * work.speed,
            executed=work.executed,
            gated=work.gated,
            imbalance=work.imbalance,
            exploited=work.exploited | compressed,
            why_dense=work.why_dense,
            accesses=work.accesses,
            estimates=work.estimates,
        )

    def fitted_to(self, dataflow: Dataflow, weights: OperandData, inputs: OperandData) -> Dataflow:
        work, fastest = _work_in(self.policy, dataflow.name, weights, inputs), self.work(weights, inputs)
        reach = dict(work.reach)
        if not reach:
            return dataflow
        axes = []
        for axis in reversed(dataflow.axes):  # the innermost axis of a group reaches further
            group = next((name for name in reach if _unrolls(axis, name)), None)
            longer = axis.size * reach.pop(group) if group is not None else 0.0
            axes.append(replace(axis, size=int(longer)) if longer and longer.is_integer() else axis)
        timing = replace(dataflow.timing, step_cycles=dataflow.timing.step_cycles * fastest.speed / work.speed)
        return replace(dataflow, axes=tuple(reversed(axes)), timing=timing)

    def unit_cost(self, weights: Arithmetic, inputs: Arithmetic, accumulator: Arithmetic) -> UnitCost:
        """A PE of the plain array, with what picks the operands that belong together."""
        cost, overrides = self.array.unit_cost(weights, inputs, accumulator), self.array.unit.overrides
        if not self.ways:
            return cost
        picks = selection_cost(inputs, self.ways, self.array.unit.node_nm)
        stated_pj, stated_um2 = overrides.mac_energy_pj is not None, overrides.pe_area_um2 is not None
        area_um2 = cost.area_um2
        if area_um2 is not None and not stated_um2:
            area_um2 += (picks.area_um2 or 0.0) * self.array.unit.lanes
        return replace(
            cost,
            energy_pj=cost.energy_pj if stated_pj else cost.energy_pj + picks.energy_pj * overrides.energy_factor,
            area_um2=area_um2,
            estimates=cost.estimates if stated_pj and stated_um2 else (*cost.estimates, *picks.estimates),
        )

    def stored_bits(self, operand: OperandName, data: OperandData) -> float:
        storage = self.storage.get(operand, DENSE)
        ratio = self.policy.fitting(data) if operand == "weights" else None
        return storage.bits_per_element(data, ratio)


def _unrolls(axis: SpatialAxis, group: str) -> bool:
    """Whether an axis unrolls loops of a group only, in GEMMs or convs."""
    dims = {*axis.gemm_dims, *axis.conv_dims}
    if group == "reduction" and "outputs" in axis.reduce:
        return True
    return bool(dims) and dims <= GROUPS[group]


def _dense_bits(data: OperandData) -> float:
    return float(data.format.bits_per_element)


@lru_cache(maxsize=4096)
def _work_in(policy: Policy, way: str, weights: OperandData, inputs: OperandData) -> Work:
    return policy.work_in(way, weights, inputs)


@lru_cache(maxsize=4096)
def _work(policy: Policy, weights: OperandData, inputs: OperandData) -> Work:
    return policy.work(weights, inputs)
