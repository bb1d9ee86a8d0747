"""BitFusion: multipliers put together of bricks of two bits, as many products a cycle as the widths leave room for.

Source: Sharma et al., "Bit Fusion: Bit-Level Dynamically Composable Architecture for Accelerating Deep Neural
Networks", ISCA 2018 (recalled).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.arch.engines.bit_words import Integers
from archsim.sim.bits.engine import Dots

BRICK_BITS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class BitFusion:
    """A unit of `unit_bits` by `unit_bits`, which is 16 bricks; wider operands take turns, powers of two of them."""

    unit_bits: int = 8

    def shares(self, bits: int) -> float:
        """Operands of a width that lie side by side in a unit; below 1: turns of one."""
        width = BRICK_BITS
        while width < bits:
            width *= 2
        return self.unit_bits / width

    def macs_per_cycle(self, input_bits: int, weight_bits: int) -> float:
        """Products of a unit in a cycle."""
        return self.shares(input_bits) * self.shares(weight_bits)

    def dots(self, inputs: NDArray[Any], weights: NDArray[Any], input_bits: int, weight_bits: int) -> Dots:
        """Products of signed operands [groups, lanes]: bricks of 2 x 2 bits, the topmost signed, shifted and added."""
        sums = np.zeros(inputs.shape[0], dtype=np.int64)
        of_inputs, of_weights = self._bricks(inputs, input_bits), self._bricks(weights, weight_bits)
        for i, a in enumerate(of_inputs):
            for j, w in enumerate(of_weights):
                sums += (a * w).sum(axis=1) << BRICK_BITS * (i + j)
        cycles = -(-inputs.shape[1] // self.macs_per_cycle(input_bits, weight_bits))
        return Dots(products=sums, steps=np.full_like(sums, int(cycles)))

    @staticmethod
    def _bricks(values: NDArray[Any], bits: int) -> list[Integers]:
        """Slices of two bits from -2 to 3, the lowest first; only the topmost has a sign."""
        numbers = values.astype(np.int64)
        count = -(-bits // BRICK_BITS)
        mask = (1 << BRICK_BITS) - 1
        low = [(numbers >> BRICK_BITS * place) & mask for place in range(count - 1)]
        return [*low, numbers >> BRICK_BITS * (count - 1)]
