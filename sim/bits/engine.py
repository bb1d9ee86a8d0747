"""What every bit-level engine is: the steps its groups take, and the dot product that its lanes make in those steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.arch.engines.bit_words import WIDEST, Integers
from archsim.arch.engines.skips import BitStatistics, Skip, SkipRule
from archsim.arch.order import Shares
from archsim.core.errors import InputError, Problem

Steps = NDArray[np.uint16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dots:
    """Dot products of groups of lanes [groups], and the steps in which the datapath made each of them [groups]."""

    products: Integers
    steps: Integers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shifters:
    """Shifters of the lanes that do not reach every place at once."""

    reach: int
    """Places beyond the group's lowest open one."""
    places: NDArray[np.uint32]
    """The places of each operand's terms, by its code."""


@dataclass(frozen=True, kw_only=True)
class BitEngine(ABC):
    """An engine that steps through the bits of one operand (the serial one) and takes the other whole.

    `width` bits of the serial operand, in two's complement or unsigned.
    """

    width: int = 8
    signed: bool = True

    def __post_init__(self) -> None:
        if not 1 + int(self.signed) <= self.width <= WIDEST:
            raise ValueError(f"width must be from {1 + int(self.signed)} to {WIDEST} (got {self.width})")

    @property
    @abstractmethod
    def rule(self) -> SkipRule:
        """What it leaves out."""

    @property
    def shifters(self) -> Shifters | None:
        """What a lane's own shifter reaches; None: every place."""
        return None

    @abstractmethod
    def dots(self, serial: NDArray[Any], parallel: NDArray[Any]) -> Dots:
        """The products of serial and parallel operands [groups, lanes], step by step as the hardware makes them."""

    def steps(self, values: NDArray[Any], lanes: int, run: int | None = None) -> Steps:
        """Steps [rows, groups] of serial operands [rows, length] whose reduction is cut in stretches of `run`.

        Raises InputError for operands that do not fit the width.
        """
        from archsim.sim.bits import step_kernels

        codes = self.codes(values)
        whole: int = codes.shape[1]
        stretch = whole if run is None else run
        if stretch < 1 or whole % stretch:
            raise ValueError(f"rows of {whole} elements do not fall into stretches of {stretch}")
        words = self.rule.lane_table(self.width, signed=self.signed).astype(np.uint32)
        out = np.zeros((codes.shape[0], whole // stretch * -(-stretch // lanes)), dtype=np.uint16)
        if self.rule.skip is Skip.INTERLEAVED:
            step_kernels.peak_steps(
                codes, stretch, lanes, words, self.rule.table_bits(self.width), self.rule.least, out
            )
        elif self.shifters is not None:
            own = self.shifters
            step_kernels.round_steps(codes, stretch, lanes, own.places, own.reach, self.rule.least, out)
        else:
            table = self.rule.step_table(self.width, signed=self.signed).astype(np.uint32)
            step_kernels.or_steps(codes, stretch, lanes, words, table, out)
        return out

    def group_shares(self, found: BitStatistics, lanes: int) -> Shares:
        """The distribution of the steps of one group of `lanes` neighbours, from what is known of the bits."""
        return self.rule.group_shares(found, lanes)

    def codes(self, values: NDArray[Any]) -> NDArray[Any]:
        """Serial operands [rows, length] as indices of tables. Raises InputError for those that do not fit."""
        if values.ndim != 2 or not np.issubdtype(values.dtype, np.integer):
            raise InputError(
                Problem(message=f"serial operands are integers [rows, length] (got {values.dtype} {values.shape})")
            )
        low = -(1 << (self.width - 1)) if self.signed else 0
        high = (1 << (self.width - int(self.signed))) - 1
        exact = values.dtype == (np.int8 if self.signed else np.uint8) and self.width == 8
        if not exact and values.size and not (low <= int(values.min()) and int(values.max()) <= high):
            message = f"operands from {values.min()} to {values.max()} do not fit {self.width} bits ({low} to {high})"
            raise InputError(Problem(message=message))
        if exact:
            return np.ascontiguousarray(values).view(np.uint8)
        mask = (1 << self.width) - 1
        return np.ascontiguousarray(values.astype(np.int64) & mask).astype(np.uint8 if self.width <= 8 else np.uint16)
