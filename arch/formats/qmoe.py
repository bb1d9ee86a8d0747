"""QMoE: `qmoe`, ternary weights in a dictionary code of less than one bit per weight.

Grammar: ``qmoe[:z<percent of zeros>]``; 88.5 by default. A row's weights are its smallest value, zero and its largest,
the outer two in BF16. Pairs of weights are coded in words of 16 bits, each standing for one of the 65,536 most likely
sequences of up to 14 pairs at that share of zeros.
Source: Frantar and Alistarh, QMoE: Sub-1-Bit Compression of Trillion Parameter Models, MLSys 2024, section 4.
"""

from __future__ import annotations

import heapq
import math
import re
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.arch.formats.base import Arithmetic, ArithmeticKind, Format, Granularity, Quantized, Scale
from archsim.arch.formats.dfloat11 import BF16
from archsim.arch.formats.sharing import Array, Codes, finite, percent
from archsim.core.errors import InputError, Problem

WORD_BITS = 16
MAX_PAIRS = 14
"""Pairs of weights in the longest sequence."""
ZEROS = Fraction(885, 1000)
ROW_BITS = 2 * 16 + 32
"""Smallest and largest value in BF16, and where the row's words begin (32 bits)."""
EFFICIENCY_DIGITS = 10**6

SUMMARY = "ternary weights in a dictionary code of less than one bit each"
SOURCE = "Frantar and Alistarh, QMoE, MLSys 2024"
EXAMPLES = ("qmoe",)

_SPEC = re.compile(r"qmoe(?::z(\d{1,2}(?:\.\d{1,4})?))?")


class QmoeFormat(Format):
    """Codes 0, 1, 2 for zero, the row's smallest, the row's largest value; each element takes the nearest of the three.

    A tie goes to zero. Values of one sign leave the other end at zero, unused. `extra`: ``words`` (of all rows, one
    after the other), ``row_offsets``. Nominal bits: 16 over the mean number of weights per word at the stated share
    of zeros, rows left out. NaN and infinities have no code: InputError. Rounding twice changes nothing.
    """

    def __init__(self, zeros: Fraction = ZEROS) -> None:
        self.zeros = zeros
        self.name = "qmoe" if zeros == ZEROS else f"qmoe:z{percent(zeros)[1:]}"
        self.arithmetic = Arithmetic(
            kind=ArithmeticKind.INTEGER,
            integer_bits=2,
            lookup_entries=1 << WORD_BITS,
            serial_terms=1,
            scale=Scale(granularity=Granularity.CHANNEL, kind="bf16", bits=2 * 16),
        )

    @property
    def bits_per_element(self) -> Fraction:
        return _nominal_bits(self.zeros)

    def bits(self, shape: tuple[int, ...]) -> Fraction:
        """Nominal bits of all elements, and each row's two values and offset."""
        return self.bits_per_element * math.prod(shape) + ROW_BITS * math.prod(shape[:-1])

    def stored_bits(self, q: Quantized) -> int:
        """Bits of the words and of the rows' values and offsets."""
        return q.extra["words"].size * WORD_BITS + (q.extra["row_offsets"].size - 1) * ROW_BITS

    @property
    def grid(self) -> Array:
        """Before the row's two values are put in."""
        return np.array([-1.0, 0.0, 1.0])

    def quantize(self, x: ArrayLike) -> Quantized:
        values = finite(x, self.name)
        rows = values.reshape(math.prod(values.shape[:-1]), -1) if values.size else np.zeros((0, 0))
        ends = np.stack([rows.min(axis=1, initial=0.0), rows.max(axis=1, initial=0.0)], axis=1)
        ends = np.asarray(BF16.round(np.clip(ends, -BF16.largest, BF16.largest)), dtype=np.float64)
        codes = np.where(rows < ends[:, :1] / 2, 1, np.where(rows > ends[:, 1:] / 2, 2, 0)).astype(np.int64)
        words = [self._words(row) for row in codes]
        offsets = np.cumsum([0, *(len(row) for row in words)])
        stream = np.concatenate([np.zeros(0, dtype=np.int64), *words]).astype(np.uint16)
        extra: dict[str, NDArray[np.generic]] = {"words": stream, "row_offsets": offsets}
        return Quantized(
            codes=codes.reshape(values.shape), shape=values.shape, scales=ends, extra=MappingProxyType(extra)
        )

    def dequantize(self, q: Quantized) -> Array:
        """Decoded from the words, not from the codes."""
        assert q.scales is not None
        length = q.shape[-1] if q.shape else 1
        sequences = dictionary(self.zeros).sequences
        offsets = q.extra["row_offsets"].astype(np.int64)
        words = q.extra["words"].astype(np.int64)
        out = np.zeros((len(q.scales), length))
        for row, ends in enumerate(q.scales):
            chosen = sequences[words[offsets[row] : offsets[row + 1]]]
            symbols = chosen[chosen >= 0][:length]
            out[row] = np.array([0.0, *ends])[symbols]
        return out.reshape(q.shape)

    def _words(self, row: Codes) -> Codes:
        """Words of one row; a row of odd length is filled up with a zero."""
        from archsim.arch.formats.entropy_kernels import longest_matches

        padded = np.concatenate([row, np.zeros(len(row) % 2, dtype=np.int64)])
        pairs = padded[0::2] * 3 + padded[1::2]
        out = np.zeros(len(pairs), dtype=np.int64)
        return out[: longest_matches(pairs, dictionary(self.zeros).children, out)]


class Dictionary:
    """The sequences of pairs that the words stand for, likeliest first."""

    def __init__(self, zeros: Fraction) -> None:
        weight = [float(zeros), float(1 - zeros) / 2, float(1 - zeros) / 2]
        likelihood = [weight[first] * weight[second] for first in range(3) for second in range(3)]
        size = 1 << WORD_BITS
        self.children: Codes = np.full((size + 1, 9), -1, dtype=np.int64)
        """[node, pair] -> node; node 0 is the start, node w + 1 word w, -1 no word."""
        self.sequences: Codes = np.full((size, 2 * MAX_PAIRS), -1, dtype=np.int64)
        """[word] -> weights, -1 beyond its end."""
        self.pairs: Codes = np.zeros(size, dtype=np.int64)
        """Pairs in each word."""
        waiting = [(-likelihood[pair], 0, pair) for pair in range(9)]
        heapq.heapify(waiting)
        for word in range(size):
            chance, parent, pair = heapq.heappop(waiting)
            self._add(word, parent, pair)
            if self.pairs[word] < MAX_PAIRS:
                for following in range(9):
                    heapq.heappush(waiting, (chance * likelihood[following], word + 1, following))

    def _add(self, word: int, parent: int, pair: int) -> None:
        before = self.pairs[parent - 1] if parent else 0
        if parent:
            self.sequences[word] = self.sequences[parent - 1]
        self.sequences[word, 2 * before : 2 * before + 2] = divmod(pair, 3)
        self.pairs[word] = before + 1
        self.children[parent, pair] = word + 1


@lru_cache(maxsize=4)
def dictionary(zeros: Fraction) -> Dictionary:
    """The dictionary for a share of zeros."""
    return Dictionary(zeros)


@lru_cache(maxsize=64)
def _nominal_bits(zeros: Fraction) -> Fraction:
    """Bits per weight of a long row of independent weights, to six digits.

    A word is emitted at node v when the next pair has no child there; the mean length of a word is the sum over nodes
    of the chance to reach them, from a start whose first pair is the one that did not fit.
    """
    found = dictionary(zeros)
    weight = np.array([float(zeros), float(1 - zeros) / 2, float(1 - zeros) / 2])
    likelihood = np.outer(weight, weight).ravel()
    start = likelihood.copy()
    mean_pairs = 0.0
    for _ in range(30):
        reach = _reach(found, start, likelihood)
        misses = (reach[:, None] * likelihood) * (found.children[1:] < 0)
        start = misses.sum(axis=0) / misses.sum()
        mean_pairs = float(reach.sum())
    bits = WORD_BITS / (2 * mean_pairs)
    return Fraction(round(bits * EFFICIENCY_DIGITS), EFFICIENCY_DIGITS)


def _reach(found: Dictionary, start: Array, likelihood: Array) -> Array:
    """The chance that a word passes through each node, its first pair being drawn from `start`."""
    reach = np.zeros(len(found.pairs) + 1)
    reach[found.children[0]] = start
    for depth in range(1, MAX_PAIRS):
        nodes = np.flatnonzero(found.pairs == depth) + 1
        for pair in range(9):
            child = found.children[nodes, pair]
            has = child >= 0
            reach[child[has]] = reach[nodes[has]] * likelihood[pair]
    return reach[1:]


def parse(spec: str) -> QmoeFormat | None:
    """The QMoE format that `spec` (lower case) names, None when it names none; InputError for an impossible share."""
    match = _SPEC.fullmatch(spec)
    if match is None:
        return None
    zeros = ZEROS if match[1] is None else Fraction(match[1]) / 100
    if not Fraction(1, 3) <= zeros < 1:
        message = f"format {spec!r}: the share of zeros lies between a third and all of them (got {match[1]} percent)"
        raise InputError(Problem(message=message))
    return QmoeFormat(zeros)
