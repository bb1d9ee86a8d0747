"""Loom and Laconic: engines that take both operands apart, and tiles in which all their operands meet.

Source: Sharify et al., "Loom: Exploiting Weight and Activation Precisions to Accelerate Convolutional Neural Networks",
DAC 2018; Sharify et al., "Laconic Deep Learning Inference Acceleration", ISCA 2019 (recalled).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from archsim.arch.engines import bit_words
from archsim.arch.engines.bit_words import Integers, Words
from archsim.sim.bits.engine import Dots


@dataclass(frozen=True, slots=True, kw_only=True)
class PairGrid:
    """An array of weights' rows by inputs' columns, `lanes` places of the reduction each."""

    rows: int
    columns: int
    lanes: int


class PairEngine(Protocol):
    """An engine with both operands serial."""

    @property
    def by_lane(self) -> bool:
        """Whether a lane's steps are its own operands' (else all lanes take those of the group's widest)."""
        ...

    @property
    def per_step(self) -> int:
        """Terms of an input that a step takes."""
        ...

    def terms(self, values: NDArray[Any], *, signed: bool) -> NDArray[np.uint8]:
        """Terms of each operand, of 8 bits."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Loom:
    """A bit of the weight and `per_step` bits of the input in a step, as many as the group's widest ones have."""

    per_step: int = 1
    width: int = 8

    @property
    def by_lane(self) -> bool:
        return False

    def terms(self, values: NDArray[Any], *, signed: bool) -> NDArray[np.uint8]:
        """The least width in two's complement that holds each operand."""
        changes = bit_words.unsigned_changes(values) if signed else np.asarray(values, dtype=np.int64)
        return np.maximum(bit_words.bit_lengths(changes) + int(signed), 1).astype(np.uint8)

    def dots(self, inputs: NDArray[Any], weights: NDArray[Any], *, signed: bool = True) -> Dots:
        """Products of signed weights and inputs [groups, lanes]: ANDs of single bits, added up and shifted."""
        a, w = inputs.astype(np.int64), weights.astype(np.int64)
        of_inputs = self.terms(a, signed=signed).astype(np.int64).max(axis=1)
        of_weights = self.terms(w, signed=True).astype(np.int64).max(axis=1)
        sums = np.zeros(a.shape[0], dtype=np.int64)
        for i in range(self.width):
            for j in range(self.width):
                negative = (signed & (i == of_inputs - 1)) ^ (j == of_weights - 1)
                taken = (i < of_inputs) & (j < of_weights)
                ones = ((a >> i) & (w >> j) & 1).sum(axis=1)
                sums += np.where(taken, np.where(negative, -ones, ones) << (i + j), 0)
        return Dots(products=sums, steps=-(-of_inputs // self.per_step) * of_weights)


@dataclass(frozen=True, slots=True, kw_only=True)
class Laconic:
    """A pair of terms of a lane's operands in a step: powers of two, whose exponents are added and counted.

    Terms are ones of the magnitude, or Booth digits.
    """

    words: Words = Words.BOOTH
    width: int = 8

    @property
    def by_lane(self) -> bool:
        return True

    @property
    def per_step(self) -> int:
        return 1

    def terms(self, values: NDArray[Any], *, signed: bool) -> NDArray[np.uint8]:
        """Terms of each operand that are not zero."""
        words = bit_words.words_of(values, self.words, self.width, signed=signed)
        return bit_words.ones(words).astype(np.uint8)

    def dots(self, inputs: NDArray[Any], weights: NDArray[Any], *, signed: bool = True) -> Dots:
        """Products of signed weights and inputs [groups, lanes]: counts of exponents, shifted and added at the end."""
        counts = np.zeros((inputs.shape[0], 4 * self.width + 4), dtype=np.int64)
        of_inputs, of_weights = self._signed(inputs, signed=signed), self._signed(weights, signed=True)
        steps = np.zeros(inputs.shape, dtype=np.int64)
        for i, a in enumerate(of_inputs):
            for j, w in enumerate(of_weights):
                counts[:, i + j] += (a * w).sum(axis=1)
                steps += np.abs(a * w)
        exponents = np.arange(counts.shape[1], dtype=np.int64)
        return Dots(products=(counts << exponents).sum(axis=1), steps=np.maximum(steps.max(axis=1), 1))

    def _signed(self, values: NDArray[Any], *, signed: bool) -> list[Integers]:
        """-1, 0 or 1 of each operand at each power of two."""
        numbers = values.astype(np.int64)
        words = bit_words.words_of(numbers, self.words, self.width, signed=signed)
        places = bit_words.word_width(self.words, self.width, signed=signed)
        if self.words is not Words.BOOTH:
            return [np.where(numbers < 0, -1, 1) * ((words >> place) & 1) for place in range(places)]
        digits = bit_words.booth_digits(numbers, self.width, signed=signed)
        return [np.sign(digits[..., place // 2]) * ((words >> place) & 1) for place in range(places)]


def play_pairs(
    engine: PairEngine, inputs: NDArray[Any], weights: NDArray[Any], grid: PairGrid, *, signed: bool = True
) -> int:
    """Cycles of a product of inputs [windows, reduction] and signed weights [channels, reduction].

    Each tile of `columns` windows meets each tile of `rows` channels; groups of lanes follow one another.
    """
    from archsim.sim.bits.pair_kernels import pair_cycles

    a = _most(engine.terms(inputs, signed=signed), grid.columns)
    w = _most(engine.terms(weights, signed=True), grid.rows)
    out = np.zeros((a.shape[0], w.shape[0]), dtype=np.int64)
    pair_cycles(a, w, grid.lanes, engine.per_step, engine.by_lane, out)
    return int(out.sum())


def _most(terms: NDArray[np.uint8], rows: int) -> NDArray[np.uint8]:
    from archsim.sim.bits.pair_kernels import most_of_tiles

    out = np.zeros((-(-terms.shape[0] // rows), terms.shape[1]), dtype=np.uint8)
    most_of_tiles(np.ascontiguousarray(terms), rows, out)
    return out
