"""Canonical Huffman codes over byte symbols."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

SYMBOLS = 256
MAX_LENGTH = 32
"""Longest code word, in bits."""


@dataclass(frozen=True, slots=True)
class HuffmanCode:
    """Code word length of each symbol, 0 for a symbol that does not occur. The lengths alone determine the words."""

    lengths: Ints

    @property
    def ranked(self) -> Bytes:
        """The symbols that occur, by length and then by value: the order in which code words count up."""
        order = np.lexsort((np.arange(SYMBOLS), self.lengths))
        return order[self.lengths[order] > 0].astype(np.uint8)

    @property
    def counts(self) -> Ints:
        """Code words of each length, from 0 to MAX_LENGTH."""
        counts = np.bincount(self.lengths, minlength=MAX_LENGTH + 1)
        counts[0] = 0
        return counts.astype(np.int64)

    @property
    def first_words(self) -> Ints:
        """The smallest code word of each length."""
        first = np.zeros(MAX_LENGTH + 1, dtype=np.int64)
        for length in range(1, MAX_LENGTH + 1):
            first[length] = (first[length - 1] + self.counts[length - 1]) << 1
        return first

    @property
    def first_ranks(self) -> Ints:
        """Where the symbols of each length begin in `ranked`."""
        return np.concatenate([[0], np.cumsum(self.counts)[:-1]]).astype(np.int64)

    @property
    def words(self) -> Ints:
        """The code word of each symbol."""
        words = np.zeros(SYMBOLS, dtype=np.int64)
        following = self.first_words.copy()
        for symbol in self.ranked:
            length = self.lengths[symbol]
            words[symbol] = following[length]
            following[length] += 1
        return words

    def encode(self, symbols: Bytes) -> tuple[Bytes, int]:
        """The bit stream of `symbols`, and its length in bits."""
        from archsim.arch.formats.entropy_kernels import pack

        total = int((np.bincount(symbols, minlength=SYMBOLS) * self.lengths).sum())
        stream = np.zeros((total + 7) // 8, dtype=np.uint8)
        return stream, pack(symbols, self.words, self.lengths, stream)

    def decode(self, stream: Bytes, count: int) -> Bytes:
        """The first `count` symbols of `stream`."""
        from archsim.arch.formats.entropy_kernels import unpack

        symbols = np.zeros(count, dtype=np.uint8)
        unpack(stream, self.first_words, self.first_ranks, self.counts, self.ranked, symbols)
        return symbols


def huffman_code(frequencies: Ints) -> HuffmanCode:
    """An optimal prefix code for symbols of these frequencies, one bit for a symbol that is alone.

    Ties are broken by symbol, so that equal frequencies give equal codes. A code with words above MAX_LENGTH (which
    needs millions of symbols in Fibonacci proportions) is made from flattened frequencies instead.
    Source: Huffman, A Method for the Construction of Minimum-Redundancy Codes, Proc. IRE 1952.
    """
    counts = frequencies.astype(np.int64)
    while True:
        lengths = _lengths(counts)
        if lengths.max(initial=0) <= MAX_LENGTH:
            return HuffmanCode(lengths)
        counts = np.where(counts > 0, (counts + 1) // 2, 0)


def _lengths(counts: Ints) -> Ints:
    lengths = np.zeros(SYMBOLS, dtype=np.int64)
    heap = [(int(count), symbol, [symbol]) for symbol, count in enumerate(counts) if count]
    if len(heap) == 1:
        lengths[heap[0][1]] = 1
    heapq.heapify(heap)
    while len(heap) > 1:
        first, tie, left = heapq.heappop(heap)
        second, _, right = heapq.heappop(heap)
        lengths[left + right] += 1
        heapq.heappush(heap, (first + second, tie, left + right))
    return lengths
