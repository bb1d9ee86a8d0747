"""How one op is arranged on an accelerator: the loop nest, and where each operand's tiles lie in it."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class Loop:
    """One loop: `factor` iterations of `dim`; on a spatial axis when `axis` names one, else in time."""

    dim: str
    factor: int
    axis: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """Loops outermost first, and for each level and operand how many loops lie above its tile (absent: bypass).

    A loop's factor counts tiles of what is inside it; the last tile of a dimension may be partial.
    """

    dataflow: str
    loops: tuple[Loop, ...]
    tiles: MappingOf[str, MappingOf[str, int]]
    array_tile: MappingOf[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Sizes of what lies below `loops` in an engine with passes: the tile that the array folds over."""
    passes: tuple[Loop, ...] = ()
    """The loops inside the array tile, for engines with passes: folds, the stream, the array's rows and columns.

    Several letters are one flattened dimension: ``crs`` is the reduction of a conv.
    """

    def as_dict(self) -> dict[str, Any]:
        """Plain values; `array_tile` only where there are passes, which are then the last of the loops."""
        loops = (*self.loops, *self.passes)
        values: dict[str, Any] = {
            "dataflow": self.dataflow,
            "loops": [{"dim": loop.dim, "factor": loop.factor, "axis": loop.axis} for loop in loops],
            "tiles": {level: dict(tiles) for level, tiles in self.tiles.items()},
        }
        return values | {"array_tile": dict(self.array_tile)} if self.array_tile else values
