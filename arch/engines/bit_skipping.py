"""How fast and how compact an engine that skips bits is on given data: what its groups of lanes wait for."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from archsim.arch.engines.bit_words import WIDEST, Integers, Words, word_width, words_of
from archsim.arch.engines.data import OperandData
from archsim.arch.engines.drawn_bits import DEFAULT_CHANNEL, TENSOR, drawn
from archsim.arch.engines.skips import PEAKS, Skip, SkipRule
from archsim.arch.formats import Arithmetic, ArithmeticKind, Granularity
from archsim.arch.order import Shares, expected_ahead, mean, shares_of
from archsim.core.provenance import ESTIMATE

PEAKS_OF = {name: words for words, name in PEAKS.items()}
INDEX_BITS = 8
"""Metadata of a pruned group: its columns and its constant. Source: Chen et al., BBS, MICRO 2024 (2 and 6 bits)."""


def takes(arithmetic: Arithmetic) -> bool:
    """Whether operands are integers whose bits can be skipped."""
    return arithmetic.kind is ArithmeticKind.INTEGER and 1 < arithmetic.integer_bits <= WIDEST


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSteps:
    """Steps of a group of lanes: of one, and of the slowest of those that wait for each other."""

    mean: float
    waited: float
    estimates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipping:
    """A rule on one operand, in groups of `lanes`, of which `waiting` step together.

    None of those may be more than `ahead` groups ahead of the slowest. Of the channels a share `dense_channels` is not
    pruned and takes all its bits.
    """

    rule: SkipRule
    serial: Literal["weights", "inputs"]
    lanes: int
    waiting: int
    dense_channels: float = 0.0
    ahead: int = 0

    def filled(self, data: OperandData) -> Skipping:
        """With the lanes and the rows that have work, where the op's sizes are known."""
        if not data.across:
            return self
        return replace(self, lanes=min(self.lanes, data.reduction), waiting=min(self.waiting, data.across))

    def in_tiles(self, data: OperandData) -> Skipping:
        """With channels that are not pruned filling whole tiles of the rows that wait for each other."""
        if not self.dense_channels or not data.across or self.waiting == 1:
            return self
        dense = math.ceil(round(self.dense_channels * data.across / self.waiting, 9))
        return replace(self, dense_channels=dense / math.ceil(data.across / self.waiting))

    def steps(self, data: OperandData) -> GroupSteps:
        """Steps of groups of the serial operand; `takes` must hold of its arithmetic."""
        found, estimates = shares_of_groups(self.rule, self.lanes, data)
        dense, share = data.arithmetic.integer_bits, self.dense_channels
        return GroupSteps(
            mean=share * dense + (1 - share) * mean(found),
            waited=share * dense + (1 - share) * expected_ahead(found, self.waiting, self.ahead),
            estimates=estimates,
        )

    def stored_bits(self, data: OperandData) -> float:
        """Stored bits of an element with its share of metadata: columns that are left, signs, indices.

        Rules that look at operands in the array store them as they are.
        """
        whole = float(data.format.bits_per_element)
        if self.rule.skip not in (Skip.COLUMN, Skip.BIDIRECTIONAL) or not takes(data.arithmetic):
            return whole
        width, left = data.arithmetic.integer_bits, self.steps(data).mean
        if self.rule.skip is Skip.COLUMN:
            return whole - width + left + int(data.arithmetic.signed) + (width - 1) / self.lanes
        if self.rule.kept(width) == width:
            return whole
        return whole - width + left + (1 - self.dense_channels) * INDEX_BITS / self.lanes


@dataclass(frozen=True, slots=True, eq=False)
class OperandBits:
    """The bits of an op's operand: as counted, or drawn where nothing is known."""

    data: OperandData
    width: int
    signed: bool

    @classmethod
    def of(cls, data: OperandData) -> OperandBits:
        return cls(data, data.arithmetic.integer_bits, data.arithmetic.signed)

    def histogram(self, statistic: str, lanes: int) -> NDArray[np.int64] | None:
        """As counted; of drawn operands the peaks of neighbours, whose bits a shared zero point moves alike."""
        counted, words = self.data.histogram(statistic, lanes), PEAKS_OF.get(statistic)
        if counted is not None or words is None or self.data.codes is not None or self.data.sparse:
            return counted
        return _drawn_peaks(self.data, words, self.width, self.signed, lanes)

    @property
    def codes(self) -> tuple[Integers, Shares] | None:
        counted = self.data.codes
        if counted is None:
            values, shares, _ = self._drawn()
            return values, shares
        lowest, counts = counted
        return lowest + np.arange(counts.size, dtype=np.int64), shares_of(counts)

    def estimates(self, rule: SkipRule, lanes: int) -> tuple[str, ...]:
        """What the steps of groups rest on, where these were not counted."""
        if rule.skip in (Skip.NONE, Skip.BIDIRECTIONAL):
            return ()
        name = rule.statistic(signed=self.signed)
        if name is not None and self.data.histogram(name, lanes) is not None:
            return ()
        if self.data.codes is None:
            return self.drawn_from()
        return (f"{ESTIMATE} groups of {lanes} lanes were not counted: operands as counted, taken as independent",)

    def drawn_from(self) -> tuple[str, ...]:
        """What single operands rest on, where these were not counted."""
        return (self._drawn()[2],) if self.data.codes is None else ()

    def _sharing(self) -> int:
        """Elements that share a scale, zeros of a pattern included."""
        scale = self.data.arithmetic.scale
        match scale.granularity:
            case Granularity.GROUP:
                return scale.group_size
            case Granularity.TENSOR:
                return TENSOR
            case Granularity.NONE:
                return DEFAULT_CHANNEL
            case _:
                return max(self.data.reduction, 2)

    def _drawn(self) -> tuple[Integers, Shares, str]:
        density = self.data.density if self.data.sparse else 1.0
        counted = self.data.drawn(self.width, signed=self.signed)
        if counted is None:
            found = drawn(self.width, signed=self.signed, channel=max(round(self._sharing() * density), 2))
            values, shares, source = *found.codes, found.source
        else:
            lowest, counts = counted
            values, shares = lowest + np.arange(counts.size, dtype=np.int64), shares_of(counts)
            source = f"{ESTIMATE} operands drawn, normal, as {self.data.format.name} makes them"
        return values, np.where(values == 0, 1 - density, 0.0) + density * shares, source


def shares_of_groups(rule: SkipRule, lanes: int, data: OperandData) -> tuple[Shares, tuple[str, ...]]:
    """The distribution of the steps of one group of an operand's lanes, and what it rests on."""
    bits = OperandBits.of(data)
    name = rule.statistic(signed=bits.signed)
    counted = None if name is None else bits.histogram(name, lanes)
    codes = bits.codes if counted is None else None
    found = _shares(
        rule, lanes, bits.width, bits.signed,
        None if counted is None else counted.tobytes(),
        None if codes is None else (int(codes[0][0]), codes[1].tobytes()),
    )  # fmt: skip
    return found, bits.estimates(rule, lanes)


@lru_cache(maxsize=256)
def _drawn_peaks(data: OperandData, words: Words, width: int, signed: bool, lanes: int) -> NDArray[np.int64] | None:
    """Groups of drawn neighbours by the ones of their fullest place; None where arithmetic alone says the operands."""
    rows = data.drawn_rows(width, signed=signed)
    if rows is None or rows.shape[1] < lanes:
        return None
    groups = rows[:, : rows.shape[1] // lanes * lanes].reshape(-1, lanes)
    found = words_of(groups, words, width, signed=signed)
    ones = [((found >> place) & 1).sum(axis=1) for place in range(word_width(words, width, signed=signed))]
    return np.bincount(np.max(ones, axis=0))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """Statistics of one kind of group, or of single operands."""

    width: int
    signed: bool
    counted: NDArray[np.int64] | None
    codes: tuple[Integers, Shares] | None

    def histogram(self, statistic: str, lanes: int) -> NDArray[np.int64] | None:
        return self.counted


@lru_cache(maxsize=4096)
def _shares(
    rule: SkipRule, lanes: int, width: int, signed: bool, counted: bytes | None, codes: tuple[int, bytes] | None
) -> Shares:
    """Kept: many ops share their statistics."""
    operands = None
    if codes is not None:
        shares = np.frombuffer(codes[1])
        operands = codes[0] + np.arange(shares.size, dtype=np.int64), shares
    histogram = None if counted is None else np.frombuffer(counted, dtype=np.int64)
    found = rule.group_shares(_Known(width=width, signed=signed, counted=histogram, codes=operands), lanes)
    found.flags.writeable = False
    return found
