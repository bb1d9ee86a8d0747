"""BitWave: bit columns of sign and magnitude that are zero in a whole group are neither stored nor stepped through.

Source: Shi et al., "BitWave: Exploiting Column-Based Bit-Level Sparsity for Deep Learning Acceleration", HPCA 2024
(recalled).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.arch.engines import bit_words
from archsim.arch.engines.bit_words import Integers
from archsim.arch.engines.skips import Skip, SkipRule
from archsim.sim.bits.engine import BitEngine, Dots


@dataclass(frozen=True, kw_only=True)
class BitWave(BitEngine):
    """A column with a one takes a step; the index word of a group says which. Signs are applied with every column.

    `columns` is what flipping has left in every group at most; None: operands as they are.
    """

    columns: int | None = None

    @property
    def rule(self) -> SkipRule:
        return SkipRule(skip=Skip.COLUMN, columns=self.columns)

    def dots(self, serial: NDArray[Any], parallel: NDArray[Any]) -> Dots:
        values, sums = serial.astype(np.int64), np.zeros(serial.shape[0], dtype=np.int64)
        magnitudes, signed = np.abs(values), np.where(values < 0, -parallel, parallel).astype(np.int64)
        index = np.bitwise_or.reduce(magnitudes, axis=1)
        for place in range(self.width):
            stored = (index >> place) & 1
            sums += stored * (((magnitudes >> place) & 1) * signed).sum(axis=1) << place
        return Dots(products=sums, steps=np.maximum(bit_words.ones(index), 1))


def flipped(values: NDArray[Any], columns: int) -> Integers:
    """Operands [groups, lanes] with bits flipped so that each group has at most `columns` columns with a one.

    The group's topmost columns stay: magnitudes are rounded to the nearest multiple of the lowest of them (ties up,
    never beyond what the columns hold). Groups with fewer columns stay as they are.
    """
    from archsim.sim.bits.flip_kernels import flip_groups

    numbers = np.ascontiguousarray(values, dtype=np.int64)
    out = np.empty_like(numbers)
    flip_groups(numbers, columns, out)
    return out


def stored_bits(values: NDArray[Any], *, width: int = 8) -> int:
    """Bits of groups [groups, lanes] without their zero columns: signs, columns with a one, an index of the columns."""
    index = np.bitwise_or.reduce(np.abs(values.astype(np.int64)), axis=1)
    lanes = values.shape[1]
    columns = int(bit_words.ones(index).sum())
    return columns * lanes + int(values.shape[0]) * (lanes + width - 1)
