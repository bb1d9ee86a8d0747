"""Stripes and Dynamic-Stripes: a bit of every lane in a step, as many steps as the layer, or the group, has bits.

Source: Judd et al., "Stripes: Bit-Serial Deep Neural Network Computing", MICRO 2016; Delmas et al., "Dynamic Stripes",
arXiv 1706.00504 (recalled).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.arch.engines import bit_words
from archsim.arch.engines.skips import Skip, SkipRule
from archsim.sim.bits.engine import BitEngine, Dots


@dataclass(frozen=True, kw_only=True)
class Stripes(BitEngine):
    """All `width` bits of two's complement: the topmost one is subtracted where operands are signed."""

    @property
    def rule(self) -> SkipRule:
        return SkipRule(skip=Skip.NONE)

    def dots(self, serial: NDArray[Any], parallel: NDArray[Any]) -> Dots:
        values, sums = serial.astype(np.int64), np.zeros(serial.shape[0], dtype=np.int64)
        for place in range(self.width):
            bits = (values >> place) & 1
            weight = -(1 << place) if self.signed and place == self.width - 1 else 1 << place
            sums += weight * (bits * parallel).sum(axis=1)
        return Dots(products=sums, steps=np.full_like(sums, self.width))


@dataclass(frozen=True, kw_only=True)
class DynamicStripes(BitEngine):
    """The bits that a group needs: without leading ones (`trim_low` false) or without trailing ones either.

    Leading bits go by the group's widest number in two's complement; with `trim_low` operands are sign and magnitude,
    and the sign takes a step of its own.
    """

    trim_low: bool = False

    @property
    def rule(self) -> SkipRule:
        return SkipRule(skip=Skip.SPAN if self.trim_low else Skip.PRECISION)

    def dots(self, serial: NDArray[Any], parallel: NDArray[Any]) -> Dots:
        return self._spans(serial, parallel) if self.trim_low else self._widths(serial, parallel)

    def _widths(self, serial: NDArray[Any], parallel: NDArray[Any]) -> Dots:
        values, sums = serial.astype(np.int64), np.zeros(serial.shape[0], dtype=np.int64)
        changes = np.bitwise_or.reduce(bit_words.unsigned_changes(values), axis=1)
        steps = np.maximum(bit_words.bit_lengths(changes) + int(self.signed), 1)
        for place in range(self.width):
            partial = (((values >> place) & 1) * parallel).sum(axis=1)
            top = self.signed & (place == steps - 1)
            sums += np.where(place < steps, np.where(top, -1, 1) * partial << place, 0)
        return Dots(products=sums, steps=steps)

    def _spans(self, serial: NDArray[Any], parallel: NDArray[Any]) -> Dots:
        values, sums = serial.astype(np.int64), np.zeros(serial.shape[0], dtype=np.int64)
        magnitudes, signed = np.abs(values), np.where(values < 0, -parallel, parallel).astype(np.int64)
        group = np.bitwise_or.reduce(magnitudes, axis=1)
        steps = np.full_like(sums, int(self.signed))
        for place in range(self.width):
            needed = (group >> place > 0) & (group & ((2 << place) - 1) > 0)
            steps += needed
            sums += np.where(needed, (((magnitudes >> place) & 1) * signed).sum(axis=1) << place, 0)
        return Dots(products=sums, steps=np.maximum(steps, 1))
