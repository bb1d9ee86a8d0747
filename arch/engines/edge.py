"""What stands between the buffers and the multipliers: decoders, and the unit that applies group scales."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from archsim.arch.formats import Arithmetic, Granularity


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoder:
    """What turns the stored code of an operand into what PEs multiply: an integer and a shift, bit-serial terms, ...

    At the array's edge, one for each row or column (or for every `serves` PEs of it), or in every PE.
    """

    operand: Literal["weights", "inputs"]
    place: Literal["rows", "columns", "pe"]
    serves: int = 0
    """PEs of a row or column that one decoder feeds; 0: all of them."""
    area_um2: float = 0.0
    cycle_pj: float = 0.0
    """Energy of one decoder in a cycle at work."""

    def count(self, rows: int, columns: int) -> int:
        """Decoders of one array of `rows` by `columns` PEs."""
        if self.place == "pe":
            return rows * columns
        lines, length = (rows, columns) if self.place == "rows" else (columns, rows)
        return lines * (math.ceil(length / self.serves) if self.serves else 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupScaling:
    """The unit that multiplies the sum of a group by its scale, `bits_per_cycle` bits of the scale at a time.

    It works beside the dot product of the next group; a group that is done sooner waits.
    Source: Chen et al., BitMoD, HPCA 2025, section IV (an 8-bit scale applied in 8 cycles).
    """

    bits_per_cycle: int

    def steps(self, weights: Arithmetic, lanes: int, steps_per_element: float) -> float:
        """Cycles of one step of `lanes` elements with its share of waiting for the group before.

        >>> from archsim.arch.formats import format
        >>> unit = GroupScaling(bits_per_cycle=1)
        >>> unit.steps(format("bitmod-fp4:g128").arithmetic, 4, 2), unit.steps(format("bitmod-fp4:g8").arithmetic, 4, 2)
        (2.0, 4.0)
        """
        scale = weights.scale
        if scale.granularity is not Granularity.GROUP or not scale.bits:
            return float(steps_per_element)
        shares = math.ceil(scale.group_size / lanes)
        return max(shares * steps_per_element, math.ceil(scale.bits / self.bits_per_cycle)) / shares
