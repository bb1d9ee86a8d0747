"""Bit streams: canonical Huffman codes, most significant bit first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archsim.core.kernels import kernel

Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]


@kernel
def pack(symbols: Bytes, words: Ints, lengths: Ints, stream: Bytes) -> int:
    """Write the code word of each symbol into `stream` (zeros on entry); the number of bits written."""
    at = 0
    for i in range(symbols.shape[0]):
        word, length = words[symbols[i]], lengths[symbols[i]]
        for bit in range(length - 1, -1, -1):
            if (word >> bit) & 1:
                stream[at >> 3] |= np.uint8(128 >> (at & 7))
            at += 1
    return at


@kernel
def unpack(stream: Bytes, first_word: Ints, first_rank: Ints, counts: Ints, ranked: Bytes, symbols: Bytes) -> None:
    """Read `symbols.size` symbols from `stream`.

    Canonical decoding: code words of length l are the numbers from `first_word[l]` on, `counts[l]` of them, and stand
    for the symbols from `ranked[first_rank[l]]` on.
    """
    at = 0
    for i in range(symbols.shape[0]):
        word = 0
        length = 0
        while True:
            word = (word << 1) | ((stream[at >> 3] >> (7 - (at & 7))) & 1)
            at += 1
            length += 1
            offset = word - first_word[length]
            if 0 <= offset < counts[length]:
                symbols[i] = ranked[first_rank[length] + offset]
                break


@kernel
def longest_matches(symbols: Ints, children: Ints, out: Ints) -> int:
    """Cut `symbols` into the longest words of a dictionary, greedily; the number of words.

    `children[node, symbol]` is the next node or -1; node w + 1 is word w, node 0 the start. Every prefix of a word is
    a word, and every symbol is one. `out` receives the word numbers.
    """
    count = 0
    node = 0
    for i in range(symbols.shape[0]):
        if children[node, symbols[i]] < 0:
            out[count] = node - 1
            count += 1
            node = 0
        node = children[node, symbols[i]]
    if node > 0:
        out[count] = node - 1
        count += 1
    return count
