"""What a bit-serial engine leaves out: how many steps a group of lanes takes, from the operands that its lanes hold.

Every rule but one looks its lanes up in a table of words, takes the OR of them and looks that up in a table of steps;
the largest of several counts is an OR too, of as many ones as the counts say.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from archsim.arch.engines import bit_words
from archsim.arch.engines.bit_words import Integers, Words
from archsim.arch.engines.rounds import of_rounds
from archsim.arch.order import Shares, at_least, of_or, of_peaks, shares_of

PEAKS = {Words.MAGNITUDE: "peak_ones", Words.TWOS: "twos_peak_ones", Words.STORED: "stored_peak_ones"}
"""Statistics of groups by the ones of their fullest place. Side files have the first."""
MOST_SHIFTER_BITS = 4
"""Bits of a lane's shifter at most: they reach the 16 places of the widest operand."""


class Skip(StrEnum):
    """Which steps of a group are left out."""

    NONE = "none"
    """None: as many steps as the operand has bits."""
    PRECISION = "precision"
    """Leading bits that no lane needs."""
    SPAN = "span"
    """Leading and trailing bits that no lane needs."""
    ESSENTIAL = "essential"
    """Zeros of each lane; the lane with the most ones is waited for."""
    BOOTH = "booth"
    """Radix-4 Booth digits of each lane that are zero."""
    COLUMN = "column"
    """Bit places where no lane has a one."""
    INTERLEAVED = "interleaved"
    """Zeros of each place: ones of one place follow each other from all lanes; the fullest place is waited for."""
    BIDIRECTIONAL = "bidirectional"
    """Half of the bits of every place, ones or zeros; and the places that pruning has made alike."""


class BitStatistics(Protocol):
    """What is known of an operand's bits."""

    @property
    def width(self) -> int: ...

    @property
    def signed(self) -> bool: ...

    def histogram(self, statistic: str, lanes: int) -> NDArray[np.int64] | None:
        """Groups of `lanes` neighbours by a statistic of `docs/statistics.md`; None where it was not counted."""

    @property
    def codes(self) -> tuple[Integers, Shares] | None:
        """Operands that occur and their shares; None where they were not counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkipRule:
    """A rule with what it depends on. Lane words are of `words`, where the rule leaves a choice."""

    skip: Skip
    words: Words = Words.MAGNITUDE
    columns: int | None = None
    """Places that pruning has left in every group (column, bidirectional); None: not pruned."""
    least: int = 1
    """Steps of a group at least."""
    shifter_bits: int | None = None
    """Of the shifter of each lane (essential, booth), which reaches 2^bits places; None: every place."""

    def __post_init__(self) -> None:
        if self.columns is not None and self.skip not in (Skip.COLUMN, Skip.BIDIRECTIONAL):
            raise ValueError(f"columns belong to skip 'column' or 'bidirectional' (got skip {self.skip.value!r})")
        if self.columns is not None and self.columns < 1:
            raise ValueError(f"columns must be at least 1 (got {self.columns})")
        if self.shifter_bits is not None:
            self._check_shifters(self.shifter_bits)

    def _check_shifters(self, bits: int) -> None:
        if not 0 <= bits <= MOST_SHIFTER_BITS:
            raise ValueError(f"shifter_bits must be from 0 to {MOST_SHIFTER_BITS} (got {bits})")
        if self.skip not in (Skip.ESSENTIAL, Skip.BOOTH):
            raise ValueError(f"shifter_bits belong to skip 'essential' or 'booth' (got skip {self.skip.value!r})")
        if self.words is Words.STORED and self.skip is Skip.ESSENTIAL:
            raise ValueError("a sign is no place that shifters reach: shifter_bits needs words 'magnitude' or 'booth'")

    @property
    def reach(self) -> int | None:
        """Places above the group's lowest open one that a lane reaches; None: all."""
        return None if self.shifter_bits is None else (1 << self.shifter_bits) - 1

    def lane_table(self, width: int, *, signed: bool) -> Integers:
        """The word of each operand [2^width], by its bits; the OR of a group's words is looked up in `step_table`."""
        values = bit_words.values_of(width, signed=signed)
        match self.skip:
            case Skip.NONE | Skip.BIDIRECTIONAL:
                return np.zeros_like(values)
            case Skip.PRECISION:
                return bit_words.unsigned_changes(values) if signed else values
            case Skip.SPAN | Skip.COLUMN:
                return bit_words.words_of(values, Words.MAGNITUDE, width, signed=signed)
            case Skip.ESSENTIAL | Skip.BOOTH:
                counts = bit_words.ones(bit_words.words_of(values, self.lane_words, width, signed=signed))
                return np.asarray((1 << counts) - 1, dtype=np.int64)
            case Skip.INTERLEAVED:
                return bit_words.words_of(values, self.words, width, signed=signed)

    @property
    def lane_words(self) -> Words:
        """How a lane's operand is written for the terms it steps through."""
        return Words.BOOTH if self.skip is Skip.BOOTH else self.words

    def table_bits(self, width: int) -> int:
        """Bits of the words in `lane_table`."""
        return width + 1 if self.words is Words.STORED or self.skip is Skip.BOOTH else width

    def step_table(self, width: int, *, signed: bool) -> Integers:
        """Steps of a group by the OR of its lanes' words."""
        every = np.arange(1 << self.table_bits(width), dtype=np.int64)
        match self.skip:
            case Skip.NONE:
                found = np.full_like(every, width)
            case Skip.BIDIRECTIONAL:
                found = np.full_like(every, self.kept(width))
            case Skip.PRECISION:
                found = bit_words.bit_lengths(every) + int(signed)
            case Skip.SPAN:
                found = bit_words.spans(every) + int(signed)
            case _:
                found = bit_words.ones(every)
        if self.skip is Skip.COLUMN and self.columns is not None:
            found = np.minimum(found, self.columns)
        return np.maximum(found, self.least)

    def kept(self, width: int) -> int:
        """Places that pruning leaves of `width`; narrow operands that have no more keep them all."""
        return width if self.columns is None else min(self.columns, width)

    def statistic(self, *, signed: bool) -> str | None:
        """The histogram that holds a group's steps; None where it follows from the operands only."""
        if self.shifter_bits is not None:
            return None
        if self.skip is Skip.INTERLEAVED:
            return PEAKS.get(self.words)
        if self.skip is Skip.ESSENTIAL and self.words is not Words.MAGNITUDE:
            return "ones" if self.words is Words.TWOS else None
        return {
            Skip.PRECISION: "twos_precision" if signed else "precision",
            Skip.SPAN: "span",
            Skip.ESSENTIAL: "essential_bits",
            Skip.BOOTH: "booth_digits",
            Skip.COLUMN: "columns",
        }.get(self.skip)

    def group_shares(self, found: BitStatistics, lanes: int) -> Shares:
        """The distribution of the steps of one group of `lanes` neighbours.

        From the histogram of such groups where it was counted; else from single operands, taken as independent. Raises
        ValueError where neither is known.
        """
        width, signed = found.width, found.signed
        if self.skip in (Skip.NONE, Skip.BIDIRECTIONAL):
            shares = np.zeros(width + 1)
            shares[self.kept(width)] = 1.0
            return at_least(shares, self.least)
        name = self.statistic(signed=signed)
        counts = None if name is None else found.histogram(name, lanes)
        shares = self._independent(found, lanes) if counts is None else self._counted(shares_of(counts), signed=signed)
        return at_least(shares, self.least)

    def _counted(self, shares: Shares, *, signed: bool) -> Shares:
        if self.skip is Skip.SPAN and signed:
            shares = np.concatenate([[0.0], shares])
        if self.skip is Skip.COLUMN and self.columns is not None and shares.size > self.columns:
            shares = np.concatenate([shares[: self.columns], [shares[self.columns :].sum()]])
        return shares

    def _independent(self, found: BitStatistics, lanes: int) -> Shares:
        if found.codes is None:
            raise ValueError(f"neither groups of {lanes} lanes nor single operands were counted")
        values, shares = found.codes
        width, signed = found.width, found.signed
        if self.reach is not None:
            places = bit_words.words_of(values, self.lane_words, width, signed=signed)
            of_words = bit_words.word_width(self.lane_words, width, signed=signed)
            return of_rounds(places, shares, lanes, self.reach, of_words)
        lane = self.lane_table(width, signed=signed)[values & ((1 << width) - 1)]
        bits = self.table_bits(width)
        if self.skip is Skip.INTERLEAVED:
            return of_peaks([float(shares[(lane >> place) & 1 > 0].sum()) for place in range(bits)], lanes)
        words = of_or(lane, shares, lanes, bits)
        found_shares: Shares = np.bincount(self.step_table(width, signed=signed), weights=words).astype(np.float64)
        return found_shares
