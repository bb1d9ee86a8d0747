"""Bit-Pragmatic: each lane steps through its own ones, or its Booth digits; the group's slowest lane is waited for.

With first-stage shifters of `shifter_bits` bits a lane reaches 2^shifter_bits places from the group's lowest open one.
Source: Albericio et al., "Bit-Pragmatic Deep Neural Network Computing", MICRO 2017 (recalled).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.arch.engines import bit_words
from archsim.arch.engines.bit_words import Integers, Words
from archsim.arch.engines.skips import Skip, SkipRule
from archsim.sim.bits.engine import BitEngine, Dots, Shifters


@dataclass(frozen=True, kw_only=True)
class Pragmatic(BitEngine):
    """Terms are the ones of magnitudes, of Booth recodings (`words = booth`), or with the stored sign as one more.

    `shifter_bits` None: shifters reach every place.
    """

    words: Words = Words.MAGNITUDE
    shifter_bits: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.words is Words.TWOS:
            raise ValueError("terms are ones of the magnitude or Booth digits, not of two's complement")
        _ = self.rule  # says what shifters cannot be

    @property
    def rule(self) -> SkipRule:
        booth = self.words is Words.BOOTH
        skip = Skip.BOOTH if booth else Skip.ESSENTIAL
        return SkipRule(skip=skip, words=self.words, shifter_bits=self.shifter_bits)

    @cached_property
    def shifters(self) -> Shifters | None:
        reach = self.rule.reach
        if reach is None:
            return None
        values = bit_words.values_of(self.width, signed=self.signed)
        places = bit_words.words_of(values, self.words, self.width, signed=self.signed).astype(np.uint32)
        return Shifters(reach=reach, places=places)

    def terms(self, values: NDArray[Any]) -> tuple[Integers, Integers]:
        """The places of each operand's terms as a word, and those of them that are subtracted."""
        places = bit_words.words_of(values, self.words, self.width, signed=self.signed)
        if self.words is not Words.BOOTH:
            return places, np.where(values < 0, places, 0)
        digits = bit_words.booth_digits(values, self.width, signed=self.signed)
        spread = 3 << (2 * np.arange(digits.shape[-1], dtype=np.int64))
        return places, places & np.where(digits < 0, spread, 0).sum(axis=-1)

    def dots(self, serial: NDArray[Any], parallel: NDArray[Any]) -> Dots:
        left, subtracted = self.terms(serial.astype(np.int64))
        sums, steps = np.zeros(serial.shape[0], dtype=np.int64), np.zeros(serial.shape[0], dtype=np.int64)
        while left.any():
            offset = self._lowest(np.bitwise_or.reduce(left, axis=1))
            bits = self._lowest(left)
            if self.shifters is not None:
                bits = np.where(bits < offset[:, None] << (self.shifters.reach + 1), bits, 0)
            shifted = bits // np.maximum(offset, 1)[:, None]
            if self.words is Words.STORED:  # the sign adds nothing, its step is spent
                shifted = np.where(bits >> self.width > 0, 0, shifted)
            lanes = np.where(subtracted & bits > 0, -shifted, shifted) * parallel
            sums += lanes.sum(axis=1) * offset
            steps += offset > 0
            left ^= bits
        return Dots(products=sums, steps=np.maximum(steps, 1))

    @staticmethod
    def _lowest(words: Integers) -> Integers:
        """The lowest one of each word."""
        return words & -words
