"""Bits of operands that are not known: of numbers drawn from a stated distribution, quantized channel by channel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from archsim.arch.engines.bit_words import Integers
from archsim.arch.order import Shares
from archsim.core.provenance import ESTIMATE

Distribution = Literal["normal", "rectified normal"]
"""``rectified normal``: what ReLU leaves of a normal distribution."""

SCALES = 32
"""Quantiles of the largest magnitude that shares are taken over."""
DEFAULT_CHANNEL = 1024
"""Elements that share a scale, where it is not known how many do."""
TENSOR = 1 << 20
"""Elements that share a whole tensor's scale: a million is common, and the largest of draws hardly depends on it."""


@dataclass(frozen=True, kw_only=True)
class DrawnBits:
    """Integers of `width` bits, the largest of `channel` draws from `distribution` at the end of the range.

    Shares by the distribution's CDF at half codes, the mean over quantiles of the largest magnitude of n draws.
    """

    distribution: Distribution
    width: int = 8
    signed: bool = True
    channel: int = DEFAULT_CHANNEL

    @property
    def source(self) -> str:
        """For a result's estimates."""
        return f"{ESTIMATE} operands of {self.width} bits drawn, {self.distribution}, one scale for {self.channel}"

    def histogram(self, statistic: str, lanes: int) -> NDArray[np.int64] | None:
        """None: groups follow from single operands, which do not depend on each other."""
        return None

    @cached_property
    def codes(self) -> tuple[Integers, Shares]:
        return _codes(self.distribution, self.width, self.signed, self.channel)


def drawn(width: int, *, signed: bool, channel: int) -> DrawnBits:
    """Operands of which only the format is known: signed ones normal, unsigned ones as ReLU leaves normal ones."""
    return DrawnBits(
        distribution="normal" if signed else "rectified normal", width=width, signed=signed, channel=channel
    )


@lru_cache(maxsize=64)
def _codes(distribution: Distribution, width: int, signed: bool, channel: int) -> tuple[Integers, Shares]:
    from scipy.special import ndtr, ndtri

    highest = (1 << (width - int(signed))) - 1
    quantiles = (np.arange(SCALES) + 0.5) / SCALES
    largest = np.asarray(ndtri((1.0 + quantiles ** (1.0 / channel)) / 2.0), dtype=np.float64)
    values = np.arange(-highest if signed else 0, highest + 1, dtype=np.int64)
    edges = (values[1:] - 0.5)[:, None] * largest / highest
    below = np.asarray(ndtr(edges), dtype=np.float64).mean(axis=1)
    shares = np.diff(below, prepend=0.0, append=1.0)
    if distribution == "rectified normal":
        shares = np.where(values > 0, shares, 0.0)
        shares[values == 0] = 1.0 - shares.sum()
    return values, shares
