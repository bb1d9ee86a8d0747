"""BitVert (bi-directional bit sparsity, BBS): of each bit column the rarer of ones and zeros is added up.

A column of n lanes has at most n/2 ones or at most n/2 zeros; with the sum of the group's parallel operands at hand,
subtracting those at zeros is as good as adding those at ones, so n/2 multipliers do a column in a step. Binary pruning
makes columns alike in all lanes, which then take no step: repeated signs, and low columns that share one constant.
Source: Chen et al., "BBS: Bi-directional Bit-level Sparsity for Deep Learning Acceleration", MICRO 2024.
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

MOST_REPEATED = 3
"""Repeated sign columns that a group's two index bits can tell."""
SHIFTS = range(-32, 32)
"""Constants of six bits that zero-point shifting tries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """Groups [groups, lanes] whose values are `kept` - `shift`; `repeated` signs and `low` columns take no step.

    The low columns of `kept` hold the same bits in all lanes of a group.
    """

    kept: Integers
    repeated: Integers
    low: Integers
    shift: Integers

    @property
    def values(self) -> Integers:
        """The operands that the group now stands for."""
        return self.kept - self.shift[:, None]


@dataclass(frozen=True, kw_only=True)
class BitVert(BitEngine):
    """`columns` of every group take a step; None: all of them."""

    columns: int | None = None

    @property
    def rule(self) -> SkipRule:
        return SkipRule(skip=Skip.BIDIRECTIONAL, columns=self.columns)

    def dots(self, serial: NDArray[Any], parallel: NDArray[Any]) -> Dots:
        """The products of operands as they are, or of `pruned` groups."""
        none = np.zeros(serial.shape[0], dtype=np.int64)
        plain = Pruned(kept=serial.astype(np.int64), repeated=none, low=none, shift=none)
        return self.pruned_dots(plain, parallel)

    def pruned_dots(self, pruned: Pruned, parallel: NDArray[Any]) -> Dots:
        """The products of pruned groups; raises ValueError where a column needs more than half as many multipliers."""
        values, whole = pruned.kept, parallel.astype(np.int64).sum(axis=1)
        constant = values[:, 0] & ((1 << pruned.low) - 1)
        sums = (constant - pruned.shift) * whole
        top = self.width - 1 - pruned.repeated
        steps = np.zeros_like(sums)
        for place in range(self.width):
            stepped = (place >= pruned.low) & (place <= top)
            weight = np.where(self.signed & (place == top), -1, 1) * stepped
            sums += weight * self._column((values >> place) & 1, parallel, whole) << place
            steps += stepped
        return Dots(products=sums, steps=np.maximum(steps, 1))

    @staticmethod
    def _column(bits: Integers, parallel: NDArray[Any], whole: Integers) -> Integers:
        ones, lanes = bits.sum(axis=1), bits.shape[1]
        inverted = ones > lanes // 2
        chosen = np.where(inverted[:, None], 1 - bits, bits)
        if int(chosen.sum(axis=1).max(initial=0)) > (lanes + 1) // 2:
            raise ValueError("a column needs more than half as many multipliers as lanes")
        added = (chosen * parallel).sum(axis=1)
        found: Integers = np.where(inverted, whole - added, added)
        return found


def averaged(values: NDArray[Any], columns: int, *, width: int = 8) -> Pruned:
    """Conservative binary pruning of groups [groups, lanes]: `columns` columns less, the low ones rounded together.

    Columns that repeat the sign in all lanes count first; the low columns of the others take their lanes' rounded mean.
    """
    numbers = values.astype(np.int64)
    repeated = np.minimum(_repeated(numbers, width), columns)
    low = columns - repeated
    mask = ((1 << low) - 1)[:, None]
    mean = np.rint((numbers & mask).mean(axis=1)).astype(np.int64)[:, None]
    return Pruned(kept=(numbers & ~mask) | mean, repeated=repeated, low=low, shift=np.zeros_like(low))


def shifted(values: NDArray[Any], columns: int, *, width: int = 8) -> Pruned:
    """Moderate binary pruning: a constant is added to each group so that rounding its low columns away costs least.

    Of `SHIFTS` the one with the least squared error is taken, the lowest of equals.
    """
    numbers = values.astype(np.int64)
    best, least = _rounded(numbers, 0, columns, width), np.full(numbers.shape[0], np.inf)
    for shift in SHIFTS:
        tried = _rounded(numbers, shift, columns, width)
        error = ((tried.values - numbers) ** 2).sum(axis=1).astype(np.float64)
        better = error < least
        least = np.where(better, error, least)
        best = Pruned(
            kept=np.where(better[:, None], tried.kept, best.kept),
            repeated=np.where(better, tried.repeated, best.repeated),
            low=np.where(better, tried.low, best.low),
            shift=np.where(better, tried.shift, best.shift),
        )
    return best


def _rounded(numbers: Integers, shift: int, columns: int, width: int) -> Pruned:
    lowest, highest = -(1 << (width - 1)), (1 << (width - 1)) - 1
    moved = np.clip(numbers + shift, lowest, highest)
    repeated = np.minimum(_repeated(moved, width), columns)
    low = columns - repeated
    step = (1 << low)[:, None]
    top = (1 << (width - 1 - repeated))[:, None]
    kept = np.clip(np.floor_divide(moved + step // 2, step) * step, -top, top - step)
    return Pruned(kept=kept, repeated=repeated, low=low, shift=np.full_like(low, shift))


def _repeated(numbers: Integers, width: int) -> Integers:
    """Columns below the sign's that are like it in all lanes."""
    changes = np.bitwise_or.reduce(bit_words.unsigned_changes(numbers), axis=1)
    return np.minimum(width - 1 - bit_words.bit_lengths(changes), MOST_REPEATED)
