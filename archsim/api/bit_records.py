"""What `archsim bits` finds: a network's products on an array that steps through bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archsim.sim.bits.network import LayerPlay


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedLayer:
    """One product of the network, in cycles of one occurrence."""

    name: str
    count: int
    source: str
    """Where the serial operand came from; begins with ``estimate:`` where it was drawn."""
    played: LayerPlay
    closed_form_cycles: float
    memory_cycles: float
    """That the outermost memory takes at least, to hand over the weights once as they are stored."""

    @property
    def cycles(self) -> float:
        """Of the array or of the outermost memory, whichever takes longer."""
        return max(self.played.cycles, self.memory_cycles)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedDesign:
    """A network's products on an array."""

    design: str
    layers: tuple[PlayedLayer, ...]
    notes: tuple[str, ...]

    @property
    def cycles(self) -> float:
        return sum(layer.count * layer.cycles for layer in self.layers)

    @property
    def array_cycles(self) -> float:
        return sum(layer.count * layer.played.cycles for layer in self.layers)

    @property
    def closed_form_cycles(self) -> float:
        return sum(layer.count * layer.closed_form_cycles for layer in self.layers)

    @property
    def dense_cycles(self) -> int:
        return sum(layer.count * layer.played.dense_cycles for layer in self.layers)

    def to_dict(self) -> dict[str, Any]:
        """The document `archsim.bits/1`."""
        totals = {
            "cycles": self.cycles,
            "array_cycles": self.array_cycles,
            "closed_form_cycles": self.closed_form_cycles,
            "dense_cycles": self.dense_cycles,
            "speedup": self.dense_cycles / self.array_cycles,
        }
        layers = [_layer_dict(layer) for layer in self.layers]
        return {
            "schema": "archsim.bits/1",
            "design": self.design,
            "totals": totals,
            "layers": layers,
            "warnings": list(self.notes),
            "estimates": sorted({layer.source for layer in self.layers if layer.source.startswith("estimate:")}),
        }


def _layer_dict(layer: PlayedLayer) -> dict[str, Any]:
    played = layer.played
    return {
        "name": layer.name,
        "count": layer.count,
        "source": layer.source,
        "cycles": layer.cycles,
        "array_cycles": played.cycles,
        "closed_form_cycles": layer.closed_form_cycles,
        "dense_cycles": played.dense_cycles,
        "memory_cycles": layer.memory_cycles,
        "steps_per_group": played.steps_per_group,
        "waiting": played.waiting,
        "shape": dict(zip(("rows", "cols", "lanes"), played.shape, strict=True)),
    }
