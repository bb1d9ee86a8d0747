"""A whole accelerator: engine, memories, vector unit, clock and node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from archsim.arch.engines.base import Engine
from archsim.arch.memory import MemoryLevel


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorUnit:
    """The unit that runs softmax, norms, activations and element-wise operations.

    `lanes` results per cycle and core; `rates` scale that by operation kind (0.25: a quarter as many per cycle).
    """

    lanes: int
    energy_pj: float
    """Energy of one lane operation."""
    area_um2: float | None = None
    """Area of one lane."""
    rates: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    estimates: tuple[str, ...] = ()

    def operations_per_cycle(self, kind: str) -> float:
        return self.lanes * self.rates.get(kind, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """`cores` identical cores, each with the engine, over a chain of memories (outermost first)."""

    name: str
    kind: str
    clock_hz: float
    node_nm: float
    cores: int
    engine: Engine
    memories: tuple[MemoryLevel, ...]
    vector: VectorUnit
    idle_energy_fraction: float = 0.0
    """Energy of a PE that is clocked without work, as a fraction of a MAC's."""
    integer_figures: bool = False
    """Whether the figures stated for a PE are those of one for integers."""
    sources: tuple[str, ...] = ()
    """Where a catalog entry's figures come from."""
    estimates: tuple[str, ...] = ()

    def memory(self, name: str) -> MemoryLevel:
        return next(level for level in self.memories if level.name == name)

    @property
    def units(self) -> int:
        """What the mapper fills: PEs on the chip, or their lanes."""
        return self.engine.units * self.cores

    @property
    def pes(self) -> int:
        """PEs on the chip."""
        return self.engine.pes * self.cores
