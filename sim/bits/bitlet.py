"""Bitlet: ones of each significance follow one another out of many interleaved operands; the fullest is waited for.

Source: Lu et al., "Distilling Bit-level Sparsity Parallelism for General Purpose Deep Learning Acceleration", MICRO
2021 (recalled: 64 operands); two's complement for integers as in the comparison of BBS (Chen et al., MICRO 2024).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.arch.engines import bit_words
from archsim.arch.engines.bit_words import Words
from archsim.arch.engines.skips import Skip, SkipRule
from archsim.sim.bits.engine import BitEngine, Dots


@dataclass(frozen=True, kw_only=True)
class Bitlet(BitEngine):
    """One lane for each place of the word: in a step it takes one operand that has a one there."""

    words: Words = Words.TWOS

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.words not in (Words.TWOS, Words.MAGNITUDE):
            raise ValueError(f"words must be 'twos' or 'magnitude' (got {self.words.value!r})")

    @property
    def rule(self) -> SkipRule:
        return SkipRule(skip=Skip.INTERLEAVED, words=self.words)

    def dots(self, serial: NDArray[Any], parallel: NDArray[Any]) -> Dots:
        values = serial.astype(np.int64)
        words = bit_words.words_of(values, self.words, self.width, signed=self.signed)
        negative = (values < 0) & (self.words is Words.MAGNITUDE)
        operands = np.where(negative, -parallel, parallel).astype(np.int64)
        sums, steps = np.zeros(serial.shape[0], dtype=np.int64), np.ones(serial.shape[0], dtype=np.int64)
        for place in range(self.width):
            bits = (words >> place) & 1
            turn = np.cumsum(bits, axis=1) * bits
            top = self.words is Words.TWOS and self.signed and place == self.width - 1
            for step in range(1, int(turn.max(initial=0)) + 1):
                sums += (-1 if top else 1) * np.where(turn == step, operands, 0).sum(axis=1) << place
            steps = np.maximum(steps, bits.sum(axis=1))
        return Dots(products=sums, steps=steps)
