"""How an engine keeps an operand in its memories: dense, or non-zeros with metadata that says where they belong."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from archsim.arch.engines.data import OperandData, Ratio

RUN_BITS = 4
"""Bits of a run of zeros where the design states none."""


class Metadata(StrEnum):
    """What stands beside the non-zeros."""

    DENSE = "dense"
    """Nothing: zeros are kept too."""
    BITMASK = "bitmask"
    """A bit for each element."""
    COORDINATE = "coordinate"
    """The place in its row of each non-zero."""
    RUNS = "rle"
    """The zeros before each element that is kept; a longer run keeps a zero in between."""
    RATIO = "n:m"
    """The place of each kept element among its M neighbours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """One operand's way of being kept."""

    metadata: Metadata = Metadata.DENSE
    bits: int = 0
    """Of one coordinate, run or position; 0: as many as it takes."""

    def bits_per_element(self, data: OperandData, ratio: Ratio | None = None) -> float:
        """Bits for each element of the dense operand; `ratio` is the N:M in which the engine keeps it, if any.

        >>> from archsim.arch.engines.data import DenseData
        >>> from archsim.arch.formats import format
        >>> Storage(metadata=Metadata.BITMASK).bits_per_element(DenseData(format=format("int8")))
        9.0
        """
        element, density = float(data.format.bits_per_element), data.density
        match self.metadata:
            case Metadata.DENSE:
                return element
            case Metadata.BITMASK:
                return density * element + 1.0
            case Metadata.COORDINATE:
                return density * (element + (self.bits or place_bits(data.reduction)))
            case Metadata.RUNS:
                run = self.bits or RUN_BITS
                return kept_in_runs(density, run) * (element + run)
            case Metadata.RATIO:
                if ratio is None:
                    return element
                keep, group = ratio
                return keep / group * (element + (self.bits or place_bits(group)))


def place_bits(places: int) -> int:
    """Bits that tell so many places apart.

    >>> [place_bits(places) for places in (1, 4, 6, 8)]
    [0, 2, 3, 3]
    """
    return (places - 1).bit_length()


def kept_in_runs(density: float, bits: int) -> float:
    """Elements kept for each one of the dense operand, with zeros kept where a run is longer than `bits` can say.

    A run counts 0 to 2^b - 1 zeros, so that every 2^b-th zero in a row is kept. Of zeros that fall apart from each
    other with share q = 1 - d: d / (1 - q^(2^b)).

    >>> kept_in_runs(0.5, 1)
    0.6666666666666666
    """
    zeros = 1.0 - density
    if zeros >= 1.0:
        return math.ldexp(1.0, -bits)
    return density / (1.0 - zeros ** (1 << bits))
