"""Lanes whose shifters reach a few places only: rounds of a group, from the words of single operands.

In a round the group's offset is the lowest open place of any lane. A lane whose lowest open place is at most `reach`
above it is served, the others wait.
Source: Albericio et al., Bit-Pragmatic, MICRO 2017, section V (two-stage shifting; recalled).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archsim.arch.engines.bit_words import Integers
from archsim.arch.order import Shares, of_or, shares_of

EXACT_PLACES = 10
"""Places of words up to which every sequence of offsets is gone through; wider words are drawn."""
DRAWN_GROUPS = 1 << 15
"""Groups that are drawn: shares are within 0.3 % of the whole (one deviation)."""
SEED = 0


def of_rounds(words: Integers, shares: Shares, lanes: int, reach: int, places: int) -> Shares:
    """The distribution of the rounds of a group of `lanes` independent words, of which `shares` [n] say how often.

    Offsets grow from round to round, since the lowest open place is always served. What a lane does under a given
    sequence of offsets is its own affair; the sequence is the group's where every lane fits it and every round has a
    lane that stands at its offset: one word of the OR of what single lanes say.
    """
    held, weights = _by_word(words, shares)
    if places > EXACT_PLACES:
        return _drawn(held, weights, lanes, reach)
    found = np.zeros(places + 1)
    for offsets in range(1 << places):
        sequence = [place for place in range(places) if offsets >> place & 1]
        met, fits = _followed(held, sequence, reach)
        if fits.any():
            found[len(sequence)] += of_or(met[fits], weights[fits], lanes, len(sequence))[-1]
    result: Shares = found / found.sum()
    return result


def _by_word(words: Integers, shares: Shares) -> tuple[Integers, Shares]:
    """Words that occur, each once."""
    held, where = np.unique(words[shares > 0], return_inverse=True)
    return held, np.bincount(where.reshape(-1), weights=shares[shares > 0]).astype(np.float64)


def _followed(words: Integers, sequence: list[int], reach: int) -> tuple[Integers, NDArray[np.bool_]]:
    """For each word, in which rounds it stands at the offset, and whether it fits the sequence and is then empty."""
    left, met = words.copy(), np.zeros_like(words)
    fits = np.ones(words.shape, dtype=np.bool_)
    for turn, place in enumerate(sequence):
        lowest = left & -left
        fits &= (lowest == 0) | (lowest >= 1 << place)
        met |= np.where(lowest == 1 << place, 1 << turn, 0)
        left ^= np.where(lowest <= 1 << (place + reach), lowest, 0)
    return met, fits & (left == 0)


def _drawn(words: Integers, shares: Shares, lanes: int, reach: int) -> Shares:
    """The same of groups that are drawn, with a fixed seed."""
    left = np.random.default_rng(SEED).choice(words, size=(DRAWN_GROUPS, lanes), p=shares / shares.sum())
    rounds = np.zeros(DRAWN_GROUPS, dtype=np.int64)
    while True:
        offset = np.bitwise_or.reduce(left, axis=1)
        offset &= -offset
        if not offset.any():
            return shares_of(np.bincount(rounds))
        rounds += offset > 0
        lowest = left & -left
        left ^= np.where(lowest <= (offset << reach)[:, None], lowest, 0)
